"""The command line as a user meets it: what it prints, what it exits with, no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.helpers.command import ROOT, mser, started
from tests.helpers.tones import tones_config


@pytest.fixture
def config(tones):
    path = tones / "tones.yaml"
    path.write_text(yaml.safe_dump(tones_config(tones)))
    return path


def test_two_mistakes_are_named_in_one_go():
    done = started("run", "configs/demo.yaml", "learner.lrr=0.1", "fusion.hiden=3")
    assert done.returncode == 2
    assert "2 problems" in done.stderr
    assert "did you mean learner.optimizer.lr?" in done.stderr
    assert "did you mean fusion.hidden?" in done.stderr


def test_a_random_split_is_refused_and_one_kind_can_be_let_through(config):
    refused = mser("run", config, "protocol.name=random")
    assert refused.returncode == 3
    assert "allow_leak: [speaker]" in refused.stderr
    passed = mser("run", config, "protocol.name=random", "allow_leak=[speaker]")
    assert passed.returncode == 0
    assert "! leaks allowed by the config: speaker" in passed.stdout
    other = mser("run", config, "protocol.name=random", "allow_leak=[group]")
    assert other.returncode == 3


def test_run_prints_the_split_the_table_and_the_folder(config):
    done = mser("run", config)
    assert done.returncode == 0
    assert "36 utterances, split " in done.stdout
    assert "macro_f1" in done.stdout
    assert "run folder:" in done.stdout


def test_dev_only_keeps_the_test_out_of_sight(config):
    done = mser("run", config, "--dev-only")
    assert done.returncode == 0
    assert "dev: 36 utterances" in done.stdout
    assert "test: " not in done.stdout


def test_compare_shows_the_arms_that_are_asked_for(config):
    done = mser("compare", config, "--modalities", "audio, audio+text")
    assert done.returncode == 0
    assert "│ audio+text" in done.stdout
    assert "hand" not in done.stdout
    wrong = mser("compare", config, "--modalities", "audio+txt")
    assert wrong.returncode == 2
    assert "no encoder ['txt']" in wrong.stderr


def test_score_judges_a_file_and_tests_it_against_a_run(config):
    assert mser("run", config).returncode == 0
    (folder,) = (path.parent for path in config.parent.rglob("predictions.csv"))
    table = pd.read_csv(folder / "predictions.csv")
    answers = config.parent / "answers.csv"
    table[table["part"] == "test"][["id", "truth"]].rename(columns={"truth": "value"}).to_csv(
        answers, index=False
    )
    done = mser("score", answers, "--task", config, "--against", folder)
    assert done.returncode == 0
    assert "1.000" in done.stdout
    assert f"over {folder}" in done.stdout
    answers.write_text("id,value\na,b\n")
    assert mser("score", answers, "--task", config).returncode == 4


def test_audit_shows_the_probes_and_exits_3_on_a_leak(config):
    clean = mser("audit", config)
    assert clean.returncode == 0
    assert "no leak found" in clean.stdout
    assert "same group" in clean.stdout
    assert mser("audit", config, "protocol.name=random").returncode == 3


def test_embed_fills_the_cache_and_cache_shows_and_checks_it(config):
    done = mser("embed", config)
    assert done.returncode == 0
    assert "audio: 36 distinct inputs in log_mel-" in done.stdout
    store = done.stdout.partition(" inputs in ")[2].split()[0]
    assert "log_mel-" in mser("cache", "ls").stdout
    assert mser("cache", "verify").returncode == 0
    memory = next(Path(os.environ["MSER_CACHE"]).glob("contents/*.json"))
    truth = memory.read_text()
    memory.write_text(truth.replace('": ["', '": ["00', 1))
    assert "1 files changed unseen" in mser("cache", "verify").stderr
    memory.write_text(truth)
    shard = next(Path(os.environ["MSER_CACHE"]).glob(f"features/{store}/*.safetensors"))
    data = shard.read_bytes()
    shard.write_bytes(data[: len(data) // 2])
    bad = mser("cache", "verify")
    assert bad.returncode == 4
    assert "1 shards are damaged" in bad.stderr
    assert mser("run", config).returncode == 0
    assert mser("cache", "verify").returncode == 0
    assert f"removed features/{store}" in mser("cache", "prune", "--days", "0").stdout


def test_list_names_everything():
    done = mser("list")
    for name in ("demo", "log_mel", "concat", "neural", "macro_f1", "leave_one_corpus_out"):
        assert f"  {name} " in done.stdout
    assert "manifest" not in mser("list", "fusion").stdout
    assert mser("list", "fusions").returncode == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda table: table.rename(columns={"speaker": "speeker"}), "looks like 'speaker'"),
        (lambda table: table.assign(id="same"), "appear more than once"),
        (lambda table: table.assign(audio="gone/" + table["audio"]), "36 rows name a file"),
        (lambda table: table.head(0), "has no rows"),
        (lambda table: table.assign(audio="../" + table["audio"]), "lie outside"),
    ],
)
def test_a_bad_table_is_exit_4_with_the_way_out(config, spoil, message):
    path = config.parent / "table.csv"
    spoil(pd.read_csv(path)).to_csv(path, index=False)
    done = mser("run", config)
    assert done.returncode == 4
    assert message in done.stderr


def test_missing_files_can_be_dropped_and_are_counted(config):
    for gone in config.parent.glob("s0-joy-*.wav"):
        gone.unlink()
    assert mser("run", config).returncode == 4
    done = mser("run", config, "corpus.allow_missing=true")
    assert done.returncode == 0
    assert "! 2 rows dropped: file missing or unreadable" in done.stdout


def test_a_plain_script_and_a_notebook_cell_run_the_python_interface(config):
    """Neither has an `if __name__ == "__main__"` for the workers to skip."""
    script = config.parent / "script.py"
    script.write_text(
        "from multimodal_ser import compare\n"
        "print(len(compare('tones.yaml', ['audio', 'audio+text']).table()))\n"
    )
    cell = "from multimodal_ser import run; print(len(run('tones.yaml').table()))"
    for words, shown in (([str(script)], "2"), (["-c", cell], "3")):
        done = subprocess.run(
            [sys.executable, *words], cwd=config.parent, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [shown]


def test_a_module_of_the_users_folder_can_be_named(config):
    text = (ROOT / "multimodal_ser/training/fusion/concat.py").read_text()
    (config.parent / "my_fusion.py").write_text(text)
    done = mser("run", config, "fusion.name=no_such.fusion", cwd=config.parent)
    assert done.returncode == 2
    done = mser("run", config, "fusion.name=project.my_fusion", cwd=config.parent)
    assert done.returncode == 2
    (config.parent / "project").mkdir()
    (config.parent / "my_fusion.py").rename(config.parent / "project" / "my_fusion.py")
    done = started("run", config, "fusion.name=project.my_fusion", cwd=config.parent)
    assert done.returncode == 0
