"""Values that a document reports of a system, beside ours if both measure the same thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multimodal_ser.config.experiment import Expect

NOT_MEASURED = "not among metrics"
_ANOTHER_TEST = ("folds", "within", "shuffle")  # each of these changes what is scored


@dataclass(frozen=True)
class Beside:
    """The values of one document beside ours.

    told: the entry of the config. differs: the reasons why its values are not comparable with
    ours. ours: metric → mean, sd and interval, of the metrics that we have measured; empty if
    anything differs.
    """

    told: Expect
    differs: Sequence[str]
    ours: Mapping[str, Mapping[str, Any]]

    def pairs(self) -> Iterator[tuple[str, float, Mapping[str, Any] | None]]:
        """(metric and part, reported value, our score or None); none if anything differs."""
        prefix = f"{self.told.target}: " if self.told.target else ""
        for name, value in self.told.values.items() if not self.differs else ():
            yield f"{prefix}{name} on {self.told.part}", value, self.ours.get(name)

    def line(self) -> str:
        """A sentence with the reported values, and why ours are not beside them."""
        expect = self.told
        values = ", ".join(f"{name} {value:g}" for name, value in expect.values.items())
        note = f" ({expect.note})" if expect.note else ""
        reasons = "; ".join(self.differs)
        return (
            f"{expect.source} reports {values} on {expect.part}{note}. "
            f"Ours is not beside it: {reasons}."
        )


def beside(config: Mapping[str, Any], parts: Mapping[str, Any]) -> list[Beside]:
    """Compare each document in the config's `expect` with our scores.

    config: resolved, as a run writes it. parts: part → its numbers.
    """
    return [
        _beside(Expect.model_validate(entry), config, parts) for entry in config.get("expect", ())
    ]


def _beside(expect: Expect, config: Mapping[str, Any], parts: Mapping[str, Any]) -> Beside:
    first_target = next(iter(config["outputs"]))
    numbers = parts.get(expect.part, {})
    if expect.target not in (None, first_target):
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
