"""Speech + text emotion recognition: numbers that stand, on splits that do not leak.

The eleven packages lie on the way of an utterance, and each imports only those before it: corpus,
evaluation, protocol, config, features, training, runs, studies, inference, report, cli. The first
paragraph of each says what comes in, what goes out, and which functions to begin with. Everything
may use the four files beside them: types, files, parallel, distributed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from multimodal_ser.types import __version__

if TYPE_CHECKING:
    from multimodal_ser.inference.load import load
    from multimodal_ser.runs.run import run
    from multimodal_ser.studies.compare import compare

__all__ = ["__version__", "compare", "load", "run"]
_VERBS = {"compare": "studies.compare", "load": "inference.load", "run": "runs.run"}


def __getattr__(name: str) -> Any:
    """Import a verb when it is first used, so that importing the package is instant."""
    if name not in _VERBS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_VERBS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
