"""A million utterances are read, checked, cut and audited in seconds, on an ordinary machine."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.slow
ROWS, SPEAKERS, GROUPS = 1_000_000, 20_000, 200_000
LABELS = ["anger", "disgust", "fear", "joy", "neutral", "sadness"]
PLANTED = 20

STAGES = """
import json, resource, sys, time
began = time.perf_counter()
from multimodal_ser.corpus import targets
from multimodal_ser.corpus.datasets import manifest
from multimodal_ser.protocol import audit, splits
corpus = manifest.load(root=sys.argv[1], path="table.csv")
folds = splits.make(corpus.table, "kfold", {"folds": 5})
target = targets.of_classes("label", corpus.table["label"], corpus.labels)
found = audit.audit(corpus.table, folds, target, reads_text=True)
print(json.dumps({
    "seconds": time.perf_counter() - began,
    "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    "rows": len(corpus),
    "tested": sum(len(fold.parts["test"]) for fold in folds),
    "leaks": [leak.kind for leak in found.leaks],
    "remarks": found.remarks,
}))
"""


def sentences(generator):
    """Ten words each, the n-th word as frequent as 1/n."""
    chance = 1 / np.arange(1, 30_001)
    drawn = generator.choice(len(chance), (ROWS, 10), p=chance / chance.sum())
    return [" ".join(f"w{word}" for word in row) for row in drawn.tolist()]


def write_table(folder):
    """Speakers of ten videos each; twenty sentences are said again with a word more elsewhere."""
    generator = np.random.default_rng(0)
    group = generator.integers(0, GROUPS, ROWS)
    speaker = group % SPEAKERS
    text = sentences(generator)
    for row in range(PLANTED):
        text[row] = f"planted{row} " + text[row]
        text[-1 - row] = text[row] + " again"
        speaker[row], group[row] = 0, 0
        speaker[-1 - row], group[-1 - row] = 1 + row, 1 + row
    table = pd.DataFrame(
        {
            "id": [f"u{row:07d}" for row in range(ROWS)],
            "text": text,
            "label": np.array(LABELS)[generator.integers(0, len(LABELS), ROWS)],
            "speaker": [f"s{one:05d}" for one in speaker],
            "group": [f"v{one:06d}" for one in group],
            "gender": np.where(speaker % 2, "f", "m"),
        }
    )
    table.to_csv(folder / "table.csv", index=False)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """What a fresh process found and needed."""
    folder = tmp_path_factory.mktemp("million")
    write_table(folder)
    done = subprocess.run(
        [sys.executable, "-c", STAGES, str(folder)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def test_a_million_rows_take_under_40_seconds_and_4_gigabytes(measured):
    assert measured["rows"] == measured["tested"] == ROWS
    assert measured["seconds"] < 40
    assert measured["gigabytes"] < 4


def test_what_was_planted_among_a_million_rows_is_found(measured):
    """Whole clusters stay together, so nothing leaks; a twentieth sentence is not overlooked."""
    assert measured["leaks"] == []
    near = [remark for remark in measured["remarks"] if remark.startswith("nearly identical")]
    assert len(near) == 1
    assert "planted0 " in near[0]
    assert int(near[0].partition(": ")[2].split()[0]) >= PLANTED // 2
