"""Generated corpora in the file formats of the real ones: all classes, several speakers, noise."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

SIX = ("anger", "disgust", "fear", "joy", "neutral", "sadness")
RATE = 16000
SECONDS = 0.35
_WORDS = ("uno", "dos", "tres", "seis", "casa", "calle", "mesa", "libro", "perro", "tarde")


def emospeech(folder: Path) -> dict[str, object]:
    """Six classes of four train and two test segments; of each class a video is in both."""
    sentences, rows = _sentences(), []
    for label in SIX:
        for turn, part in enumerate(["train"] * 4 + ["test"] * 2):
            video = f"{label}-{turn % 4}"  # the first video of each class has two segments
            rows.append([f"{label}{turn}.mp3", label, next(sentences), video, part])
    table = pd.DataFrame(rows, columns=["id", "label", "transcription", "video", "part"])
    train, test = table[table["part"] == "train"], table[table["part"] == "test"]
    train[["id", "label", "transcription"]].to_csv(
        folder / "EmoSPeech_phase_2_train.csv", index=False
    )
    for name in ("public", "public2"):
        test[["id", "transcription"]].to_csv(
            folder / f"EmoSPeech_phase_2_test_{name}.csv", index=False
        )
    known = pd.DataFrame(
        {
            "youtube_key": table["video"],
            "filename": table["id"],
            "segment_id": "0.mp3",
            "label": table["label"],
            "gender": "female",
            "start_time": 0.0,
            "end_time": 350.0,
            "transcription": table["transcription"],
            "split": "train",
        }
    )
    known.to_csv(folder / "meacorpus_2023_public_v2.csv", index=False)
    for at, name in enumerate(table["id"]):
        _noise(folder / "audio" / name, at)
    return {"root": str(folder)}


def ravdess(folder: Path) -> dict[str, object]:
    """An actor of each fold says the eight emotions, and two of them sing six."""
    numbers = count()
    for actor in (1, 2, 3, 4, 6, 8):
        for emotion in range(1, 9):
            name = f"03-01-{emotion:02}-01-{1 + emotion % 2:02}-01-{actor:02}.wav"
            place = f"Audio_Speech_Actors_01-24/Actor_{actor:02}/{name}"
            _noise(folder / place, next(numbers), pitch=100 + 60 * emotion)
    for actor in (1, 2):
        for emotion in range(1, 7):
            name = f"03-02-{emotion:02}-01-01-01-{actor:02}.wav"
            place = f"Audio_Song_Actors_01-24/Actor_{actor:02}/{name}"
            _noise(folder / place, next(numbers), pitch=100 + 60 * emotion)
    return {"root": str(folder)}


def emobank(folder: Path) -> dict[str, object]:
    """Ten documents of four sentences, of which three have one in dev or in test."""
    sentences, generator, rows = _sentences(), np.random.default_rng(0), []
    for document in range(10):
        for at in range(4):
            late = {0: "dev", 1: "test", 2: "test"}.get(document, "train")
            part = late if at == 3 or document == 1 else "train"
            ratings = (2.0 + (document + at) % 3 + generator.uniform(0, 0.1, 3)).round(2)
            text = next(sentences)
            rows.append([f"doc{document}_{10 * at}_{10 * at + 9}", part, *ratings, text])
    table = pd.DataFrame(rows, columns=["id", "split", "V", "A", "D", "text"])
    table.to_csv(folder / "emobank.csv", index=False)
    return {"root": str(folder)}


def demo(folder: Path) -> dict[str, object]:
    """Three voices of each class, in the place of the bundled ones, which are 480."""
    sentences, rows = _sentences(), []
    for voice in range(3):
        for at, label in enumerate(SIX):
            name = f"v{voice}-{label}"
            _noise(folder / f"{name}.wav", len(rows), pitch=100 + 60 * at)
            rows.append([name, f"{name}.wav", next(sentences), label, f"v{voice}", "both"])
    columns = ["id", "audio", "text", "label", "speaker", "planted"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "table.csv", index=False)
    return {"name": "manifest", "root": str(folder), "path": "table.csv"}


def emovome(folder: Path) -> dict[str, object]:
    """The authors' layout: seven emotions of each of six speakers, of whom four train."""
    emotions = ("Alegría", "Asco", "Ira", "Neutral", "Sorpresa", "Temor", "Tristeza")
    speakers = {"training": ("S1", "S2", "S3", "S4"), "validation": ("S5",), "testing": ("S6",)}
    numbers, ratings = count(1), ["Filename,Valencia,Arousal,Emotion"]
    for part, names in speakers.items():
        rows = ["file\tsub_id\tvalence\tarousal"]
        for speaker in names:
            for at, emotion in enumerate(emotions):
                number, sides = next(numbers), (at % 3 - 1, (at + 1) % 3 - 1)
                rows.append(f"{number}\t{speaker}\t{sides[0]}\t{sides[1]}")
                ratings.append(f"{number}.wav,{2 * sides[0]},{sides[1]},{emotion}")
                _noise(folder / "audio" / f"{number}.wav", number, pitch=100 + 60 * at)
        (folder / f"split_{part}.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")
    (folder / "labels_Psicologas.csv").write_text("\n".join([*ratings, ""]), encoding="utf-8")
    return {"root": str(folder)}


def iemocap(folder: Path) -> dict[str, object]:
    """Two improvised turns of each of four emotions in each session, one of each actor."""
    sentences, number = _sentences(), count()
    for session in range(1, 6):
        dialogue, rated, said = f"Ses0{session}F_impro01", [], []
        for at, emotion in enumerate(("neu", "ang", "exc", "sad")):
            for sex in "FM":
                turn, seconds = f"{dialogue}_{sex}{at:03}", f"{at}.0000 - {at}.3500"
                rated.append(f"[{seconds}]\t{turn}\t{emotion}\t[2.5000, 2.5000, 2.5000]\n")
                said.append(f"{turn} [00{at}.0000-00{at}.3500]: {next(sentences)}\n")
                place = folder / f"Session{session}" / "sentences" / "wav" / dialogue
                _noise(place / f"{turn}.wav", next(number), pitch=100 + 60 * at)
        for name, lines in (("EmoEvaluation", rated), ("transcriptions", said)):
            place = folder / f"Session{session}" / "dialog" / name / f"{dialogue}.txt"
            place.parent.mkdir(parents=True)
            place.write_text("".join(lines), encoding="utf-8")
    return {"root": str(folder)}


def msp_podcast(folder: Path) -> dict[str, object]:
    """Turns of eight emotions: four speakers of as many podcasts train, one is dev, one test."""
    parts = ["Train"] * 4 + ["Development", "Test1"]
    header = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"
    sentences, generator, rows = _sentences(), np.random.default_rng(0), [header]
    for name in ("Labels", "Transcripts"):
        (folder / name).mkdir()
    for podcast, part in enumerate(parts):
        for turn, code in enumerate("ASHUFDCN"):
            name = f"MSP-PODCAST_{podcast:04}_{turn:04}"
            ratings = ",".join(map(str, generator.uniform(1, 7, 3).round(2)))
            rows.append(f"{name}.wav,{code},{ratings},{podcast + 1},Female,{part}")
            _noise(folder / "Audios" / f"{name}.wav", 8 * podcast + turn, pitch=100 + 60 * turn)
            place = folder / "Transcripts" / f"{name}.txt"
            place.write_text(f"Well, {next(sentences)}.\n", encoding="utf-8")
    table = folder / "Labels" / "labels_consensus.csv"
    table.write_text("\n".join([*rows, ""]), encoding="utf-8")
    return {"root": str(folder)}


WRITERS: dict[str, Callable[[Path], dict[str, object]]] = {
    function.__name__: function
    for function in (demo, emobank, emospeech, emovome, iemocap, msp_podcast, ravdess)
}
"""Name of a corpus → what writes it into a folder and gives the options that load it."""


def _sentences() -> count:
    """Sentences that differ, of words that come back."""
    for number in count():
        digits = [number // 10**place % 10 for place in range(2)]
        yield " ".join([_WORDS[digit] for digit in digits] + [_WORDS[number % 7]])


def _noise(path: Path, seed: int, pitch: float = 220.0) -> None:
    """A tone in noise of which no two are the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(SECONDS * RATE)) / RATE
    noise = np.random.default_rng(seed).standard_normal(len(time))
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * pitch * time) + 0.05 * noise, RATE)
