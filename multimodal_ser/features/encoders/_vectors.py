"""Word vectors on disk: text files of many words, and folders that word networks have written."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from safetensors.numpy import load_file

from multimodal_ser.types import ConfigError, DataError, MissingError

VOCABULARY, EMBEDDING = "vocabulary.json", "embedding.safetensors"


def open_vectors(path: Path) -> VectorFile | VectorFolder:
    """The vectors of a text file, or of a folder that an earlier word network has written."""
    return VectorFolder(path) if path.is_dir() else VectorFile(path)


class VectorFolder:
    """Word → `[dim]` float32, as an earlier word network learned it."""

    def __init__(self, path: Path) -> None:
        if not (path / VOCABULARY).is_file() or not (path / EMBEDDING).is_file():
            raise MissingError(
                f"the folder {path} holds no {VOCABULARY} and {EMBEDDING}: name that of a word "
                "network in a run, models/<fold>-<seed>/encoders/<name>, or a file of word vectors"
            )
        words = json.loads((path / VOCABULARY).read_text("utf-8"))
        vectors = load_file(path / EMBEDDING)["vectors"]
        if len(words) != len(vectors):
            raise DataError(f"{path} has {len(words)} words and {len(vectors)} vectors")
        self.vectors = dict(zip(words, vectors, strict=True))
        self.dim = vectors.shape[1]

    def __contains__(self, word: str) -> bool:
        return word in self.vectors

    def __getitem__(self, word: str) -> np.ndarray:
        return self.vectors[word]


class VectorFile:
    """Word → `[dim]` float32; a vector is read from the file when it is first needed.

    A line is a word and its numbers, separated by blanks. The first line may hold the number of
    words and the number of dimensions. If a word has several lines, the first counts.
    places: the start, size and number of each word's line. kept: the vectors that have been read.
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
        """Note where every word's line is; numbers are counted here, and read only when needed."""
        header, end, words = None, 0, 0
        for number, line in enumerate(self.opened, 1):
            start, end = end, end + len(line)
            body = line.rstrip()
            if number == 1 and (header := _header(body)):
                self.dim = header[1]
                continue
            word, blank, numbers = body.partition(b" ")
            count = numbers.count(b" ") + 1 if blank else 0
            self.dim = self.dim or count
            if not word or not count or count != self.dim:
                raise self._malformed(number, f"{count} numbers where {self.dim or 'some'} belong")
            self.places.setdefault(word, (start, len(body), number))
            words += 1
        if not words:
            raise DataError(f"{self.path} holds no word vector")
        if header and header[0] != words:
            raise DataError(
                f"{self.path} announces {header[0]} words and holds {words}: is it complete?"
            )

    def _read(self, key: bytes) -> np.ndarray:
        """Read a vector by `pread`, because forked workers share the position in the file."""
        start, size, number = self.places[key]
        line = os.pread(self.opened.fileno(), size, start)
        try:
            vector = np.array(line.split(b" ")[1:], dtype=np.float32)
        except ValueError as error:
            raise self._malformed(number, str(error)) from None
        if len(vector) != self.dim or not np.isfinite(vector).all():
            raise self._malformed(number, f"not {self.dim} finite numbers")
        return vector

    def _malformed(self, number: int, reason: str) -> DataError:
        return DataError(f"{self.path}, line {number}: {reason} (a line is: word number number …)")


def _header(line: bytes) -> tuple[int, int] | None:
    """The numbers of words and dimensions, or None if the first line is a word's."""
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
        raise MissingError(way_out(path)) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {error}") from None
    return unpacked


def way_out(path: Path) -> str:
    """A message that says where to find word vectors."""
    return f"there is no file {path}; word vectors are at https://fasttext.cc/docs/en/crawl-vectors"
