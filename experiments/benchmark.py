"""How fast are we against the plain way? Ratios within one run, best of two or three.

    python experiments/benchmark.py [--json FILE] [AREA …]

Areas: start, handcrafted, neural, speech_recognition, answers, store, scores, training, search
(`experiments/benchmark/`), by default all: some 35 minutes on two cores. A ratio above 1 is in our
favour. Times are noisy on shared machines; ratios less so.
"""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path

AREAS = (
    "start",
    "handcrafted",
    "neural",
    "speech_recognition",
    "answers",
    "store",
    "scores",
    "training",
    "search",
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Ratios to the plain way, best of two or three.")
    parser.add_argument("areas", nargs="*", help=", ".join(AREAS))
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    unknown = sorted(set(options.areas) - set(AREAS))
    if unknown:
        parser.error(f"no area {unknown} (there are {', '.join(AREAS)})")
    found = {}
    for area in options.areas or AREAS:
        for name, (plain, ours) in import_module(f"benchmark.{area}").rows().items():
            print(f"{name:58} {plain:8.3f} s {ours:8.3f} s   {plain / ours:6.2f} x", flush=True)
            found[name] = {"plain_s": plain, "ours_s": ours, "ratio": plain / ours}
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), "utf-8")


if __name__ == "__main__":
    main()
