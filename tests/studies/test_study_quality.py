"""A search finds what is planted in a space, sooner than chance, and says what mattered."""

import numpy as np
import pytest
from scipy.stats import binomtest

from multimodal_ser.config import search_section
from multimodal_ser.studies.search.studies import create, trials
from multimodal_ser.studies.search.tables import importances
from multimodal_ser.studies.search.workers import work
from tests.helpers.toy_study import plan_at

SEEDS, TRIALS, BEST = range(20), 40, 1.0
SECTION = {
    "learner.optimizer.lr": {"low": 1e-5, "high": 1e-1, "log": True},
    "fusion": [
        {"name": "concat", "hidden": [64, 128, 256], "dropout": {"low": 0.0, "high": 0.7}},
        {"name": "gated", "hidden": [64, 128, 256]},
    ],
    "learner.batch_size": [16, 32, 64],
}


def planted(trial, space):
    """The learning rate decides, best at 2e-3; concat, 128, batches of 32 and dropout .3 help."""
    given = space.suggest(trial)
    rate = np.log10(given["learner.optimizer.lr"] / 2e-3)
    loss = 0.3 * rate**2 + 0.1 * (given["fusion.name"] != "concat")
    loss += 0.05 * abs(np.log2(given["fusion.hidden"] / 128))
    loss += 0.2 * (given.get("fusion.dropout", 0.3) - 0.3) ** 2
    return BEST - loss - 0.02 * (given["learner.batch_size"] != 32)


def searched(folder, sampler, seed):
    space, problems = search_section.read(SECTION)
    assert not problems
    plan = plan_at(folder, sampler=sampler, pruner="none", trials=TRIALS, seed=seed)
    create(plan)
    work(plan, lambda trial: planted(trial, space))
    done = trials(plan)
    return BEST - max(one.value for one in done), importances(space, done)


@pytest.mark.slow
def test_tpe_comes_nearer_than_chance_and_names_what_was_planted(tmp_path):
    found = {
        sampler: [searched(tmp_path / f"{sampler}-{seed}", sampler, seed) for seed in SEEDS]
        for sampler in ("tpe", "random")
    }
    regrets = {sampler: np.array([one[0] for one in runs]) for sampler, runs in found.items()}
    assert np.median(regrets["tpe"]) < np.median(regrets["random"])
    wins = int((regrets["tpe"] < regrets["random"]).sum())
    assert binomtest(wins, len(SEEDS)).pvalue < 0.05
    firsts = [max(shares, key=lambda name: shares[name]) for _, shares in found["tpe"]]
    assert firsts.count("learner.optimizer.lr") >= 18
