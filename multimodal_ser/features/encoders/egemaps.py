"""eGeMAPS by openSMILE: 88 functionals of a clip, or 25 descriptors a frame; research use only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders._spectral import at_rate, mask_of, padded
from multimodal_ser.types import Features, Input, MissingError

_SHORTEST = 0.1  # seconds; openSMILE returns NaN below 0.06
_WAY_OUT = "egemaps needs openSMILE: pip install 'multimodal_ser[egemaps]'"
_LEVELS = {"functionals": "Functionals", "none": "LowLevelDescriptors"}


class Encoder(nn.Module):
    """eGeMAPSv02 (Eyben et al. 2016): `functionals` `[B, 1, 88]`, `none` `[B, T, 25]` every 10 ms.

    openSMILE 3 may be used for research and teaching, not in a product. Its licence is audEERING's
    own, so the package is an optional extra. sample_rate: None keeps each file's own rate, as
    openSMILE's command line does. Some descriptors depend on the rate, so a corpus of several rates
    needs one common rate. Clips shorter than 0.1 s are filled up with zeros.
    """

    modality = "audio"
    VERSION = 1
    VALUE_LIBRARIES = ("opensmile", "soxr")

    def __init__(
        self,
        *,
        sample_rate: Annotated[int, Field(ge=8000)] | None = None,
        pool: Literal["none", "functionals"] = "functionals",
    ) -> None:
        super().__init__()
        if find_spec("opensmile") is None:
            raise MissingError(_WAY_OUT)
        self.sample_rate = sample_rate
        self.pool = pool
        self.dim = 88 if pool == "functionals" else 25

    @staticmethod
    def missing(options: Mapping[str, Any]) -> list[str]:
        """Messages about what the user must install first, with the command that does it."""
        return [] if find_spec("opensmile") else [_WAY_OUT]

    @staticmethod
    def light(options: Mapping[str, Any]) -> bool:
        """Whether a clip has one small row, which may be computed while the clip is decoded."""
        return options["pool"] == "functionals"

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, T, dim]`, lengths `[B]` in frames, 0 where the sound is missing."""
        x, lengths = padded([self._row(utterance) for utterance in inputs], (self.dim,))
        return {"x": x, "lengths": lengths}

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        return Features(x, mask_of(lengths, x.shape[1]))

    def remarks(self, inputs: Sequence[Input]) -> list[str]:
        """A remark for each clip: `padded to 0.1 s` where the clip was shorter."""
        return [f"padded to {_SHORTEST:g} s" if _is_short(clip) else "" for clip in inputs]

    @cached_property
    def _smile(self) -> Any:
        """The openSMILE extractor, built at the first clip: the import takes a second."""
        opensmile = import_module("opensmile")  # optional, so a type checker may lack it

        level = getattr(opensmile.FeatureLevel, _LEVELS[self.pool])
        return opensmile.Smile(feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=level)

    def _row(self, utterance: Input) -> np.ndarray | None:
        samples = at_rate(utterance, self.sample_rate or utterance.rate or 0)
        if samples is None:
            return None
        rate = self.sample_rate or utterance.rate or 0
        padding = round(_SHORTEST * rate) - len(samples)
        if padding > 0:
            samples = np.pad(samples, (0, padding))
        return self._smile(samples, rate)[0].T.astype(np.float32)


def _is_short(clip: Input) -> bool:
    return clip.samples is not None and len(clip.samples) < round(_SHORTEST * (clip.rate or 0))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {"sample_rate": 16000}
