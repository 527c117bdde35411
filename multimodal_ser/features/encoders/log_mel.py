"""Log-mel spectrogram: a vector of band energies for every frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import librosa
import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders._spectral import at_rate, mask_of, padded
from multimodal_ser.types import Features, Input

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


class Encoder(nn.Module):
    """ln(mel power + 1e-10) of Hann windows that lie wholly inside the clip: `[B, T, n_mels]`.

    No window reaches past an edge, so padding cannot change a frame. A clip shorter than one
    window is filled up with zeros to one frame.
    """

    modality = "audio"
    FRAMES = True
    VERSION = 1
    VALUE_LIBRARIES = ("librosa", "numpy", "soxr", "torch")

    def __init__(
        self,
        *,
        sample_rate: Positive = 16000,
        n_mels: Positive = 64,
        window: Seconds = 0.025,
        hop: Seconds = 0.01,
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.dim = n_mels
        self.width = round(window * sample_rate)
        self.hop = round(hop * sample_rate)
        n_fft = 2 ** (self.width - 1).bit_length()
        bands = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels)
        self.n_fft = n_fft
        self.taper: Tensor
        self.bands: Tensor
        self.register_buffer("taper", torch.hann_window(self.width), persistent=False)
        self.register_buffer("bands", torch.from_numpy(bands.T.copy()), persistent=False)

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """samples `[B, N]`, lengths `[B]` in samples, 0 where the sound is missing."""
        samples, lengths = padded([at_rate(utterance, self.sample_rate) for utterance in inputs])
        return {"samples": samples, "lengths": lengths}

    def forward(self, samples: Tensor, lengths: Tensor) -> Features:
        padding = max(0, self.width - samples.shape[1])
        samples = nn.functional.pad(samples, (0, padding))
        frames = samples.unfold(1, self.width, self.hop)
        spectrum = torch.fft.rfft(frames * self.taper, n=self.n_fft)
        x = torch.log(spectrum.abs().square() @ self.bands + 1e-10)
        count = (lengths - self.width).clamp(min=0) // self.hop + 1
        return Features(x, mask_of(count * (lengths > 0), x.shape[1]))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {"n_mels": 24}
