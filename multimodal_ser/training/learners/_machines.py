"""Estimators of scikit-learn as files that execute nothing when they are read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from zipfile import ZIP_DEFLATED

import skops.io

from multimodal_ser.types import ConfigError


def packed(machine: Any) -> bytes:
    return skops.io.dumps(machine, compression=ZIP_DEFLATED)


def unpacked(data: bytes, trusted: Collection[str]) -> Any:
    """An estimator from its file; only types that skops trusts, and these, are accepted."""
    unknown = set(skops.io.get_untrusted_types(data=data)) - set(trusted)
    if unknown:
        raise ConfigError(f"machine.skops holds types that are not trusted: {sorted(unknown)}")
    return skops.io.loads(data, trusted=list(trusted))
