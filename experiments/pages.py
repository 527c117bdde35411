"""What the experiments print: a page of Markdown, or what was wrong in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from multimodal_ser.corpus.corpus import data_root
from multimodal_ser.types import MserError

CONFIGS = Path(__file__).parents[1] / "configs"


def tell(lines: Callable[[], Iterable[str]], out: Path | None = None) -> None:
    """Print them, and write them to a file; what the user can mend has its exit code."""
    try:
        page = "\n".join(lines()) + "\n"
    except MserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    print(page, end="")
    if out:
        out.write_text(page, "utf-8")


def usual(name: str) -> Path:
    """The config of the real corpus where that is at hand, else of the bundled one."""
    known = data_root("emospeech").is_dir()
    return CONFIGS / f"{name}-{'emospeech' if known else 'demo'}.yaml"
