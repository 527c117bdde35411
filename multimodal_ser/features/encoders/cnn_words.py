"""A convolutional network over the words of a text, with word vectors learned or given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features import pooling
from multimodal_ser.features.encoders import _vocabulary
from multimodal_ser.features.encoders._spectral import mask_of
from multimodal_ser.types import Features, Input

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Encoder(nn.Module):
    """`pool: max` `[B, 1, D]` over the words of a text, `none` `[B, T, D]` with a step a word.

    Kim 2014, "Convolutional neural networks for sentence classification": `filters` convolutions
    for each of the `widths` in words, then ReLU and the maximum; D = filters · number of widths. A
    window may reach past the ends of a text, where there are zeros, so even a text shorter than the
    window has one. `Words` says what a word is and where its vector comes from. If `file` is the
    folder of an earlier run, its embedding is reused, as in Park et al. 2020.
    """

    modality = "text"
    VERSION = 1
    VALUE_LIBRARIES = ("numpy", "torch")
    TRAINED = True
    weights_hash = staticmethod(_vocabulary.weights_hash)
    missing = staticmethod(_vocabulary.missing)

    def __init__(
        self,
        *,
        size: Positive = 300,
        filters: Positive = 100,
        widths: tuple[Positive, ...] = (3, 4, 5),
        dropout: Share = 0.5,
        pool: Literal["none", "max"] = "max",
        min_count: Positive = 2,
        file: str | None = None,
        freeze: bool = False,
    ) -> None:
        super().__init__()
        self.words = _vocabulary.Words(size, min_count, file, freeze)
        self.windows = nn.ModuleList(nn.Conv1d(size, filters, width) for width in widths)
        self.drop = nn.Dropout(dropout)
        self.pool = pool
        self.dim = filters * len(widths)

    def fit(self, inputs: Sequence[Input]) -> None:
        """Learn the vocabulary from the training texts."""
        self.words.fit(inputs)

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """ids `[B, T]`, lengths `[B]` in words, 0 where the text is missing."""
        return self.words.ids(inputs)

    def forward(self, ids: Tensor, lengths: Tensor) -> Features:
        mask = mask_of(lengths, ids.shape[1])
        vectors = self.words(ids.masked_fill(~mask, 0)).mT
        responses = torch.cat([self._convolve(vectors, window) for window in self.windows], dim=1)
        steps = torch.relu(responses.mT)
        if self.pool == "none":
            return Features(self.drop(steps), mask)
        return Features(self.drop(pooling.maximum(steps, mask)).unsqueeze(1), mask[:, :1])

    def _convolve(self, vectors: Tensor, window: nn.Module) -> Tensor:
        """`[B, size, T]` → `[B, filters, T]`."""
        assert isinstance(window, nn.Conv1d)
        before = (window.kernel_size[0] - 1) // 2
        after = window.kernel_size[0] - 1 - before
        return window(nn.functional.pad(vectors, (before, after)))

    def state(self) -> dict[str, bytes]:
        """The vocabulary and its vectors, as files that `file` of another network can name."""
        return self.words.state()

    def load_state(self, files: Mapping[str, bytes]) -> None:
        """Restore the vocabulary of these files; the weights are in `state_dict`."""
        self.words.load_state(files)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {"size": 8, "filters": 6, "min_count": 1}
