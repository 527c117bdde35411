"""Within one fold: its tested rows are nowhere, and what is left is what the fold had."""

import json

import numpy as np
import pandas as pd
import pytest

from multimodal_ser import run
from multimodal_ser.config.read import check
from multimodal_ser.runs.prepare import prepare
from multimodal_ser.runs.sealing import sealed
from multimodal_ser.types import ConfigError
from tests.helpers.tones import tones_config


def parts_of(prepared, fold=0):
    ids = prepared.corpus.table["id"].to_numpy()
    return {name: set(ids[rows]) for name, rows in prepared.folds[fold].parts.items()}


def within(tones, **changes):
    return sealed(prepare(check(tones_config(tones, **changes))))


def test_what_is_left_is_the_train_and_the_dev_of_the_fold_and_nothing_of_its_test(tones):
    whole = prepare(check(tones_config(tones)))
    left = within(tones, within={"fold": 1})
    expected = parts_of(whole, 1)
    assert parts_of(left) == {key: expected[key] for key in ("train", "dev")}
    assert set(left.corpus.table["id"]) == expected["train"] | expected["dev"]
    assert not set(left.corpus.table["id"]) & expected["test"]
    assert not expected["test"] & set(left.split["id"])
    assert len(left.sounds) == len(left.target.codes) == len(left.corpus)
    table = left.corpus.table
    assert left.target.written.tolist() == table["label"].tolist()
    assert [one.id for one in left.utterances] == table["id"].tolist()


def test_inner_folds_are_cut_in_whole_clusters_and_each_is_dev_once(tones):
    left = within(tones, within={"fold": 0, "folds": 2})
    speaker = left.corpus.table["speaker"].to_numpy()
    held = []
    for fold in left.folds:
        assert set(fold.parts) == {"train", "dev"}
        assert not set(speaker[fold.train]) & set(speaker[fold.dev])
        held += fold.dev.tolist()
    assert sorted(held) == list(range(len(left.corpus)))


def test_a_run_within_a_fold_scores_dev_alone_as_the_whole_run_does(tones):
    cached = {"hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": 8000}}
    whole = run(tones_config(tones, encoders=cached), open_test=False)
    left = run(tones_config(tones, encoders=cached, within={"fold": 1}))
    assert set(left.predictions["part"]) == {"dev"}
    columns = ["id", "truth", "value", "score:joy", "score:neutral", "score:sadness"]
    expected = whole.part("dev")
    expected = expected[expected["fold"] == 1][columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(left.part("dev")[columns].reset_index(drop=True), expected)
    audit = json.loads((left.folder / "audit.json").read_text())
    assert audit["utterances"] == 24
    assert not (left.folder.parent / "opened.jsonl").exists()


def test_refitted_folds_train_on_dev_and_select_nothing(tones):
    whole = prepare(check(tones_config(tones)))
    refitted = prepare(check(tones_config(tones, refit=True)))
    for before, after in zip(whole.folds, refitted.folds, strict=True):
        np.testing.assert_array_equal(after.train, np.union1d(before.train, before.dev))
        assert not len(after.dev)
        np.testing.assert_array_equal(after.parts["test"], before.parts["test"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"within": {"fold": 7}}, r"within.fold: 7 is not there; the protocol makes \[0, 1, 2\]"),
        (
            {"within": {}, "protocol": {"name": "holdout", "dev": 0}},
            r"no dev part to choose by; set protocol.dev, or within.folds",
        ),
        ({"within": {}, "refit": True}, r"dev cannot train and be chosen by"),
        ({"within": {}, "folds": [0, 1]}, r"within.fold names the one that is seen"),
    ],
)
def test_what_cannot_be_sealed_is_said(changes, message, tones):
    with pytest.raises(ConfigError, match=message):
        within(tones, **changes)
