"""Spans of frames blotted out in time, as in SpecAugment (Park et al. 2019)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from multimodal_ser.features.augment._draws import Share, happens
from multimodal_ser.features.augment._masks import Count, Fill, spans


class Augment:
    """Hides moments of a clip, so that no single one decides.

    masks: how many spans; width: the longest in frames, each is drawn from 0 to it; share: of the
    clip's frames that all spans may hide together, so a clip of one frame stays whole. fill: what
    a hidden frame holds, the `mean` frame of the clip or `zero` (the same for features that are
    standardised). p: share of the clips that are masked.
    """

    modality = None
    STAGE = "frames"

    def __init__(
        self,
        *,
        masks: Count = 2,
        width: Count = 40,
        share: Share = 0.2,
        fill: Fill = "mean",
        p: Share = 1.0,
    ) -> None:
        self.masks, self.width, self.share = masks, width, share
        self.fill = fill
        self.p = p

    def __call__(self, x: Tensor, generator: np.random.Generator) -> Tensor:
        """x `[T, D]`."""
        if not happens(generator, self.p):
            return x
        value = x.mean(0) if self.fill == "mean" else x.new_zeros(())
        changed = x.clone()
        for start, end in spans(generator, len(x), self.masks, self.width, self.share):
            changed[start:end] = value
        return changed


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"width": 10, "share": 0.5}
