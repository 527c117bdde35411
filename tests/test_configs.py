"""Every shipped config is right against the code as it stands."""

from pathlib import Path

import pytest

from multimodal_ser.config import load

CONFIGS = sorted((Path(__file__).parents[1] / "configs").rglob("*.yaml"))


def test_there_are_configs():
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_is_right(path):
    card = path.parent.name == "tasks"  # a card has no encoders
    assert load(path, card=card).name == path.stem
