"""Run folders of made-up predictions: whatever is read of a run but its models, in a moment."""

import json

import numpy as np
import pandas as pd
import yaml

from multimodal_ser.evaluation import evaluate
from multimodal_ser.protocol.splits import split_hash

CLASSES = ["joy", "neutral", "sadness"]
METRICS = {
    "classes": ["macro_f1", "accuracy"],
    "labels": ["label_macro_f1", "subset_accuracy"],
    "numbers": ["ccc", "mse"],
}


def write_made_run(
    folder,
    *,
    encoders=("audio",),
    skill=1.0,
    seeds=(0,),
    folds=3,
    clusters=9,
    parts=("dev", "test"),
    targets=None,
    draw=0,
    **config,
):
    """A run of k-fold over three utterances a cluster; `folder` is its fingerprint's.

    targets: name → kind. draw: of the noise; the truth is the same in all.
    """
    targets = targets or {"label": "classes"}
    table = _predictions(targets, skill, seeds, folds, clusters, parts, draw)
    metrics = [name for kind in dict.fromkeys(targets.values()) for name in METRICS[kind]]
    plain = {
        "name": folder.parent.name,
        "corpus": [{"name": "manifest", "root": "nowhere", "path": "none.csv"}],
        "protocol": {"name": "kfold", "folds": folds},
        "allow_leak": [],
        "encoders": {name: {"name": "log_mel"} for name in encoders},
        "outputs": {name: {"kind": kind, "loss": None} for name, kind in targets.items()},
        "learner": {"name": "svm"},
        "seeds": list(seeds),
        "metrics": metrics,
        "runs_dir": "runs",
    } | config
    split = _cut(folds, clusters, ("dev", "test"))  # also where the test is not opened
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, plain, table, split, targets)
    return folder


def _cut(folds, clusters, parts):
    """A cluster is tested once, and in dev in the fold before; the rest would train."""
    rows = [
        (0, fold, part, f"c{cluster}-{turn}")
        for fold in range(folds)
        for part in parts
        for cluster in range(clusters)
        for turn in range(3)
        if cluster % folds == (fold + (part == "dev")) % folds
    ]
    return pd.DataFrame(rows, columns=["repeat", "fold", "part", "id"])


def _predictions(targets, skill, seeds, folds, clusters, parts, draw):
    generator = np.random.default_rng([draw, 7])
    cut = _cut(folds, clusters, parts)
    cluster = cut["id"].str.partition("-")[0]
    codes = cut["id"].str.extract(r"c(\d+)-(\d)").astype(int).sum(axis=1).to_numpy() % 3
    frames = []
    for target, kind in targets.items():
        for seed in seeds:
            answers = _answers(kind, codes, skill, generator.standard_normal((len(cut), 3)))
            frames.append(cut.assign(cluster=cluster, seed=seed, target=target, **answers))
    order = ["target", "part", "repeat", "fold", "seed", "id"]
    head = ["id", "cluster", *order[1:5], "target", "truth", "value"]
    table = pd.concat(frames).sort_values(order, ignore_index=True)
    return table[[*head, *(one for one in table if one not in head)]]


def _answers(kind, codes, skill, noise):
    truth = np.eye(3)[codes]
    if kind == "numbers":
        return {"truth": [f"{code}" for code in codes], "value": codes + noise[:, 0] / skill}
    names = np.array(CLASSES, dtype=object)
    if kind == "classes":
        scores = np.exp(skill * truth + noise)
        scores /= scores.sum(1, keepdims=True)
        columns = {f"score:{name}": scores[:, at] for at, name in enumerate(CLASSES)}
        return {"truth": names[codes], "value": names[scores.argmax(1)], **columns}
    scores = 1 / (1 + np.exp(noise - skill * (2 * truth - 1)))
    columns = {f"score:{name}": scores[:, at] for at, name in enumerate(CLASSES)}
    cut = {f"threshold:{name}": 0.4 + 0.1 * skill for name in CLASSES}
    return {"truth": names[codes], "value": "-", **columns, **cut}


def _write(folder, plain, table, split, targets):
    table.to_csv(folder / "predictions.csv", index=False, float_format="%.8g")
    split.to_csv(folder / "split.csv", index=False)
    chosen = {
        name: [one for one in METRICS[kind] if one in plain["metrics"]]
        for name, kind in targets.items()
    }
    digits = split_hash(split)
    audit = {
        "split": digits, "corpus": "made up", "utterances": split["id"].nunique(), "dropped": {},
        "unused": 0, "missing": {}, "heard": {}, "notice": "", "remarks": [], "leaks": [],
        "probes": {"majority": {"macro_f1": 0.1, "accuracy": 0.3}}, "languages": [],
    }  # fmt: skip
    measured = evaluate.measure(pd.read_csv(folder / "predictions.csv"), chosen)
    numbers = {"split": digits, "leaks allowed": plain["allow_leak"], "parts": measured}
    (folder / "metrics.json").write_text(json.dumps(numbers))
    (folder / "audit.json").write_text(json.dumps(audit))
    (folder / "config.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))
