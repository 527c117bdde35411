"""A finished run as a function of sound and text: the run's own scores again, and what it lacks."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser import load, run
from multimodal_ser.features.asr._checkpoints import write_tiny
from multimodal_ser.features.asr.whisper import Recognizer
from multimodal_ser.features.encoders import hf_speech, hf_text
from multimodal_ser.inference.load import stream
from multimodal_ser.inference.questions import Question, of_path, questions
from multimodal_ser.types import ConfigError, DataError, MissingError
from tests.helpers.tones import RATE, tones_config, write_tones

SCORES = ["score:joy", "score:neutral", "score:sadness"]


def write_silent_half(folder):
    """The tones, every other one without its words, all said to be Spanish."""
    table = write_tones(folder)
    table.loc[::2, "text"] = None
    table.assign(language="es").to_csv(folder / "table.csv", index=False)
    return table.set_index("id")


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """A run with every kind of branch, half of its words from Whisper, and final models."""
    folder = tmp_path_factory.mktemp("heard")
    table = write_silent_half(folder)
    whisper = write_tiny(folder / "whisper.pt", text_context=12)
    config = tones_config(
        folder,
        asr={"name": "whisper", "model": str(whisper), "fallback": False},
        encoders={
            "voice": {"name": "hf_speech", **hf_speech.EXAMPLE(folder / "voice"), "layer": 1},
            "words": {"name": "hf_text", **hf_text.EXAMPLE(folder), "layer": "weighted"},
            "frames": {"name": "hf_text", **hf_text.EXAMPLE(folder), "pool": "attention"},
            "hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": RATE, "normalize": "standard"},
            "counts": {"name": "tfidf", "svd": 4},
        },
        seeds=[0, 1],
    )
    return folder, table, run(config, final=True)


def written(done, part, fold, seed):
    rows = done.part(part)
    return rows[(rows["fold"] == fold) & (rows["seed"] == seed)].set_index("id")


def asked(folder, table, ids):
    texts = [None if pd.isna(table["text"][one]) else table["text"][one] for one in ids]
    return pd.DataFrame(
        {"id": ids, "audio": [str(folder / table["audio"][one]) for one in ids], "text": texts}
    )


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("fold", [0, 1, 2])
def test_every_fold_and_seed_gives_the_scores_of_the_run_again(heard, fold, seed):
    folder, table, done = heard
    for part in ("dev", "test"):
        wanted = written(done, part, fold, seed)
        found = load(done.folder, fold=fold, seed=seed)(asked(folder, table, list(wanted.index)))
        assert list(found["source"]) == list(wanted.index)
        np.testing.assert_allclose(found[SCORES], wanted[SCORES], atol=1e-5)
        assert list(found["label"]) == list(wanted["value"])


def test_without_a_seed_the_scores_are_the_mean_over_the_seeds(heard):
    folder, table, done = heard
    ids = list(written(done, "dev", 1, 0).index)
    found = load(done.folder, fold=1)(asked(folder, table, ids))
    mean = np.mean([written(done, "dev", 1, seed)[SCORES] for seed in (0, 1)], axis=0)
    np.testing.assert_allclose(found[SCORES], mean, atol=1e-5)


def test_the_words_of_the_recogniser_are_the_runs_own_and_say_where_they_are_from(heard):
    folder, table, done = heard
    spoken = pd.read_csv(done.folder / "transcripts.csv").set_index("id")
    ids = list(table.index[:6])
    found = load(done.folder, fold=0)(asked(folder, table, ids)).set_index("source")
    for one in ids:
        bare = pd.isna(table["text"][one])
        assert found["text"][one] == (spoken["text"][one] if bare else table["text"][one])
        assert found["text_source"][one] == ("asr:whisper/whisper.pt" if bare else "given")


def test_models_of_every_row_come_first_and_are_the_mean_of_their_seeds(heard):
    folder, table, done = heard
    question = asked(folder, table, list(table.index[:3]))
    both = load(done.folder)(question)
    each = [load(done.folder, seed=seed)(question) for seed in (0, 1)]
    np.testing.assert_allclose(both[SCORES], (each[0][SCORES] + each[1][SCORES]) / 2, atol=1e-9)
    epochs = [
        json.loads((done.folder / "models" / name / "learner" / "chosen.json").read_text())["epoch"]
        for name in ("0-0", "0-1", "1-0", "1-1", "2-0", "2-1")
    ]
    curve = json.loads((done.folder / "models" / "final-0" / "learner" / "curve.json").read_text())
    assert len(curve) == round(np.median(epochs)) + 1
    assert all("macro_f1" not in row for row in curve), "no part is left to select on"


def test_a_file_a_folder_a_list_samples_and_a_table_mean_the_same(heard):
    folder, table, done = heard
    predictor = load(done.folder)
    path = folder / table["audio"].iloc[0]
    samples, rate = soundfile.read(path, dtype="float32")
    answers = [
        predictor(path),
        predictor(str(path)),
        predictor([path]),
        predictor(samples, rate=rate),
        predictor(pd.DataFrame({"audio": [str(path)]})),
    ]
    for one in answers[1:]:
        np.testing.assert_allclose(one[SCORES], answers[0][SCORES], atol=1e-6)
    sub = folder / "some"
    sub.mkdir(exist_ok=True)
    for name in ("b.wav", "a.wav"):
        (sub / name).write_bytes(path.read_bytes())
    (sub / "notes.txt").write_text("no sound")
    assert list(predictor(sub)["source"]) == [str(sub / "a.wav"), str(sub / "b.wav")]


def test_a_given_text_is_used_and_not_transcribed(heard, monkeypatch):
    folder, table, done = heard
    predictor = load(done.folder)
    monkeypatch.setattr(Recognizer, "transcribe", lambda *_: pytest.fail("transcribed"))
    found = predictor(folder / table["audio"].iloc[0], text="qué alegría")
    assert found["text"][0] == "qué alegría"
    with pytest.raises(ConfigError, match="one text for 2 recordings"):
        predictor([folder / one for one in table["audio"][:2]], text="qué alegría")


def test_every_stage_has_its_seconds(heard):
    folder, table, done = heard
    (answer,) = load(done.folder).answers(questions(folder / table["audio"].iloc[0]))
    assert set(answer.seconds) == {
        "read",
        "transcribe",
        "encode voice",
        "encode words",
        "encode frames",
        "encode hand",
        "decide",
    }
    assert all(value >= 0 for value in answer.seconds.values())
    assert sum(answer.scores["label"].values()) == pytest.approx(1)


def test_one_bad_file_spoils_no_other_answer(heard):
    folder, table, done = heard
    bad = folder / "bad.wav"
    bad.write_bytes(b"RIFF")
    paths = [folder / table["audio"].iloc[0], bad, folder / "absent.wav"]
    answers = load(done.folder).answers([one for path in paths for one in of_path(path)])
    assert answers[0].error is None and answers[0].values["label"]
    assert all(isinstance(one.error, DataError) for one in answers[1:])
    assert "bad.wav is not readable as audio" in str(answers[1].error)
    bad.unlink()


def test_streamed_answers_are_those_of_one_call_in_order(heard):
    folder, table, done = heard
    everything = questions([folder / one for one in table["audio"]])
    batches = [everything[first : first + 5] for first in range(0, len(everything), 5)]
    told = [one for batch in stream(done.folder, batches, workers=2) for one in batch]
    alone = load(done.folder).answers(everything)
    assert [one.source for one in told] == [one.source for one in alone]
    for one, other in zip(told, alone, strict=True):
        assert one.scores["label"] == pytest.approx(other.scores["label"], abs=1e-5)


def test_below_the_threshold_no_class_is_named_but_all_keep_their_probability(heard):
    folder, table, done = heard
    asked_of = questions(folder / table["audio"].iloc[0])
    (sure,) = load(done.folder).answers(asked_of)
    best = max(sure.scores["label"].values())
    (unsure,) = load(done.folder).answers(asked_of, abstain=best + 1e-6)
    (same,) = load(done.folder).answers(asked_of, abstain=best - 1e-6)
    assert unsure.values["label"] is None
    assert unsure.scores == sure.scores
    assert same.values == sure.values


def test_what_cannot_be_loaded_is_said(heard, tmp_path):
    _, _, done = heard
    with pytest.raises(ConfigError, match="is no run folder"):
        load(tmp_path)
    with pytest.raises(ConfigError, match=r"fold 7 is not there: .* has 0, 1, 2"):
        load(done.folder, fold=7)
    with pytest.raises(ConfigError, match="seed 5 is not there: 0, 1"):
        load(done.folder, fold=0, seed=5)


def test_samples_need_a_rate_and_must_be_numbers_of_one_channel(heard):
    predictor = load(heard[2].folder)
    with pytest.raises(ConfigError, match="need their rate"):
        predictor(np.zeros(100, np.float32))
    with pytest.raises(DataError, match=r"samples are finite numbers \[N\]"):
        predictor(np.zeros((100, 2), np.float32), rate=RATE)
    with pytest.raises(DataError, match="no such file"):
        predictor("nowhere.wav")
    with pytest.raises(DataError, match=r"a\.wav: start is 'soon', which is no number"):
        predictor(pd.DataFrame({"audio": ["a.wav"], "start": ["soon"]}))
    with pytest.raises(DataError, match="has a column audio or text"):
        predictor(pd.DataFrame({"sound": ["a.wav"]}))


def changed(folder, **changes):
    """A quick run over the complete tones; its folder."""
    write_tones(folder)
    return run(tones_config(folder, protocol={"name": "holdout"}, **changes)).folder


def test_a_run_of_one_fold_needs_no_name_of_it_and_one_of_several_does(tmp_path):
    write_tones(tmp_path)
    several = run(tones_config(tmp_path)).folder
    with pytest.raises(ConfigError, match=r"a model for each of 3 folds: name one \(--fold 0\)"):
        load(several)
    alone = changed(tmp_path)
    assert load(alone, seed=0)(tmp_path / "s0-joy-0.wav", text="qué alegría")["label"][0]


def test_without_words_or_a_recogniser_a_model_that_needs_them_says_so(tmp_path):
    predictor = load(changed(tmp_path))
    path = tmp_path / "s0-joy-0.wav"
    with pytest.raises(MissingError, match="reads text and has never been trained without it"):
        predictor(path)
    with pytest.raises(MissingError, match="reads audio and has never been trained without it"):
        predictor(pd.DataFrame({"text": ["qué alegría"]}))
    answers = predictor.answers([Question("nothing")])
    assert "there is no audio and no text to judge" in str(answers[0].error)


@pytest.mark.parametrize("fusion", ["concat", "late"])
def test_a_model_trained_with_modality_dropout_answers_without_words(tmp_path, fusion):
    learner = {"name": "neural", "epochs": 4, "modality_dropout": 0.3}
    folder = changed(tmp_path, learner=learner, fusion={"name": fusion, "hidden": 16})
    predictor = load(folder)
    path = tmp_path / "s0-joy-0.wav"
    bare, spoken = predictor(path), predictor(path, text="qué alegría")
    silent = predictor(pd.DataFrame({"text": ["qué alegría"]}))
    for one in (bare, spoken, silent):
        assert np.isfinite(one[SCORES].to_numpy()).all()
    assert not np.allclose(bare[SCORES], spoken[SCORES])


def test_a_recogniser_that_is_gone_is_missed_only_by_a_model_that_needs_it(tmp_path):
    table = write_silent_half(tmp_path)
    for share in (0.0, 0.3):
        whisper = write_tiny(tmp_path / "whisper.pt", text_context=12)
        config = tones_config(
            tmp_path,
            asr={"name": "whisper", "model": str(whisper), "fallback": False},
            protocol={"name": "holdout"},
            learner={"name": "neural", "epochs": 2, "modality_dropout": share},
        )
        done = run(config)
        whisper.unlink()
        (answer,) = load(done.folder).answers(questions(tmp_path / table["audio"].iloc[0]))
        if share:
            assert answer.error is None and answer.text is None
        else:
            assert isinstance(answer.error, MissingError)
            assert "or the recogniser of the run" in str(answer.error)


def test_numbers_come_in_the_units_of_the_corpus(tmp_path):
    table = write_tones(tmp_path)
    table["valence"] = 3 + np.arange(len(table)) % 3
    table.to_csv(tmp_path / "table.csv", index=False)
    config = tones_config(
        tmp_path,
        outputs={"valence": {"kind": "numbers"}},
        encoders={"hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": RATE, "pool": "mean"}},
        protocol={"name": "holdout"},
    )
    done = run(config)
    wanted = done.part("test").set_index("id")["value"].astype(float)
    found = load(done.folder)([tmp_path / f"{one}.wav" for one in wanted.index])
    np.testing.assert_allclose(found["valence"].astype(float), wanted, rtol=1e-5)


def test_speakers_own_scaling_needs_speakers_and_gives_the_runs_scores(tmp_path):
    table = write_tones(tmp_path).set_index("id")
    hand = {"name": "mfcc", "n_mfcc": 8, "sample_rate": RATE, "normalize": "speaker"}
    done = run(tones_config(tmp_path, encoders={"hand": hand}, protocol={"name": "holdout"}))
    predictor = load(done.folder)
    with pytest.raises(ConfigError, match="column speaker"):
        predictor(tmp_path / "s0-joy-0.wav")
    wanted = done.part("test").set_index("id")
    speakers = set(table["speaker"][wanted.index])
    rows = table[table["speaker"].isin(speakers)].reset_index()
    rows["audio"] = [str(tmp_path / one) for one in rows["audio"]]
    found = predictor(rows).set_index("source").loc[wanted.index]
    np.testing.assert_allclose(found[SCORES], wanted[SCORES], atol=1e-5)
    each = [[one] for one in questions(rows)]
    told = {one.source: one for batch in stream(done.folder, each) for one in batch}
    for one in wanted.index:
        assert list(told[one].scores["label"].values()) == pytest.approx(
            list(found.loc[one, SCORES])
        )


@pytest.mark.parametrize("learner", ["svm", "logistic", "random_forest"])
def test_classical_learners_answer_too(tmp_path, learner):
    encoders = {
        "hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": RATE, "normalize": "standard"},
        "text": {"name": "tfidf"},
    }
    part = {"name": learner, **({"scores": "margin"} if learner == "svm" else {})}
    write_tones(tmp_path)
    config = tones_config(tmp_path, encoders=encoders, learner=part, protocol={"name": "holdout"})
    del config["fusion"]
    done = run(config, final=True)
    table = pd.read_csv(tmp_path / "table.csv").set_index("id")
    wanted = done.part("test").set_index("id")
    found = load(done.folder, fold=0)(asked(tmp_path, table, list(wanted.index)))
    np.testing.assert_allclose(found[SCORES], wanted[SCORES], atol=1e-5)
    with pytest.raises(MissingError, match="never been trained without it"):
        load(done.folder)(tmp_path / "s0-joy-0.wav")


@pytest.mark.parametrize("learner", ["gmm", "hmm"])
def test_learners_of_frames_answer_too(tmp_path, learner):
    hand = {"name": "mfcc", "n_mfcc": 8, "sample_rate": RATE, "pool": "none"}
    write_tones(tmp_path)
    config = tones_config(
        tmp_path,
        encoders={"hand": hand | {"normalize": "standard"}},
        learner={"name": learner, "components": 2, "max_iter": 5},
        protocol={"name": "holdout"},
        fusion=None,
    )
    done = run(config, final=True)
    table = pd.read_csv(tmp_path / "table.csv").set_index("id")
    wanted = done.part("test").set_index("id")
    question = asked(tmp_path, table, list(wanted.index))
    found = load(done.folder, fold=0)(question)
    np.testing.assert_allclose(found[SCORES], wanted[SCORES], atol=1e-5)
    whole = load(done.folder)(question)
    assert not np.array_equal(whole[SCORES], found[SCORES]), "it has heard these rows, too"
    with pytest.raises(MissingError, match="there is no audio to judge"):
        load(done.folder)(pd.DataFrame({"text": ["qué alegría"]}))


def test_a_run_from_elsewhere_cannot_name_code(tmp_path):
    folder = changed(tmp_path)
    config = (folder / "config.yaml").read_text().replace("name: mfcc", "name: os.path")
    (folder / "config.yaml").write_text(config)
    with pytest.raises(ConfigError, match="code from outside the package"):
        load(folder)
