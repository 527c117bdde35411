"""Word vectors of a fastText or word2vec text file (.vec, .txt, .gz): one a word, or their mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from multimodal_ser.features.encoders._vectors import VectorFile, way_out
from multimodal_ser.files import file_hash
from multimodal_ser.types import Features, Input

_WORDS = re.compile(r"\w+")


class Encoder(nn.Module):
    """`pool: mean` `[B, 1, D]` of the known words, `none` `[B, T, D]` in their order.

    A word is a run of letters, digits and underscores. case: how a word is looked up: `keep` as
    written, `lower` in lower case, `either` first as written and then in lower case.

    A text without any known word is one vector of zeros, and it counts as present. It has words, so
    it is not a missing text, and a model trained on complete data would refuse a missing text. The
    remarks count such texts.

    Memory holds only the words of the file, their places, and the vectors that have been used. A
    compressed file is unpacked into a temporary file.
    """

    modality = "text"
    VERSION = 1
    VALUE_LIBRARIES = ("numpy",)

    def __init__(
        self,
        *,
        file: str,
        pool: Literal["none", "mean"] = "mean",
        case: Literal["keep", "lower", "either"] = "either",
    ) -> None:
        super().__init__()
        self.vectors = VectorFile(Path(file))
        self.dim = self.vectors.dim
        self.pool = pool
        self.case = case

    @staticmethod
    def weights_hash(options: Mapping[str, Any]) -> str:
        """The hash of the file's bytes, whatever its path."""
        return file_hash(Path(options["file"]))

    @staticmethod
    def missing(options: Mapping[str, Any]) -> list[str]:
        """Messages about the file that the user must fetch first."""
        path = Path(options["file"])
        return [] if path.is_file() else [way_out(path)]

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, T, dim]`, lengths `[B]` in known words, 0 where the text is missing."""
        rows = [self._row(utterance.text) for utterance in inputs]
        lengths = torch.tensor([len(row) for row in rows])
        padded = nn.utils.rnn.pad_sequence([torch.from_numpy(row) for row in rows], True)
        padding = max(0, 1 - padded.shape[1])
        return {"x": nn.functional.pad(padded, (0, 0, 0, padding)), "lengths": lengths}

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        steps = torch.arange(x.shape[1], device=x.device)
        return Features(x, steps < lengths.unsqueeze(1))

    def remarks(self, inputs: Sequence[Input]) -> list[str]:
        """A remark for each text; it is not empty where words are not in the file."""
        return [self._remark(utterance.text) for utterance in inputs]

    def _row(self, text: str | None) -> np.ndarray:
        if text is None or not text.strip():
            return np.zeros((0, self.dim), np.float32)
        vectors = [self.vectors[key] for key in self._keys(text) if key is not None]
        frames = np.stack(vectors or [np.zeros(self.dim, np.float32)])
        return frames.mean(0, keepdims=True, dtype=np.float32) if self.pool == "mean" else frames

    def _remark(self, text: str | None) -> str:
        if text is None or not text.strip():
            return ""
        keys = self._keys(text)
        if not any(key is not None for key in keys):
            return "no known word"
        return "some words unknown" if None in keys else ""

    def _keys(self, text: str) -> list[str | None]:
        """For each word of the text, the word of the file that stands for it."""
        return [self._entry(word) for word in _WORDS.findall(text)]

    def _entry(self, word: str) -> str | None:
        """The form of the word that is in the file, or None."""
        forms = {"keep": [word], "lower": [word.lower()], "either": [word, word.lower()]}
        return next((form for form in forms[self.case] if form in self.vectors), None)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options for a file of seven words, which this function writes."""
    words = ("qué", "no", "son", "mañana", "pena", "sí", "verte")
    lines = [f"{word} {index} {index / 3} -{index}.5e-1" for index, word in enumerate(words)]
    path = folder / "words.vec"
    path.write_text("\n".join([f"{len(words)} 3", *lines]), encoding="utf-8")
    return {"file": str(path)}
