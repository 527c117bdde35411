"""A small VGG network over log-mel frames: pairs of small convolutions between pools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features import pooling
from multimodal_ser.features.encoders._frames import Hearing
from multimodal_ser.features.encoders._padding import halved, silenced, whole
from multimodal_ser.features.encoders._spectral import mask_of
from multimodal_ser.types import Features, Input

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]

_STAGES = (1, 2, 4, 8)  # channels, times `width`


class Encoder(nn.Module):
    """`pool: mean_std` `[B, 1, 16 width]` over time, or `none` `[B, T / 16, 8 width]`.

    This is a narrow form of the network of Simonyan & Zisserman 2015, on spectrograms, as in
    Chatziagapi et al. 2019 for emotions: four times two 3×3 convolutions with BN and ReLU, then a
    2×2 max-pool that keeps an odd step at the end. The papers flatten the result for further
    layers; the mean over frequency replaces that here, so clips may have any length. The input is
    `n_mels` log-mel bands every 10 ms, each scaled over the clip.
    """

    modality = "audio"
    VERSION = 1
    VALUE_LIBRARIES = ("librosa", "numpy", "scipy", "soxr", "torch")
    TRAINED = True

    def __init__(
        self,
        *,
        sample_rate: Positive = 16000,
        n_mels: Positive = 64,
        width: Positive = 16,
        dropout: Share = 0.2,
        pool: Literal["none", "mean_std"] = "mean_std",
    ) -> None:
        super().__init__()
        self.rate = sample_rate
        self.hearing = Hearing("log_mel", sample_rate, n_mels)
        self.pool = pool
        self.layers, channels = nn.ModuleList(), 1
        for times in _STAGES:
            self.layers += [_layer(channels, times * width), _layer(times * width, times * width)]
            channels = times * width
        self.dim = channels * (1 if pool == "none" else 2)
        self.shrink = nn.MaxPool2d(2, ceil_mode=True)
        self.drop = nn.Dropout(dropout)

    @staticmethod
    def frames(options: Mapping[str, Any]) -> bool:
        """Whether x holds frames rather than samples."""
        return True

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, T, n_mels]`, lengths `[B]` in frames, 0 where the sound is missing."""
        return self.hearing(inputs)

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        ends = None if whole(lengths, x.shape[1]) else lengths
        x = silenced(x.unsqueeze(1), ends)
        for index, layer in enumerate(self.layers):
            x = silenced(layer(x), ends)
            if index % 2:  # no value is below 0 after ReLU, so zeros of padding never win
                x, ends = self.shrink(x), None if ends is None else halved(ends)
        x = x.mean(3).mT
        mask = mask_of(halved(lengths, len(_STAGES)), x.shape[1])
        if self.pool == "none":
            return Features(self.drop(x), mask)
        pooled = self.drop(pooling.mean_std(x, mask))
        return Features(pooled.unsqueeze(1), mask[:, :1])


def _layer(channels: int, width: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {"width": 4}
