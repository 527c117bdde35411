"""A search on a PostgreSQL server, which these tests start on this machine and throw away."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from multimodal_ser import parallel
from multimodal_ser.studies.search.presence import present
from multimodal_ser.studies.search.storage import opened
from multimodal_ser.studies.search.studies import DONE, Ledger, create, trials
from multimodal_ser.studies.search.workers import search, sweep, work
from multimodal_ser.types import MissingError
from tests.helpers.study_kills import finish, kill_parents, kill_workers, start, wait_for
from tests.helpers.toy_study import create_at, plan_at, toy

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(find_spec("psycopg") is None, reason="needs psycopg: the extra hpo"),
    pytest.mark.skipif(
        not (shutil.which("initdb") and shutil.which("pg_ctl")), reason="needs initdb and pg_ctl"
    ),
]


def silent(progress):
    pass


class Server:
    """Of the user `postgres` or `nobody` where the tests run as root, whom PostgreSQL refuses."""

    def __init__(self, folder):
        self.folder, self.data = folder, folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.user = None
        if os.geteuid() == 0:
            known = {one.pw_name for one in pwd.getpwall()}
            self.user = next(name for name in ("postgres", "nobody") if name in known)
            shutil.chown(folder, self.user)
        self.does("initdb", "-D", self.data, "-U", "mser", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()

    def does(self, *command):
        subprocess.run(
            [str(word) for word in command],
            user=self.user,
            group=pwd.getpwnam(self.user).pw_gid if self.user else None,
            extra_groups=[] if self.user else None,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def start(self):
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -F"
        self.does(
            "pg_ctl", "-D", self.data, "-l", self.folder / "log", "-o", options, "-w", "start"
        )

    def stop(self):
        self.does("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def database(self, name):
        self.does("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "mser", name)
        return f"postgresql://mser@127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="module")
def server():
    folder = Path(tempfile.mkdtemp(prefix="mser-postgres-"))  # pytest's own is closed to others
    started = Server(folder)
    yield started
    started.stop()
    shutil.rmtree(folder)


@pytest.fixture
def database(server, request):
    return server.database(request.node.name.removeprefix("test_")[:60])


def test_one_worker_repeats_exactly_what_it_does_in_a_journal(tmp_path, database):
    found = []
    for storage in (None, database):
        plan = plan_at(tmp_path, storage, trials=25)
        create(plan)
        work(plan, toy())
        found.append(
            [(one.params, one.values, one.intermediate_values, one.state) for one in trials(plan)]
        )
    assert found[0] == found[1]


def test_two_workers_do_exactly_the_trials_that_were_asked_for(tmp_path, database):
    plan = plan_at(tmp_path, database, trials=20)
    search(plan, partial(toy, 0.02), 2, silent)
    assert [one.user_attrs["place"] for one in trials(plan)] == list(range(20))
    assert not Ledger(plan).trials(TrialState.RUNNING)


def test_processes_that_create_the_schema_at_once_all_succeed(tmp_path, database):
    plan = plan_at(tmp_path, database)
    jobs = [(time.time() + 0.5, plan)] * 2
    assert list(parallel.spread(create_at, jobs, workers=2)) == [None, None]
    assert optuna.get_all_study_names(opened(database)) == ["toy"]


def test_a_search_goes_on_when_workers_are_killed(tmp_path, database):
    kill_workers(tmp_path, database, each=4)


def test_the_same_command_goes_on_when_a_search_was_killed(tmp_path, database):
    kill_parents(tmp_path, database, each=6)


def test_a_search_survives_a_restart_of_its_server(tmp_path, server, database):
    plan = plan_at(tmp_path, database, trials=60)
    ledger, process = create(plan), start(plan)
    for done in (10, 25):
        wait_for(lambda done=done: len(ledger.trials(*DONE)) >= done)
        server.stop()
        time.sleep(2)
        server.start()
    ledger.storage.remove_session()
    finish(process, plan)


def test_the_trial_of_another_host_is_lost_when_its_heart_stands_still(tmp_path, database):
    """Its lock cannot be seen from here, so only its silence tells."""
    plan = plan_at(tmp_path, database)
    ledger = create(plan)
    ledger.storage._backend.grace_period = 1

    def begin():
        worker = {"host": "elsewhere", "pid": 1, "lock": "/nowhere"}
        begun = create_trial(state=TrialState.RUNNING, user_attrs={"worker": worker})
        trial_id = ledger.storage.create_new_trial(ledger.id, begun)
        ledger.storage.record_heartbeat(trial_id)
        return trial_id

    silent_one = begin()
    time.sleep(2.5)
    begin()
    sweep(ledger)
    assert [one._trial_id for one in ledger.trials(TrialState.FAIL)] == [silent_one]
    assert len(ledger.trials(TrialState.RUNNING)) == 1


def test_a_worker_of_this_host_lives_as_long_as_its_lock(tmp_path, database):
    """Whatever its heart does: a machine that slept for an hour does not lose its trials."""
    plan = plan_at(tmp_path, database)
    ledger = create(plan)
    ledger.storage._backend.grace_period = 1
    with present(tmp_path) as lock:
        worker = {"host": os.uname().nodename, "pid": 1, "lock": str(lock)}
        begun = create_trial(state=TrialState.RUNNING, user_attrs={"worker": worker})
        ledger.storage.record_heartbeat(ledger.storage.create_new_trial(ledger.id, begun))
        time.sleep(2.5)
        sweep(ledger)
        assert len(ledger.trials(TrialState.RUNNING)) == 1
    sweep(ledger)
    assert len(ledger.trials(TrialState.FAIL)) == 1


def test_a_server_that_is_not_there_is_told(tmp_path):
    with pytest.raises(MissingError, match=r"cannot open postgresql\+psycopg://a:\*\*\*@127.0.0.1"):
        create(plan_at(tmp_path, "postgresql://a:secret@127.0.0.1:1/none"))
