"""The command line as a user meets it, in this process: a start of Python takes seconds."""

import io
import os
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from multimodal_ser.cli import main

ROOT = Path(__file__).parents[2]
WIDE = {"COLUMNS": "120"}


class Done(NamedTuple):
    """What a finished command leaves."""

    returncode: int
    stdout: str
    stderr: str


def mser(*words, cwd=ROOT, given=""):
    """`mser WORDS` with `given` on its standard input; an unexpected error is raised."""
    return called(main, *words, cwd=cwd, given=given)


def called(script, *words, cwd=ROOT, given=""):
    """The `main` of a script, called with these words."""
    out, err = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGINT)
    with (
        chdir(cwd),
        patch.object(sys, "argv", [script.__module__, *map(str, words)]),
        patch.object(sys, "path", [*sys.path]),
        patch.object(sys, "stdin", io.StringIO(given)),
        patch.dict(os.environ, WIDE),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            script()
            code = 0
        except SystemExit as error:
            code = error.code or 0
        finally:
            signal.signal(signal.SIGINT, handler)
    return Done(code, out.getvalue(), err.getvalue())


def started(*words, cwd=ROOT):
    """`mser WORDS` in a process of its own, for what only that can show."""
    done = subprocess.run(
        [sys.executable, "-m", "multimodal_ser", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ | WIDE,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done
