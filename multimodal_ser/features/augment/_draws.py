"""What every augmentation draws: whether it acts at all, and a number between two bounds."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from multimodal_ser.types import ConfigError

Share = Annotated[float, Field(ge=0, le=1)]
Decibels = Annotated[float, Field(ge=-120, le=120)]  # beyond it float32 does not reach
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def ordered(key: str, bounds: tuple[float, float]) -> tuple[float, float]:
    """The bounds, or ConfigError where the first is above the second; key: `<file>: <option>`."""
    if bounds[0] > bounds[1]:
        raise ConfigError(
            f"{key} is [{bounds[0]:g}, {bounds[1]:g}]; write the lower bound first: "
            f"[{bounds[1]:g}, {bounds[0]:g}]"
        )
    return bounds


def happens(generator: np.random.Generator, p: float) -> bool:
    """True with probability p: never for 0, always for 1."""
    return generator.random() < p


def between(generator: np.random.Generator, bounds: tuple[float, float]) -> float:
    """Uniform; a single value where both bounds are the same."""
    low, high = bounds
    return low + (high - low) * generator.random()
