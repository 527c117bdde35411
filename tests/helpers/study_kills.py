"""What a search must stand in any storage: its workers killed, its own process killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from optuna.trial import TrialState

from multimodal_ser.studies.search.studies import DONE, Ledger, create, trials
from tests.helpers.toy_study import plan_at

MOMENTS = random.Random(20261124)
PAUSE = 0.03  # seconds of a trial


def start(plan):
    """The search in a process of its own, two workers, 30 ms a trial."""
    words = [plan.storage, str(plan.folder.parent), str(plan.trials), "2", str(PAUSE)]
    return subprocess.Popen(
        [sys.executable, "-c", "from tests.helpers.toy_study import main; main()", *words],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
    )


def pids_at_work(ledger):
    return {one.user_attrs["worker"]["pid"] for one in ledger.trials(TrialState.RUNNING)}


def wait_for(condition, seconds=240):
    ends = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.05)  # to look costs a server much
    return found


def alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def finish(process, plan):
    """The command ends well, and the trials are exactly those that were asked for."""
    error = process.communicate(timeout=300)[1].decode()
    assert process.returncode == 0, error
    ledger = Ledger(plan)
    assert len(ledger.trials(*DONE)) == plan.trials
    assert {one.user_attrs["place"] for one in trials(plan)} == set(range(plan.trials))
    assert not ledger.trials(TrialState.RUNNING)
    assert all("failed" in one.user_attrs for one in ledger.trials(TrialState.FAIL))
    return ledger


def kill_workers(folder, storage=None, each=10):
    """One of two, ten times while the search goes on. each: as many trials later again."""
    plan = plan_at(folder, storage, trials=15 * each)
    ledger, process = create(plan), start(plan)
    for done in range(each, 11 * each, each):
        wait_for(lambda done=done: len(ledger.trials(*DONE)) >= done)
        time.sleep(MOMENTS.uniform(0, 0.1))
        os.kill(wait_for(lambda: pids_at_work(ledger)).pop(), signal.SIGKILL)
        assert process.poll() is None, "it was still at work"
    lost = finish(process, plan).trials(TrialState.FAIL)
    assert any("its worker ended" in one.user_attrs["failed"] for one in lost)


def kill_parents(folder, storage=None, each=15):
    """Ten times, the same command each time; the workers are gone within five seconds."""
    plan = plan_at(folder, storage, trials=10 * each)
    ledger = create(plan)
    for _ in range(10):
        begun, done = len(ledger.trials(*TrialState)), len(ledger.trials(*DONE))
        process = start(plan)
        wait_for(lambda done=done: len(ledger.trials(*DONE)) > done)
        time.sleep(MOMENTS.uniform(0, 0.2))
        assert process.poll() is None, "it was still at work"
        process.kill()
        process.communicate()
        workers = {one.user_attrs["worker"]["pid"] for one in ledger.trials(*TrialState)[begun:]}
        wait_for(lambda workers=workers: not any(map(alive, workers)), seconds=5)
    assert len(ledger.trials(*DONE)) < plan.trials
    finish(start(plan), plan)
