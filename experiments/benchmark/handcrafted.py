"""MFCC means of many clips into an empty cache, against a loop of librosa calls."""

from __future__ import annotations

import tempfile
from pathlib import Path

import librosa
from threadpoolctl import threadpool_limits

from benchmark import Rows, best, clips
from multimodal_ser.features.contents import audio_contents
from multimodal_ser.features.encode import OnDecode, encode

MFCC = {"n_mfcc": 128, "sample_rate": 22050, "pool": "mean"}
CLIPS = 1440


def rows() -> Rows:
    """Two minutes or so on two cores."""
    utterances = clips(CLIPS)

    def plain() -> None:
        for one in utterances:
            samples, rate = librosa.load(str(one.audio), sr=22050)
            librosa.feature.mfcc(y=samples, sr=rate, n_mfcc=128).mean(1)

    def plain_alone() -> None:
        with threadpool_limits(1):
            plain()

    def ours(workers: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            on_decode = OnDecode([("mfcc", MFCC)], root)
            contents = audio_contents(utterances, root, workers=workers, on_decode=on_decode)
            on_decode.close()
            encode("mfcc", MFCC, utterances, contents, root, workers=workers)

    ours(1)  # starts the worker
    one = best(lambda: ours(1))
    ours(2)
    two = best(lambda: ours(2))
    loop, alone = best(plain), best(plain_alone)
    return {
        "MFCC 128, two processes, against a librosa loop": (loop, two),
        "MFCC 128, two processes, against that loop with one thread": (alone, two),
        "MFCC 128, one process, against a librosa loop": (loop, one),
        "MFCC 128, one process, against that loop with one thread": (alone, one),
        "MFCC 128, two processes, against one": (one, two),
    }
