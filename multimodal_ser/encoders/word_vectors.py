"""Word vectors of a fastText or word2vec text file (.vec, .txt, .gz): one a word, or their mean."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch
from torch import Tensor, nn

from multimodal_ser.types import ConfigError, DataError, Features, Input, MissingError
from multimodal_ser.weights import file_hash

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
        return [] if path.is_file() else [_way_out(path)]

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


class VectorFile:
    """Word → `[dim]` float32, read from the file when it is asked for.

    A line is a word and its numbers, parted by blanks; the first line may be the number of words
    and of dimensions. The first of several lines of one word wins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened = _open(path)
        self.places: dict[bytes, tuple[int, int, int]] = {}
        self.kept: dict[bytes, np.ndarray] = {}
        self.dim = 0
        self.opened.seek(0)
        self._scan()

    def __contains__(self, word: str) -> bool:
        return word.encode() in self.places

    def __getitem__(self, word: str) -> np.ndarray:
        key = word.encode()
        if key not in self.kept:
            self.kept[key] = self._read(key)
        return self.kept[key]

    def _scan(self) -> None:
        """Where every word's line is; the numbers are counted, and read only when needed."""
        stated, start, found = None, 0, 0
        for number, line in enumerate(self.opened, 1):
            here, start = start, start + len(line)
            body = line.rstrip()
            if number == 1 and (stated := _header(body)):
                self.dim = stated[1]
                continue
            word, blank, numbers = body.partition(b" ")
            count = numbers.count(b" ") + 1 if blank else 0
            self.dim = self.dim or count
            if not word or not count or count != self.dim:
                raise self._malformed(number, f"{count} numbers where {self.dim or 'some'} belong")
            self.places.setdefault(word, (here, len(body), number))
            found += 1
        if not found:
            raise DataError(f"{self.path} holds no word vector")
        if stated and stated[0] != found:
            raise DataError(
                f"{self.path} announces {stated[0]} words and holds {found}: is it complete?"
            )

    def _read(self, key: bytes) -> np.ndarray:
        """`pread` leaves the position alone, which forked workers would share."""
        start, size, number = self.places[key]
        line = os.pread(self.opened.fileno(), size, start)
        try:
            vector = np.array(line.split(b" ")[1:], dtype=np.float32)
        except ValueError as error:
            raise self._malformed(number, str(error)) from None
        if len(vector) != self.dim or not np.isfinite(vector).all():
            raise self._malformed(number, f"not {self.dim} finite numbers")
        return vector

    def _malformed(self, number: int, why: str) -> DataError:
        return DataError(f"{self.path}, line {number}: {why} (a line is: word number number …)")


def _header(line: bytes) -> tuple[int, int] | None:
    """`words dimensions`, or nothing if the first line is a word's."""
    parts = line.split(b" ")
    if len(parts) == 2 and all(part.isdigit() for part in parts):
        return int(parts[0]), int(parts[1])
    return None


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".bin":
        raise ConfigError(f"{path} is no text file; take the .vec file of these word vectors")
    try:
        if path.suffix != ".gz":
            return path.open("rb")
        unpacked = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as it is read)
        with gzip.open(path) as packed:
            shutil.copyfileobj(packed, unpacked, 1 << 20)
    except FileNotFoundError:
        raise MissingError(_way_out(path)) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {error}") from None
    return unpacked


def _way_out(path: Path) -> str:
    return f"there is no file {path}; word vectors are at https://fasttext.cc/docs/en/crawl-vectors"


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once: seven words, which this writes."""
    words = ("qué", "no", "son", "mañana", "pena", "sí", "verte")
    lines = [f"{word} {at} {at / 3} -{at}.5e-1" for at, word in enumerate(words)]
    path = folder / "words.vec"
    path.write_text("\n".join([f"{len(words)} 3", *lines]), encoding="utf-8")
    return {"file": str(path)}
