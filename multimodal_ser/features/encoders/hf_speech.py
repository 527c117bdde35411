"""Hidden states of a Hugging Face speech model: wav2vec 2.0, HuBERT, WavLM, w2v-BERT, Whisper."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders import _finetune
from multimodal_ser.features.encoders._finetune import Learning
from multimodal_ser.features.encoders._group_norm import Valid, deafen
from multimodal_ser.features.encoders._hf import (
    Layer,
    layer_index,
    lighten,
    load_model,
    quiet,
    stored_options,
)
from multimodal_ser.features.encoders._spectral import at_rate, mask_of
from multimodal_ser.features.encoders._speech import front_of, speech_config
from multimodal_ser.features.encoders._weights import missing, of_model
from multimodal_ser.features.encoders._windows import Span, Waveform, Whisper, joined, packed, spans
from multimodal_ser.features.pooling import Pool, width
from multimodal_ser.types import ConfigError, Features, Finetune, Input

_UNUSED = ("masked_spec_embed", "adapter.", "decoder.")  # no frame depends on these weights
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Window:
    """Clips longer than `seconds` are cut into windows; neighbours share `overlap` seconds."""

    seconds: Annotated[float, Field(gt=0)] = 30.0
    overlap: Annotated[float, Field(ge=0)] = 4.0


class Encoder(nn.Module):
    """Hidden states of a speech model: `pool: none` `[B, T, D]`, else `[B, 1, D']`.

    model, revision: hub name or folder, and branch, tag or commit. layer: 0 is the input of the
    first layer, `last` is the model's own output (without an adapter after it), `weighted` is all
    layers, `[B, L, T, D]`. precision: of the forward pass; the rows are float32. window: None runs
    each clip as a whole. learning: the part that learns; None means that all is frozen.
    """

    modality = "audio"
    VERSION = 1
    TUNABLE = True
    VALUE_LIBRARIES = ("numpy", "soxr", "torch", "transformers")
    BATCH = (1, None)
    ACCELERATED = (32, 2**21)  # samples: some two minutes at 16 kHz

    def __init__(
        self,
        learning: Finetune | None = None,
        *,
        model: str,
        revision: str | None = None,
        layer: Layer = "last",
        pool: Literal["none", "mean", "mean_std", "max", "attention"] = "none",
        precision: Literal["fp32", "bf16", "fp16"] = "fp32",
        window: Window | None = Window(),
    ) -> None:
        super().__init__()
        if precision == "fp16" and not torch.accelerator.is_available():
            raise ConfigError("precision fp16 needs a GPU; bf16 works on every device")
        config = speech_config(model, revision)
        self.front = front_of(model, revision, config)
        self.rate: int = self.front.extractor.sampling_rate
        self.model: Any = load_model(model, revision, config, _UNUSED)
        self.valid = self._keep_encoder()
        self.count = len(self.layers()) + 1
        self.index = layer_index(layer, self.count)
        if self.index is not None:  # a model may norm its last layer's output, so one more stays
            del self.layers()[self.index + 1 :]
        self.learning: Learning | None = None
        if learning:
            needed, unread = _finetune.parted(self.layers(), self.index)
            self.learning = Learning(self.model, needed, learning, unread)
        else:
            lighten(self.model, _DTYPES.get(precision))
        self.window, self.precision = window, precision
        self.cut = self._frames_of_window()
        self.dim: int = config.hidden_size
        self.pool: Pool | None = None
        if pool not in ("none", "attention"):
            self.pool, self.dim = Pool(pool, self.dim), width(pool, self.dim)

    @staticmethod
    def stored(options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of the stored features: one pass computes all pooled layers."""
        return stored_options(options)

    @staticmethod
    def weights_hash(options: Mapping[str, Any]) -> str:
        """The hash of the weights that compute the features, whatever their path."""
        return of_model(options["model"], options["revision"])

    @staticmethod
    def missing(options: Mapping[str, Any]) -> list[str]:
        """Messages about what the user must fetch first, with the command that does it."""
        return missing(options["model"], options["revision"])

    @property
    def mixed(self) -> int:
        """How many layers the features hold for mixing; 0 where they hold one layer."""
        return self.count if self.index is None else 0

    def train(self, mode: bool = True) -> Encoder:
        super().train(mode)
        if self.learning:
            self.learning.train(mode)
        return self

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """values `[B, K, N, …]` of K windows, lengths `[B, K]` of values, spans `[B, K, 2]`."""
        rows, places = [], []
        for utterance in inputs:
            samples = at_rate(utterance, self.rate)
            places.append([] if samples is None else self._spans(len(samples)))
            rows.append([] if samples is None else self.front.cut(samples, places[-1]))
        return dict(zip(("values", "lengths", "spans"), packed(rows, places), strict=True))

    def remarks(self, inputs: Sequence[Input]) -> list[str]:
        """A remark for each clip; it says how a clip was changed to fit the model."""
        return [self._remark(utterance) for utterance in inputs]

    def forward(self, values: Tensor, lengths: Tensor, spans: Tensor) -> Features:
        present = lengths.flatten() > 0
        block = len(values)  # as many windows run at a time as the batch has clips
        parts = zip(
            values.flatten(0, 1)[present].split(block),
            lengths.flatten()[present].split(block),
            (spans[..., 1] - spans[..., 0]).flatten()[present].split(block),
            strict=True,
        )
        hidden = [row for part in parts if len(part[0]) for row in self._hidden(*part)]
        layers = self.count if self.index is None else 1
        blank = values.new_zeros(layers, 1, self.model.config.hidden_size)
        x, mask = joined(hidden, spans, blank)
        if self.pool:
            x = torch.stack(
                [self.pool(Features(frames, mask)) for frames in x.unbind(1)], 1
            ).unsqueeze(2)
            mask = mask.any(1, keepdim=True)
        return Features(x if self.index is None else x[:, 0], mask)

    def _hidden(self, values: Tensor, lengths: Tensor, frames: Tensor) -> Tensor:
        """States `[R, L, T, D]` of windows `[R, N, …]`: all layers, or the chosen one (L = 1)."""
        padded = bool((lengths < values.shape[1]).any())
        if self.valid:
            self.valid.tell(*((lengths, frames) if padded else (None, None)))
        mask = mask_of(lengths, values.shape[1]).long() if padded else None
        top = len(self.layers())
        only_last = self.index is not None and self.index == self.count - 1
        with self._cast(values.device.type), _without_warning():
            output = self.model(values, attention_mask=mask, output_hidden_states=not only_last)
        if only_last:
            return output.last_hidden_state.float().unsqueeze(1)
        if self.index is not None:
            return output.hidden_states[self.index].float().unsqueeze(1)
        states = [*output.hidden_states[:top], output.last_hidden_state]
        return torch.stack(states, dim=1).float()

    def _cast(self, device: str) -> AbstractContextManager[Any]:
        """The autocast of a frozen model; if the model learns, the learner sets the precision."""
        if self.learning:
            return nullcontext()
        half = _DTYPES.get(self.precision)
        return torch.autocast(device, dtype=half, enabled=half is not None)

    def _keep_encoder(self) -> Valid | None:
        """Remove the parts after the encoder, and make the rest ignore padding."""
        if isinstance(self.front, Whisper):
            self.model = self.model.get_encoder()
            return None
        self.model.adapter = None
        return deafen(self.model) if isinstance(self.front, Waveform) else None

    def layers(self) -> Any:
        body = self.model if isinstance(self.front, Whisper) else self.model.encoder
        return body.layers

    def _frames_of_window(self) -> tuple[int, int] | None:
        """Width and overlap of the windows in frames; ConfigError where they cannot work."""
        chunk = getattr(self.front.extractor, "chunk_length", math.inf)
        if self.window is None:
            if chunk < math.inf:
                raise ConfigError(f"this model hears {chunk} s at a time, so it needs a window")
            return None
        if self.window.seconds > chunk:
            raise ConfigError(f"window.seconds is {self.window.seconds:g}; the model hears {chunk}")
        width, overlap = (
            round(seconds * self.rate / self.front.stride)
            for seconds in (self.window.seconds, self.window.overlap)
        )
        if not overlap < width:
            raise ConfigError(
                f"window.overlap ({self.window.overlap:g} s) must be shorter than window.seconds "
                f"({self.window.seconds:g} s), by a frame ({self.front.stride} samples) or more"
            )
        return width, overlap

    def _spans(self, samples: int) -> list[Span]:
        frames = self.front.frames(max(samples, self.front.least))
        return spans(frames, *self.cut) if self.cut else [(0, frames)]

    def _remark(self, utterance: Input) -> str:
        if utterance.samples is None or utterance.rate is None:
            return ""
        samples = math.ceil(len(utterance.samples) * self.rate / utterance.rate)
        if samples < self.front.least:
            return "padded to the receptive field"
        if self.window and len(self._spans(samples)) > 1:
            return f"cut into windows of {self.window.seconds:g} s"
        return ""


@contextmanager
def _without_warning() -> Iterator[None]:
    """Hide a warning: WavLM gives torch masks of two types."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
        yield


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options for a small wav2vec 2.0 with random weights, which this function writes."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(0)
        Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return {"model": str(folder), "pool": "mean"}
