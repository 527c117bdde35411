"""Speech + text emotion recognition: numbers that stand, on splits that do not leak."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multimodal_ser.compare import compare
    from multimodal_ser.run import run

__version__ = "0.1.0"
__all__ = ["__version__", "compare", "run"]


class _Verb:
    """The function named like its module, imported on first use so that the package is instant.

    A data descriptor: importing the submodule would otherwise put the module in its place.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, package: Any, owner: type | None = None) -> Any:
        return getattr(import_module(f"{__name__}.{self.name}"), self.name)

    def __set__(self, package: Any, value: Any) -> None:
        """Ignore the import system's binding of the submodule."""


class _Package(ModuleType):
    run = _Verb()
    compare = _Verb()


sys.modules[__name__].__class__ = _Package
