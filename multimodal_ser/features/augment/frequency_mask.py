"""Neighbouring columns of all frames blotted out, as in SpecAugment (Park et al. 2019)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from multimodal_ser.features.augment._draws import Share, happens
from multimodal_ser.features.augment._masks import Count, Fill, spans


class Augment:
    """Hides bands of a spectrogram, so that no single one decides.

    masks: how many bands; width: the widest in columns, each is drawn from 0 to it; share: of the
    columns that all bands may hide together. fill: what a hidden column holds, the `mean` of the
    whole clip or `zero`. p: share of the clips that are masked. Neighbouring columns mean
    something in a spectrogram; those of a network's hidden state are in no order.
    """

    modality = None
    STAGE = "frames"

    def __init__(
        self,
        *,
        masks: Count = 2,
        width: Count = 27,
        share: Share = 0.3,
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
        value = x.mean() if self.fill == "mean" else x.new_zeros(())
        changed = x.clone()
        for start, end in spans(generator, x.shape[-1], self.masks, self.width, self.share):
            changed[..., start:end] = value
        return changed


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"width": 10, "share": 0.5}
