"""Whisper at the dimensions of `tiny` with random weights: the whole stage against one by one.

Encoding and decoding are timed apart as well: a batch helps the decoder, which waits for memory,
and not the encoder, which computes. Nothing falls back, so that both sides do the same work; random
weights never end a sentence, so every transcript has the most tokens there can be.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from whisper.decoding import DecodingOptions, decode
from whisper.model import ModelDimensions, Whisper

from benchmark import Rows, best, clips
from multimodal_ser.corpus import audio
from multimodal_ser.features.asr.whisper import Recognizer
from multimodal_ser.features.contents import audio_contents
from multimodal_ser.features.transcripts import transcribe
from multimodal_ser.types import Utterance

CLIPS, BATCH = 32, 16
TINY = ModelDimensions(80, 1500, 384, 6, 4, 51865, 448, 384, 6, 4)
OPTIONS = {"language": "es", "fallback": False, "loops": "keep"}


def rows() -> Rows:
    """Eight minutes or so on two cores."""
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        path = Path(folder) / "tiny.pt"
        weights = Whisper(TINY).state_dict()
        torch.save({"dims": vars(TINY), "model_state_dict": weights}, path)
        return stage(clips(CLIPS), path) | parts(clips(BATCH), path)


def stage(utterances: Sequence[Utterance], path: Path) -> Rows:
    """From files to a store of transcripts, against `transcribe` on arrays in memory."""
    options = {**OPTIONS, "model": str(path)}
    model = Recognizer(**options).model
    heard = [audio.resample(*audio.read(one), 16000) for one in utterances]

    def plain() -> None:
        for samples in heard:
            model.transcribe(
                samples,
                language="es",
                temperature=0.0,
                condition_on_previous_text=False,
                without_timestamps=True,
                fp16=False,
            )

    def ours() -> None:
        with tempfile.TemporaryDirectory() as root:
            contents = audio_contents(utterances, Path(root))
            transcribe("whisper", options, utterances, contents, Path(root))

    ours()
    return {
        "Whisper tiny, 32 clips, against transcribe one by one": (best(plain, 2), best(ours, 2))
    }


def parts(utterances: Sequence[Utterance], path: Path) -> Rows:
    """A batch of 16 on one thread, against its items alone."""
    recognizer = Recognizer(**{**OPTIONS, "model": str(path)})
    model: Any = recognizer.model
    heard = [audio.resample(*audio.read(one), 16000) for one in utterances]
    mels = torch.stack([recognizer.mel(one) for one in heard])
    options = DecodingOptions(language="es", without_timestamps=True, fp16=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        features = model.encoder(mels)
        encode = (
            best(lambda: [model.encoder(one[None]) for one in mels], 2),
            best(lambda: model.encoder(mels), 2),
        )
        speak = (
            best(lambda: [decode(model, one[None], options) for one in features], 2),
            best(lambda: decode(model, features, options), 2),
        )
    torch.set_num_threads(threads)
    return {
        "Whisper tiny, encoding 16 in a batch, against one by one": encode,
        "Whisper tiny, decoding 16 in a batch, against one by one": speak,
    }
