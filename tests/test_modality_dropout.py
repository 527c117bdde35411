"""What is left out in training, how often, and what a model learns from it."""

import numpy as np
import pytest
import torch

from multimodal_ser import run
from multimodal_ser.config import check
from multimodal_ser.fusion import concat
from multimodal_ser.learners.neural import Learner
from multimodal_ser.model import Model, head
from multimodal_ser.types import ConfigError, Features

from .conftest import tones_config

DIMS = {"hand": 2, "voice": 3, "words": 4}
KINDS = {"hand": "audio", "voice": "audio", "words": "text"}
ROWS = 4000


def learner(share, dims=DIMS):
    torch.manual_seed(0)
    kinds = {name: KINDS[name] for name in dims}
    model = Model(concat.Fusion(dims), {"label": head(256, 2)}, dims, list(dims), modalities=kinds)
    return Learner(model, {}, modality_dropout=share)


def everything(dims=DIMS):
    mask = torch.ones(ROWS, 2, dtype=torch.bool)
    return {name: Features(torch.ones(ROWS, 2, dim), mask) for name, dim in dims.items()}


def lost(features):
    return {name: ~part.present for name, part in features.items()}


def test_half_of_the_share_loses_each_of_two_modalities_and_encoders_of_one_go_together():
    gone = lost(learner(0.4)._thinned(everything()))
    assert torch.equal(gone["hand"], gone["voice"])
    assert not (gone["hand"] & gone["words"]).any(), "never both"
    for name in ("voice", "words"):  # binomial: 4 standard errors of .2 over 4,000 rows
        assert gone[name].float().mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / ROWS))


def test_what_is_missing_already_costs_no_row_its_last_modality():
    features = everything()
    features["words"] = Features(features["words"].x, torch.zeros(ROWS, 2, dtype=torch.bool))
    gone = lost(learner(1.0)._thinned(features))
    assert not gone["voice"].any()
    assert gone["words"].all()


def test_a_model_of_one_modality_loses_it_so_that_its_absence_is_learned():
    dims = {"words": 4}
    gone = lost(learner(0.25, dims)._thinned(everything(dims)))
    assert gone["words"].float().mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.19 / ROWS))


def test_without_it_nothing_is_lost_and_nothing_is_drawn():
    features, chosen = everything(), learner(0.0)
    state = torch.random.get_rng_state()
    assert chosen._thinned(features) is features
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_single_modality_has_nothing_to_drop(tmp_path):
    hand = {"hand": {"name": "mfcc"}, "audio": {"name": "log_mel"}}
    config = tones_config(
        tmp_path, encoders=hand, learner={"name": "neural", "modality_dropout": 0.1}
    )
    with pytest.raises(ConfigError, match="the encoders read one modality"):
        check(config)
    with pytest.raises(ConfigError, match="modality_dropout"):
        check(config | {"learner": {"name": "neural", "modality_dropout": 1.5}})


def test_training_with_it_is_repeated_to_the_byte_by_any_number_of_workers(tones):
    chosen = {"name": "neural", "epochs": 3, "modality_dropout": 0.5}
    paths = [
        run(tones_config(tones, learner=chosen, workers=count, runs_dir=str(tones / str(count))))
        for count in (1, 2)
    ]
    one, two = ((done.folder / "predictions.csv").read_bytes() for done in paths)
    assert one == two
    bare = run(tones_config(tones, learner=chosen | {"modality_dropout": 0.0}))
    assert (bare.folder / "predictions.csv").read_bytes() != one
