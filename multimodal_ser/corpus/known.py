"""Corpora that are known by name: what they hold, on what terms, and who is to be asked.

The facts stand in `datasets/_known.yaml`. Some have a loader of the same name; the others are
described by a table of one's own and read through `manifest`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import wrap

import yaml

_TABLE = Path(__file__).parent / "datasets" / "_known.yaml"
_UNKNOWN = "not known"
_WIDTH = 96


@dataclass(frozen=True)
class Known:
    """One corpus. kind: acted, elicited or spontaneous; columns: of its table for `manifest`."""

    name: str
    title: str
    language: str
    kind: str
    size: str
    labels: str
    licence: str
    ask: str
    columns: str

    @property
    def spellings(self) -> set[str]:
        """The names under which it is found, in small letters and without signs."""
        return {_bare(self.name), _bare(self.title.partition(",")[0])}

    def paragraph(self, *, shipped: bool) -> str:
        """All that is known of it, for a terminal. shipped: whether a loader has its name."""
        kind, size = _fact("kind", self.kind), _fact("size", self.size)
        facts = (
            f"{self.title}: {self.language}; {kind}; {size}",
            f"labels: {self.labels}",
            f"licence: {self.licence}; ask: {self.ask}",
        )
        head = f"  {self.name} ({'its own loader' if shipped else 'through manifest'})"
        return "\n".join([head, *(line for fact in facts for line in _wrapped(fact))])

    def advice(self) -> str:
        """What a user should do who names this corpus while it has no loader."""
        where = "nobody to ask for it is known" if self.ask == _UNKNOWN else f"ask: {self.ask}"
        return (
            f"{self.title} is known, but no loader for it is shipped ({where}; licence: "
            f"{self.licence}). Describe your copy in a table with the columns {self.columns}, and "
            f"name that: corpus: {{name: manifest, root: {self.name}, path: table.csv}}"
        )


def _fact(what: str, value: str) -> str:
    return f"{what} not known" if value == _UNKNOWN else value


def _wrapped(fact: str) -> list[str]:
    return wrap(
        fact,
        _WIDTH,
        initial_indent=" " * 4,
        subsequent_indent=" " * 6,
        break_on_hyphens=False,
        break_long_words=False,
    )


@cache
def table() -> dict[str, Known]:
    """Name → corpus, in alphabetical order."""
    facts = yaml.safe_load(_TABLE.read_text("utf-8"))
    return {name: Known(name, **facts[name]) for name in sorted(facts)}


def find(name: str) -> Known | None:
    """The corpus of that name, whatever its case, hyphens and blanks: `EMO-DB` is `emodb`."""
    wanted = _bare(name)
    return next((entry for entry in table().values() if wanted in entry.spellings), None)


def _bare(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())
