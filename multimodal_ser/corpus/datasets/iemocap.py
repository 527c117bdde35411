"""IEMOCAP: ten actors, two a session, in improvised and scripted English dialogues.

`Session<n>/dialog/EmoEvaluation/<dialogue>.txt` holds a line for each turn, with tabs: `[start -
end]`, its name, the emotion of most raters, `[valence, arousal, dominance]`; and below it what each
rater said: `C-E2` and its like name emotions, `C-F1` and `C-M1` are the actors themselves, who are
not counted. The sound lies in `Session<n>/sentences/wav/<dialogue>/<turn>.wav`, the words in
`Session<n>/dialog/transcriptions/<dialogue>.txt`; a turn that is not written there has no text.

A turn is named after its dialogue and who speaks: `Ses01F_impro01_M000` is said by the man, though
the woman wore the markers. The speaker is the actor (`Ses01M`), the group the session, whose two
actors answer each other; so is the split, `fold1` to `fold5`, which the protocol `official` tests
once each. Valence, arousal and dominance are means of ratings from 1 to 5; a few in the release lie
up to half a point beside that and are kept as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from multimodal_ser.corpus.corpus import About, Corpus, build, data_root
from multimodal_ser.corpus.tables import not_there, numbers, recoded, vote_columns, write_silence
from multimodal_ser.types import DataError, listed

ABOUT = About(
    name="iemocap",
    licence="research licence of the SAIL laboratory, University of Southern California",
    citation=(
        "Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee & Narayanan 2008, IEMOCAP: "
        "Interactive emotional dyadic motion capture database, Language Resources and Evaluation "
        "42(4), 335-359"
    ),
    home="https://sail.usc.edu/iemocap/iemocap_release.htm",
    labels=("angry", "happy", "sad", "neutral"),
    language="en",
    namespace="iemocap",
)
_NO_AGREEMENT = "no agreement"
_CODES = {"ang": "angry", "hap": "happy", "exc": "excited", "sad": "sad", "neu": "neutral",
          "fru": "frustrated", "fea": "fearful", "sur": "surprised", "dis": "disgusted",
          "oth": "other", "xxx": _NO_AGREEMENT}  # fmt: skip
_VOTED = {"Anger": "angry", "Happiness": "happy", "Excited": "excited", "Sadness": "sad",
          "Neutral": "neutral", "Neutral state": "neutral", "Frustration": "frustrated",
          "Fear": "fearful", "Surprise": "surprised", "Disgust": "disgusted",
          "Other": "other"}  # fmt: skip
_CLASSES = {
    4: ("angry", "happy", "sad", "neutral"),
    5: ("angry", "happy", "sad", "neutral", "frustrated"),
    6: ("angry", "happy", "sad", "neutral", "frustrated", "excited"),
}
_NAME = r"Ses0(?P<session>[1-5])[FM]_(?P<kind>impro|script)\w*_(?P<sex>[FM])\w+"
_TURN = re.compile(
    rf"\[[\d. ]+-[\d. ]+\]\s+(?P<id>{_NAME})\s+(?P<emotion>\w+)"
    r"\s+\[(?P<valence>[^,\]]+),(?P<arousal>[^,\]]+),(?P<dominance>[^,\]]+)\]\s*"
)
_RATER = re.compile(r"C-E\d+:\s*(?P<emotions>[^()]*)")
_SAID = re.compile(rf"(?P<id>{_NAME})\s+\[[\d. ]+-[\d. ]+\]:(?P<text>.*)")
_KINDS = {"impro": "improvised", "script": "scripted"}


def load(
    *,
    root: str = "iemocap",
    classes: Literal[4, 5, 6] = 4,
    kinds: tuple[Literal["improvised", "scripted"], ...] = ("improvised", "scripted"),
    keep_no_agreement: bool = False,
    votes: bool = False,
    allow_missing: bool = False,
) -> Corpus:
    """The turns of some classes, session by session; those of others are counted as dropped.

    classes: 4 are angry, happy (excited among them), sad and neutral; 5 have frustrated as well;
    6 are those with excited as a class of its own. kinds: of dialogues. keep_no_agreement: keep
    turns on which the raters did not agree, without a label. votes: how often the raters, of whom
    each may name several, named each class. allow_missing: drop turns whose file is absent.
    """
    folder = _folder(data_root(root))
    turns, ballots = _turns(folder)
    turns = turns[turns["kind"].isin(list(kinds))].reset_index(drop=True)
    labels = _CLASSES[classes]
    merged = {} if "excited" in labels else {"excited": "happy"}
    turns["label"] = recoded(turns, "emotion", _CODES, folder).replace(merged)
    kept = turns["label"].isin([*labels, *([_NO_AGREEMENT] if keep_no_agreement else [])])
    dropped = {f"label {name}": int(n) for name, n in turns["label"][~kept].value_counts().items()}
    table = _ours(turns[kept].reset_index(drop=True), folder)
    about = replace(ABOUT, labels=labels)
    if votes:
        named = ballots.assign(label=recoded(ballots, "emotion", _VOTED, folder).replace(merged))
        table = pd.concat([table, vote_columns(named, table["id"], labels)], axis=1)
        about = replace(about, notice=_left_out(named[named["id"].isin(table["id"])], labels))
    corpus = build(table, about, root=folder, allow_missing=allow_missing)
    return replace(corpus, dropped={**dropped, **corpus.dropped})


def _folder(root: Path) -> Path:
    """Where the sessions lie: the root, or the folder that the archive unpacks."""
    for folder in (root, root / "IEMOCAP_full_release"):
        if any(folder.glob("Session[1-5]/dialog/EmoEvaluation")):
            return folder
    raise not_there(f"Session1/dialog/EmoEvaluation under {root}", ABOUT.home)


def _turns(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """All turns, and what each rater called them: one row a word."""
    turns: list[dict[str, str]] = []
    ballots: list[dict[str, str]] = []
    odd = []
    for path in _files(folder, "EmoEvaluation"):
        for line in _lines(path):
            if line.startswith("["):
                turn = _TURN.fullmatch(line)
                if turn is None:
                    odd.append(f"{path.relative_to(folder)}: {line}")
                else:
                    kind = _KINDS[turn["kind"]]
                    turns.append({**turn.groupdict(), "kind": kind, "dialogue": path.stem})
            elif turns and (rater := _RATER.match(line)):
                words = [word.strip() for word in rater["emotions"].split(";")]
                ballots += [{"id": turns[-1]["id"], "emotion": word} for word in words if word]
    if odd:
        raise DataError(listed(odd, f"lines under {folder} are no turns with emotion and numbers"))
    if not turns:
        raise DataError(f"no turn is rated in {folder}/Session*/dialog/EmoEvaluation/*.txt")
    return pd.DataFrame(turns), pd.DataFrame(ballots, columns=["id", "emotion"])


def _files(folder: Path, name: str) -> Iterator[Path]:
    """One a dialogue, session by session; `._Ses…` is what macOS leaves behind."""
    yield from sorted(folder.glob(f"Session[1-5]/dialog/{name}/Ses*.txt"))


def _lines(path: Path) -> list[str]:
    """Remarks of raters and transcribers may hold a byte of Windows' encoding."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace").splitlines()


def _ours(turns: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The columns of a corpus, in the order of the dialogues."""
    session, ids = turns["session"], turns["id"]
    return pd.DataFrame(
        {
            "id": ids,
            "audio": "Session"
            + session
            + "/sentences/wav/"
            + turns["dialogue"]
            + "/"
            + ids
            + ".wav",
            "text": ids.map(_texts(folder)),
            "label": turns["label"].mask(turns["label"] == _NO_AGREEMENT),
            **{
                name: numbers(turns[name], ids, folder, 0.5, 5.5)
                for name in ("valence", "arousal", "dominance")
            },
            "speaker": "Ses0" + session + turns["sex"],
            "group": "Session" + session,
            "gender": turns["sex"].map({"F": "female", "M": "male"}),
            "split": "fold" + session,
            "dialogue": turns["dialogue"],
            "kind": turns["kind"],
        }
    )


def _texts(folder: Path) -> Mapping[str, str]:
    """Turn → its words; lines of other kinds stand between them."""
    matches = (
        _SAID.fullmatch(line) for path in _files(folder, "transcriptions") for line in _lines(path)
    )
    return {match["id"]: match["text"] for match in matches if match}


def _left_out(named: pd.DataFrame, labels: tuple[str, ...]) -> str:
    """What is to be said of votes for what is no class."""
    left = int((~named["label"].isin(list(labels))).sum())
    return f"{left} of {len(named)} votes are for no class and left out" if left else ""


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load a turn of each session, which this writes."""
    for session, emotion in enumerate(("neu", "ang", "exc", "sad", "hap"), 1):
        dialogue = f"Ses0{session}F_impro01"
        turn = f"{dialogue}_M000"
        top = folder / f"Session{session}"
        for name, text in {
            "EmoEvaluation": (
                "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
                f"[6.2901 - 8.2357]\t{turn}\t{emotion}\t[2.5000, 2.5000, 2.5000]\n"
                "C-E2:\tNeutral;\t()\nC-E3:\tNeutral; Anger;\t()\nC-M1:\tSadness;\t(tired)\n"
                "A-E3:\tval 3; act 2; dom  2;\t()\n\n"
            ),
            "transcriptions": f"{turn} [006.2901-008.2357]: Do you have your forms?\n",
        }.items():
            place = top / "dialog" / name / f"{dialogue}.txt"
            place.parent.mkdir(parents=True)
            place.write_text(text, encoding="utf-8")
        write_silence(top / "sentences" / "wav" / dialogue / f"{turn}.wav")
    return {"root": str(folder), "votes": True}
