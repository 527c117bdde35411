"""TF-IDF of word and character n-grams, fitted on the training rows of each fold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from safetensors.numpy import load, save
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor, nn

from multimodal_ser.types import DataError, Features, Input

Range = tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]
Positive = Annotated[int, Field(gt=0)]


class Encoder(nn.Module):
    """Word and character n-grams; each kind is weighted and scaled alone, then both are joined.

    words, characters: the ranges of n; None leaves this kind out. within_words: character n-grams
    do not cross word boundaries. max_features keeps the most frequent n-grams of each kind. svd
    projects all columns to that many dense columns (latent semantic analysis).
    """

    modality = "text"
    VERSION = 1
    VALUE_LIBRARIES = ("scikit-learn", "scipy")

    def __init__(
        self,
        *,
        words: Range | None = (1, 2),
        characters: Range | None = None,
        within_words: bool = True,
        min_df: Positive = 1,
        sublinear: bool = True,
        max_features: Positive | None = None,
        svd: Positive | None = None,
    ) -> None:
        super().__init__()
        analyzers = {"word": words, "char_wb" if within_words else "char": characters}
        self.vectorizers = [
            TfidfVectorizer(
                analyzer=analyzer,
                ngram_range=ngrams,
                min_df=min_df,
                sublinear_tf=sublinear,
                max_features=max_features,
            )
            for analyzer, ngrams in analyzers.items()
            if ngrams
        ]
        self.svd: Any = TruncatedSVD(svd, random_state=0) if svd else None

    @staticmethod
    def columns(options: Mapping[str, Any]) -> int | None:
        """The largest number of columns of these options; None where it depends on the data."""
        kinds = (options["words"] is not None) + (options["characters"] is not None)
        limit = options["max_features"]
        return options["svd"] or (limit and limit * kinds)

    def fit(self, inputs: Sequence[Input]) -> None:
        """Learn vocabulary, weights and projection from the training texts."""
        texts = [utterance.text for utterance in inputs if utterance.text is not None]
        try:
            parts = [vectorizer.fit_transform(texts) for vectorizer in self.vectorizers]
            counts: Any = sparse.hstack(parts, format="csr")
        except ValueError as error:
            raise DataError(
                f"tfidf finds no n-gram in {len(texts)} training texts: {error}"
            ) from None
        self.dim = counts.shape[1]
        if self.svd is not None:
            self.svd.set_params(n_components=min(self.svd.n_components, min(counts.shape) - 1))
            self.dim = len(self.svd.fit(counts).components_)

    def matrix(self, inputs: Sequence[Input]) -> sparse.csr_array | np.ndarray:
        """`[B, dim]`: sparse, or dense after `svd`; zeros where the text is missing."""
        texts = [utterance.text or "" for utterance in inputs]
        parts = [vectorizer.transform(texts) for vectorizer in self.vectorizers]
        counts = sparse.csr_array(sparse.hstack(parts, format="csr"))
        return counts if self.svd is None else self.svd.transform(counts)

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, dim]` dense, present `[B]`."""
        matrix = self.matrix(inputs)
        dense = matrix.toarray() if isinstance(matrix, sparse.csr_array) else matrix
        present = torch.tensor([utterance.text is not None for utterance in inputs])
        return {"x": torch.from_numpy(dense.astype(np.float32)), "present": present}

    def forward(self, x: Tensor, present: Tensor) -> Features:
        return Features(x.unsqueeze(1), present.unsqueeze(1))

    def state(self) -> dict[str, bytes]:
        """What `fit` learned, as files."""
        vocabularies = [
            {term: int(column) for term, column in vectorizer.vocabulary_.items()}
            for vectorizer in self.vectorizers
        ]
        arrays = {
            f"idf{number}": vectorizer.idf_ for number, vectorizer in enumerate(self.vectorizers)
        }
        if self.svd is not None:
            # safetensors writes memory as it is, so an array in Fortran order would be scrambled
            arrays["components"] = np.ascontiguousarray(self.svd.components_)
        text = json.dumps(vocabularies, ensure_ascii=False, sort_keys=True)
        return {"vocabulary.json": text.encode(), "weights.safetensors": save(arrays)}

    def load_state(self, files: Mapping[str, bytes]) -> None:
        """Restore what `fit` learned from the files of `state`."""
        arrays = load(files["weights.safetensors"])
        vocabularies = json.loads(files["vocabulary.json"])
        for number, (vectorizer, vocabulary) in enumerate(
            zip(self.vectorizers, vocabularies, strict=True)
        ):
            vectorizer.vocabulary = vocabulary
            vectorizer._validate_vocabulary()
            vectorizer.idf_ = arrays[f"idf{number}"]
        self.dim = sum(len(vocabulary) for vocabulary in vocabularies)
        if self.svd is not None:
            self.svd.components_ = arrays["components"]
            self.dim = len(self.svd.components_)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {"characters": [2, 3], "svd": 3}
