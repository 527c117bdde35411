"""A corpus of tones that trains in a second, and a cache that no other test session sees."""

import gc
import os

import pytest
import torch

from tests.helpers.tones import write_tones


def pytest_collection_finish():
    """What the collection has imported stays; the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    before = os.environ.get("MSER_CACHE")
    os.environ["MSER_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("MSER_CACHE") if before is None else os.environ.update(MSER_CACHE=before)


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """As in a worker; many small products are faster so on cores that others use, too."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_weights():
    """What a test draws without a seed of its own is the same in every run of the suite."""
    torch.manual_seed(0)


@pytest.fixture
def tones(tmp_path):
    """A folder that holds the tones and their manifest."""
    write_tones(tmp_path)
    return tmp_path
