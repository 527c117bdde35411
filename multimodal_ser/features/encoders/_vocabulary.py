"""The vocabulary of a word network, and a vector for each word."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import save
from torch import Tensor, nn

from multimodal_ser.features.encoders._vectors import EMBEDDING, VOCABULARY, open_vectors, way_out
from multimodal_ser.features.encoders._weights import of_files
from multimodal_ser.types import ConfigError, DataError, Input

_WORD = re.compile(r"\w+")
_SPECIAL = 2  # number of special ids: 0 is the padding, 1 is every unknown word
_SPREAD = 0.1  # standard deviation of a word's first vector


class Words(nn.Module):
    """ids `[B, T]` → vectors `[B, T, size]`; a word is a run of letters, digits, underscores.

    Words are compared in lower case. Words that occur at least `min_count` times in the training
    texts have their own vector; all others share one. file: the source of the first vectors, for
    the words that are in it: a text file of word vectors, or the folder that an earlier word
    network wrote in its run. freeze: the vectors never change, not even those drawn at random.
    """

    def __init__(self, size: int, min_count: int, file: str | None, freeze: bool) -> None:
        super().__init__()
        if freeze and file is None:
            raise ConfigError("freeze: needs a file: of word vectors; random ones must be learned")
        self.size = size
        self.min_count = min_count
        self.file = file
        self.freeze = freeze
        self.words: dict[str, int] = {}
        self.embedding = self._blank()

    def forward(self, ids: Tensor) -> Tensor:
        return self.embedding(ids)

    def fit(self, inputs: Sequence[Input]) -> None:
        """Number the words of the training texts, most frequent first, and draw their vectors."""
        counts = Counter(word for utterance in inputs for word in _words(utterance))
        frequent = [word for word in counts if counts[word] >= self.min_count]
        if not frequent:
            raise DataError(
                f"no word stands {self.min_count} times in {len(inputs)} training texts (min_count)"
            )
        self._assign_ids(sorted(frequent, key=lambda word: (-counts[word], word)))
        nn.init.normal_(self.embedding.weight.data[_SPECIAL:], std=_SPREAD)
        if self.file is not None:
            self._copy_vectors(Path(self.file))

    def ids(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """ids `[B, T]` with zeros after each end; lengths `[B]` in words, 0 if the text is missing.

        A text without any word becomes one unknown word, because it is not missing.
        """
        rows = [[self.words.get(word, 1) for word in _words(utterance)] for utterance in inputs]
        rows = [
            row or [1] * _has_text(utterance) for row, utterance in zip(rows, inputs, strict=True)
        ]
        lengths = torch.tensor([len(row) for row in rows])
        ids = torch.zeros(len(rows), max([1, *map(len, rows)]), dtype=torch.long)
        for padded, row in zip(ids, rows, strict=True):
            padded[: len(row)] = torch.tensor(row, dtype=torch.long)
        return {"ids": ids, "lengths": lengths}

    def state(self) -> dict[str, bytes]:
        """The words and their present vectors, as files that other networks can start from."""
        vectors = self.embedding.weight.detach()[_SPECIAL:].float().cpu().contiguous().numpy()
        words = json.dumps(list(self.words), ensure_ascii=False)
        return {VOCABULARY: words.encode(), EMBEDDING: save({"vectors": vectors})}

    def load_state(self, files: Mapping[str, bytes]) -> None:
        """Take the words of these files; their weights are in `state_dict`, which then fits."""
        self._assign_ids(json.loads(files[VOCABULARY]))

    def _assign_ids(self, words: Sequence[str]) -> None:
        self.words = {word: number for number, word in enumerate(words, _SPECIAL)}
        self.embedding = self._blank()

    def _blank(self) -> nn.Embedding:
        """Vectors of zeros; the padding keeps its zeros, and unknown words start from zeros."""
        zeros = torch.zeros(_SPECIAL + len(self.words), self.size)
        return nn.Embedding.from_pretrained(zeros, freeze=self.freeze, padding_idx=0)

    def _copy_vectors(self, path: Path) -> None:
        vectors = open_vectors(path)
        if vectors.dim != self.size:
            raise ConfigError(f"size: {self.size}, but the vectors of {path} have {vectors.dim}")
        for word, number in self.words.items():
            if word in vectors:
                self.embedding.weight.data[number] = torch.tensor(vectors[word])


def missing(options: Mapping[str, Any]) -> list[str]:
    """Messages about the file that the user must fetch first."""
    file = options["file"]
    return [] if file is None or Path(file).exists() else [way_out(Path(file))]


def weights_hash(options: Mapping[str, Any]) -> str:
    """The hash of the given vectors, whatever their path; empty where vectors are learned."""
    return "" if options["file"] is None else of_files(options["file"])


def _words(utterance: Input) -> list[str]:
    return _WORD.findall((utterance.text or "").lower())


def _has_text(utterance: Input) -> bool:
    return bool(utterance.text and utterance.text.strip())
