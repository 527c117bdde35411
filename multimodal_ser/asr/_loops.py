"""Stand-in."""

import zlib


def loop(text: str) -> tuple[int, int] | None:
    return None


def collapse(text: str) -> str:
    return text


def compression_ratio(text: str) -> float:
    data = text.encode()
    return len(data) / len(zlib.compress(data))
