"""The words that a network learns a vector of, and the vectors themselves."""

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
_OWN = 2  # ids that are no word's: 0 of the padding, 1 of every unknown word
_SPREAD = 0.1  # of a word's first vector


class Words(nn.Module):
    """ids `[B, T]` → vectors `[B, T, size]`; a word is a run of letters, digits, underscores.

    Words are compared in small letters. Those that stand at least `min_count` times in the texts
    that train have a vector; all others share one. file: where first vectors come from, for the
    words that are in it: a text file of word vectors, or the folder that an earlier word network
    left in its run. freeze: the vectors stay as they were given, also those drawn at random.
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
        """Number the words of the texts that train, the commonest first, and draw their vectors."""
        found = Counter(word for one in inputs for word in _words(one))
        kept = [word for word in found if found[word] >= self.min_count]
        if not kept:
            raise DataError(
                f"no word stands {self.min_count} times in {len(inputs)} training texts (min_count)"
            )
        self._number(sorted(kept, key=lambda word: (-found[word], word)))
        nn.init.normal_(self.embedding.weight.data[_OWN:], std=_SPREAD)
        if self.file is not None:
            self._take(Path(self.file))

    def ids(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """ids `[B, T]`, zeros after each end; lengths `[B]` in words, 0: the text is missing.

        A text without any word is one unknown word: it is there.
        """
        rows = [[self.words.get(word, 1) for word in _words(one)] for one in inputs]
        rows = [row or [1] * _there(one) for row, one in zip(rows, inputs, strict=True)]
        lengths = torch.tensor([len(row) for row in rows])
        ids = torch.zeros(len(rows), max([1, *map(len, rows)]), dtype=torch.long)
        for place, row in zip(ids, rows, strict=True):
            place[: len(row)] = torch.tensor(row, dtype=torch.long)
        return {"ids": ids, "lengths": lengths}

    def state(self) -> dict[str, bytes]:
        """The words, and their vectors as they are now, for other networks to begin with."""
        vectors = self.embedding.weight.detach()[_OWN:].float().cpu().contiguous().numpy()
        words = json.dumps(list(self.words), ensure_ascii=False)
        return {VOCABULARY: words.encode(), EMBEDDING: save({"vectors": vectors})}

    def load_state(self, files: Mapping[str, bytes]) -> None:
        """The words of these files; the weights, of the right size then, are in `state_dict`."""
        self._number(json.loads(files[VOCABULARY]))

    def _number(self, words: Sequence[str]) -> None:
        self.words = {word: at for at, word in enumerate(words, _OWN)}
        self.embedding = self._blank()

    def _blank(self) -> nn.Embedding:
        """All zeros: so is the padding's for ever, and that of unknown words at first."""
        zeros = torch.zeros(_OWN + len(self.words), self.size)
        return nn.Embedding.from_pretrained(zeros, freeze=self.freeze, padding_idx=0)

    def _take(self, path: Path) -> None:
        vectors = open_vectors(path)
        if vectors.dim != self.size:
            raise ConfigError(f"size: {self.size}, but the vectors of {path} have {vectors.dim}")
        for word, at in self.words.items():
            if word in vectors:
                self.embedding.weight.data[at] = torch.tensor(vectors[word])


def missing(options: Mapping[str, Any]) -> list[str]:
    """What must be fetched first, and where it is."""
    file = options["file"]
    return [] if file is None or Path(file).exists() else [way_out(Path(file))]


def weights_hash(options: Mapping[str, Any]) -> str:
    """Of the vectors that are given, wherever they lie; nothing where they are learned."""
    return "" if options["file"] is None else of_files(options["file"])


def _words(one: Input) -> list[str]:
    return _WORD.findall((one.text or "").lower())


def _there(one: Input) -> bool:
    return bool(one.text and one.text.strip())
