"""The shipped flagships on the bundled corpus with tiny random weights: wav, transcript, label."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from multimodal_ser import load, run
from multimodal_ser.config.read import load as load_config
from multimodal_ser.corpus.datasets import demo
from multimodal_ser.features.asr._checkpoints import write_tiny
from multimodal_ser.features.encoders import hf_speech, hf_text
from tests.helpers.tones import write_tones

ROOT = Path(__file__).parents[2]
LAYER = "encoders.audio.layer=1"  # the stand-in has two, the real one is asked for its twelfth
QUICK = ["protocol.folds=3", "seeds=[0]", "learner.epochs=1", "asr.fallback=false"]


@pytest.fixture(scope="module")
def changes(tmp_path_factory):
    """What puts stand-ins for the weights into a flagship's config, and its runs into a folder."""
    folder = tmp_path_factory.mktemp("flagship")
    voice = hf_speech.EXAMPLE(folder / "voice")["model"]
    words = hf_text.EXAMPLE(folder)["model"]
    whisper = write_tiny(folder / "whisper.pt", text_context=40)
    return [
        f"encoders.audio.model={voice}",
        f"encoders.text.model={words}",
        f"asr.model={whisper}",
        f"runs_dir={folder / 'runs'}",
        *QUICK,
    ]


@pytest.mark.slow
def test_the_flagship_runs_from_wav_to_transcript_to_label(changes):
    done = run(load_config(ROOT / "configs" / "flagship.yaml", changes))
    spoken = pd.read_csv(done.folder / "transcripts.csv").set_index("id")
    assert len(spoken) == 480
    assert spoken["text_source"].unique() == ["asr:whisper/whisper.pt"]
    assert spoken["reference"].notna().all() and (spoken["reference"] != spoken["text"]).all()
    corpus = demo.load()
    dev = done.part("dev")
    ids = list(dev[dev["fold"] == 1]["id"])[:20]
    paths = {one.id: one.audio for one in corpus.utterances()}
    found = load(done.folder, fold=1, seed=0)([paths[one] for one in ids])
    wanted = dev[dev["fold"] == 1].set_index("id").loc[ids]
    scores = [column for column in found if column.startswith("score:")]
    assert scores == [f"score:{name}" for name in corpus.labels]
    np.testing.assert_allclose(found[scores], wanted[scores], atol=1e-5)
    texts = spoken["text"][ids].fillna("")
    assert list(found["text"].fillna("")) == list(texts)


@pytest.mark.slow
def test_the_experiment_prints_a_table_of_each_study_and_the_test_between_the_fusions(
    changes, tmp_path
):
    write_tones(tmp_path)
    tones = [
        "corpus.name=manifest",
        f"corpus.root={tmp_path}",
        "corpus.path=table.csv",
        "allow_leak=[transcript]",
    ]
    found = subprocess.run(
        [sys.executable, "experiments/unimodal_vs_fused.py", "--set", *changes, LAYER, *tones],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    for arm in ("audio", "handcrafted", "text", "audio+handcrafted+text"):
        rows = [line for line in lines if line.startswith(f"│ {arm} ")]
        assert 2 <= len(rows) <= 4, "in both studies among the arms, and among the gaps but for one"
    assert any("36 texts are asr:whisper/whisper.pt's" in line for line in lines)
    assert "flagship-cross_attention" in lines[-1] and "→ fused:" in lines[-1]


def test_the_experiment_says_what_is_missing_and_leaves_with_its_code(tmp_path):
    found = subprocess.run(
        [sys.executable, "experiments/unimodal_vs_fused.py", "--set", f"runs_dir={tmp_path}"],
        cwd=ROOT,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(tmp_path)}
        | {"https_proxy": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 5
    assert "hf download facebook/wav2vec2-xls-r-300m" in found.stderr
    assert "Traceback" not in found.stderr
