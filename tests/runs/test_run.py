"""A run of three small encoders over tones: what it leaves, and what it does a second time."""

import json
import multiprocessing

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
import yaml

from multimodal_ser import compare, parallel, run
from multimodal_ser.types import DataError, LeakError
from tests.helpers.tones import RATE, tones_config

LEARN = {"name": "neural", "epochs": 40, "optimizer": {"lr": 0.01}}


def predictions(done):
    return (done.folder / "predictions.csv").read_bytes()


def elsewhere(folder, name, **changes):
    return tones_config(folder, runs_dir=str(folder / name), **changes)


def test_a_run_leaves_everything_that_another_needs_to_check_it(tones):
    done = run(tones_config(tones))
    names = {path.name for path in done.folder.iterdir()}
    assert names >= {
        "config.yaml",
        "environment.json",
        "split.csv",
        "audit.json",
        "log.jsonl",
        "predictions.csv",
        "metrics.json",
        "models",
    }
    table = pd.read_csv(done.folder / "predictions.csv")
    head = ["id", "cluster", "part", "repeat", "fold", "seed", "target", "truth", "value"]
    assert list(table.columns[:9]) == head
    np.testing.assert_allclose(table.filter(like="score:").sum(axis=1), 1, atol=1e-6)
    assert table[table["part"] == "test"]["id"].nunique() == 36
    assert json.loads((done.folder / "metrics.json").read_text())["split"]


def test_the_tones_are_learned(tones):
    done = run(tones_config(tones, learner=LEARN))
    assert done.table().loc["macro_f1", "mean"] > 0.9


def test_two_runs_and_any_number_of_workers_give_the_same_bytes(tones, monkeypatch, tmp_path):
    first = predictions(run(elsewhere(tones, "a", workers=1)))
    assert predictions(run(elsewhere(tones, "b", workers=2))) == first
    monkeypatch.setenv("MSER_CACHE", str(tmp_path / "empty"))
    assert predictions(run(elsewhere(tones, "c", workers=2))) == first


def test_a_single_training_in_this_process_gives_the_bytes_of_a_worker(tones, monkeypatch):
    alike = {"protocol": {"name": "holdout"}, "learner": LEARN}
    by_workers = run(elsewhere(tones, "a", seeds=[0, 1], **alike))
    monkeypatch.setattr("multimodal_ser.runs.run.spread", lambda *_, **__: pytest.fail("spread"))
    torch.set_num_threads(2)
    try:
        alone = run(elsewhere(tones, "b", seeds=[0], **alike))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    files = [path for path in (alone.folder / "models" / "0-0").rglob("*") if path.is_file()]
    assert files
    for path in files:
        other = by_workers.folder / path.relative_to(alone.folder)
        assert path.read_bytes() == other.read_bytes(), path


def test_a_finished_run_is_not_trained_again(tones):
    done = run(tones_config(tones))
    models = sorted((done.folder / "models").rglob("*.safetensors"))
    before = [path.stat().st_mtime_ns for path in models]
    first = predictions(done)
    again = run(tones_config(tones))
    assert [path.stat().st_mtime_ns for path in models] == before
    assert predictions(again) == first
    assert len((done.folder.parent / "opened.jsonl").read_text().splitlines()) == 1


def test_new_seeds_join_the_folder(tones):
    first = run(tones_config(tones))
    second = run(tones_config(tones, seeds=[3]))
    assert second.folder == first.folder
    assert set(second.predictions["seed"]) == {0, 3}
    kept = second.predictions[second.predictions["seed"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, first.predictions.reset_index(drop=True))


def test_the_test_part_stays_sealed_until_it_is_opened(tones):
    sealed = run(tones_config(tones), open_test=False)
    assert set(sealed.predictions["part"]) == {"dev"}
    assert not (sealed.folder.parent / "opened.jsonl").exists()
    assert not list(sealed.folder.rglob("test.safetensors"))
    opened = run(tones_config(tones))
    dev = opened.predictions[opened.predictions["part"] == "dev"].reset_index(drop=True)
    pd.testing.assert_frame_equal(dev, sealed.predictions)


def test_a_changed_sample_of_audio_is_encoded_and_trained_again(tones):
    done = run(tones_config(tones))
    before = predictions(done)
    path = tones / "s0-joy-0.wav"
    samples, _ = soundfile.read(path)
    samples[:400] = 0
    soundfile.write(path, samples, RATE)
    again = run(tones_config(tones))
    assert again.folder == done.folder
    assert predictions(again) != before


def test_another_width_of_the_same_encoder_is_another_feature(tones):
    wide = run(tones_config(tones))
    encoders = tones_config(tones)["encoders"]
    encoders["hand"] = encoders["hand"] | {"n_mfcc": 5}
    narrow = run(tones_config(tones, encoders=encoders))
    shapes = [
        json.loads((done.folder / "models/0-0/model.json").read_text())["dims"]["hand"]
        for done in (wide, narrow)
    ]
    assert shapes == [8, 5]


def test_fitted_encoders_see_the_training_rows_only(tones):
    done = run(tones_config(tones))
    table = pd.read_csv(tones / "table.csv").set_index("id")
    split = pd.read_csv(done.folder / "split.csv")
    for fold in (0, 1, 2):
        path = done.folder / f"models/{fold}-0/encoders/text/vocabulary.json"
        rows = split[(split["fold"] == fold) & (split["part"] == "train")]["id"]
        words = set(" ".join(table.loc[rows, "text"]).lower().split())
        single = {term for term in json.loads(path.read_text())[0] if " " not in term}
        assert single == {word for word in words if len(word) > 1}


def test_scaling_is_fitted_on_the_training_rows_only(tones):
    """The first fold's scaling does not move when a test clip becomes a hundred times louder."""
    from safetensors.numpy import load_file

    config = tones_config(tones)
    done = run(config)
    split = pd.read_csv(done.folder / "split.csv")
    held = split[(split["fold"] == 0) & (split["part"] == "test")]["id"].iloc[0]
    path = done.folder / "models/0-0/scalings/hand.safetensors"
    before = load_file(path)["centre"].copy()
    samples, _ = soundfile.read(tones / f"{held}.wav")
    soundfile.write(tones / f"{held}.wav", samples * 2.5, RATE)
    run(config)
    np.testing.assert_array_equal(load_file(path)["centre"], before)


def test_a_leaking_split_is_refused_before_training_and_written_down(tones):
    leaky = tones_config(tones, protocol={"name": "random"})
    with pytest.raises(LeakError, match=r"speaker: \d in train/dev") as caught:
        run(leaky)
    assert "group" not in str(caught.value)
    audit = json.loads(next((tones / "runs").rglob("audit.json")).read_text())
    assert audit["leaks"][0]["kind"] == "speaker"
    assert not list((tones / "runs").rglob("models"))


def test_an_allowed_leak_goes_through_with_a_stamp(tones):
    done = run(tones_config(tones, protocol={"name": "random"}, allow_leak=["speaker"]))
    assert done.prepared.audit.stamps == ["speaker"]
    assert json.loads((done.folder / "metrics.json").read_text())["leaks allowed"] == ["speaker"]


def test_the_same_clip_in_train_and_test_is_refused_by_its_sound(tones):
    """Other names, other speakers, other files: the samples are the same."""
    table = pd.read_csv(tones / "table.csv")
    copy = table.assign(id="copy-" + table["id"], speaker="copy-" + table["speaker"])
    copy["audio"] = "copy-" + copy["audio"]
    for old, new in zip(table["audio"], copy["audio"], strict=True):
        (tones / new).write_bytes((tones / old).read_bytes())
    pd.concat([table, copy]).to_csv(tones / "table.csv", index=False)
    with pytest.raises(LeakError, match=r"audio: \d+ in"):
        run(tones_config(tones, protocol={"name": "holdout"}))


def test_the_same_rows_in_train_and_test_name_speaker_and_audio(tones):
    table = pd.read_csv(tones / "table.csv")
    both = [table.assign(id=part + table["id"], split=part) for part in ("train", "test")]
    pd.concat(both).to_csv(tones / "table.csv", index=False)
    with pytest.raises(LeakError, match=r"(?s)speaker: 6 in.*audio: 36 in.*train/test"):
        run(tones_config(tones, protocol={"name": "official"}))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.wav", b"this is no sound", "not readable as audio"),
        ("empty.wav", None, "no samples"),
        ("nan.wav", np.full(800, np.nan), "NaN"),
    ],
)
def test_bad_audio_is_a_clear_error(tones, name, content, message):
    path = tones / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        samples = np.zeros(0) if content is None else content
        soundfile.write(path, samples, RATE, subtype="FLOAT")
    table = pd.read_csv(tones / "table.csv")
    table.loc[[1, 4], "audio"] = name
    table.to_csv(tones / "table.csv", index=False)
    with pytest.raises(DataError, match="segments cannot be read") as caught:
        run(tones_config(tones))
    assert str(caught.value).count(message) >= 1
    assert table["id"][1] in str(caught.value)


def test_shuffled_audio_carries_no_emotion_but_the_words_still_do(tones):
    study = compare(tones_config(tones, shuffle="audio", learner=LEARN), ["audio", "text"])
    assert study.table().loc["text", "macro_f1 mean"] > 0.9
    assert study.table().loc["audio", "macro_f1 mean"] < 0.6
    with pytest.raises(Exception, match="no encoder reads audio"):
        compare(tones_config(tones, shuffle="audio", encoders={"text": {"name": "hashing"}}))


def test_missing_text_and_audio_are_learned_around(tones):
    table = pd.read_csv(tones / "table.csv")
    table.loc[table.index % 5 == 0, "text"] = None
    table.loc[table.index % 5 == 2, "audio"] = None
    table.to_csv(tones / "table.csv", index=False)
    done = run(tones_config(tones))
    written = json.loads((done.folder / "models/0-0/model.json").read_text())
    assert written["absent"] == ["audio", "hand", "text"]
    assert done.predictions.filter(like="score:").notna().all().all()


def test_votes_train_softly_and_are_not_scored(tones):
    table = pd.read_csv(tones / "table.csv")
    table["votes:joy"], table["votes:neutral"] = 2, 1
    table.loc[:5, "label"] = None
    table.to_csv(tones / "table.csv", index=False)
    done = run(tones_config(tones))
    assert done.metrics["test"]["unscored"] == 6


def test_a_training_row_without_a_label_is_an_error(tones):
    table = pd.read_csv(tones / "table.csv")
    table.loc[3, "label"] = None
    table.to_csv(tones / "table.csv", index=False)
    with pytest.raises(DataError, match=r"(?s)training rows have no label.*s0-neutral-1"):
        run(tones_config(tones))


def test_a_label_outside_the_task_is_an_error_not_a_dropped_row(tones):
    outputs = {"label": {"classes": ["joy", "sadness"]}}
    with pytest.raises(DataError, match="labels are not among joy, sadness"):
        run(tones_config(tones, outputs=outputs))


@pytest.mark.parametrize("normalize", ["speaker", "standard", "none"])
def test_every_normalization_gives_the_same_bytes_twice(tones, normalize):
    encoders = {"hand": {"name": "mfcc", "sample_rate": RATE, "normalize": normalize}}
    one, two = (run(elsewhere(tones, name, encoders=encoders)) for name in "ab")
    assert predictions(one) == predictions(two)


def test_a_classical_learner_takes_sparse_and_dense_features_side_by_side(tones):
    encoders = {
        "hand": {"name": "mfcc", "sample_rate": RATE, "normalize": "standard"},
        "text": {"name": "tfidf"},
    }
    done = run(tones_config(tones, encoders=encoders, learner={"name": "svm"}, fusion=None))
    assert done.table().loc["uar", "mean"] > 0.9


def test_every_breakdown_value_has_its_row(tones):
    done = run(tones_config(tones, breakdown=["speaker"]))
    assert set(done.metrics["test"]["breakdown"]["speaker"]) == {f"s{one}" for one in range(6)}
    with pytest.raises(DataError, match="no column mood"):
        run(tones_config(tones, breakdown=["mood"]))


def test_a_plan_is_written_before_anything_is_trained(tones):
    done = run(tones_config(tones))
    written = yaml.safe_load((done.folder / "config.yaml").read_text())
    assert written["encoders"]["text"]["min_df"] == 1
    assert written["seeds"] == [0]


def test_workers_are_kept_and_can_be_ended(tones):
    run(tones_config(tones))
    assert multiprocessing.active_children()
    parallel.shut_down()
    assert not multiprocessing.active_children()
