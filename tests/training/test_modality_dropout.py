"""What is left out in training, how often, and what a model learns from it."""

import numpy as np
import pytest
import torch

from multimodal_ser import run
from multimodal_ser.config.read import check
from multimodal_ser.training.fusion import concat
from multimodal_ser.training.learners.neural import Learner
from multimodal_ser.training.model import Model, head, thinned
from multimodal_ser.types import ConfigError, Features
from tests.helpers.tones import tones_config

DIMS = {"hand": 2, "voice": 3, "words": 4}
KINDS = {"hand": "audio", "voice": "audio", "words": "text"}
ROWS = 4000


def model(dims=DIMS):
    torch.manual_seed(0)
    kinds = {name: KINDS[name] for name in dims}
    return Model(concat.Fusion(dims), {"label": head(256, 2)}, dims, list(dims), modalities=kinds)


def drop(features, share, dims=DIMS):
    torch.manual_seed(0)
    return thinned(features, model(dims).groups, share)


def everything(dims=DIMS):
    mask = torch.ones(ROWS, 2, dtype=torch.bool)
    return {name: Features(torch.ones(ROWS, 2, dim), mask) for name, dim in dims.items()}


def lost(features):
    return {name: ~part.present for name, part in features.items()}


def test_half_of_the_share_loses_each_of_two_modalities_and_encoders_of_one_go_together():
    gone = lost(drop(everything(), 0.4))
    assert torch.equal(gone["hand"], gone["voice"])
    assert not (gone["hand"] & gone["words"]).any(), "never both"
    for name in ("voice", "words"):  # binomial: 4 standard errors of .2 over 4,000 rows
        assert gone[name].float().mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / ROWS))


def test_what_is_missing_already_costs_no_row_its_last_modality():
    features = everything()
    features["words"] = Features(features["words"].x, torch.zeros(ROWS, 2, dtype=torch.bool))
    gone = lost(drop(features, 1.0))
    assert not gone["voice"].any()
    assert gone["words"].all()


def test_a_model_of_one_modality_loses_it_so_that_its_absence_is_learned():
    dims = {"words": 4}
    gone = lost(drop(everything(dims), 0.25, dims))
    assert gone["words"].float().mean() == pytest.approx(0.25, abs=4 * np.sqrt(0.19 / ROWS))


@pytest.mark.parametrize(("share", "training"), [(0.0, True), (0.9, False)])
def test_without_it_and_in_use_nothing_is_lost_and_nothing_is_drawn(share, training):
    whole = model()
    Learner(whole, {}, modality_dropout=share)
    whole.train(training)
    whole.fusion.eval()
    state = torch.random.get_rng_state()
    said = whole(everything())["label"]
    assert torch.equal(said, said[:1].expand_as(said)), "all rows are alike"
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
