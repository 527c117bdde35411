"""A finished run asked again: its own scores from its own texts, others from others."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from multimodal_ser import load, run
from multimodal_ser.inference.robustness import moves, retold, unaccented
from multimodal_ser.types import ConfigError, DataError
from tests.helpers.tones import tones_config, write_tones

SCORES = ["score:joy", "score:neutral", "score:sadness"]


def table(*rows):
    """seed, id, scores of joy and fear."""
    found = pd.DataFrame(rows, columns=["seed", "id", "score:joy", "score:fear"])
    return found.assign(repeat=0, truth="joy")


def test_moves_by_hand():
    before = table((0, "a", 0.9, 0.1), (0, "b", 0.4, 0.6), (1, "a", 0.7, 0.3), (1, "b", 0.8, 0.2))
    after = table((1, "b", 0.3, 0.7), (0, "b", 0.3, 0.7), (1, "a", 0.7, 0.3), (0, "a", 0.8, 0.2))
    found = moves(before, after)
    assert found.flipped == 1 / 4, "joy of b in seed 1"
    assert found.mean == pytest.approx((0.1 + 0.1 + 0 + 0.5) / 4)
    assert found.largest == pytest.approx(0.5)
    assert moves(before, before).largest == 0


def hush(folder):
    """Every third utterance of the tones without its words; their ids."""
    rows = pd.read_csv(folder / "table.csv")
    rows.loc[::3, "text"] = None
    rows.to_csv(folder / "table.csv", index=False)
    return rows["id"][::3]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Voice and words, where every third utterance says nothing."""
    folder = tmp_path_factory.mktemp("tones")
    write_tones(folder)
    hush(folder)
    encoders = {
        "hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": 8000, "normalize": "speaker"},
        "text": {"name": "tfidf", "svd": 8},
    }
    return run(tones_config(folder, encoders=encoders, seeds=[0, 1]))


def test_the_texts_as_they_are_give_the_scores_of_the_run_again(done):
    found, wanted = retold(done, str), done.part("test")
    pd.testing.assert_frame_equal(found.drop(columns=SCORES), wanted.drop(columns=SCORES))
    np.testing.assert_allclose(found[SCORES], wanted[SCORES], atol=1e-5)


def test_each_model_is_asked_the_changed_texts_of_its_own_test_part(done):
    found, own = retold(done, unaccented), done.part("test")
    table = done.prepared.corpus.table.set_index("id")
    silent = set(table.index[table["text"].isna()])
    for (fold, seed), rows in found.groupby(["fold", "seed"]):
        texts = table["text"][rows["id"]].str.replace("é", "e").str.replace("í", "i")
        sounds = done.prepared.corpus.root.as_posix() + "/" + table["audio"][rows["id"]]
        asked = pd.DataFrame(
            {
                "id": rows["id"].to_list(),
                "audio": sounds.to_list(),
                "text": texts.to_list(),
                "speaker": table["speaker"][rows["id"]].to_list(),
            }
        )
        wanted = load(done.folder, fold=int(fold), seed=int(seed))(asked)
        np.testing.assert_allclose(rows[SCORES], wanted[SCORES], atol=1e-6)
        assert list(rows["value"]) == list(wanted["label"])
    bare = found["id"].isin(silent)
    assert bare.any()
    np.testing.assert_allclose(found[SCORES][bare], own[SCORES][bare], atol=1e-5)
    assert moves(own[~bare], found[~bare]).largest > 0.001


def test_of_words_alone_what_has_none_keeps_its_scores(tones):
    silent = hush(tones)
    words = {"text": {"name": "tfidf", "svd": 8}}
    read = run(tones_config(tones, encoders=words, folds=[0], fusion={"name": "join"}))
    found, own = retold(read, unaccented), read.part("test")
    bare = own["id"].isin(silent)
    pd.testing.assert_frame_equal(found[bare], own[bare])
    assert not np.allclose(found[SCORES][~bare], own[SCORES][~bare], atol=1e-3)


def test_what_reads_no_text_or_names_no_class_is_refused(tones):
    alone = {"hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": 8000}}
    deaf = run(
        tones_config(tones, encoders=alone, protocol={"name": "kfold", "folds": 3}, folds=[0])
    )
    with pytest.raises(ConfigError, match="none reads text"):
        retold(deaf, str)
    numbers = deaf.experiment.outputs["label"].model_copy(update={"kind": "numbers"})
    other = deaf.experiment.model_copy(update={"outputs": {"valence": numbers}})
    with pytest.raises(ConfigError, match=r"outputs.valence: only of classes"):
        retold(replace(deaf, experiment=other), str)


def test_what_cannot_be_heard_any_more_is_an_error_and_keeps_no_score(tones):
    silent = hush(tones)
    encoders = {
        "hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": 8000},
        "text": {"name": "tfidf", "svd": 8},
    }
    both = run(tones_config(tones, encoders=encoders, folds=[0]))
    bare = both.part("test")["id"].isin(silent)
    (tones / f"{both.part('test')['id'][bare].iloc[0]}.wav").unlink()
    with pytest.raises(DataError, match="is not readable as audio"):
        retold(both, str)
