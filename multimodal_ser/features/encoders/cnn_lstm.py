"""Convolutions, then an LSTM over their output: 1-D on samples, 2-D on log-mel frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders._frames import Hearing
from multimodal_ser.features.encoders._padding import silenced, whole
from multimodal_ser.features.encoders._spectral import mask_of
from multimodal_ser.types import Features, Input

Positive = Annotated[int, Field(gt=0)]

_STAGES = (1, 1, 2, 2)  # channels of the blocks, times `width`
_BANDS = 128
_HOP, _WINDOW = 0.032, 0.128  # seconds
_POOLS = {"waveform": (4, 4, 4, 4), "log_mel": ((2, 2), (2, 4), (2, 4), (2, 4))}  # time, frequency


class Encoder(nn.Module):
    """The state of an LSTM: `pool: last` `[B, 1, hidden]` at the end, `none` `[B, T, hidden]`.

    Zhao et al. 2019, "Speech emotion recognition using deep 1D & 2D CNN LSTM networks": four local
    feature learning blocks of a convolution 3 → 64, 64, 128, 128, BN, ELU and max-pool, then an
    LSTM of 256. `waveform`: pools of 4, so a step is 256 samples. `log_mel`: 128 bands in windows
    of 128 ms every 32 ms. Pools of 2, 4, 4, 4 in frequency leave one place. Pools in time are 2
    each, so a step is 0.51 s. The paper has 2, 4, 4, 4 in time, for clips of 8 s; with these pools
    a clip of 3 s is one step, which gives an LSTM no sequence. Clips shorter than one step are
    filled up with zeros.
    """

    modality = "audio"
    VERSION = 1
    VALUE_LIBRARIES = ("librosa", "numpy", "scipy", "soxr", "torch")
    TRAINED = True

    def __init__(
        self,
        *,
        input: Literal["waveform", "log_mel"] = "log_mel",
        sample_rate: Positive = 16000,
        width: Positive = 64,
        hidden: Positive = 256,
        pool: Literal["none", "last"] = "last",
    ) -> None:
        super().__init__()
        self.rate = sample_rate
        self.hearing = Hearing(input, sample_rate, _BANDS, hop=_HOP, window=_WINDOW)
        self.pool = pool
        self.dim = hidden
        self.shrink = 4 if input == "waveform" else 2
        self.least = self.shrink ** len(_STAGES)
        self.blocks, channels = nn.ModuleList(), 1
        for times, pools in zip(_STAGES, _POOLS[input], strict=True):
            self.blocks.append(_block(channels, times * width, pools))
            channels = times * width
        self.recurrent = nn.LSTM(channels, hidden, batch_first=True)

    @staticmethod
    def frames(options: Mapping[str, Any]) -> bool:
        """Whether x holds frames rather than samples."""
        return options["input"] != "waveform"

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, N]` samples or `[B, T, 128]` frames, lengths `[B]`, 0 if the sound is missing."""
        return self.hearing(inputs)

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        present = (lengths > 0).unsqueeze(1)
        x = silenced(x.unsqueeze(1), None if whole(lengths, x.shape[1]) else lengths)
        padding = max(0, self.least - x.shape[2])
        x = nn.functional.pad(x, [0] * 2 * (x.ndim - 3) + [0, padding])
        lengths = lengths.clamp(min=self.least)
        has_padding = not whole(lengths, x.shape[2])
        for block in self.blocks:
            lengths = lengths // self.shrink  # only whole windows, so that none covers padding
            x = silenced(block(x), lengths if has_padding else None)
        steps = self.recurrent(x.flatten(2).mT)[0]
        if self.pool == "none":
            return Features(steps, mask_of(lengths, steps.shape[1]) & present)
        last = steps[torch.arange(len(steps), device=steps.device), lengths - 1]
        return Features(last.unsqueeze(1), present)


def _block(channels: int, width: int, pools: int | tuple[int, int]) -> nn.Sequential:
    """A convolution that keeps the length, and a pool that drops an incomplete last window."""
    if isinstance(pools, int):
        layers = [nn.Conv1d(channels, width, 3, padding=1), nn.BatchNorm1d(width)]
        return nn.Sequential(*layers, nn.ELU(), nn.MaxPool1d(pools))
    layers = [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width)]
    return nn.Sequential(*layers, nn.ELU(), nn.MaxPool2d(pools))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {"width": 8, "hidden": 16}
