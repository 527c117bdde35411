"""Audit, describe and joined corpora as a user meets them, on small files and on real corpora."""

import hashlib
import json
import os
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.helpers.command import mser
from tests.report.test_audit_page import (
    BOLD,
    CALM,
    SAME_GROUP,
    SIBLINGS,
    TIES,
    recomputed,
    videos_card,
    videos_config,
    write_videos,
)
from tests.report.test_report import Page

TASKS = Path(__file__).parents[2] / "configs" / "tasks"


@pytest.fixture
def folder(tmp_path):
    write_videos(tmp_path)
    return tmp_path


def written(folder, raw):
    path = folder / f"{raw['name']}.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path


def audit(folder, path, *words):
    """What the command did, the JSON and the page that it wrote into `out`."""
    done = mser("audit", path, *words, *outputs(folder))
    return done, *read(folder)


def outputs(folder):
    return ["--json", folder / "out" / "audit.json", "--html", folder / "out" / "audit.html"]


def read(folder):
    found = (folder / "out" / "audit.json").read_text("utf-8")
    page = (folder / "out" / "audit.html").read_text("utf-8")
    return json.loads(found, parse_constant=refuse), page


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def test_a_leak_is_exit_3_and_the_files_are_written_all_the_same(folder):
    path = written(folder, videos_card(folder))
    done = mser("audit", path, *outputs(folder))
    found, page = read(folder)
    assert done.returncode == 3
    assert "allow_leak: [group]" in done.stderr
    assert done.stdout.count("written: ") == 2
    assert [one["examples"] for one in found["leaks"]] == [["<i>v0", "v1", "v5"]]
    assert found["siblings"] == SIBLINGS
    assert found["ties"] == pytest.approx(TIES)
    assert found["probes"]["same group"] == pytest.approx(SAME_GROUP)
    assert len(found["remarks"]) == 1
    assert "A run refuses group." in page
    assert Page(page).tags.count("table") == 2, "lookups and siblings"


def test_a_leak_that_is_allowed_is_exit_0_and_said_aloud(folder):
    path = written(folder, videos_card(folder))
    (code, shown, told), found, page = audit(folder, path, "allow_leak=[group]")
    assert (code, told) == (0, "")
    assert "! leaks allowed by the config: group" in shown
    assert found["leaks"][0]["allowed"] is True
    assert "Leak, allowed by the config: group, 3 in train/test" in page


def test_a_terminal_shows_labels_as_they_are_and_what_ties_make_of_it(folder):
    _, shown, _ = mser("audit", written(folder, videos_card(folder)))
    assert f"{TIES[0]:.4f} to {TIES[1]:.4f}" in shown
    for label in (BOLD, CALM):
        line = next(line for line in shown.splitlines() if line.startswith(f"│ {label} "))
        assert [cell.strip() for cell in line.strip("│").split("│")] == [label, "4", "2", "0.50"]


def test_an_audit_shows_the_scores_of_the_run_of_the_same_config(folder):
    path = written(folder, videos_config(folder))
    assert mser("run", path)[0] == 0
    (code, shown, _), found, page = audit(folder, path)
    assert code == 0
    assert "the run of this config, by group in train" in shown
    (table,) = folder.glob("runs/videos/*/predictions.csv")
    for value, one in recomputed(pd.read_csv(table), {"v0", "v1", "v5"}).items():
        assert found["seen"][value]["utterances"] == 4
        for name, number in one.items():
            assert found["seen"][value][name] == pytest.approx(number)
            assert f"{number:.3f}" in Page(page).cells


def test_a_config_that_stands_on_a_card_is_audited_like_the_card(folder):
    (folder / "tasks").mkdir()
    described = {"title": "Videos", "home": "https://example.org", "averaging": "macro-F1"}
    written(folder / "tasks", videos_card(folder, task=described))
    own = {"name": "own", "task": "tasks/videos.yaml", "encoders": {"text": {"name": "hashing"}}}
    _, card, _ = audit(folder, folder / "tasks" / "videos.yaml")
    (code, _, _), found, _ = audit(folder, written(folder, own))
    assert code == 3
    assert found == card


def test_a_card_cannot_be_run_and_the_message_says_what_it_lacks(folder):
    code, _, told = mser("run", written(folder, videos_card(folder)))
    assert code == 2
    assert "encoders: name at least one" in told


def test_describe_writes_a_page_of_a_card(folder):
    page = folder / "pages" / "corpus.html"
    path = written(folder, videos_card(folder))
    done = mser("describe", path, "--output", page, "--show", "test-n2-0")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"page: {page}" in done.stdout
    assert "20 utterances, unknown speakers, 2 classes, no sound, 20 transcripts" in done.stdout
    words = "".join(Page(page.read_text("utf-8")).words)
    assert "test-n2-0" in words
    assert BOLD in words


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("protocol.naem=official",), 2, "protocol.naem"),
        (("corpus.pth=videos.csv",), 2, "did you mean corpus.path?"),
        (("--show", "test-n2-0,test-n2-9"), 4, "test-n2-9; did you mean test-n2-0?"),
        (("corpus.path=gone.csv",), 4, "no manifest at"),
    ],
)
def test_describe_refuses_a_typo_with_2_and_an_id_that_is_not_there_with_4(
    folder, words, code, message
):
    page = folder / "corpus.html"
    path = written(folder, videos_card(folder))
    found, _, told = mser("describe", path, *words, "--output", page)
    assert found == code
    assert message in told
    assert not page.exists()


def test_a_corpus_cannot_be_joined_with_itself(folder):
    own = videos_card(folder)["corpus"]
    code, _, told = mser("audit", written(folder, videos_card(folder, corpus=[own, own])))
    assert code == 4
    assert "contain one another and cannot be joined" in told


def test_two_tables_are_joined_and_their_groups_kept_apart(folder):
    write_videos(folder, "more.csv")
    own = videos_card(folder)["corpus"]
    both = [own, own | {"path": "more.csv"}]
    (code, _, _), found, _ = audit(folder, written(folder, videos_card(folder, corpus=both)))
    assert code == 3
    assert (found["corpus"], found["utterances"]) == ("videos+more", 40)
    counts = {one["kind"]: one["count"] for one in found["leaks"]}
    assert counts["group"] == 6, "three videos of each, not the same three"


# The real corpora


def real(folder):
    """Where the corpus lies under MSER_DATA, or a skip that says what is missing."""
    place = os.environ.get("MSER_DATA")
    if not place or not (Path(place) / folder).is_dir():
        pytest.skip(f"needs the folder '{folder}' under MSER_DATA")
    return Path(place).absolute() / folder


def videos_by_hand(root):
    """Label and whether train has its video, of each test segment, from the files as they lie."""
    read = {"dtype": str, "keep_default_na": False}
    known = pd.read_csv(root / "meacorpus_2023_public_v2.csv", **read).set_index("filename")
    train = pd.read_csv(root / "EmoSPeech_phase_2_train.csv", **read)["id"]
    test = pd.read_csv(root / "EmoSPeech_phase_2_test_public2.csv", **read)["id"]
    seen = set(known.loc[train, "youtube_key"])
    return known.loc[test, "label"], known.loc[test, "youtube_key"].isin(seen)


def test_the_official_split_of_emospeech_gives_away_half_of_its_test(tmp_path):
    """The counts are counted here from the tables; the scores were worked out apart before."""
    root = real("emospeech")
    path = TASKS / "emospeech-task1.yaml"
    (code, _, _), found, page = audit(tmp_path, path, f"runs_dir={tmp_path}")
    assert code == 3
    assert "600 of the 750 test segments are in the training part of MEACorpus" in found["notice"]
    assert found["notice"] in page
    assert found["siblings"]["all"] == [395, 750]
    labels, inside = videos_by_hand(root)
    for name in labels.unique():
        own = inside[labels == name]
        assert found["siblings"][name] == [own.sum(), len(own)]
    shares = {name: round(seen / count, 2) for name, (seen, count) in found["siblings"].items()}
    published = {"fear": 0.83, "sadness": 0.83, "disgust": 0.81, "anger": 0.79}
    assert shares == published | {"joy": 0.61, "neutral": 0.14, "all": 0.53}
    assert found["probes"]["same group"]["macro_f1"] == pytest.approx(0.8428, abs=5e-4)
    assert found["ties"] == pytest.approx([0.836, 0.848], abs=5e-4)
    assert {one["kind"] for one in found["leaks"]} == {"group"}


def test_emospeech_and_the_corpus_it_was_cut_from_are_not_joined():
    real("emospeech")
    both = "corpus=[{name: emospeech, root: emospeech}, {name: meacorpus, root: emospeech}]"
    code, _, told = mser("audit", TASKS / "emospeech-task1.yaml", both)
    assert code == 4
    assert "contain one another and cannot be joined" in told


def test_two_files_of_ravdess_are_the_same_and_its_folds_do_not_leak(tmp_path):
    files = defaultdict(list)
    for path in sorted(real("ravdess").rglob("03-01-*.*")):
        files[hashlib.sha256(path.read_bytes()).hexdigest()].append(path.stem)
    (copies,) = [names for names in files.values() if len(names) > 1]
    assert {name[-2:] for name in copies} == {"07"}
    (code, _, _), found, page = audit(tmp_path, TASKS / "ravdess.yaml", f"runs_dir={tmp_path}")
    assert (code, found["leaks"]) == (0, [])
    (remark,) = [one for one in found["remarks"] if "identical sound" in one]
    assert f"one set ({' = '.join(copies)})" in remark
    assert all(name in page for name in copies)
