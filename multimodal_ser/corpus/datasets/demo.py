"""Synthetic Spanish speech, 24 voices × 20 utterances: bundled, so that anything can be tried.

The emotion is planted (column `planted`): `prosody` only in the voice, over one neutral sentence;
`words` only in the words, said flatly; `both`; `irony`, where one channel is joyful and the other
is not, and the label is the one that is not: cheerfulness is the mask. It says nothing about
people. `experiments/make_demo_corpus.py` makes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from multimodal_ser.corpus.corpus import About, Corpus, build

ABOUT = About(
    name="demo",
    licence="MIT",
    citation="This package; speech synthesised by eSpeak NG",
    home="bundled",
    labels=("anger", "disgust", "fear", "joy", "neutral", "sadness"),
    language="es",
    notice="synthetic speech; says nothing about people",
)
_FOLDER = Path(__file__).parent / "_demo"


def load() -> Corpus:
    """480 utterances, 80 of each class, of 24 speakers."""
    return build(pd.read_csv(_FOLDER / "utterances.csv"), ABOUT, root=_FOLDER)


def config() -> Path:
    """The study over this corpus: in the wheel beside the audio, in a checkout `configs/`."""
    shipped = _FOLDER / "demo.yaml"
    return shipped if shipped.exists() else Path(__file__).parents[3] / "configs" / "demo.yaml"


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load it at once."""
    return {}
