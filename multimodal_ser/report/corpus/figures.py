"""The figures of a corpus: counts, histograms, and sound; drawn by hand as those of a report."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from multimodal_ser.report.corpus import measures
from multimodal_ser.report.corpus.measures import Histogram
from multimodal_ser.report.corpus.sound import RATE, Clip
from multimodal_ser.report.figures import (
    captioned,
    grid,
    margin,
    scale,
    short,
    svg,
    text,
    ticks,
)

_LEFT, _RIGHT = 46.0, 298.0
_STOPS = (
    (0.0, (6, 8, 24)), (0.25, (52, 24, 92)), (0.5, (146, 42, 96)), (0.75, (232, 106, 58)),
    (1.0, (253, 243, 190)),
)  # fmt: skip


def counts_figure(name: str, counts_of_values: pd.Series) -> str:
    plain = {str(value): int(count) for value, count in counts_of_values.items()}
    return captioned(counts(f"utterances by {name}", plain), name)


def histogram_figure(name: str, values: np.ndarray, unit: str) -> str:
    bars_of_values, summary = measures.histogram(values), measures.summary(values)
    sd = "" if summary.sd is None else f" ± {summary.sd:.3g}"
    far = f"; {bars_of_values.beyond} further out" if bars_of_values.beyond else ""
    caption = f"{name}: mean {summary.mean:.3g}{sd}, {summary.low:.3g} to {summary.high:.3g}{far}"
    return captioned(histogram(name, bars_of_values, unit), caption)


def counts(title: str, count_of: Mapping[str, int]) -> str:
    """A bar a value, with the number of utterances and its share."""
    left, step, total = margin(count_of), 20, max(sum(count_of.values()), 1)
    at = scale(0, max(1, *count_of.values()), left, left + 120)
    parts = []
    for place, (name, count) in enumerate(count_of.items()):
        y = step * place + step / 2 + 2
        width = at(count) - left
        parts += [
            text(left - 8, y + 4, short(name), "end"),
            f'<rect class="bar" x="{left:.1f}" y="{y - 6:g}" width="{width:.1f}" height="12"/>',
            text(left + width + 6, y + 4, f"{count} ({count / total:.0%})"),
        ]
    return svg(round(left + 210), step * len(count_of) + 6, title, parts)


def histogram(title: str, shown: Histogram, unit: str, over: Histogram | None = None) -> str:
    """Bars over an axis with its unit; `over`: another one, on the same edges, as a line."""
    highest = max(shown.counts.max(), over.counts.max() if over else 0, 1)
    first, last = float(shown.edges[0]), float(shown.edges[-1])
    at = scale(first, last, _LEFT, _RIGHT)
    marks = [mark for mark in ticks(first, last) if first <= mark <= last]
    up = scale(0, highest, 140, 10)
    heights = [mark for mark in ticks(0, highest)[1:] if mark <= highest and mark == int(mark)]
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{up(mark):.1f}" y2="{up(mark):.1f}"/>'
        + text(_LEFT - 6, up(mark) + 4, f"{mark:g}", "end")
        for mark in heights
    ]
    parts += [
        f'<rect class="bar" x="{at(low):.1f}" y="{up(count):.1f}" '
        f'width="{max(at(high) - at(low) - 0.5, 0.5):.1f}" height="{140 - up(count):.1f}"/>'
        for low, high, count in zip(shown.edges, shown.edges[1:], shown.counts, strict=False)
        if count
    ]
    parts += [grid(at(mark), 140, 144, f"{mark:g}") for mark in marks]
    if over:
        ends = [(at(edge), up(count)) for edge, count in _steps(over)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in ends)
        parts.append(f'<polyline class="bold" points="{points}"/>')
    parts.append(text(_RIGHT, 177, unit, "end"))
    return svg(316, 184, title, parts)


def _steps(shown: Histogram) -> list[tuple[float, float]]:
    """The outline of a histogram, from the ground to the ground."""
    edges = np.repeat(shown.edges, 2)
    heights = np.concatenate([[0], np.repeat(shown.counts, 2), [0]])
    return [(float(edge), float(height)) for edge, height in zip(edges, heights, strict=True)]


def sound(title: str, clip: Clip) -> str:
    """The waveform above the log-mel spectrogram, over one axis of seconds."""
    marks = [mark for mark in ticks(0, clip.shown) if mark <= clip.shown]
    at = scale(0, clip.shown, _LEFT, _RIGHT)
    up = scale(-1, 1, 70, 6)
    across = np.linspace(_LEFT, _RIGHT, len(clip.high))
    upper = [f"{x:.1f},{up(y):.1f}" for x, y in zip(across, clip.high, strict=True)]
    lower = [f"{x:.1f},{up(y):.1f}" for x, y in zip(across, clip.low, strict=True)]
    area = " ".join([*upper, *reversed(lower)])
    mels = scale(0, mel(RATE / 2), 190, 80)
    parts = [
        f'<polygon class="dot" points="{area}"/>',
        f'<image x="{_LEFT}" y="80" width="{_RIGHT - _LEFT}" height="110" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{_png_of(clip.mel)}"/>',
        *(
            text(_LEFT - 6, mels(mel(hertz)) + 4, f"{hertz / 1000:g}", "end")
            for hertz in (500, 1000, 2000, 4000)
        ),
        text(_LEFT - 6, 86, "kHz", "end"),
        *(grid(at(mark), 190, 194, f"{mark:g}") for mark in marks),
        text(_RIGHT, 227, "seconds", "end"),
    ]
    return svg(316, 234, title, parts)


def mel(hertz: float) -> float:
    """Slaney's scale, on which the bands of the spectrogram are equally wide."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + np.log(hertz / 1000) * 27 / np.log(6.4)


def _png_of(decibels: np.ndarray) -> str:
    """`[bands, frames]`, low bands first, as base64 of a PNG with the low bands at the bottom."""
    low = decibels.min() if decibels.min() < decibels.max() else decibels.max() - 1
    levels = (decibels - low) / (decibels.max() - low) * 255
    return base64.b64encode(png(np.round(levels[::-1]).astype(np.uint8))).decode()


def png(levels: np.ndarray) -> bytes:
    """`[H, W]` of uint8 as an image of 256 colours, from dark to light."""
    places = np.linspace(0, 1, 256)
    stops = [stop for stop, _ in _STOPS]
    channels = [
        np.interp(places, stops, [colour[channel] for _, colour in _STOPS]) for channel in range(3)
    ]
    palette = np.stack(channels, axis=1).round().astype(np.uint8).tobytes()
    rows = b"".join(b"\0" + row.tobytes() for row in levels)  # 0: the row is stored unfiltered
    height, width = levels.shape
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", head),
        (b"PLTE", palette),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
