"""A 2-D convolutional network over the cube of three spectrograms, for clips of two seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders._cube import FRAMES, HOP, PLANES, SIDE, Cube
from multimodal_ser.features.encoders._spectral import at_rate, padded
from multimodal_ser.types import Features, Input

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Encoder(nn.Module):
    """`[B, 1, hidden]` of the cube of `spectrogram` with `kind: cube`, always 90 frames.

    The layers are 7×7 of stride 2 → `width` planes, ReLU; three times [3×3, ReLU, BN, 3×3 of stride
    2, ReLU, BN, dropout .25] with 2, 4, 8 `width`; flatten 32 × 6 places; Linear, ReLU, BN, dropout
    .7. Planes are 512 × 90 → 256 × 45 → 128 × 23 → 64 × 12 → 32 × 6. They are padded as in Keras:
    an odd zero goes to the end. Weights start as in He et al. 2015, and biases start at 0. With the
    default options there are 25,462,912 parameters, nearly all in the layer after the flattening.
    """

    modality = "audio"
    VERSION = 1
    VALUE_LIBRARIES = ("librosa", "numpy", "scipy", "soxr", "torch")
    TRAINED = True

    def __init__(
        self,
        *,
        sample_rate: Positive = 16000,
        width: Positive = 16,
        hidden: Positive = 1024,
        dropout: Share = 0.25,
        last_dropout: Share = 0.7,
    ) -> None:
        super().__init__()
        self.rate = sample_rate
        self.dim = hidden
        self.cube = Cube(sample_rate, max(1, round(HOP * sample_rate)))
        shape, layers, channels = (SIDE, FRAMES), [], width
        first, shape = _same(PLANES, width, 7, 2, shape)
        layers += [*first, nn.ReLU()]
        for times in (2, 4, 8):
            for stride in (1, 2):
                convolution, shape = _same(channels, times * width, 3, stride, shape)
                channels = times * width
                layers += [*convolution, nn.ReLU(), nn.BatchNorm2d(channels)]
            layers += [nn.Dropout(dropout)]
        layers += [nn.Flatten(), nn.Linear(channels * shape[0] * shape[1], hidden), nn.ReLU()]
        layers += [nn.BatchNorm1d(hidden), nn.Dropout(last_dropout)]
        self.layers = nn.Sequential(*layers)
        for name, parameter in self.layers.named_parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    @staticmethod
    def frames(options: Mapping[str, Any]) -> bool:
        """Whether x holds frames rather than samples."""
        return True

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, 90, 1536]`, lengths `[B]`: 90, or 0 where the sound is missing."""
        sounds = [at_rate(utterance, self.rate) for utterance in inputs]
        rows = [None if sound is None else self.cube(sound) for sound in sounds]
        x, lengths = padded(rows, (PLANES * SIDE,))
        return {"x": nn.functional.pad(x, (0, 0, 0, FRAMES - x.shape[1])), "lengths": lengths}

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        cube = x.reshape(len(x), FRAMES, PLANES, SIDE).permute(0, 2, 3, 1)
        return Features(self.layers(cube).unsqueeze(1), (lengths > 0).unsqueeze(1))


def _same(
    channels: int, width: int, kernel: int, stride: int, shape: tuple[int, int]
) -> tuple[list[nn.Module], tuple[int, int]]:
    """A convolution padded as in Keras, to `ceil(size / stride)`, and the shape of its output."""
    rows, columns = (-(-size // stride) for size in shape)
    gaps = [
        (steps - 1) * stride + kernel - size
        for steps, size in zip((rows, columns), shape, strict=True)
    ]
    (top, bottom), (left, right) = [(gap // 2, gap - gap // 2) for gap in gaps]
    if (top, left) == (bottom, right):
        return [nn.Conv2d(channels, width, kernel, stride, (top, left))], (rows, columns)
    zeros = nn.ZeroPad2d((left, right, top, bottom))
    return [zeros, nn.Conv2d(channels, width, kernel, stride)], (rows, columns)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {"width": 2, "hidden": 16}
