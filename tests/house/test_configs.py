"""Every shipped config is right against the code as it stands."""

from collections import Counter
from pathlib import Path

import pytest

from multimodal_ser.config.read import load

CONFIGS = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch):
    """As the heads of the configs say: the paths in them are from there."""
    monkeypatch.chdir(Path(__file__).parents[2])


def test_there_are_configs():
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_is_right(path):
    card = path.parent.name == "tasks"  # a card has no encoders
    assert load(path, card=card).name == path.stem


SYSTEMS = {
    "A": ("a1", "a2", "a3", "a4", "a5", "a6", "a8"),
    "B": ("b1", "b2", "b2c", "b3", "b4"),
    "C": ("c1", "c2"),
    "D": ("d1", "d2", "d5"),
    "E": ("e1", "e2", "e3", "e4", "e5", "e6", "e7"),
}
"""Document → the systems it describes. The others of its list are pages and commands over these:
the figures of each class (A7), pictures of a corpus (C3), answers to be listened to (C4), how long
and on what to train (D3), a microphone (D4), checks of a model (E8).
"""
REVIEWED = {  # by document A
    "a-dual_gru", "a-feature_attention", "a-coattention_cnn", "a-vad-speech", "a-vad-text",
    "a-cnn_lstm-1d", "a-cnn_lstm-2d", "a-vgg-mixup", "a-word_cnn",
}  # fmt: skip
SEVERAL = {"a5": 2, "c2": 3, "e1": 2, "e2": 2, "e3": 3, "e7": 2}


def test_each_system_of_the_documents_has_its_configs():
    names = [path.stem for path in CONFIGS if path.parent.name == "seeds"]
    assert set(names) >= REVIEWED
    found = Counter(name.partition("-")[0] for name in names if name not in REVIEWED)
    assert set(found) == {one for systems in SYSTEMS.values() for one in systems}
    assert {one: found[one] for one in SEVERAL} == SEVERAL
    assert found["b4"] >= 6, "three learners, two kinds of features"
    assert found["b2"] >= 4, "categories, valence, arousal, numbers"
