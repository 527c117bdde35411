"""SAVEE: four Englishmen read 120 sentences each, in seven emotions.

The file names say everything: `AudioData/DC/sa07.wav`, or `DC_sa07.wav` where all lie in one
folder, is speaker DC, emotion sa and recording 7 of it. There are 15 of each emotion and 30 of
neutral. The names do not say which sentence is read, so there is no text until it is recognised.
No split is shipped.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from multimodal_ser.corpus.corpus import About, Corpus, build, data_root
from multimodal_ser.corpus.tables import named, write_silence

ABOUT = About(
    name="savee",
    licence="free for research on registration, with the authors cited",
    citation=(
        "Haq & Jackson 2010, Multimodal Emotion Recognition, in Wang (ed.), Machine Audition: "
        "Principles, Algorithms and Systems, IGI Global, 398-423"
    ),
    home="http://kahlan.eps.surrey.ac.uk/savee/",
    labels=("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
    language="en",
    namespace="savee",
)
_CODES: dict[str, str] = dict(
    zip(("a", "d", "f", "h", "n", "sa", "su"), ABOUT.labels or (), strict=True)
)
_NAME = re.compile(
    rf"(?:.*/)?(?P<speaker>DC|JE|JK|KL)[/_](?P<emotion>{'|'.join(_CODES)})(?P<number>\d\d)\.\w+"
)


def load(*, root: str = "savee", allow_missing: bool = False) -> Corpus:
    """All recordings, in the order of their paths. allow_missing: drop those that are no audio."""
    folder = data_root(root)
    clips = named(folder, _NAME, "like DC/sa07.wav or DC_sa07.wav", ABOUT.home)
    return build(pd.DataFrame(map(_row, clips)), ABOUT, root=folder, allow_missing=allow_missing)


def _row(name: re.Match[str]) -> dict[str, str]:
    """What the name of one file says."""
    return {
        "id": f"{name['speaker']}_{name['emotion']}{name['number']}",
        "audio": name[0],
        "label": _CODES[name["emotion"]],
        "speaker": name["speaker"],
        "gender": "male",
    }


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load three silent recordings, which this writes."""
    for name in ("DC/a01", "JE/sa15", "KL/n30"):
        write_silence(folder / "AudioData" / f"{name}.wav")
    return {"root": str(folder)}
