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

    A word is a run of letters, digits and underscores. case: how it is looked up, `keep` as
    written, `lower` in small letters, `either` as written and else in small letters.

    A text without any known word is one vector of zeros, and present: it has words, so it is not
    what an absent text is, and a model trained on complete data would refuse it as missing. The
    remarks count such texts.

    Of the file only its words and their places are kept in memory, and the vectors of the words
    that were asked for; a compressed one is unpacked into a temporary file.
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
        """Of the file's bytes, wherever it lies."""
        return file_hash(Path(options["file"]))

    @staticmethod
    def missing(options: Mapping[str, Any]) -> list[str]:
        """What must be fetched first, and where it is."""
        path = Path(options["file"])
        return [] if path.is_file() else [way_out(path)]

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, T, dim]`, lengths `[B]` in known words, 0 where the text is missing."""
        rows = [self._row(one.text) for one in inputs]
        lengths = torch.tensor([len(row) for row in rows])
        padded = nn.utils.rnn.pad_sequence([torch.from_numpy(row) for row in rows], True)
        short = max(0, 1 - padded.shape[1])
        return {"x": nn.functional.pad(padded, (0, 0, 0, short)), "lengths": lengths}

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        steps = torch.arange(x.shape[1], device=x.device)
        return Features(x, steps < lengths.unsqueeze(1))

    def remarks(self, inputs: Sequence[Input]) -> list[str]:
        """Which texts have words that are not in the file."""
        return [self._remark(one.text) for one in inputs]

    def _row(self, text: str | None) -> np.ndarray:
        if text is None or not text.strip():
            return np.zeros((0, self.dim), np.float32)
        found = [self.vectors[key] for key in self._keys(text) if key is not None]
        frames = np.stack(found or [np.zeros(self.dim, np.float32)])
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
        return [self._known(word) for word in _WORDS.findall(text)]

    def _known(self, word: str) -> str | None:
        forms = {"keep": [word], "lower": [word.lower()], "either": [word, word.lower()]}
        return next((form for form in forms[self.case] if form in self.vectors), None)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once: seven words, which this writes."""
    words = ("qué", "no", "son", "mañana", "pena", "sí", "verte")
    lines = [f"{word} {at} {at / 3} -{at}.5e-1" for at, word in enumerate(words)]
    path = folder / "words.vec"
    path.write_text("\n".join([f"{len(words)} 3", *lines]), encoding="utf-8")
    return {"file": str(path)}
