"""RAVDESS: two English sentences spoken and sung by 24 actors in eight emotions.

The file names say everything: `Actor_NN/03-CC-EE-II-SS-RR-NN.wav` (or `.flac`) with vocal channel,
emotion, intensity, statement, repetition and actor; odd actors are men. There is no strong
neutral, and actor 18 does not sing. The folders may lie in those of the archives
(`Audio_Song_Actors_01-24/Actor_01/…`): rows follow the paths, so songs come first there.

`split` holds the six speaker-disjoint folds of EmoBox, `fold1` to `fold6`, of four actors each:
the protocol `official` tests each of them once.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from multimodal_ser.corpus.corpus import About, Corpus, build, data_root
from multimodal_ser.corpus.tables import named, write_silence
from multimodal_ser.types import DataError

ABOUT = About(
    name="ravdess",
    licence="CC BY-NC-SA 4.0",
    citation=(
        "Livingstone & Russo 2018, The Ryerson Audio-Visual Database of Emotional Speech and Song "
        "(RAVDESS), PLoS ONE 13(5): e0196391"
    ),
    home="https://zenodo.org/records/1188976",
    labels=("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
    language="en",
    namespace="ravdess",
)
_NAME = re.compile(
    r"(?:.*/)?Actor_(?P<speaker>0[1-9]|1\d|2[0-4])/03-(?P<channel>0[12])-(?P<emotion>0[1-8])"
    r"-(?P<intensity>0[12])-(?P<statement>0[12])-(?P<repetition>0[12])-(?P=speaker)\.\w+"
)
_CHANNELS = {"01": "speech", "02": "song"}
_INTENSITIES = {"01": "normal", "02": "strong"}
_STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
_FOLDS = (
    (1, 11, 20, 21),
    (4, 10, 12, 14),
    (8, 9, 19, 23),
    (3, 5, 7, 24),
    (2, 15, 16, 18),
    (6, 13, 17, 22),
)
_FOLD_OF = {actor: f"fold{place}" for place, actors in enumerate(_FOLDS, 1) for actor in actors}


def load(
    *,
    root: str = "ravdess",
    channels: tuple[Literal["speech", "song"], ...] = ("speech",),
    allow_missing: bool = False,
) -> Corpus:
    """The files of some vocal channels, in the order of their paths.

    allow_missing: drop files that cannot be read as audio.
    """
    folder = data_root(root)
    clips = named(folder, _NAME, "Actor_NN/03-CC-EE-II-SS-RR-NN", ABOUT.home)
    table = pd.DataFrame(map(_row, clips))
    absent = sorted(set(channels) - set(table["vocal_channel"]))
    if absent:
        counts = table["vocal_channel"].value_counts().to_dict()
        raise DataError(f"{folder} has no {' and no '.join(absent)}, only {counts} ({ABOUT.home})")
    chosen = table[table["vocal_channel"].isin(list(channels))]
    return build(chosen, ABOUT, root=folder, allow_missing=allow_missing)


def _row(name: re.Match[str]) -> dict[str, str]:
    """What the name of one file says."""
    actor = int(name["speaker"])
    labels = ABOUT.labels or ()
    return {
        "id": Path(name[0]).stem,
        "audio": name[0],
        "text": _STATEMENTS[name["statement"]],
        "text_source": "reference",
        "label": labels[int(name["emotion"]) - 1],
        "speaker": name["speaker"],
        "gender": "male" if actor % 2 else "female",
        "split": _FOLD_OF[actor],
        "vocal_channel": _CHANNELS[name["channel"]],
        "intensity": _INTENSITIES[name["intensity"]],
        "statement": str(int(name["statement"])),
        "repetition": str(int(name["repetition"])),
    }


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load three silent files, which this writes."""
    for name in ("03-01-03-01-01-01-01", "03-01-04-02-02-01-01", "03-02-03-01-01-01-02"):
        write_silence(folder / f"Actor_{name[-2:]}" / f"{name}.wav")
    return {"root": str(folder), "channels": ["speech", "song"]}
