"""Hashed word n-grams: a bag of words without a vocabulary, so nothing is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import HashingVectorizer
from torch import Tensor, nn

from multimodal_ser.types import Features, Input


class Encoder(nn.Module):
    """Signed counts of lower-cased word n-grams in a fixed number of buckets, of unit length."""

    modality = "text"
    VERSION = 1
    VALUE_LIBRARIES = ("scikit-learn",)

    def __init__(
        self,
        *,
        buckets: Annotated[int, Field(gt=0)] = 2048,
        words: tuple[int, int] = (1, 2),
    ) -> None:
        super().__init__()
        self.dim = buckets
        self.vectorizer = HashingVectorizer(n_features=buckets, ngram_range=words)

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, buckets]`, present `[B]`."""
        counts = self.vectorizer.transform([utterance.text or "" for utterance in inputs])
        present = torch.tensor([utterance.text is not None for utterance in inputs])
        return {"x": torch.from_numpy(csr_array(counts).toarray()).float(), "present": present}

    def forward(self, x: Tensor, present: Tensor) -> Features:
        return Features(x.unsqueeze(1), present.unsqueeze(1))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {"buckets": 64}
