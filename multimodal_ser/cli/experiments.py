"""Verbs that take a config: run, compare, demo, audit, embed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from multimodal_ser.config.experiment import Experiment

ConfigPath = Annotated[Path, typer.Argument(help="A YAML file.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="key=value …, dotted: learner.epochs=10", show_default=False),
]


def add_to(app: typer.Typer) -> None:
    for verb in (run, compare, score, report, demo, audit, embed):
        app.command()(verb)


def load_experiment(config: Path, overrides: list[str] | None, *, card: bool = False) -> Experiment:
    """Before the heavy imports, so that a mistake is said at once; then the workers start early."""
    from multimodal_ser.config.read import load

    experiment = load(config, overrides or [], card=card)
    from multimodal_ser.runs import warm_up

    warm_up()
    return experiment


def run(
    config: ConfigPath,
    overrides: Overrides = None,
    dev_only: Annotated[bool, typer.Option("--dev-only", help="Keep the test sealed.")] = False,
    final: Annotated[
        bool, typer.Option("--final", help="Then train on every row, for `mser predict`.")
    ] = False,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run, and about how long; run nothing.")
    ] = False,
) -> None:
    """Run one experiment: all its folds and seeds. Started again, it goes on."""
    if dry:
        _foretell(config, overrides, open_test=not dev_only, final=final)
        return
    experiment = load_experiment(config, overrides)
    from multimodal_ser import report as reports
    from multimodal_ser.cli import _tables
    from multimodal_ser.distributed import world
    from multimodal_ser.runs.run import run as run_experiment

    if final and dev_only:
        from multimodal_ser.types import ConfigError

        raise ConfigError("--final trains on the test part, too, which --dev-only keeps sealed")
    done = run_experiment(experiment, open_test=not dev_only, final=final)
    if not world().first:
        return
    _tables.show_run(done)
    if done.metrics:  # else no part has labels, and there is nothing to report
        print(f"report: {reports.write(done.folder)}")


def _foretell(config: Path, overrides: list[str] | None, *, open_test: bool, final: bool) -> None:
    """Without the workers, which would take the cores from what is timed."""
    from multimodal_ser.config.read import load

    experiment = load(config, overrides or [])
    from multimodal_ser.cli import _tables
    from multimodal_ser.runs.dry_run import dry_run

    _tables.show_outlook(dry_run(experiment, open_test=open_test))
    if final:
        print(f"! --final: {len(experiment.seeds)} more models, on every row, are not counted")


def compare(  # noqa: PLR0913 (each is an option of the verb)
    config: ConfigPath,
    overrides: Overrides = None,
    modalities: Annotated[
        str,
        typer.Option(help="Sets of encoders: a,b,a+b, or all subsets; else each alone and all."),
    ] = "",
    fusions: Annotated[str, typer.Option(help="Further fusions, by comma.")] = "",
    text_sources: Annotated[
        str,
        typer.Option(help="Whose words: reference,asr shows what a recogniser costs."),
    ] = "",
    baseline: Annotated[str, typer.Option(help="The arm to test against.")] = "best-dev",
    margin: Annotated[
        float | None, typer.Option(help="Also test equivalence within this gap.")
    ] = None,
    train_fraction: Annotated[
        str, typer.Option(help="Train on these shares too, by comma: .25,.5,1")
    ] = "",
    reference: Annotated[
        list[Path] | None, typer.Option(help="A config of other utterances; may be repeated.")
    ] = None,
) -> None:
    """Run several sets of a config's encoders on one split, test them, and say what stands.

    Further configs (*.yaml) are compared as they are, on the split that all of them share.
    """
    further = [Path(word) for word in overrides or () if Path(word).suffix in (".yaml", ".yml")]
    overrides = [word for word in overrides or () if Path(word) not in further]
    experiment = load_experiment(config, overrides)
    from multimodal_ser import report as reports
    from multimodal_ser.cli import _study

    if further or reference:
        _refuse_arms(modalities, fusions, text_sources, train_fraction)
        from multimodal_ser.studies.compare import side_by_side

        study = side_by_side(
            [experiment, *(load_experiment(path, overrides) for path in further)],
            [load_experiment(path, overrides) for path in reference or ()],
            baseline=None if baseline == "best-dev" else baseline,
            margin=margin,
        )
        _study.show_comparison(study)
        print(f"report: {reports.write(study.folder)}")
        return
    from multimodal_ser.studies.compare import compare as compare_arms

    chosen = _words(modalities)
    study = compare_arms(
        experiment,
        "all" if chosen == ["all"] else chosen or None,
        fusions=_words(fusions),
        fractions=_shares(train_fraction),
        sources=_words(text_sources),
        baseline=baseline,
        margin=margin,
    )
    _study.show_comparison(study)
    print(f"report: {reports.write(study.folder)}")


def score(
    predictions: Annotated[Path, typer.Argument(help="CSV: id and value, or score:<class>.")],
    task: Annotated[Path, typer.Option(help="The config whose test part is meant.")],
    against: Annotated[Path | None, typer.Option(help="A run folder to compare with.")] = None,
    part: Annotated[str, typer.Option(help="The part of the split.")] = "test",
) -> None:
    """Judge anybody's predictions of a task's test part with the same numbers and tests."""
    from multimodal_ser.cli import _tables
    from multimodal_ser.studies.score import score as score_predictions

    scored = score_predictions(
        predictions, load_experiment(task, None, card=True), against=against, part=part
    )
    _tables.show_score(scored, part, against)


def report(
    folders: Annotated[list[Path], typer.Argument(help="Runs, studies, searches, or a folder.")],
    players: Annotated[
        int, typer.Option(min=0, help="Embed so many wrong utterances with their sound.")
    ] = 0,
) -> None:
    """Write HTML, Markdown, LaTeX and CSV of a run or a study; an index of a folder of runs."""
    from multimodal_ser import report as reports

    for folder in folders:
        print(reports.write(folder, players=players))


def demo(overrides: Overrides = None) -> None:
    """The study on the bundled corpus: voice, handcrafted features, words, and all together."""
    from multimodal_ser.corpus.datasets import demo as bundled

    compare(bundled.config(), overrides)


def audit(
    config: ConfigPath,
    overrides: Overrides = None,
    json: Annotated[Path | None, typer.Option(help="Write what was found there.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page of it there.")] = None,
) -> None:
    """Look for leaks in the split and show what a lookup without a model scores; exit 3 on one.

    A task card (a config without encoders) is searched in all that its corpus has.
    """
    experiment = load_experiment(config, overrides, card=True)
    from multimodal_ser.cli import _tables
    from multimodal_ser.files import as_json, write_atomically
    from multimodal_ser.report.corpus import audit_page
    from multimodal_ser.runs.folder import RunFolder, audited
    from multimodal_ser.runs.prepare import prepare

    prepared = prepare(experiment)
    findings = audited(prepared) | {"seen": RunFolder.of(prepared).seen()}
    _tables.show_audit(prepared, findings["seen"])
    for path, text in ((json, as_json(findings)), (html, audit_page.page(findings))):
        if path is not None:
            write_atomically(path, text.encode())
            print(f"written: {path}")
    prepared.audit.refuse()


def embed(config: ConfigPath, overrides: Overrides = None) -> None:
    """Fill the cache with the features of a config's frozen encoders."""
    experiment = load_experiment(config, overrides)
    from multimodal_ser.runs.prepare import encode, prepare

    prepared = prepare(experiment, encoding=True)
    prepared.audit.refuse()
    encoded = encode(prepared)
    for name in experiment.encoders:
        if name in encoded:
            distinct = len(set(encoded[name].keys) - {""})
            print(f"{name}: {distinct} distinct inputs in {encoded[name].recipe.key()}")
        else:
            print(f"{name}: nothing to keep, it learns or is fitted in every fold")


def _refuse_arms(*asked: str) -> None:
    """Several configs are compared whole."""
    if any(asked):
        from multimodal_ser.types import ConfigError

        raise ConfigError(
            "--modalities, --fusions, --text-sources and --train-fraction make arms of one config; "
            "several configs are compared as they are"
        )


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _shares(text: str) -> list[float]:
    from multimodal_ser.types import ConfigError

    try:
        shares = [float(word) for word in _words(text)]
    except ValueError:
        raise ConfigError(f"--train-fraction: '{text}' are not numbers by comma") from None
    if any(not 0 < share <= 1 for share in shares):
        raise ConfigError(f"--train-fraction: '{text}' holds a share outside 0 to 1")
    return shares
