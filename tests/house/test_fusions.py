"""The experiment that sets every fusion beside concat."""

import re

import fusions
import numpy as np
import pytest
from sklearn.metrics import recall_score

from multimodal_ser.config import registry
from multimodal_ser.config.read import check
from multimodal_ser.types import ConfigError
from tests.helpers.tones import tones_config, write_tones

NAMES = ["gated", "late"]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tones")
    write_tones(folder)
    config = tones_config(folder, metrics=["uar", "accuracy"], seeds=[0, 1])
    return fusions.study(check(config), NAMES)


def recalls(done):
    """Of each seed, by scikit-learn."""
    parts = [rows for _, rows in done.part("test").groupby("seed")]
    return [recall_score(rows["truth"], rows["value"], average="macro") for rows in parts]


def table(found):
    """First cell → all cells of the row."""
    lines = [line.split("|")[1:-1] for line in fusions.described(found) if line.startswith("| ")]
    return {cells[0].strip(): [cell.strip() for cell in cells] for cells in lines}


def test_the_table_says_of_each_fusion_what_its_predictions_are_worth(found):
    rows = table(found)
    best_first = sorted(["concat", *NAMES], key=lambda name: -float(rows[name][2].split()[0]))
    assert list(rows) == ["fusion", *best_first]
    plain = np.mean(recalls(found.runs["audio+hand+text"]))
    for name in ("concat", *NAMES):
        done = found.runs["audio+hand+text" + (f" [{name}]" if name != "concat" else "")]
        values = recalls(done)
        assert rows[name][3] == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
        gap = f"{np.mean(values) - plain:+.3f} (" if name != "concat" else ""
        assert rows[name][5].startswith(gap)
        assert bool(rows[name][6]) == (name != "concat")
    hidden = 256  # of gated, which is at its default; dims 16, 8 and 8, two gates of three encoders
    count = 32 * hidden + 3 * hidden + 2 * (32 * hidden + hidden) + hidden * 3 + 3
    assert rows["gated"][1] == f"{count:,}"


def test_what_differs_from_concat_is_said_and_the_rest_is_counted(found):
    told = fusions.verdict(found, found.runs)
    shown = [one for one in found.contrasts.values() if one.holm < 0.05]
    assert len(told) == len(shown) + 1
    assert told[-1] == f"- no difference from concat is shown for {2 - len(shown)} of 2"


def test_the_table_is_written_as_it_is_printed(tones, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fusions, "load", lambda path, changes: check(tones_config(tones)))
    out = tmp_path / "table.md"
    monkeypatch.setattr("sys.argv", ["fusions.py", "--fusions", "join", "--out", str(out)])
    fusions.main()
    assert out.read_text("utf-8") == capsys.readouterr().out
    assert re.search(r"^\| join \| 99 \|", out.read_text("utf-8"), re.MULTILINE)  # 32 · 3 + 3


def test_where_nothing_is_held_out_the_dev_column_is_empty(tones):
    protocol = {"name": "holdout", "test": 0.5, "dev": 0}
    rows = table(fusions.study(check(tones_config(tones, protocol=protocol)), ["join"]))
    assert [(name, cells[2]) for name, cells in rows.items()] == [
        ("fusion", "dev"),
        ("concat", ""),
        ("join", ""),
    ]


def test_a_dry_run_names_every_fusion_and_trains_none(tones, monkeypatch, capsys):
    monkeypatch.setattr(fusions, "load", lambda path, changes: check(tones_config(tones)))
    monkeypatch.setattr("sys.argv", ["fusions.py", "--dry-run"])
    fusions.main()
    told = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {*registry.names("fusion")} <= {*told}
    assert not list(tones.glob("runs/tones/*/models"))


def test_a_single_encoder_leaves_nothing_to_fuse(tones):
    alone = check(tones_config(tones, encoders={"audio": {"name": "mfcc"}}))
    with pytest.raises(ConfigError, match="a single encoder leaves nothing to fuse"):
        fusions.study(alone, NAMES)
