"""EMO-DB: ten German sentences spoken by ten actors in seven emotions, 535 recordings.

The file names say everything: `wav/03a01Fa.wav` is speaker 03, sentence a01, emotion F and version
a. The letters are German: W (Wut) anger, L (Langeweile) boredom, E (Ekel) disgust, A (Angst)
fear, F (Freude) happiness, T (Trauer) sadness, N neutral. All sentences are said in all emotions,
so words tell nothing. No split is shipped.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from multimodal_ser.corpus.corpus import About, Corpus, build, data_root
from multimodal_ser.corpus.tables import named, write_silence

ABOUT = About(
    name="emodb",
    licence="CC0 1.0 (as audEERING distributes it)",
    citation=(
        "Burkhardt, Paeschke, Rolfes, Sendlmeier & Weiss 2005, A Database of German Emotional "
        "Speech, Interspeech, 1517-1520"
    ),
    home="http://emodb.bilderbar.info",
    labels=("anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral"),
    language="de",
    namespace="emodb",
)
_LETTERS = dict(zip("WLEAFTN", ABOUT.labels or (), strict=True))
_SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute Abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
_SPEAKERS = {
    "03": ("male", 31), "08": ("female", 34), "09": ("female", 21), "10": ("male", 32),
    "11": ("male", 26), "12": ("male", 30), "13": ("female", 32), "14": ("female", 35),
    "15": ("male", 25), "16": ("female", 31),
}  # fmt: skip
_NAME = re.compile(
    rf"(?:.*/)?(?P<speaker>{'|'.join(_SPEAKERS)})(?P<sentence>{'|'.join(_SENTENCES)})"
    rf"(?P<emotion>[{''.join(_LETTERS)}])(?P<version>[a-z])\.\w+"
)


def load(*, root: str = "emodb", allow_missing: bool = False) -> Corpus:
    """All recordings, in the order of their paths. allow_missing: drop those that are no audio."""
    folder = data_root(root)
    clips = named(folder, _NAME, "like 03a01Fa.wav", ABOUT.home)
    return build(pd.DataFrame(map(_row, clips)), ABOUT, root=folder, allow_missing=allow_missing)


def _row(name: re.Match[str]) -> dict[str, str | int]:
    """What the name of one file says."""
    gender, age = _SPEAKERS[name["speaker"]]
    return {
        "id": Path(name[0]).stem,
        "audio": name[0],
        "text": _SENTENCES[name["sentence"]],
        "label": _LETTERS[name["emotion"]],
        "speaker": name["speaker"],
        "gender": gender,
        "age": age,
        "sentence": name["sentence"],
        "version": name["version"],
    }


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load three silent recordings, which this writes."""
    for name in ("03a01Fa", "08b10Wb", "16a05Tc"):
        write_silence(folder / "wav" / f"{name}.wav")
    return {"root": str(folder)}
