"""Verbs that let a finished run answer, and a recogniser write: predict, transcribe."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from multimodal_ser.cli.experiments import ConfigPath, Overrides, load_experiment

if TYPE_CHECKING:
    from multimodal_ser.inference.questions import Answer, Question

_BATCH = 16


def add_to(app: typer.Typer) -> None:
    app.command()(predict)
    app.command()(transcribe)


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    what: Annotated[
        list[str],
        typer.Argument(help="Sound files, folders, tables; - reads paths.", show_default=False),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table.")] = False,
    abstain: Annotated[
        float, typer.Option(min=0, max=1, help="Name no class that is less probable.")
    ] = 0.0,
    fold: Annotated[int | None, typer.Option(help="Of a run of several folds.")] = None,
    seed: Annotated[int | None, typer.Option(help="By default the mean over all.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; by default one a core.")
    ] = None,
) -> None:
    """Judge recordings with a finished run: label, probabilities, transcript.

    Answers come as they are found. What cannot be answered stops nothing: it is listed at the end,
    with exit code 4 (or 5 where something must be installed or given first).
    """
    from multimodal_ser.runs import warm_up
    from multimodal_ser.types import ConfigError, listed

    if as_json and as_csv:
        raise ConfigError("--json and --csv: take one")
    warm_up()
    from multimodal_ser.inference.load import stream

    batches = _batches(_asked(what), 1 if sys.stdin.isatty() and "-" in what else _BATCH)
    show = _as_json if as_json else _as_csv if as_csv else _as_line
    failed = []
    answers = stream(run, batches, fold=fold, seed=seed, abstain=abstain, workers=workers)
    for count, answer in enumerate(itertools.chain.from_iterable(answers)):
        if answer.error is None:
            show(answer, count == len(failed))
        else:
            failed.append(answer)
    if failed:
        lines = [f"{file.source}: {file.error}" for file in failed]
        print(f"mser: {listed(lines, 'could not be judged')}", file=sys.stderr)
        raise typer.Exit(min(file.error.exit_code for file in failed if file.error))


def _asked(what: Iterable[str]) -> Iterator[Question]:
    from multimodal_ser.inference.questions import of_path

    for word in what:
        paths = (line.rstrip("\n") for line in sys.stdin) if word == "-" else [word]
        for path in paths:
            if path:
                yield from of_path(Path(path))


def _batches(asked: Iterator[Question], size: int) -> Iterator[list[Question]]:
    while batch := list(itertools.islice(asked, size)):
        yield batch


def _as_json(answer: Answer, first: bool) -> None:
    print(json.dumps(answer.plain(), ensure_ascii=False), flush=True)


def _as_csv(answer: Answer, first: bool) -> None:
    import csv

    row = answer.row()
    writer = csv.DictWriter(sys.stdout, list(row), lineterminator="\n", extrasaction="ignore")
    if first:
        writer.writeheader()
    writer.writerow(row)
    sys.stdout.flush()


def _as_line(answer: Answer, first: bool) -> None:
    """The source, what each target is and how probable, and the words."""
    print("  ".join([answer.source, *_told(answer)]), flush=True)


def _told(answer: Answer) -> Iterator[str]:
    for target, value in answer.values.items():
        name = "" if len(answer.values) == 1 else f"{target}: "
        if isinstance(value, list):
            probabilities = [f"{label} {answer.scores[target][label]:.2f}" for label in value]
            yield f"{name}{', '.join(probabilities) or 'none of the labels'}"
        elif target in answer.scores:
            best = max(answer.scores[target].values())
            yield f"{name}{value or 'undecided'} {best:.2f}"
        else:
            yield f"{name}{value:.3g}"
    if answer.text is not None:
        yield f'"{answer.text}"'


def transcribe(config: ConfigPath, overrides: Overrides = None) -> None:
    """Let the config's recogniser (asr) write the missing texts; word errors where there are some.

    Goes on where it was stopped. `text_source=asr` transcribes what has a text, too.
    """
    experiment = load_experiment(config, overrides)
    from multimodal_ser.cli import _tables
    from multimodal_ser.features.transcripts import error_rates
    from multimodal_ser.files import as_csv, write_atomically
    from multimodal_ser.runs.prepare import load_corpus, with_text
    from multimodal_ser.types import ConfigError

    corpus = load_corpus(experiment)
    _, written = with_text(experiment, corpus)
    if written is None:
        raise ConfigError(
            f"{config}: transcribe needs a recogniser, such as asr.name=whisper, and a text_source "
            "that is not reference"
        )
    path = experiment.runs_dir / experiment.name / "transcripts.csv"
    write_atomically(path, as_csv(written).encode())
    _tables.show_transcripts(written, error_rates(corpus, written))
    print(f"written: {path}")
