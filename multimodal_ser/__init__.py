"""Speech + text emotion recognition: numbers that stand, on splits that do not leak."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from multimodal_ser.types import __version__

if TYPE_CHECKING:
    from multimodal_ser.inference.load import load
    from multimodal_ser.runs.run import run
    from multimodal_ser.studies.compare import compare

__all__ = ["__version__", "compare", "load", "run"]


class _Verb:
    """A function, imported on first use so that the package is instant.

    A data descriptor: importing a submodule of its name would otherwise put that in its place.
    """

    def __init__(self, module: str) -> None:
        self.module = module

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, package: Any, owner: type | None = None) -> Any:
        return getattr(import_module(f"{__name__}.{self.module}"), self.name)

    def __set__(self, package: Any, value: Any) -> None:
        """Ignore the import system's binding of the submodule."""


class _Package(ModuleType):
    run = _Verb("run")
    compare = _Verb("compare")
    load = _Verb("predict")


sys.modules[__name__].__class__ = _Package
