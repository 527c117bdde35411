"""The command line: a verb parses its words, calls one function, and prints what that returns.

In come words, out come lines on the screen and an exit code: 0 done, 2 usage, 3 leak, 4 data, 5
something missing, 1 a bug. Each file holds the verbs of one subject and adds them to the app
(`experiments.add_to`); the files with an underscore only print. Nothing heavy is imported before a
verb is called, so `mser --help` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType

import typer

from multimodal_ser.cli import answers, checks, ensembles, experiments, inventory, pictures, search
from multimodal_ser.types import MserError

app = typer.Typer(
    name="mser",
    help="Speech + text emotion recognition: numbers that stand, on splits that do not leak.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
experiments.add_to(app)
search.add_to(app)
ensembles.add_to(app)
answers.add_to(app)
pictures.add_to(app)
inventory.add_to(app)
checks.add_to(app)


def main() -> None:
    """`mser`: exit code 0 done, 2 usage, 3 leak, 4 data, 5 something missing, 1 a bug."""
    sys.path.append(str(Path.cwd()))  # so that a config may name a module of the user's project
    signal.signal(signal.SIGINT, _interrupted)
    try:
        app()
    except MserError as error:
        print(f"mser: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _interrupted(number: int, frame: FrameType | None) -> None:
    """Leave at once: nothing needs tidying, the workers follow, and a pool would wait for them."""
    print("\nmser: interrupted; the same command goes on from here", file=sys.stderr, flush=True)
    os._exit(130)
