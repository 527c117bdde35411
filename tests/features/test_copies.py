"""Changed copies that join the training: made once, of the rows that train, and of no other."""

import numpy as np
import pytest

from multimodal_ser import run
from multimodal_ser.config.read import check
from multimodal_ser.features.copies import with_copies
from multimodal_ser.features.extraction import read_input
from multimodal_ser.runs.prepare import encode, prepare, training_rows_of
from multimodal_ser.types import ConfigError
from tests.helpers.tones import tones_config

STEPS = [{"name": "noise", "snr": [10, 10]}, {"name": "case", "kinds": ["upper"]}]


def config_of(tones, copies=2, **changes):
    return tones_config(tones, augment={"steps": STEPS, "copies": copies}, folds=[0], **changes)


def test_a_copy_stands_behind_all_rows():
    assert with_copies(np.array([1, 3]), 2, 5).tolist() == [1, 3, 6, 8, 11, 13]


def test_only_rows_that_train_are_copied_and_their_sound_and_text_change(tones):
    prepared = prepare(check(config_of(tones)), encoding=True)
    material = training_rows_of(prepared, encode(prepared))
    count, train = len(prepared.corpus), prepared.folds[0].train
    assert len(material.utterances) == 3 * count
    assert material.targets["label"].shape == (3 * count, 3)
    keys = np.array(material.encoded["audio"].keys)
    others = np.setdiff1d(np.arange(count), train)
    assert (keys[count + others] == "").all()
    assert len({*keys[train], *keys[count + train], *keys[2 * count + train]}) == 3 * len(train)
    first = int(train[0])
    plain, copy = (read_input(material.utterances[row], "audio") for row in (first, count + first))
    noise = copy.samples - plain.samples
    ratio = 10 * np.log10(np.mean(plain.samples**2) / np.mean(noise**2))
    assert ratio == pytest.approx(10, abs=0.1)
    assert material.text(count + first).text == material.text(first).text.upper()


def test_what_is_drawn_depends_on_what_is_heard_and_not_on_where_it_lies(tones, tmp_path):
    import shutil

    moved = tmp_path / "moved"
    shutil.copytree(tones, moved, ignore=shutil.ignore_patterns("moved"))
    keys = []
    for folder in (tones, moved):
        prepared = prepare(check(config_of(folder)), encoding=True)
        keys.append([one and one.key for one in prepared.contents("audio")])
    assert keys[0] == keys[1]


@pytest.mark.parametrize("learner", [{"name": "svm"}, {"name": "neural", "epochs": 3}])
def test_copies_train_any_learner_and_are_scored_nowhere(learner, tones):
    changes = {"fusion": None} if learner["name"] == "svm" else {}
    encoders = {
        "hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": 8000, "normalize": "standard"},
        "text": {"name": "tfidf"} if learner["name"] == "svm" else {"name": "tfidf", "svd": 8},
    }
    done = run(config_of(tones, learner=learner, encoders=encoders, **changes))
    assert not done.predictions.duplicated(["id", "part"]).any()
    plain = run(tones_config(tones, learner=learner, encoders=encoders, folds=[0], **changes))
    assert len(done.predictions) == len(plain.predictions)
    assert done.folder != plain.folder


def test_a_network_that_learns_trains_on_copies_too(tones):
    net = {"net": {"name": "m5", "sample_rate": 8000}}
    augment = {"steps": STEPS[:1], "copies": 1}
    done = run(
        tones_config(
            tones, augment=augment, encoders=net, learner={"epochs": 1}, device="cpu", folds=[0]
        )
    )
    assert len(done.part("test")) == 12


def test_copies_of_a_speaker_would_change_how_the_speaker_sounds(tones):
    hand = {"hand": {"name": "mfcc", "normalize": "speaker"}}
    steps = {"steps": [{"name": "gain"}], "copies": 1}
    with pytest.raises(ConfigError, match="how a speaker sounds"):
        check(tones_config(tones, encoders=hand, augment=steps))


def test_batches_cannot_be_copied(tones):
    with pytest.raises(ConfigError, match="changes batches, of which no copy is kept"):
        check(tones_config(tones, augment={"steps": [{"name": "mixup"}], "copies": 1}))
