"""One file an area; each has `rows() -> {what: (seconds of the plain way, seconds of ours)}`."""

from __future__ import annotations

import time
from collections.abc import Callable

Rows = dict[str, tuple[float, float]]


def best(function: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest of some calls."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
