"""What of the five documents can be run with public data, what it gives, and what the rest needs.

    python experiments/reproduce.py [--quick] [--only WORD …] [--minutes N]
        [--runs DIR] [--out FILE]

Runs every system of `systems.py` (or takes the run that there is), and writes RESULTS.md beside
this file: each with its protocol, what its document reports, ours with a 95 % interval over
clusters, the command, the commit and the seconds; then what `configs/seeds` has besides, with what
it needs. `--quick`: only what takes under a minute, held against RESULTS.md: exit 1 where a number
is another one; nothing is written. `--only`: systems whose title has one of the words; nothing is
written either. `--minutes`: what would take longer is left out, unless it was run before, and the
page says so, as it does of a system that fails.

Cost on 2 cores: two minutes `--quick`, three hours in all. Needs RAVDESS and EmoSPeech's text
under MSER_DATA; what needs a missing corpus says so.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import systems
from systems import Measured, System

from multimodal_ser.types import MserError

RESULTS = Path(__file__).parent / "RESULTS.md"
HEAD = ("system", "reported", "ours (95 %)", "split", "seeds", "seconds")
REST = ("config", "reported", "needs", "hours, about")


def main() -> None:
    parser = argparse.ArgumentParser(description="The systems of the documents, run again.")
    parser.add_argument("--quick", action="store_true", help="what takes under a minute")
    parser.add_argument("--only", nargs="*", metavar="WORD", help="systems with these in the title")
    parser.add_argument("--minutes", type=float, default=math.inf, help="the longest to begin")
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduce"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    found, failed = {}, {}
    for system in chosen(options.quick, options.only):
        try:
            if system.minutes > options.minutes and not systems.is_there(system, options.runs):
                failed[system] = f"about {system.minutes:g} minutes"
                continue
            found[system] = systems.measure(system, options.runs)
            print(f"{system.title}: {found[system].ours}", flush=True)
        except MserError as error:
            failed[system] = str(error).splitlines()[0]
            print(f"{system.title}: {failed[system]}", flush=True)
    if options.quick:
        sys.exit(differences(found, options.out.read_text("utf-8")))
    if not options.only:
        options.out.write_text("\n".join(page(found, failed)) + "\n", "utf-8")
        print(f"written: {options.out}")


def chosen(quick: bool, words: Sequence[str] | None) -> list[System]:
    return [
        system
        for system in systems.SYSTEMS
        if (system.quick or not quick)
        and (not words or any(word in system.title for word in words))
    ]


def differences(found: dict[System, Measured], page: str) -> int:
    """How many numbers are not those of the page."""
    count = 0
    for system, one in found.items():
        if f"| {one.ours} |" not in page:
            print(f"{system.title}: RESULTS.md has no {one.ours}", file=sys.stderr)
            count += 1
    print(f"{len(found) - count} of {len(found)} as in RESULTS.md")
    return min(count, 1)


def page(found: dict[System, Measured], failed: dict[System, str]) -> list[str]:
    """The tables, as Markdown."""
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    return [
        "# The systems of the documents, run again",
        "",
        f"Written by `python experiments/reproduce.py` on {today}, commit `{systems.commit()}`, on "
        "two CPU cores that others used, too. What is reported is each document's own; where it is "
        "of another protocol, part or set of classes, that is said behind it. Intervals are over "
        "clusters (speakers, videos); seconds are of encoding, training and scoring, for all folds "
        "and seeds.",
        "",
        *table(HEAD, [row(one) for one in found.values()]),
        "",
        "Each by its command, in the same order:",
        "",
        *(f"- {system.title}: `{system.command}`" for system in found),
        *(
            f"- {system.title}: **not run**, {why} (`{system.command}`)"
            for system, why in failed.items()
        ),
        "",
        "## Not run here",
        "",
        "Complete configs of `configs/seeds`, whose recordings or weights are not public or not on "
        "this machine. The hours are estimated for two cores; a GPU takes a small part of them.",
        "",
        *table(REST, [one.cells for one in systems.elsewhere(found)]),
    ]


def row(one: Measured) -> tuple[str, ...]:
    apart = f" ({one.system.otherwise})" if one.system.otherwise else ""
    return (
        f"{one.system.title}{apart}",
        "; ".join(one.reported),
        one.ours,
        f"`{one.split}`",
        str(one.seeds),
        f"{one.seconds:.0f}",
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [" | ".join(cells) for cells in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {one} |" for one in lines)]


if __name__ == "__main__":
    main()
