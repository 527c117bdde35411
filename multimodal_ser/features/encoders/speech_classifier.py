"""The logits of a speech model that was fine-tuned for emotion and has its own head."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from multimodal_ser.features.encoders import _classifier, _weights
from multimodal_ser.features.encoders._group_norm import deafen
from multimodal_ser.features.encoders._hf import lighten, load_model, quiet
from multimodal_ser.features.encoders._spectral import at_rate, mask_of
from multimodal_ser.features.encoders._speech import front_of, speech_config
from multimodal_ser.features.encoders._windows import Waveform, Whisper, packed
from multimodal_ser.features.pooling import mean
from multimodal_ser.types import ConfigError, Features, Finetune, Input

_DTYPES = {"bf16": torch.bfloat16}


class Encoder(nn.Module):
    """Logits `[B, 1, K]` of the K labels of an audio-classification checkpoint.

    Two kinds of checkpoints are read. One is that of transformers (`…ForSequenceClassification`).
    The other is that of Wagner et al. 2023: the mean over frames → Linear → tanh → Linear, with
    three outputs in the order arousal, dominance, valence. The model reads a clip as a whole;
    Whisper reads only 30 s of it.

    model, revision: hub name or folder, and branch, tag or commit. more_labels: new labels, which
    the head must learn. learning: the part that learns besides the head; None means all is frozen.
    """

    modality = "audio"
    VERSION = 1
    TUNABLE = True
    VALUE_LIBRARIES = ("numpy", "soxr", "torch", "transformers")
    BATCH = (1, None)
    ACCELERATED = (32, 2**21)  # samples: some two minutes at 16 kHz
    labels = staticmethod(_classifier.labels_of)

    def __init__(
        self,
        learning: Finetune | None = None,
        *,
        model: str,
        revision: str | None = None,
        precision: Literal["fp32", "bf16"] = "fp32",
        more_labels: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        config = speech_config(model, revision)
        self.front = front_of(model, revision, config)
        self.rate: int = self.front.extractor.sampling_rate
        self.network: Any = _load(model, revision, config)
        whisper = isinstance(self.front, Whisper)
        body = self.network.encoder if whisper else self.network.base_model
        layers = body.layers if whisper else body.encoder.layers
        self.valid = deafen(body) if isinstance(self.front, Waveform) else None
        self.learning = _classifier.settle(self.network, body, layers, more_labels, learning)
        self.precision = precision
        if not self.learning:
            lighten(self.network, _DTYPES.get(precision))
        self.dim: int = self.network.config.num_labels

    @staticmethod
    def weights_hash(options: Mapping[str, Any]) -> str:
        """The hash of the weights that compute the features, whatever their path."""
        return _weights.of_model(options["model"], options["revision"])

    @staticmethod
    def missing(options: Mapping[str, Any]) -> list[str]:
        """Messages about what the user must fetch first, with the command that does it."""
        return _weights.missing(options["model"], options["revision"])

    def train(self, mode: bool = True) -> Encoder:
        super().train(mode)
        if self.learning:
            self.learning.train(mode)
        return self

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """values `[B, N, …]`, lengths `[B]` of values, 0 if the sound is missing; frames `[B]`."""
        rows, places = [], []
        for utterance in inputs:
            samples = at_rate(utterance, self.rate)
            span = [] if samples is None else [(0, self._frames(len(samples)))]
            places.append(span)
            rows.append([] if samples is None else self.front.cut(samples, span))
        values, lengths, spans = packed(rows, places)
        return {"values": values[:, 0], "lengths": lengths[:, 0], "frames": spans[:, 0, 1]}

    def remarks(self, inputs: Sequence[Input]) -> list[str]:
        """A remark for each clip; it says how a clip was changed to fit the model."""
        return [self._remark(utterance) for utterance in inputs]

    def forward(self, values: Tensor, lengths: Tensor, frames: Tensor) -> Features:
        present = lengths > 0
        x = values.new_zeros(len(values), self.dim)
        if present.any():
            half = _DTYPES.get(self.precision) if not self.learning else None
            with torch.autocast(values.device.type, half, enabled=half is not None):
                x[present] = self._logits(
                    values[present], lengths[present], frames[present]
                ).float()
        return Features(x.unsqueeze(1), present.unsqueeze(1))

    def _logits(self, values: Tensor, lengths: Tensor, frames: Tensor) -> Tensor:
        """The logits `[R, K]` of the R clips whose sound is not missing."""
        if isinstance(self.front, Whisper):
            return self.network(values).logits
        padded = bool((lengths < values.shape[1]).any())
        if self.valid:
            self.valid.tell(*((lengths, frames) if padded else (None, None)))
        mask = mask_of(lengths, values.shape[1]).long() if padded else None
        if hasattr(self.network, "regress"):
            return self.network.regress(values, mask, frames)
        return self.network(values, attention_mask=mask).logits

    def _frames(self, samples: int) -> int:
        return self.front.frames(max(samples, self.front.least))

    def _remark(self, utterance: Input) -> str:
        if utterance.samples is None or utterance.rate is None:
            return ""
        samples = math.ceil(len(utterance.samples) * self.rate / utterance.rate)
        if samples < self.front.least:
            return "padded to the receptive field"
        chunk = getattr(self.front.extractor, "chunk_length", math.inf)
        return f"cut after {chunk} s" if samples > chunk * self.rate else ""


def _load(model: str, revision: str | None, config: Any) -> Any:
    """The network, by the class that the checkpoint was saved from."""
    import transformers

    (saved, *_) = config.architectures or [""]
    if hasattr(transformers, saved):
        return load_model(model, revision, config, kind="AutoModelForAudioClassification")
    if config.model_type != "wav2vec2" or getattr(config, "pooling_mode", "mean") != "mean":
        raise ConfigError(f"'{model}' was saved from a class '{saved}' that is not known here")
    return load_model(model, revision, config, kind=_regression())


@cache
def _regression() -> Any:
    """The class of Wagner et al. 2023; it is made when needed, as transformers loads slowly."""
    from transformers import Wav2Vec2Model, Wav2Vec2PreTrainedModel

    class Head(nn.Module):
        def __init__(self, config: Any) -> None:
            super().__init__()
            self.dense = nn.Linear(config.hidden_size, config.hidden_size)
            self.dropout = nn.Dropout(config.final_dropout)
            self.out_proj = nn.Linear(config.hidden_size, config.num_labels)

        def forward(self, x: Tensor) -> Tensor:
            return self.out_proj(self.dropout(torch.tanh(self.dense(self.dropout(x)))))

    class Regression(Wav2Vec2PreTrainedModel):
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.wav2vec2 = Wav2Vec2Model(config)
            self.classifier = Head(config)
            self.post_init()

        def regress(self, values: Tensor, mask: Tensor | None, frames: Tensor) -> Tensor:
            """The head's output `[R, K]` for the mean over each clip's frames `[R]`."""
            hidden = self.wav2vec2(values, attention_mask=mask).last_hidden_state
            return self.classifier(mean(hidden, mask_of(frames, hidden.shape[1])))

    return Regression


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options for a small random wav2vec 2.0 with a head, which this function writes."""
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForSequenceClassification,
    )

    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        id2label={0: "ang", 1: "hap", 2: "neu", 3: "sad"},
    )
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(0)
        Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return {"model": str(folder)}
