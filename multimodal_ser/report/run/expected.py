"""What a document reports of a system, and ours beside it where both speak of the same thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multimodal_ser.config.experiment import Expect

NOT_MEASURED = "not among metrics"
_ANOTHER_TEST = ("folds", "within", "shuffle")  # with these, others or other utterances are scored


@dataclass(frozen=True)
class Beside:
    """One report. differs: in what it speaks of something else than we do; ours: metric → mean, sd
    and interval of those that we have measured, none where it differs.
    """

    told: Expect
    differs: Sequence[str]
    ours: Mapping[str, Mapping[str, Any]]

    def pairs(self) -> Iterator[tuple[str, float, Mapping[str, Any] | None]]:
        """Of what on which part, what is reported, and ours."""
        of = f"{self.told.target}: " if self.told.target else ""
        for name, value in self.told.values.items() if not self.differs else ():
            yield f"{of}{name} on {self.told.part}", value, self.ours.get(name)

    def line(self) -> str:
        """The report alone, and why nothing of ours stands beside it."""
        told = self.told
        values = ", ".join(f"{name} {value:g}" for name, value in told.values.items())
        note = f" ({told.note})" if told.note else ""
        why = "; ".join(self.differs)
        return f"{told.source} reports {values} on {told.part}{note}. Ours is not beside it: {why}."


def beside(config: Mapping[str, Any], parts: Mapping[str, Any]) -> list[Beside]:
    """config: resolved, as a run writes it; parts: part → the numbers of it that were scored."""
    return [_beside(Expect.model_validate(one), config, parts) for one in config.get("expect", ())]


def _beside(expect: Expect, config: Mapping[str, Any], parts: Mapping[str, Any]) -> Beside:
    first = next(iter(config["outputs"]))
    numbers = parts.get(expect.part, {})
    if expect.target not in (None, first):
        numbers = numbers.get("others", {}).get(expect.target, {})
    differs = [*_differences(expect, config, numbers)]
    measured = {} if differs else numbers["metrics"]
    return Beside(
        expect, differs, {name: measured[name] for name in expect.values if name in measured}
    )


def _differences(
    expect: Expect, config: Mapping[str, Any], numbers: Mapping[str, Any]
) -> Iterator[str]:
    protocol = config["protocol"]["name"]
    if expect.protocol is None:
        yield "it does not say how the corpus was split"
    elif expect.protocol != protocol:
        yield f"the protocol differs ({expect.protocol} there, {protocol} here)"
    for key in _ANOTHER_TEST:
        if config.get(key):
            yield f"{key} is set here, so what is scored differs"
    if not numbers:
        yield f"the part differs ({expect.part} is not scored here)"
    elif expect.classes is not None and set(expect.classes) != set(numbers["classes"]):
        there, here = sorted(expect.classes), sorted(numbers["classes"])
        yield f"the classes differ ({', '.join(there)} there, {', '.join(here) or 'none'} here)"
