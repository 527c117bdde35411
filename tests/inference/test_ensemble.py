"""An ensemble as a function: its own scores again, fold by fold and seed by seed."""

import json
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import yaml

from multimodal_ser import load, run
from multimodal_ser.features.asr._checkpoints import write_tiny
from multimodal_ser.features.asr.whisper import Recognizer
from multimodal_ser.inference.load import stream
from multimodal_ser.inference.questions import questions
from multimodal_ser.report import write
from multimodal_ser.studies.ensembles.ensemble import ensemble
from multimodal_ser.studies.ensembles.merging import HOW, LEARNED
from multimodal_ser.studies.score import score
from multimodal_ser.types import ConfigError, DataError, MissingError
from tests.helpers.command import mser
from tests.helpers.tones import RATE, tones_config, write_tones

SCORES = ["score:joy", "score:neutral", "score:sadness"]
HAND = {"name": "mfcc", "n_mfcc": 8, "sample_rate": RATE, "normalize": "standard"}
COUNTS = {"name": "tfidf", "svd": 4}


def config(folder, encoders, **changes):
    found = tones_config(folder, encoders=encoders, **changes)
    if "learner" in changes and changes["learner"]["name"] != "neural":
        del found["fusion"]
    return found


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A network on sound and one on words with two seeds, a classical learner with one."""
    folder = tmp_path_factory.mktemp("three")
    table = write_tones(folder).set_index("id")
    both = {"hand": HAND, "text": COUNTS}
    plain = [
        config(folder, {"hand": HAND}, seeds=[0, 1]),
        config(folder, {"text": COUNTS}, seeds=[0, 1]),
        config(folder, both, seeds=[7], learner={"name": "logistic"}),
    ]
    return folder, table, plain, [run(one, final=True).folder for one in plain]


def asked(folder, table, ids):
    paths = [str(folder / table["audio"][one]) for one in ids]
    return pd.DataFrame({"id": ids, "audio": paths, "text": list(table["text"][ids])})


def written(done, part, fold, seed):
    rows = done.predictions
    at = (rows["part"] == part) & (rows["fold"] == fold) & (rows["seed"] == seed)
    return rows[at].set_index("id")


@pytest.mark.parametrize("how", HOW)
def test_every_fold_and_seed_gives_the_scores_of_the_ensemble_again(three, how):
    folder, table, _, homes = three
    done = ensemble(homes, how=how)
    for part in ("test",) if how in LEARNED else ("dev", "test"):
        for fold in (0, 2):
            for seed in (0, 1):
                wanted = written(done, part, fold, seed)
                predictor = load(done.folder, fold=fold, seed=seed)
                found = predictor(asked(folder, table, list(wanted.index)))
                np.testing.assert_allclose(found[SCORES], wanted[SCORES], atol=1e-5)
                assert list(found["label"]) == list(wanted["value"])


@pytest.mark.parametrize("how", ["mean", "stacking"])
def test_without_a_seed_it_is_the_mean_over_the_seeds(three, how):
    folder, table, _, homes = three
    done = ensemble(homes, how=how)
    wanted = [written(done, "test", 1, seed) for seed in (0, 1)]
    found = load(done.folder, fold=1)(asked(folder, table, list(wanted[0].index)))
    np.testing.assert_allclose(
        found[SCORES], (wanted[0][SCORES] + wanted[1][SCORES]) / 2, atol=1e-5
    )


def test_models_of_every_row_are_merged_by_the_mean_of_the_folds_weights(three):
    folder, table, _, homes = three
    done = ensemble(homes, how="weights")
    question = asked(folder, table, list(table.index[:4]))
    members = [
        load(home, seed=seed)(question)[SCORES] for home, seed in zip(homes, (1, 1, 7), strict=True)
    ]
    fits = [by_seed[1].weights for by_seed in done.manifest.fits["label"].values()]
    wanted = np.tensordot(np.mean(fits, axis=0), np.stack(members), axes=1)
    found = load(done.folder, seed=1)(question)
    np.testing.assert_allclose(found[SCORES], wanted, atol=1e-6)


def test_what_one_member_cannot_judge_spoils_no_other_answer(three):
    folder, table, _, homes = three
    predictor = load(ensemble(homes).folder, fold=0)
    question = asked(folder, table, list(table.index[:3]))
    question.loc[1, "text"] = None
    answers = predictor.answers(questions(question))
    assert isinstance(answers[1].error, MissingError)
    assert "reads text" in str(answers[1].error) or "no text" in str(answers[1].error)
    kept = predictor(question.drop(1))
    for answer, row in zip((answers[0], answers[2]), kept.to_dict("records"), strict=True):
        assert answer.values["label"] == row["label"]
        assert list(answer.scores["label"].values()) == pytest.approx([row[one] for one in SCORES])
    assert answers[0].text == table["text"].iloc[0] and answers[0].text_source == "given"
    assert {"encode hand", "decide", "read"} <= set(answers[0].seconds)
    nothing = predictor.answers(questions(question.loc[[1]]))
    assert isinstance(nothing[0].error, MissingError)


def test_streamed_answers_are_those_of_one_call(three):
    folder, table, _, homes = three
    done = ensemble(homes, how="vote").folder
    everything = questions(asked(folder, table, list(table.index[:12])))
    batches = [everything[at : at + 5] for at in range(0, 12, 5)]
    told = [one for batch in stream(done, batches, workers=2) for one in batch]
    alone = load(done).answers(everything)
    for one, other in zip(told, alone, strict=True):
        assert one.scores["label"] == pytest.approx(other.scores["label"], abs=1e-5)


@contextmanager
def away(path):
    other = path.rename(path.parents[2] / "away")
    yield
    other.rename(path)


def test_a_fold_or_seed_that_is_not_there_is_said_and_so_is_a_member_that_is_gone(three):
    _, _, _, homes = three
    done = ensemble(homes).folder
    with pytest.raises(ConfigError, match=r"fold 7 is not there: .* has 0, 1, 2"):
        load(done, fold=7)
    with pytest.raises(ConfigError, match="seed 7 is not there: 0, 1"):
        load(done, fold=0, seed=7)
    final = homes[1] / "models" / "final-1"
    with away(final), pytest.raises(ConfigError, match="a model for each of 3 folds: name one"):
        load(done)
    with away(homes[1]), pytest.raises(DataError, match=r"members of the ensemble .* are missing"):
        load(done)


def test_it_is_scored_against_and_reported_as_a_run(three, tmp_path):
    _, _, plain, homes = three
    done = ensemble(homes, how="weights")
    own = done.predictions[done.predictions["part"] == "test"]
    own.to_csv(tmp_path / "own.csv", index=False)
    (tmp_path / "tones.yaml").write_text(yaml.safe_dump(plain[0]))
    for task in (tmp_path / "tones.yaml", done.folder / "config.yaml"):
        found = score(tmp_path / "own.csv", task, against=done.folder)
        assert (found.contrast.gap, found.contrast.p) == (0, 1)
    page = write(done.folder, players=1).read_text("utf-8")
    assert all(one.label in page and one.fingerprint in page for one in done.manifest.members)
    assert "Learning curves" in page, "of the members"


def test_the_command_prints_all_arms_the_test_and_the_report_and_predict_takes_it(three):
    folder, table, _, homes = three
    runs = [home.relative_to(folder) for home in homes]
    done = mser("ensemble", *runs, "--how", "stacking", "--name", "all", cwd=folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("ensemble (stacking) of 3 runs, split ")
    for arm in ("ensemble (stacking)", "hand", "text", "hand+text"):
        assert sum(line.startswith(f"│ {arm} ") for line in lines) == 2, "dev and test"
    assert any(line.startswith("→ on test, ") and "p " in line for line in lines)
    home = folder / lines[-2].removeprefix("run folder: ")
    assert (folder / lines[-1].removeprefix("report: ")).is_file() and home.parent.name == "all"
    asked(folder, table, list(table.index[:1])).to_csv(folder / "q.csv", index=False)
    done = mser("predict", home, "q.csv", "--fold", 0, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert sum(answer["scores"]["label"].values()) == pytest.approx(1)


def test_mistakes_on_the_command_line_have_their_exit_codes(three, tmp_path):
    homes = three[3]
    assert mser("ensemble", *homes, "--how", "median").returncode == 2
    assert mser("ensemble", homes[0]).returncode == 2
    (tmp_path / "config.yaml").write_text("name: stopped")
    assert mser("ensemble", homes[0], tmp_path).returncode == 4
    done = mser("ensemble", homes[0], "--name", "x")
    assert done.returncode == 2
    assert done.stderr == "mser: an ensemble needs two runs or more; got 1\n"


def test_two_members_that_have_the_same_recogniser_hear_with_it_once(tmp_path, monkeypatch):
    table = write_tones(tmp_path)
    table.assign(text=None, language="es").to_csv(tmp_path / "table.csv", index=False)
    whisper = write_tiny(tmp_path / "whisper.pt", text_context=12)
    changes = {
        "asr": {"name": "whisper", "model": str(whisper), "fallback": False},
        "protocol": {"name": "holdout"},
        "learner": {"name": "neural", "epochs": 2, "modality_dropout": 0.2},
    }
    arms = ({"hand": HAND, "words": COUNTS}, {"hand": HAND, "text": {"name": "hashing"}})
    homes = [run(tones_config(tmp_path, encoders=one, **changes)).folder for one in arms]
    done = ensemble(homes)
    heard, real = [], Recognizer.transcribe
    spy = lambda self, inputs: heard.append(len(inputs)) or real(self, inputs)  # noqa: E731
    monkeypatch.setattr(Recognizer, "transcribe", spy)
    wanted = written(done, "test", 0, 0)
    found = load(done.folder)([tmp_path / f"{one}.wav" for one in wanted.index])
    np.testing.assert_allclose(found[SCORES], wanted[SCORES], atol=1e-5)
    spoken = found["text"].notna()
    assert heard[0] == len(wanted) and sum(heard[1:]) == (~spoken).sum()
    assert set(found["text_source"][spoken]) <= {"asr:whisper/whisper.pt"}


@pytest.mark.parametrize("how", HOW)
def test_labels_come_with_the_thresholds_of_the_ensemble(tmp_path, how):
    table = write_tones(tmp_path).set_index("id")
    moods = [f"{one}|calm" if at % 2 else one for at, one in enumerate(table["label"])]
    table.assign(mood=moods).to_csv(tmp_path / "table.csv")
    changes = {"outputs": {"mood": {"kind": "labels"}}, "protocol": {"name": "holdout", "dev": 0.4}}
    arms = ({"hand": HAND}, {"text": COUNTS})
    homes = [run(tones_config(tmp_path, encoders=one, **changes)).folder for one in arms]
    done = ensemble(homes, how=how)
    wanted = written(done, "test", 0, 0)
    found = load(done.folder)(asked(tmp_path, table, list(wanted.index)))
    columns = [one for one in wanted if one.startswith("score:")]
    np.testing.assert_allclose(found[columns], wanted[columns], atol=1e-5)
    assert list(found["mood"]) == list(wanted["value"])


@pytest.mark.parametrize("how", ["mean", "weights", "stacking"])
def test_numbers_come_in_the_units_of_the_corpus(tmp_path, how):
    table = write_tones(tmp_path).set_index("id")
    table.assign(valence=3 + np.arange(len(table)) % 3).to_csv(tmp_path / "table.csv")
    changes = {
        "outputs": {"valence": {"kind": "numbers"}},
        "learner": {"name": "ridge"},
        "protocol": {"name": "holdout", "dev": 0.4},
    }
    arms = ({"hand": HAND | {"pool": "mean"}}, {"text": COUNTS})
    homes = [run(config(tmp_path, one, **changes)).folder for one in arms]
    done = ensemble(homes, how=how)
    wanted = written(done, "test", 0, 0)
    found = load(done.folder)(asked(tmp_path, table, list(wanted.index)))
    np.testing.assert_allclose(found["valence"], wanted["value"].astype(float), rtol=1e-5)


def test_two_targets_of_the_same_names_keep_each_their_own_order(tmp_path):
    table = write_tones(tmp_path).set_index("id")
    outputs = {"label": {}, "again": {"column": "label", "classes": ["sadness", "joy", "neutral"]}}
    changes = {"outputs": outputs, "protocol": {"name": "holdout", "dev": 0.4}}
    arms = ({"hand": HAND}, {"text": COUNTS})
    homes = [run(tones_config(tmp_path, encoders=one, **changes)).folder for one in arms]
    done = ensemble(homes, how="stacking")
    wanted = written(done, "test", 0, 0)
    found = load(done.folder)(asked(tmp_path, table, sorted(set(wanted.index))))
    for target in outputs:
        own = wanted[wanted["target"] == target][SCORES]
        columns = [one.replace("score:", f"score:{target}:") for one in SCORES]
        np.testing.assert_allclose(found[columns], own, atol=1e-5)
