"""Random models of base size: the whole encoding stage against the bare model.

Speech: a wav2vec2 fed clip by clip with arrays in memory. Text: a BERT over batches of 32 in file
order, padded to the longest. Nothing is downloaded; weights are random, so only time is real.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)

from benchmark import Rows, best, clips, transcripts
from multimodal_ser.corpus import audio
from multimodal_ser.features.contents import audio_contents, text_content
from multimodal_ser.features.encode import encode
from multimodal_ser.types import Utterance

CLIPS, TEXTS = 100, 300
SPEECH = {"revision": None, "layer": "last", "pool": "mean", "window": None}


def rows() -> Rows:
    """Five minutes or so on two cores."""
    with tempfile.TemporaryDirectory() as folder:
        return speech(clips(CLIPS), Path(folder)) | text(transcripts(TEXTS), Path(folder))


def speech(utterances: Sequence[Utterance], folder: Path) -> Rows:
    """fp32 and bf16, decoding included on our side alone."""
    torch.manual_seed(0)
    model = Wav2Vec2Model(Wav2Vec2Config()).eval()
    extractor = Wav2Vec2FeatureExtractor()
    home = folder / "speech"
    model.save_pretrained(home)
    extractor.save_pretrained(home)
    heard = [audio.resample(*audio.read(one), 16000) for one in utterances]

    def plain() -> None:
        with torch.inference_mode():
            for clip in heard:
                given: Any = extractor(clip, sampling_rate=16000, return_tensors="pt")
                model(**given).last_hidden_state.mean(1)

    def ours(precision: str) -> None:
        with tempfile.TemporaryDirectory() as root:
            contents = audio_contents(utterances, Path(root))
            options = {**SPEECH, "model": str(home), "precision": precision}
            encode("hf_speech", options, utterances, contents, Path(root))

    ours("fp32")
    alone, whole, half = (
        best(plain),
        best(lambda: ours("fp32")),
        best(lambda: ours("bf16")),
    )
    return {
        "wav2vec2 base, against the bare model": (alone, whole),
        "wav2vec2 base in bf16, against ours in fp32": (whole, half),
    }


def text(distinct: Sequence[Utterance], folder: Path) -> Rows:
    """Mean of the last layer; every distinct text once on both sides."""
    texts = [one.text or "" for one in distinct]
    tokenizer = pieces(texts)
    torch.manual_seed(0)
    model = BertModel(BertConfig(vocab_size=len(tokenizer))).eval()
    home = folder / "text"
    model.save_pretrained(home)
    tokenizer.save_pretrained(home)

    def plain() -> None:
        with torch.inference_mode():
            for first in range(0, len(texts), 32):
                batch = texts[first : first + 32]
                given: Any = tokenizer(batch, padding=True, return_tensors="pt")
                model(**given)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as root:
            contents = [text_content(one) for one in distinct]
            options = {"model": str(home), "pool": "mean", "layer": "last", "revision": None}
            complete = options | {"max_length": None, "precision": "fp32"}
            encode("hf_text", complete, distinct, contents, Path(root))

    ours()
    return {"BERT base, against batches of 32 in file order": (best(plain), best(ours))}


def pieces(texts: Sequence[str]) -> BertTokenizer:
    """Word pieces learned from the texts, so that a text has about as many tokens as in BETO."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    learned = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learned.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=8000, special_tokens=special, show_progress=False
    )
    learned.train_from_iterator(texts, trainer)
    return BertTokenizer(vocab=learned.get_vocab())
