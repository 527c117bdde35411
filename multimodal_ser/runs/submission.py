"""The file that a task wants of its participants: a table of answers in a zip.

The answers are those of the seed ensemble: scores (or numbers) averaged over seeds and repeats.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable

import pandas as pd

from multimodal_ser.config.experiment import Submission
from multimodal_ser.evaluation import predictions as tables
from multimodal_ser.types import DataError

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first date of a zip, so that equal answers are equal bytes


def check_part(parts: Iterable[str], layout: Submission) -> None:
    """DataError, before anything is trained, where the part that the task wants is not scored."""
    parts_there = sorted(set(parts))
    if layout.part not in parts_there:
        there = ", ".join(parts_there)
        raise DataError(f"submission: there is no part '{layout.part}' (there is {there})")


def pack(predictions: pd.DataFrame, layout: Submission) -> bytes:
    """A zip of one table: the answers of the layout's part, a row an utterance, by id."""
    check_part(predictions["part"].unique(), layout)
    rows = predictions[predictions["part"] == layout.part]
    table = answers(rows)[list(layout.columns)].rename(columns=dict(layout.columns))
    text = table.to_csv(
        index=False, sep=layout.separator, header=layout.header, lineterminator="\n"
    )
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo(layout.file, _LONG_AGO), text, zipfile.ZIP_DEFLATED)
    return held.getvalue()


def answers(rows: pd.DataFrame) -> pd.DataFrame:
    """id and value of the seed ensemble, from the predictions of one target."""
    averaged = tables.ensemble(rows)
    return averaged.assign(value=tables.answers(averaged))[["id", "value"]]
