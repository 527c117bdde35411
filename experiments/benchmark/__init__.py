"""One file an area; each has `rows() -> {what: (seconds of the plain way, seconds of ours)}`."""

from __future__ import annotations

import time
from collections.abc import Callable

from multimodal_ser.corpus.corpus import Corpus, data_root
from multimodal_ser.corpus.datasets import demo, emospeech, ravdess
from multimodal_ser.types import Utterance

Rows = dict[str, tuple[float, float]]


def best(function: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest of some calls."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def alternately(*functions: Callable[[], object], times: int = 3) -> list[float]:
    """As `best` of each, in turns, so that whatever else the machine does meets all of them."""
    rounds = [[best(function, 1) for function in functions] for _ in range(times)]
    return [min(seconds) for seconds in zip(*rounds, strict=True)]


def clips(count: int) -> list[Utterance]:
    """Of RAVDESS where it lies under MSER_DATA, else of the bundled corpus."""
    return _spread(ravdess.load() if data_root("ravdess").is_dir() else demo.load(), count)


def transcripts(count: int) -> list[Utterance]:
    """Of EmoSPeech where it lies under MSER_DATA, else of the bundled corpus; each text once."""
    there = data_root("emospeech").is_dir()
    found = _spread(emospeech.load() if there else demo.load(), count)
    return list({one.text: one for one in found}.values())


def _spread(corpus: Corpus, count: int) -> list[Utterance]:
    """As many utterances, from all over the corpus."""
    everything = corpus.utterances()
    return everything[:: max(1, len(everything) // count)][:count]
