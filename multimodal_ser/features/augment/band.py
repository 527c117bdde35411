"""Only some of the frequencies: the dull microphone, the rumble filter, the telephone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from scipy.signal import butter, sosfilt, sosfiltfilt

from multimodal_ser.features.augment._draws import Positive, Share, between, happens, ordered
from multimodal_ser.features.augment._sound import sound_of, with_samples
from multimodal_ser.types import ConfigError, Input

Kind = Literal["low", "high", "telephone"]
Range = tuple[Positive, Positive]

_TELEPHONE = (300.0, 3400.0)  # Hz


class Augment:
    """Band-limits the clip, because devices and codecs drop what a corpus still has.

    kinds: one is drawn a clip: `low` keeps what is below a cutoff of the range `low`, `high` what
    is above one of the range `high` (Hz, drawn evenly by octaves), `telephone` 300-3400 Hz.
    A cutoff that lies above half the clip's rate cuts nothing off; one of `high` would leave
    nothing and is an error. Butterworth of `order`: by itself 3 dB down at the cutoff and
    6 · order dB an octave. zero_phase: run forwards and backwards, so that nothing is delayed and
    both figures double; else causal, as a device does it. The level is left as it falls.
    p: share of the clips that are changed.
    """

    modality = "audio"
    STAGE = "input"

    def __init__(
        self,
        *,
        kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("low", "high", "telephone"),
        low: Range = (1000.0, 4000.0),
        high: Range = (100.0, 500.0),
        order: Annotated[int, Field(gt=0, le=12)] = 4,
        zero_phase: bool = True,
        p: Share = 1.0,
    ) -> None:
        self.kinds = kinds
        self.low, self.high = ordered("band: low", low), ordered("band: high", high)
        self.order = order
        self.zero_phase = zero_phase
        self.p = p

    def __call__(self, utterance: Input, generator: np.random.Generator) -> Input:
        acts, sound = happens(generator, self.p), sound_of(utterance)
        if not acts or sound is None:
            return utterance
        samples, rate = sound
        sections = self._sections(*self._edges(generator), rate)
        return (
            utterance
            if sections is None
            else with_samples(utterance, self._filtered(sections, samples))
        )

    def _edges(self, generator: np.random.Generator) -> tuple[float | None, float | None]:
        """What is kept lies between these two, in Hz."""
        kind = self.kinds[int(generator.integers(len(self.kinds)))]
        if kind == "telephone":
            return _TELEPHONE
        bounds = self.low if kind == "low" else self.high
        cutoff = float(np.exp(between(generator, (np.log(bounds[0]), np.log(bounds[1])))))
        return (None, cutoff) if kind == "low" else (cutoff, None)

    def _sections(self, bottom: float | None, top: float | None, rate: int) -> np.ndarray | None:
        """Second-order sections; None where everything is kept."""
        if bottom is not None and bottom >= rate / 2:
            raise ConfigError(f"band: nothing lies above {bottom:g} Hz at a rate of {rate} Hz")
        top = top if top is None or top < rate / 2 else None
        edges = [edge for edge in (bottom, top) if edge is not None]
        if not edges:
            return None
        kind = "bandpass" if len(edges) == 2 else "lowpass" if bottom is None else "highpass"
        cutoffs = edges if len(edges) == 2 else edges[0]
        return np.asarray(butter(self.order, cutoffs, kind, fs=rate, output="sos"))

    def _filtered(self, sections: np.ndarray, samples: np.ndarray) -> np.ndarray:
        if not self.zero_phase:
            return np.asarray(sosfilt(sections, samples.astype(np.float64)))
        padding = min(6 * len(sections) + 3, len(samples) - 1)  # short clips have less to mirror
        return np.asarray(sosfiltfilt(sections, samples.astype(np.float64), padlen=padding))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"kinds": ("low", "telephone"), "order": 2}
