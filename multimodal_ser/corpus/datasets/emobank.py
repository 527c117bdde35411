"""EmoBank: 10,062 English sentences with valence, arousal and dominance from 1 to 5.

An id is `<document>_<start>_<end>`, the place of the sentence in its document in characters (135
documents, of 1 to 925 sentences), and the document is the group; the 1,192 headlines `SemEval_<n>`
stand alone. The shipped split is of sentences: 882 of the 1,000 test sentences come from a
document that is in train as well. There are no classes and there is no sound.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from multimodal_ser.corpus.corpus import About, Corpus, build, data_root
from multimodal_ser.corpus.tables import read, recoded, require

ABOUT = About(
    name="emobank",
    licence="CC BY-SA 4.0",
    citation="Buechel & Hahn 2017, EmoBank, EACL (Volume 2, Short Papers), 578-585",
    home="https://github.com/JULIELab/EmoBank",
    labels=(),
    language="en",
    namespace="emobank",
)
_SPLITS = {part: part for part in ("train", "dev", "test")}


def load(*, root: str = "emobank") -> Corpus:
    """All sentences of `emobank.csv`, in its order."""
    folder = data_root(root)
    path = folder / "emobank.csv"
    theirs = read(path, home=ABOUT.home)
    require(theirs, ["id", "split", "V", "A", "D", "text"], path)
    table = pd.DataFrame(
        {
            "id": theirs["id"],
            "text": theirs["text"],
            "valence": theirs["V"],
            "arousal": theirs["A"],
            "dominance": theirs["D"],
            "group": theirs["id"].str.replace(r"_\d+_\d+$", "", regex=True),
            "split": recoded(theirs, "split", _SPLITS, path),
        }
    )
    return build(table, ABOUT, root=folder)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load two sentences and a headline, which this writes."""
    lines = (
        "id,split,V,A,D,text",
        '110CYL068_1036_1079,train,3.0,3.0,3.2,"Remember what she said? """',
        "110CYL068_1079_1110,test,2.8,3.1,2.8,If I wasn't working here.",
        "SemEval_800,dev,4.1,3.6,3.4,Team wins",
    )
    (folder / "emobank.csv").write_text("\n".join(lines), encoding="utf-8")
    return {"root": str(folder)}
