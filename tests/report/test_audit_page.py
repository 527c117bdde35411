"""The page of an audit: every finding is on it, escaped, and it asks for nothing from the net."""

import re
import shutil

import pandas as pd
import pytest

from multimodal_ser import run
from multimodal_ser.config import read
from multimodal_ser.report.corpus import audit_page
from multimodal_ser.runs import prepare
from multimodal_ser.runs.folder import RunFolder, audited
from tests.helpers.tones import tones_config
from tests.report.test_report import Page

BOLD, CALM = "<b>joy</b>", "calm"
# Video → the labels of its train segments, in their order, and of its test segments.
VIDEOS = {
    "<i>v0": ([BOLD, BOLD], [BOLD, BOLD]),
    "v1": ([CALM, CALM], [CALM]),
    "v2": ([BOLD, BOLD], []),
    "v3": ([CALM, CALM], []),
    "v4": ([BOLD, BOLD], []),
    "v5": ([CALM, BOLD], [CALM]),  # a tie: the first seen is calm, the last is not
    "n0": ([], [BOLD]),
    "n1": ([], [BOLD]),
    "n2": ([], [CALM]),
    "n3": ([], [CALM]),
}
# 7 of the 12 train segments are <b>joy</b>, so that is the majority. It answers 4 of 8 right:
#   F1 2·4/(8+4) and 0. A lookup by video knows the first four, and guesses <b>joy</b> elsewhere:
#   6 of 8 right, F1 2·4/(6+4) and 2·2/(2+4). With the last seen v5 is wrong: 2·4/(7+4), 2·1/(1+4).
MAJORITY = {"macro_f1": (2 / 3 + 0) / 2, "uar": (1 + 0) / 2, "accuracy": 4 / 8}
SAME_GROUP = {"macro_f1": (4 / 5 + 2 / 3) / 2, "uar": (1 + 1 / 2) / 2, "accuracy": 6 / 8}
TIES = [(8 / 11 + 2 / 5) / 2, (4 / 5 + 2 / 3) / 2]
SIBLINGS = {"all": [4, 8], BOLD: [2, 4], CALM: [2, 4]}
NEARLY = (
    "uno dos tres cuatro cinco seis siete",
    "Uno, dos, tres, cuatro, cinco, seis, siete, ocho.",
)


def write_videos(folder, name="videos.csv"):
    """Twenty segments of ten videos; train and test share three videos and nearly one text."""
    rows = []
    for part, place in (("train", 0), ("test", 1)):
        for video, labels in VIDEOS.items():
            for turn, label in enumerate(labels[place]):
                row = f"{part}-{video[-2:]}-{turn}"
                rows.append([row, f"palabra{len(rows)} de {video[-2:]}", label, video, part])
    table = pd.DataFrame(rows, columns=["id", "text", "label", "group", "split"])
    table.loc[table["id"] == "train-v1-0", "text"] = NEARLY[0]
    table.loc[table["id"] == "test-n2-0", "text"] = NEARLY[1]
    table.to_csv(folder / name, index=False)
    return table


def videos_card(folder, **changes):
    """The corpus and how it is cut, without encoders."""
    return {
        "name": "videos",
        "corpus": {"name": "manifest", "root": str(folder), "path": "videos.csv"},
        "protocol": {"name": "official", "dev": 0},
        "outputs": {"label": {"kind": "classes", "classes": [BOLD, CALM]}},
        "metrics": ["macro_f1", "accuracy"],
        "runs_dir": str(folder / "runs"),
    } | changes


def videos_config(folder, **changes):
    """A model of the words for them, which takes the leak upon itself."""
    model = {
        "allow_leak": ["group"],
        "encoders": {"text": {"name": "hashing"}},
        "learner": {"name": "svm", "kernel": "linear"},
        "seeds": [0, 1],
    }
    return videos_card(folder, **model) | changes


def found_in(raw):
    prepared = prepare.prepare(read.check(raw, card=True))
    return audited(prepared) | {"seen": RunFolder.of(prepared).seen()}


def chapter(source, key):
    """One chapter of the page, or nothing."""
    found = re.search(rf'<section id="{key}".*?</section>', source, re.DOTALL)
    return found[0] if found else ""


def words(source):
    return "".join(Page(source).words)


def rows_of(source):
    """The rows of the tables of a page as lists of words."""
    lines = re.findall(r"<tr>(.*?)</tr>", source, re.DOTALL)
    return [[*map(words, _cells(line))] for line in lines]


def _cells(line):
    return re.findall(r"<t[hd][^>]*>.*?</t[hd]>", line, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("videos")
    write_videos(made)
    return made


@pytest.fixture(scope="module")
def found(folder):
    return found_in(videos_card(folder))


@pytest.fixture(scope="module")
def page(found):
    return audit_page.page(found)


# What is found


def test_leaks_siblings_ties_and_lookups_are_those_counted_by_hand(found):
    (leak,) = found["leaks"]
    assert (leak["kind"], leak["count"], leak["where"]) == ("group", 3, "train/test")
    assert leak["examples"] == ["<i>v0", "v1", "v5"]
    assert leak["allowed"] is False
    assert found["siblings"] == SIBLINGS
    assert found["ties"] == pytest.approx(TIES)
    assert found["probes"]["majority"] == pytest.approx(MAJORITY)
    assert found["probes"]["same group"] == pytest.approx(SAME_GROUP)


def test_texts_that_are_nearly_the_same_are_a_remark_with_both_ids(found):
    (remark,) = found["remarks"]
    assert remark.startswith("nearly identical texts in different parts: 1 pair")
    assert f"train-v1-0 “{NEARLY[0]}” and test-n2-0 “{NEARLY[1]}”" in remark


def test_a_card_without_encoders_is_searched_in_all_that_its_corpus_has(tones):
    """One of the copies is in another fold, so that sound alone tells."""
    shutil.copy(tones / "s0-joy-0.wav", tones / "s1-joy-0.wav")
    card = tones_config(tones) | {"encoders": {}}
    leaks = {one["kind"]: one["examples"] for one in found_in(card)["leaks"]}
    assert leaks == {"audio": ["s0-joy-0", "s1-joy-0"]}
    (sound,) = [one for one in found_in(card)["remarks"] if "identical sound" in one]
    assert "one set (s0-joy-0 = s1-joy-0)" in sound
    encoders = {"text": {"name": "hashing"}}
    assert found_in(card | {"encoders": encoders})["leaks"] == [], "no encoder hears them"


# What is drawn


def test_the_page_names_every_finding(page):
    assert "Leak, not allowed: group, 3 in train/test (<i>v0, v1, v5)." in words(page)
    assert "break ties give macro_f1 0.564 to 0.733" in words(chapter(page, "probes"))
    assert NEARLY[1] in words(chapter(page, "remarks"))
    assert "train-v1-0" in chapter(page, "remarks")


def test_the_lookups_and_the_siblings_are_drawn_row_by_row(page):
    header, *rows = rows_of(chapter(page, "probes"))
    assert header == ["probe", "macro_f1", "uar", "accuracy"]
    for name, scores in (("majority", MAJORITY), ("same group", SAME_GROUP)):
        assert [name, *(f"{scores[key]:.3f}" for key in header[1:])] in rows
    _, *rows = rows_of(chapter(page, "siblings"))
    assert rows == [
        ["all", "4", "8", "0.500"],
        [BOLD, "2", "4", "0.500"],
        [CALM, "2", "4", "0.500"],
    ]


def test_words_of_the_corpus_are_text_and_no_tags(page):
    assert "<b>" not in page
    assert "<i>" not in page
    assert "&lt;b&gt;joy&lt;/b&gt;" in page
    assert not {"b", "i"} & set(Page(page).tags)


def test_the_page_asks_for_nothing_from_the_net(page):
    links = Page(page).links
    assert links
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|<link|<base|<iframe|<img", page)


def test_every_link_leads_to_a_chapter(page):
    for link in Page(page).links:
        assert f'id="{link[1:]}"' in page


def test_the_facts_are_on_the_page(page, found):
    for fact in ("videos, 20 utterances", found["split"], "official", found["licence"]):
        assert fact in words(page)


def test_the_first_line_says_whether_a_run_would_be_refused(folder):
    refused = found_in(videos_card(folder))
    assert audit_page.verdict(refused) == "The split leaks: group. A run refuses group."
    allowed = found_in(videos_card(folder, allow_leak=["group"]))
    assert audit_page.verdict(allowed).endswith("The config allows it, and every table says so.")
    assert "Leaks allowed by the config: group." in words(audit_page.page(allowed))
    disjoint = found_in(videos_card(folder, protocol={"name": "disjoint", "dev": 0}))
    assert audit_page.verdict(disjoint) == "No leak was found."


def test_a_clean_split_has_no_chapter_of_leaks_and_siblings(folder):
    found = found_in(videos_card(folder, protocol={"name": "disjoint", "dev": 0}))
    assert (found["leaks"], found["siblings"], found["ties"]) == ([], {}, None)
    source = audit_page.page(found)
    assert not chapter(source, "leaks")
    assert not chapter(source, "siblings")
    assert "break ties" not in words(source)
    assert "6 utterances are in no part of the split" in words(source), "all of v0, v1 and v5"


def test_a_target_of_numbers_has_siblings_of_all_items_alone(folder):
    table = pd.read_csv(folder / "videos.csv")
    table.assign(valence=range(len(table))).to_csv(folder / "numbers.csv", index=False)
    raw = videos_card(folder, outputs={"valence": {"kind": "numbers"}}, metrics=["ccc"])
    raw["corpus"] = raw["corpus"] | {"path": "numbers.csv"}
    found = found_in(raw)
    assert (found["siblings"], found["ties"]) == ({"all": [4, 8]}, None)
    source = audit_page.page(found)
    assert ["all", "4", "8", "0.500"] in rows_of(chapter(source, "siblings"))
    assert rows_of(chapter(source, "probes"))[1][0] == "mean"


# Seen and unseen groups of a run


def test_before_a_run_there_are_no_scores_of_seen_and_unseen_groups(found, page):
    assert found["seen"] == {}
    assert not chapter(page, "seen")


def test_a_sealed_test_shows_no_scores_of_seen_and_unseen_groups(folder):
    raw = videos_config(folder, name="sealed", protocol={"name": "official", "dev": 0.3})
    run(raw, open_test=False)
    assert found_in(raw)["seen"] == {}


def test_the_scores_of_a_run_stand_by_whether_train_has_the_group(folder):
    raw = videos_config(folder)
    done = run(raw)
    found = found_in(raw)
    assert {value: one["utterances"] for value, one in found["seen"].items()} == {"no": 4, "yes": 4}
    source = audit_page.page(found)
    header, *rows = rows_of(chapter(source, "seen"))
    assert header == ["in train", "items", "accuracy", "macro_f1"]
    rows = {row[0]: row[1:] for row in rows}
    written = pd.read_csv(done.folder / "predictions.csv")
    assert set(rows) == {"yes", "no"}
    for value, one in recomputed(written, seen={"v0", "v1", "v5"}).items():
        assert found["seen"][value]["accuracy"] == pytest.approx(one["accuracy"])
        assert found["seen"][value]["macro_f1"] == pytest.approx(one["macro_f1"])
        assert rows[value] == ["4", f"{one['accuracy']:.3f}", f"{one['macro_f1']:.3f}"]


def test_another_config_does_not_show_the_scores_of_this_one(folder):
    run(videos_config(folder))
    assert found_in(videos_config(folder, encoders={"text": {"name": "tfidf"}}))["seen"] == {}
    assert found_in(videos_config(folder, seeds=[5]))["seen"], "a seed is no other config"


def recomputed(predictions, seen):
    """Seen or not → the mean over seeds of both metrics, from the written rows alone."""
    test = predictions[predictions["part"] == "test"]
    inside = test["id"].str.split("-").str[1].isin(seen)
    found = {}
    for value, some in (("yes", test[inside]), ("no", test[~inside])):
        seeds = [scores(rows) for _, rows in some.groupby("seed")]
        found[value] = {name: sum(one[name] for one in seeds) / len(seeds) for name in seeds[0]}
    return found


def scores(rows):
    """Accuracy, and the mean over classes of 2·right / (guessed + true)."""
    right = rows["truth"] == rows["value"]
    parts = []
    for name in (BOLD, CALM):
        both = (rows["truth"] == name).sum() + (rows["value"] == name).sum()
        parts += [2 * (right & (rows["truth"] == name)).sum() / both] if both else []
    return {"accuracy": right.mean(), "macro_f1": sum(parts) / len(parts)}
