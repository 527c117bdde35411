"""Where voice and words say different things (irony: a happy voice, a sad sentence), who is right?

    python experiments/disagreement.py [--config FILE] [--sure 0.6] [--players 30] [--out FOLDER]
        [--set key=value …]

All encoders of sound, all encoders of text, and all together: three runs on one split, which a
study of that config (`mser compare CONFIG --modalities all`) may have left already. Listed are the
test utterances of which voice and words, each alone, are sure (probability `--sure` or more) and
say different classes; with the truth, what the fused model says, and the text. The table is written
as `disagreement.csv`, and as `disagreement.html` with the sound of the first `--players`, into
`--out`, else the folder of the fused run.

By default `configs/demo.yaml`, where irony is planted: half a minute on two cores, less after
`mser demo`.
Expected: 64 of 480 disagree, and 39 of them are of the 120 that were made ironic; voice is right in
36, words in 22, fused in 45.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Experiment
from multimodal_ser.config.method import subset
from multimodal_ser.config.read import load
from multimodal_ser.evaluation.disagreement import CASES, SIDES, SURE, cases, summary
from multimodal_ser.files import as_csv, write_atomically
from multimodal_ser.report.players import clips_of
from multimodal_ser.report.run import disagreement_page
from multimodal_ser.runs.records import read_run
from multimodal_ser.runs.run import Run, run
from multimodal_ser.types import ConfigError, DataError, MserError

DEMO = Path(__file__).parents[1] / "configs" / "demo.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description="Voice and words that say different things.")
    parser.add_argument("--config", type=Path, default=DEMO)
    parser.add_argument("--sure", type=float, default=SURE, metavar="PROBABILITY")
    parser.add_argument("--players", type=int, default=30, help="so many can be heard")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="by default the fused run's")
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", dest="changes")
    options = parser.parse_args()
    try:
        done = sides(load(options.config, options.changes))
        found = judged(done, options.sure)
        folder = options.out or done["fused"].folder
        page = written(done, found, folder, options.sure, options.players)
    except MserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    print("\n".join([*described(found, done["fused"].experiment.breakdown), "", str(page)]))


def sides(experiment: Experiment) -> dict[str, Run]:
    """The runs of the sound alone, of the text alone and of both."""
    by_modality: dict[str, list[str]] = {"audio": [], "text": []}
    for name, part in experiment.encoders.items():
        by_modality[registry.find("encoders", part.name).modality].append(name)
    deaf = [modality for modality, names in by_modality.items() if not names]
    if deaf:
        raise ConfigError(f"encoders: none reads {deaf[0]}, so nothing can disagree with the rest")
    arms = (by_modality["audio"], by_modality["text"], [*experiment.encoders])
    done = {side: run(subset(experiment, arm)) for side, arm in zip(SIDES, arms, strict=True)}
    if "test" not in done["fused"].metrics:
        raise DataError("the test part has no labels, so nobody can be right")
    return done


def judged(done: dict[str, Run], sure: float) -> pd.DataFrame:
    """Every test utterance with what each side says of it, its text and the breakdown columns."""
    if not 0 < sure <= 1:
        raise ConfigError(f"--sure is a probability, such as {SURE}, and not {sure:g}")
    found = cases(*(one.part("test") for one in done.values()), sure=sure)
    fused = done["fused"]
    columns = ["id", "text", *fused.experiment.breakdown]
    taken = sorted({*found, "text"} & {*fused.experiment.breakdown})
    if taken:
        raise ConfigError(f"breakdown: {', '.join(taken)} is a name of this table; leave it out")
    return found.merge(fused.prepared.corpus.table[columns], on="id", how="left")


def written(
    done: dict[str, Run], found: pd.DataFrame, folder: Path, sure: float, players: int
) -> Path:
    """Where the page of those that disagree lies; their table lies beside it."""
    fused = done["fused"]
    rows = found[found["case"] == "disagree"]
    clips, why = {}, ""
    if players:
        clips, why = clips_of(read_run(fused.folder), rows["id"].tolist(), players)
    facts = {
        "corpus": fused.prepared.corpus.about.name,
        "split": fused.prepared.split_hash,
        "sure": f"probability ≥ {sure:g}, mean over seeds",
        **{side: " + ".join(one.experiment.encoders) for side, one in done.items()},
    }
    page = disagreement_page.page(
        f"{fused.experiment.name}: voice and words disagree",
        found,
        facts,
        clips,
        columns=fused.experiment.breakdown,
        why=why,
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "disagreement.csv", as_csv(rows.drop(columns="case")).encode())
    write_atomically(folder / "disagreement.html", page.encode())
    return folder / "disagreement.html"


def described(found: pd.DataFrame, columns: list[str]) -> list[str]:
    """The verdict, who is right in each case, and of which values of a column the cases are."""
    header = ("voice and words", "utterances", *(f"{side} right" for side in SIDES), "neither")
    lines = [*disagreement_page.verdict(found), "", *ruled(header)]
    for case, row in summary(found).iterrows():
        shares = ("" if pd.isna(one) else f"{one:.3f}" for one in row.iloc[1:])
        lines.append(f"| {' | '.join([str(case), f'{row.iloc[0]:.0f}', *shares])} |")
    for column in columns:
        counts = pd.crosstab(found[column], found["case"]).reindex(columns=CASES, fill_value=0)
        lines += ["", *ruled((column, *CASES))]
        lines += [f"| {' | '.join(map(str, row))} |" for row in counts.itertuples()]
    return lines


def ruled(header: tuple[str, ...]) -> list[str]:
    """The head of a Markdown table."""
    return [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]


if __name__ == "__main__":
    main()
