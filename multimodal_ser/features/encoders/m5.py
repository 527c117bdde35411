"""M5 (Dai et al. 2016): a network of four convolutions that learns from raw samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features import pooling
from multimodal_ser.features.encoders._frames import Hearing
from multimodal_ser.features.encoders._spectral import mask_of
from multimodal_ser.types import Features, Input

Positive = Annotated[int, Field(gt=0)]

_WIDTHS = (128, 128, 256, 512)


class Encoder(nn.Module):
    """`[B, 1, 512]`: four times convolution, BN, ReLU, max-pool; then the mean over time.

    Dai et al., "Very deep convolutional neural networks for raw waveforms", 2016: convolutions of
    80 samples every 4 → 128, then of 3 → 128, 256, 512, unpadded, with pool 4 after each. There are
    553,984 parameters. A step of the last layer covers 1,772 samples, and there is one every 1,024.
    ReLU comes after the pool here: the values are the same, for a quarter of the work.

    `mfcc` and `log_mel` are `bands` values every 10 ms. The first convolution takes them as
    channels and is 3 frames wide. The pool is 2, since frames are a hundred times slower than
    samples, and a step covers 46 frames. Shorter clips are filled up with zeros to one step.
    trim: both ends are cut off where they are this many dB below the loudest part.
    """

    modality = "audio"
    VERSION = 1
    VALUE_LIBRARIES = ("librosa", "numpy", "scipy", "soxr", "torch")
    TRAINED = True

    def __init__(
        self,
        *,
        input: Literal["waveform", "mfcc", "log_mel"] = "waveform",
        sample_rate: Positive = 16000,
        bands: Positive = 40,
        trim: Annotated[float, Field(gt=0)] | None = None,
    ) -> None:
        super().__init__()
        self.rate = sample_rate
        self.dim = _WIDTHS[-1]
        self.hearing = Hearing(input, sample_rate, bands, trim=trim)
        raw = input == "waveform"
        self.pool = 4 if raw else 2
        kernels, strides = ((80, 3, 3, 3), (4, 1, 1, 1)) if raw else ((3, 3, 3, 3), (1, 1, 1, 1))
        self.shapes = list(zip(kernels, strides, strict=True))
        self.least = 1
        for kernel, stride in reversed(self.shapes):
            self.least = (self.least * self.pool - 1) * stride + kernel
        layers, channels = [], 1 if raw else bands
        for width, (kernel, stride) in zip(_WIDTHS, self.shapes, strict=True):
            layers += [nn.Conv1d(channels, width, kernel, stride), nn.BatchNorm1d(width)]
            layers += [nn.MaxPool1d(self.pool), nn.ReLU()]
            channels = width
        self.layers = nn.Sequential(*layers)

    @staticmethod
    def frames(options: Mapping[str, Any]) -> bool:
        """Whether x holds frames rather than samples."""
        return options["input"] != "waveform"

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, N]` samples or `[B, T, bands]` frames; lengths `[B]`, 0 if it is missing."""
        return self.hearing(inputs)

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        x = x.unsqueeze(1) if x.ndim == 2 else x.transpose(1, 2)
        x = x * mask_of(lengths, x.shape[2]).unsqueeze(1)
        x = nn.functional.pad(x, (0, max(0, self.least - x.shape[2])))
        x = self.layers(x).transpose(1, 2)
        present = (lengths > 0).unsqueeze(1)
        steps = mask_of(self.steps(lengths), x.shape[1]) & present
        return Features(pooling.mean(x, steps).unsqueeze(1), present)

    def steps(self, lengths: Tensor) -> Tensor:
        """`[B]`: how many steps of the last layer cover no padding; at least 1."""
        lengths = lengths.clamp(min=self.least)
        for kernel, stride in self.shapes:
            lengths = ((lengths - kernel) // stride + 1) // self.pool
        return lengths


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {}
