"""A search shares its trials among processes, and gives what one process alone would give."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

from multimodal_ser import parallel
from multimodal_ser.studies.search import storage
from multimodal_ser.studies.search.presence import is_present, present, tidy
from multimodal_ser.studies.search.storage import Journal, opened, shown
from multimodal_ser.studies.search.studies import DONE, Ledger, create, trials
from multimodal_ser.studies.search.workers import Progress, search, show, sweep, work
from multimodal_ser.types import ConfigError, DataError, MissingError, MserError
from tests.helpers.toy_study import (
    create_at,
    die,
    die_always,
    fail_always,
    faulty,
    plan_at,
    spreading,
    stop,
    toy,
    two_values,
)


def silent(progress):
    pass


def alone(plan, objective):
    """The search of one worker, in this process."""
    create(plan)
    work(plan, objective)


def begin(ledger, worker=None, **more):
    attributes = ({"worker": worker} if worker else {}) | more
    template = create_trial(state=TrialState.RUNNING, user_attrs=attributes)
    return ledger.storage.create_new_trial(ledger.id, template)


def told(plan):
    """All that a search found out, without the numbers and times of its trials."""
    return [
        (one.user_attrs["place"], one.state, one.params, one.values, one.intermediate_values)
        for one in trials(plan)
    ]


@pytest.mark.parametrize(("kind", "count"), [("journal", 12), ("sqlite", 4)])
def test_two_workers_do_exactly_the_trials_that_were_asked_for(tmp_path, kind, count):
    """Fewer in SQLite, which waits for the disk with every word."""
    storage = None if kind == "journal" else f"sqlite:///{tmp_path / 'study.db'}"
    plan = plan_at(tmp_path, storage, trials=count)
    seen = []
    search(plan, partial(toy, 0.02), 2, seen.append)
    ledger = Ledger(plan)
    assert [one.user_attrs["place"] for one in trials(plan)] == list(range(count))
    assert not ledger.trials(TrialState.RUNNING)
    workers = {one.user_attrs["worker"]["pid"] for one in trials(plan)}
    assert len(workers) == 2
    assert os.getpid() not in workers
    assert not [*plan.folder.iterdir()], "no lock is left"
    best = max(one.value for one in trials(plan) if one.state == TrialState.COMPLETE)
    assert (seen[-1].done, seen[-1].ended, seen[-1].best.value) == (count, True, best)


def test_a_search_that_is_done_does_nothing_and_one_of_more_trials_goes_on(tmp_path):
    alone(plan_at(tmp_path, trials=6), toy())
    before = told(plan_at(tmp_path))
    search(plan_at(tmp_path, trials=6), partial(toy), 2, silent)
    assert told(plan_at(tmp_path)) == before
    search(plan_at(tmp_path, trials=8), partial(toy), 2, silent)
    assert len(told(plan_at(tmp_path))) == 8
    assert told(plan_at(tmp_path))[:6] == before


@pytest.mark.parametrize("pruner", ["hyperband", "median", "none"])
@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_one_worker_and_one_seed_repeat_exactly_also_after_a_stop(tmp_path, sampler, pruner):
    def plan(name, **changes):
        return plan_at(tmp_path / name, sampler=sampler, pruner=pruner, trials=25, **changes)

    alone(plan("calm"), toy())
    alone(plan("again"), toy())
    with pytest.raises(ConfigError, match="in the middle"):
        alone(plan("stopped"), toy(at=tmp_path / "once", then=stop))
    alone(plan("stopped"), toy())
    alone(plan("other", seed=4), toy())
    calm = told(plan("calm"))
    assert told(plan("again")) == calm
    assert told(plan("stopped")) == calm
    assert told(plan("other", seed=4)) != calm
    assert {one.state for one in trials(plan("calm"))} == (
        {TrialState.COMPLETE} if pruner == "none" else set(DONE)
    )
    (failed,) = Ledger(plan("stopped")).trials(TrialState.FAIL)
    assert failed.user_attrs["failed"] == "ConfigError: stopped in the middle"


def test_tpe_comes_nearer_than_chance(tmp_path):
    """The best of a hundred by chance is 1 - x² ≈ 1; what TPE does is to look there more often."""

    def mean_of_last(sampler):
        plan = plan_at(tmp_path / sampler, sampler=sampler, pruner="none", trials=40)
        alone(plan, toy())
        return sum(one.value for one in trials(plan)[20:]) / 20

    assert mean_of_last("tpe") > mean_of_last("random") + 0.1


def test_a_killed_worker_is_replaced_and_its_trial_made_again(tmp_path):
    calm, hurt = plan_at(tmp_path / "calm"), plan_at(tmp_path / "hurt")
    alone(calm, toy())
    hurt.folder.mkdir(parents=True)
    search(hurt, partial(toy, at=hurt.folder / "once", then=die), 1, silent)
    assert told(hurt) == told(calm)
    (lost,) = Ledger(hurt).trials(TrialState.FAIL)
    assert (lost.number, lost.user_attrs["place"]) == (5, 5)
    assert lost.user_attrs["failed"] == "its worker ended before it did"


def test_an_objective_may_have_workers_of_its_own(tmp_path):
    search(plan_at(tmp_path, trials=1), spreading, 1, silent)
    assert [one.value for one in trials(plan_at(tmp_path))] == [1 + 2 + 4 + 8]


def test_workers_that_only_die_stop_the_search(tmp_path):
    with pytest.raises(MserError, match=r"workers were killed and no trial was done.*signal 9"):
        search(plan_at(tmp_path), die_always, 1, silent)
    assert not Ledger(plan_at(tmp_path)).trials(TrialState.RUNNING)


def test_an_error_of_the_objective_stops_the_search_and_is_told_as_it_is(tmp_path):
    with pytest.raises(ConfigError, match=r"^stopped in the middle$"):
        search(plan_at(tmp_path), partial(toy, 0.02, tmp_path / "once", stop), 2, silent)
    ledger = Ledger(plan_at(tmp_path))
    assert not ledger.trials(TrialState.RUNNING), "the other worker's was given up"
    search(plan_at(tmp_path), partial(toy, 0.0), 2, silent)
    assert len(ledger.trials(*DONE)) == 12


def test_a_fault_in_the_objective_stops_the_search_too(tmp_path):
    with pytest.raises(MserError, match="stopped on the error above"):
        search(plan_at(tmp_path), faulty, 1, silent)
    (failed,) = Ledger(plan_at(tmp_path)).trials(*TrialState)
    assert failed.user_attrs["failed"] == "ZeroDivisionError: division by zero"


def test_no_failure_becomes_a_number(tmp_path):
    with pytest.raises(DataError, match=r"trial 0: not a finite value \(nan\)"):
        alone(plan_at(tmp_path), fail_always())
    assert [one.state for one in Ledger(plan_at(tmp_path)).trials(*TrialState)] == [TrialState.FAIL]


def test_no_trial_begins_after_the_time_is_over(tmp_path):
    plan = plan_at(tmp_path, trials=10_000)
    search(replace(plan, timeout=0.0), partial(toy), 2, silent)
    ledger = Ledger(plan)
    assert not ledger.trials(*TrialState)
    ends = time.time() + 0.5
    work(plan, toy(0.05), time.monotonic() + 0.5)
    done = ledger.trials(*TrialState)
    assert {one.state for one in done} <= set(DONE), "what had begun was ended"
    assert 0 < len(done) < 500
    assert max(one.datetime_start.timestamp() for one in done) < ends + 2


def test_several_objectives(tmp_path):
    plan = plan_at(tmp_path, directions=("maximize", "minimize"), pruner="none", trials=15)
    search(plan, two_values, 2, silent)
    assert [one.values for one in trials(plan)] == [
        pytest.approx([one.params["x"], 1 - one.params["x"]]) for one in trials(plan)
    ]


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_processes_that_create_the_same_new_study_at_once_all_succeed(tmp_path, kind):
    plan = plan_at(tmp_path, None if kind == "journal" else f"sqlite:///{tmp_path / 'study.db'}")
    jobs = [(time.time() + 0.3, plan)] * 2
    assert list(parallel.spread(create_at, jobs, workers=2)) == [None, None]
    assert optuna.get_all_study_names(opened(plan.storage)) == ["toy"]
    Ledger(plan)


def test_a_study_of_another_plan_is_refused_with_what_differs(tmp_path):
    create(plan_at(tmp_path))
    create(replace(plan_at(tmp_path), trials=99, timeout=5.0, folder=tmp_path / "elsewhere"))
    about = {"space": {"lr": [1e-5, 1e-1], "fusion": {}}, "split": "abc"}
    other = plan_at(tmp_path, seed=4, directions=("minimize",), about=about)
    with pytest.raises(ConfigError, match="another plan") as refused:
        create(other)
    assert str(refused.value).splitlines()[1:] == [
        "4 differences:",
        '  directions: ["maximize"] in the study, ["minimize"] now',
        "  seed: 3 in the study, 4 now",
        "  about.space.lr: [1e-05, 0.01] in the study, [1e-05, 0.1] now",
        "  about.space.fusion: nothing in the study, {} now",
    ]


def test_a_study_that_no_search_began_is_left_alone(tmp_path):
    foreign = optuna.create_study(storage=opened(str(tmp_path / "a"), new=True), study_name="toy")
    foreign.ask()
    with pytest.raises(ConfigError, match="not begun by a search"):
        create(plan_at(tmp_path, str(tmp_path / "a")))


def test_mistakes_in_a_plan_are_told_together(tmp_path):
    wrong = plan_at(
        tmp_path, sampler="tpee", pruner="medium", trials=0, steps=0, directions=("a", "b")
    )
    with pytest.raises(ConfigError, match="5 mistakes") as refused:
        create(wrong)
    for words in ("did you mean tpe?", "did you mean median?", "steps: at least 1", "several"):
        assert words in str(refused.value)
    assert not (tmp_path / "journal.log").exists()


def test_a_trial_beyond_the_places_is_given_back_as_surplus(tmp_path):
    """As when two workers saw one free place and both began a trial."""
    ledger = create(plan_at(tmp_path, trials=2))
    for place in range(2):
        begin(ledger, {"pid": 1}, place=place)
    ledger.attempt(lambda trial: pytest.fail("must not be called"), {"pid": 2})
    (surplus,) = ledger.trials(TrialState.FAIL)
    assert surplus.user_attrs["failed"].startswith("surplus")


def test_a_place_is_free_again_once_its_trial_has_failed(tmp_path):
    ledger = create(plan_at(tmp_path, trials=3))
    first, _ = (begin(ledger, {"pid": 1}, place=place) for place in range(2))
    ledger.fail(first, "for this test")
    for _ in range(2):
        ledger.attempt(lambda trial: 1.0, {"pid": 2})
    done = ledger.trials(*DONE)
    assert [(one.number, one.user_attrs["place"]) for one in done] == [(2, 0), (3, 2)]


def test_the_trial_of_a_dead_worker_is_swept_and_one_of_a_living_worker_is_not(tmp_path):
    ledger = create(plan_at(tmp_path))
    with present(tmp_path / "locks") as lock:
        lost = begin(ledger, {"host": "here", "lock": str(lock.with_name("gone.alive"))})
        begin(ledger, {"host": "here", "lock": str(lock)})
        unknown = begin(ledger)
        sweep(ledger)
        failed = {one._trial_id for one in ledger.trials(TrialState.FAIL)}
        assert failed == {lost, unknown}
        begin(ledger, {"host": "here", "lock": str(lock)})
    sweep(ledger)
    assert not ledger.trials(TrialState.RUNNING)


def test_a_trial_that_ended_stays_as_it_is(tmp_path):
    ledger = create(plan_at(tmp_path))
    ledger.attempt(lambda trial: 2.0, {"pid": 1})
    (done,) = ledger.trials(TrialState.COMPLETE)
    ledger.fail(done._trial_id, "too late")
    assert [one.value for one in ledger.trials(TrialState.COMPLETE)] == [2.0]


def test_the_result_of_a_trial_that_was_given_up_meanwhile_is_not_counted(tmp_path):
    ledger = create(plan_at(tmp_path))

    def objective(trial):
        ledger.fail(trial._trial_id, "taken for dead")
        trial.suggest_float("x", 0, 1)

    ledger.attempt(objective, {"pid": 1})
    ledger.attempt(lambda trial: ledger.fail(trial._trial_id, "taken for dead") or 1.0, {"pid": 1})
    assert [one.state for one in ledger.trials(*TrialState)] == [TrialState.FAIL] * 2


def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(tmp_path):
    script = (
        "import os, pathlib, sys, time\n"
        "from multimodal_ser.studies.search.presence import present\n"
        "with present(pathlib.Path(sys.argv[1])) as lock:\n"
        "    if os.fork() == 0:\n"
        "        print(os.getpid(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    (lock,) = tmp_path.glob("*.alive")
    assert is_present(lock)
    holder.kill()
    holder.wait()
    assert not is_present(lock)
    tidy(tmp_path)
    assert not lock.exists()
    os.kill(child, signal.SIGKILL)


def test_a_journal_goes_on_behind_a_line_that_a_kill_cut_off(tmp_path):
    plan = plan_at(tmp_path, trials=5)
    alone(plan_at(tmp_path, trials=3), toy())
    before, path = told(plan), tmp_path / "journal.log"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":5,"trial_id":1,"par')
    assert told(plan) == before, "whoever only reads leaves it alone"
    alone(plan, toy())
    assert path.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in path.read_text().splitlines())
    assert told(plan)[:3] == before
    assert len(told(plan)) == 5


def test_the_journal_is_the_one_that_optuna_reads_and_writes(tmp_path):
    plan = plan_at(tmp_path)
    alone(plan, toy())
    path = str(tmp_path / "journal.log")
    theirs = optuna.load_study(study_name="toy", storage=JournalStorage(JournalFileBackend(path)))
    assert [one.params for one in theirs.trials] == [one.params for one in trials(plan)]
    theirs.set_user_attr("note", "good")
    assert optuna.load_study(study_name="toy", storage=opened(path)).user_attrs["note"] == "good"


def test_a_full_disk_is_told_and_leaves_whole_lines(tmp_path):
    path = tmp_path / "journal.log"
    path.touch()
    journal = Journal(path)
    journal.append_logs([{"op_code": 2, "text": "x" * 100}])
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 50, limits[1]))
    try:
        with pytest.raises(DataError, match=r"cannot write .*journal\.log"):
            journal.append_logs([{"op_code": 2, "text": "y" * 100}])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert len(list(journal.read_logs(0))) == 1


def test_storages_that_cannot_be_opened_are_told_with_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(MissingError, match=r"no study in .*nothing\.log"):
        opened(str(tmp_path / "nothing.log"))
    with pytest.raises(ConfigError, match="neither a database URL nor the path"):
        opened("://")
    with pytest.raises(ConfigError, match=r"oracle|nosuch"):
        opened("nosuch://host/db")
    with pytest.raises(MissingError, match="unable to open database file"):
        opened(f"sqlite:///{tmp_path / 'no' / 'folder.db'}", new=True)
    create(plan_at(tmp_path))
    with pytest.raises(MissingError, match="no study 'other'"):
        trials(plan_at(tmp_path, name="other"))
    monkeypatch.setattr(storage, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"pip install 'multimodal_ser\[hpo\]'"):
        opened("postgresql://somebody:secret@host/db")


def test_a_password_is_not_shown(monkeypatch):
    monkeypatch.setattr(storage, "find_spec", lambda name: True)
    url = shown("postgresql://somebody:secret@host/db")
    assert url == "postgresql+psycopg://somebody:***@host/db"


def test_the_line_of_a_search_says_how_far_it_is(capsys):
    best = SimpleNamespace(value=0.71234, user_attrs={"place": 7})
    far = Progress(12, 5, 1, 40, begun=6, seconds=90.0, best=best, ended=False)
    assert far.line() == (
        "12 of 40 trials (5 pruned, 1 failed), 4.0 a minute, best 0.7123 (trial 7)"
    )
    assert Progress(0, 0, 0, 9, 0, 1.0, None, False).line() == "0 of 9 trials"
    show(far)
    assert capsys.readouterr().err == "", "no terminal, not at the end"
    show(Progress(9, 0, 0, 9, 9, 1.0, None, True))
    assert capsys.readouterr().err == "9 of 9 trials\n"
