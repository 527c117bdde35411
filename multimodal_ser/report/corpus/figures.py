"""The figures of a corpus as inline SVG: counts, histograms and sound."""

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


def counts_figure(name: str, value_counts: pd.Series) -> str:
    plain_counts = {str(value): int(count) for value, count in value_counts.items()}
    return captioned(counts(f"utterances by {name}", plain_counts), name)


def histogram_figure(name: str, values: np.ndarray, unit: str) -> str:
    bins, summary = measures.histogram(values), measures.summary(values)
    sd = "" if summary.sd is None else f" ± {summary.sd:.3g}"
    beyond = f"; {bins.beyond} further out" if bins.beyond else ""
    caption = (
        f"{name}: mean {summary.mean:.3g}{sd}, {summary.low:.3g} to {summary.high:.3g}{beyond}"
    )
    return captioned(histogram(name, bins, unit), caption)


def counts(title: str, count_of: Mapping[str, int]) -> str:
    """A bar for each value, with its number of utterances and its share."""
    left, row_height, total = margin(count_of), 20, max(sum(count_of.values()), 1)
    x_of = scale(0, max(1, *count_of.values()), left, left + 120)
    parts = []
    for index, (name, count) in enumerate(count_of.items()):
        y = row_height * index + row_height / 2 + 2
        width = x_of(count) - left
        parts += [
            text(left - 8, y + 4, short(name), "end"),
            f'<rect class="bar" x="{left:.1f}" y="{y - 6:g}" width="{width:.1f}" height="12"/>',
            text(left + width + 6, y + 4, f"{count} ({count / total:.0%})"),
        ]
    return svg(round(left + 210), row_height * len(count_of) + 6, title, parts)


def histogram(title: str, bins: Histogram, unit: str, line_bins: Histogram | None = None) -> str:
    """A histogram as bars, over an axis with its unit.

    line_bins: another histogram with the same edges, drawn as a line.
    """
    highest = max(bins.counts.max(), line_bins.counts.max() if line_bins else 0, 1)
    first, last = float(bins.edges[0]), float(bins.edges[-1])
    x_of = scale(first, last, _LEFT, _RIGHT)
    marks = [mark for mark in ticks(first, last) if first <= mark <= last]
    y_of = scale(0, highest, 140, 10)
    heights = [mark for mark in ticks(0, highest)[1:] if mark <= highest and mark == int(mark)]
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" '
        f'y1="{y_of(mark):.1f}" y2="{y_of(mark):.1f}"/>'
        + text(_LEFT - 6, y_of(mark) + 4, f"{mark:g}", "end")
        for mark in heights
    ]
    parts += [
        f'<rect class="bar" x="{x_of(low):.1f}" y="{y_of(count):.1f}" '
        f'width="{max(x_of(high) - x_of(low) - 0.5, 0.5):.1f}" height="{140 - y_of(count):.1f}"/>'
        for low, high, count in zip(bins.edges, bins.edges[1:], bins.counts, strict=False)
        if count
    ]
    parts += [grid(x_of(mark), 140, 144, f"{mark:g}") for mark in marks]
    if line_bins:
        corners = [(x_of(edge), y_of(count)) for edge, count in _steps(line_bins)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        parts.append(f'<polyline class="bold" points="{points}"/>')
    parts.append(text(_RIGHT, 177, unit, "end"))
    return svg(316, 184, title, parts)


def _steps(bins: Histogram) -> list[tuple[float, float]]:
    """The corners (edge, count) of the histogram's outline; it starts and ends at 0."""
    edges = np.repeat(bins.edges, 2)
    heights = np.concatenate([[0], np.repeat(bins.counts, 2), [0]])
    return [(float(edge), float(height)) for edge, height in zip(edges, heights, strict=True)]


def sound(title: str, clip: Clip) -> str:
    """The waveform, and below it the log-mel spectrogram, over one axis of seconds."""
    marks = [mark for mark in ticks(0, clip.shown) if mark <= clip.shown]
    x_of = scale(0, clip.shown, _LEFT, _RIGHT)
    y_of = scale(-1, 1, 70, 6)
    xs = np.linspace(_LEFT, _RIGHT, len(clip.high))
    upper = [f"{x:.1f},{y_of(y):.1f}" for x, y in zip(xs, clip.high, strict=True)]
    lower = [f"{x:.1f},{y_of(y):.1f}" for x, y in zip(xs, clip.low, strict=True)]
    area = " ".join([*upper, *reversed(lower)])
    y_of_mel = scale(0, mel(RATE / 2), 190, 80)
    parts = [
        f'<polygon class="dot" points="{area}"/>',
        f'<image x="{_LEFT}" y="80" width="{_RIGHT - _LEFT}" height="110" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{_png_of(clip.mel)}"/>',
        *(
            text(_LEFT - 6, y_of_mel(mel(hertz)) + 4, f"{hertz / 1000:g}", "end")
            for hertz in (500, 1000, 2000, 4000)
        ),
        text(_LEFT - 6, 86, "kHz", "end"),
        *(grid(x_of(mark), 190, 194, f"{mark:g}") for mark in marks),
        text(_RIGHT, 227, "seconds", "end"),
    ]
    return svg(316, 234, title, parts)


def mel(hertz: float) -> float:
    """Hz → mel on Slaney's scale; on it the bands of the spectrogram are equally wide."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + np.log(hertz / 1000) * 27 / np.log(6.4)


def _png_of(decibels: np.ndarray) -> str:
    """A PNG as base64. decibels: `[bands, frames]`, low bands first; they are at the bottom."""
    low = decibels.min() if decibels.min() < decibels.max() else decibels.max() - 1
    levels = (decibels - low) / (decibels.max() - low) * 255
    return base64.b64encode(png(np.round(levels[::-1]).astype(np.uint8))).decode()


def png(levels: np.ndarray) -> bytes:
    """A PNG of 256 colours, from dark to light. levels: `[H, W]` of uint8."""
    shades = np.linspace(0, 1, 256)
    stops = [stop for stop, _ in _STOPS]
    channels = [
        np.interp(shades, stops, [colour[channel] for _, colour in _STOPS]) for channel in range(3)
    ]
    palette = np.stack(channels, axis=1).round().astype(np.uint8).tobytes()
    rows = b"".join(b"\0" + row.tobytes() for row in levels)  # 0: the row is stored unfiltered
    height, width = levels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", palette),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
