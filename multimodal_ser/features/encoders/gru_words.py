"""A recurrent network over the words of a text, with word vectors learned or given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features import pooling
from multimodal_ser.features.encoders import _vocabulary
from multimodal_ser.features.encoders._spectral import mask_of
from multimodal_ser.types import Features, Input

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Encoder(nn.Module):
    """`pool: last` `[B, 1, D]` of both directions' ends, `mean` over words, `none` `[B, T, D]`.

    This is the text side of Yoon et al. 2018, "Multimodal speech emotion recognition using audio
    and text": a GRU of `hidden` units a direction over vectors of `size`, with dropout before and
    after it. `Words` says what a word is and where its vector comes from. freeze keeps given
    vectors as they are.
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
        hidden: Positive = 128,
        bidirectional: bool = True,
        dropout: Share = 0.3,
        pool: Literal["none", "mean", "last"] = "last",
        min_count: Positive = 2,
        file: str | None = None,
        freeze: bool = False,
    ) -> None:
        super().__init__()
        self.words = _vocabulary.Words(size, min_count, file, freeze)
        self.recurrent = nn.GRU(size, hidden, batch_first=True, bidirectional=bidirectional)
        self.drop = nn.Dropout(dropout)
        self.pool = pool
        self.dim = hidden * (2 if bidirectional else 1)

    def fit(self, inputs: Sequence[Input]) -> None:
        """Learn the vocabulary from the training texts."""
        self.words.fit(inputs)

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """ids `[B, T]`, lengths `[B]` in words, 0 where the text is missing."""
        return self.words.ids(inputs)

    def forward(self, ids: Tensor, lengths: Tensor) -> Features:
        mask = mask_of(lengths, ids.shape[1])
        packed = nn.utils.rnn.pack_padded_sequence(
            self.drop(self.words(ids)), lengths.clamp(min=1).cpu(), True, enforce_sorted=False
        )
        states, ends = self.recurrent(packed)
        if self.pool == "last":
            last = ends.transpose(0, 1).flatten(1)
            return Features(self.drop(last).unsqueeze(1), mask[:, :1])
        steps, _ = nn.utils.rnn.pad_packed_sequence(states, True, total_length=ids.shape[1])
        if self.pool == "mean":
            return Features(self.drop(pooling.mean(steps, mask)).unsqueeze(1), mask[:, :1])
        return Features(self.drop(steps), mask)

    def state(self) -> dict[str, bytes]:
        """The vocabulary and its vectors, as files that `file` of another network can name."""
        return self.words.state()

    def load_state(self, files: Mapping[str, bytes]) -> None:
        """Restore the vocabulary of these files; the weights are in `state_dict`."""
        self.words.load_state(files)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {"size": 8, "hidden": 6, "min_count": 1}
