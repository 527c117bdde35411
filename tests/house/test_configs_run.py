"""Every shipped config runs from its corpus to its numbers, with stand-ins for weights and sound.

What is measured means nothing here; that each option of a config does what it says together with
all others is what only a run can tell.
"""

from pathlib import Path

import numpy as np
import pytest
import yaml

from multimodal_ser import run
from multimodal_ser.config import registry
from multimodal_ser.config.read import load
from tests.helpers.made_corpora import SECONDS, WRITERS
from tests.helpers.stand_ins import StandIns

ROOT = Path(__file__).parents[2] / "configs"
CONFIGS = [path for path in sorted(ROOT.rglob("*.yaml")) if path.parent.name != "tasks"]


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch):
    """As the heads of the configs say: the paths in them are from there."""
    monkeypatch.chdir(ROOT.parent)


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory):
    return StandIns(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def corpora(tmp_path_factory):
    """The options that load a corpus, generated when it is first asked for."""
    known = {}

    def options(name):
        if name not in known:
            known[name] = WRITERS[name](tmp_path_factory.mktemp(name))
        return known[name]

    return options


def smaller(experiment, corpora, stand_in, folder):
    """`key=value` of what must be small or here, and of nothing else."""
    values = {"seeds": experiment.seeds[:1], "workers": 1, "device": "cpu"}
    values |= corpora_of(experiment, corpora)
    if experiment.protocol.name in ("official", "kfold"):
        values["folds"] = [0]
    if experiment.protocol.name == "kfold":
        values["protocol.folds"] = 3
    if "epochs" in experiment.learner.options:
        values["learner.epochs"] = min(1, experiment.learner.options["epochs"])
    parts = {f"encoders.{key}": part for key, part in experiment.encoders.items()}
    parts |= {"asr": experiment.asr} if experiment.asr else {}
    for place, part in parts.items():
        values |= weights_of(place, part, stand_in) | sizes_of(place, part, folder)
    for at, step in enumerate(experiment.augment.steps):
        if "seconds" in step.options:
            values[f"augment.{at}.seconds"] = SECONDS / 2
    return [f"{key}={yaml.safe_dump(value)}" for key, value in values.items()]


def corpora_of(experiment, corpora):
    """Where a generated corpus lies; the bundled one has no root and is exchanged as a whole."""
    (part,) = experiment.corpus
    there = corpora(part.name)
    if "name" in there:
        return {"corpus": there}
    return {f"corpus.{option}": value for option, value in there.items()}


def weights_of(place, part, stand_in):
    given = {option: part.options.get(option) for option in ("model", "file")}
    return {f"{place}.{option}": str(stand_in(name)) for option, name in given.items() if name}


def sizes_of(place, part, folder):
    """Networks that are trained from scratch are as narrow as in their own examples."""
    if place == "asr" or not registry.find("encoders", part.name).TRAINED:
        return {}
    example = registry.module("encoders", part.name).EXAMPLE(folder)
    return {f"{place}.{key}": example[key] for key in ("width", "hidden") if key in example}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_config_runs_to_its_numbers(path, corpora, stand_in, tmp_path):
    if any(part.name == "egemaps" for part in load(path).encoders.values()):
        pytest.importorskip("opensmile", reason="the extra egemaps is not installed")
    changes = smaller(load(path), corpora, stand_in, tmp_path)
    done = run(load(path, [*changes, f"runs_dir={tmp_path / 'runs'}"]))
    has_dev = bool(len(done.prepared.folds[0].dev))
    assert set(done.metrics) == {"test", *(["dev"] if has_dev else [])}
    for part in done.metrics:
        found = done.table(part)["mean"]
        experiment = done.experiment
        assert len(found) == sum(len(experiment.metrics_of(one)) for one in experiment.outputs)
        assert np.isfinite(found).all(), found
