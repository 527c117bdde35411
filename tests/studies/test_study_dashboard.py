"""Optuna's dashboard shows a search while it goes on."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec

import pytest

from multimodal_ser.studies.search.studies import create
from multimodal_ser.studies.search.workers import work
from tests.helpers.toy_study import plan_at, toy

pytestmark = pytest.mark.skipif(
    find_spec("optuna_dashboard") is None, reason="needs optuna-dashboard: the extra hpo"
)


def answer(url, process):
    """What the server says, as soon as it listens."""
    for _ in range(300):
        assert process.poll() is None
        try:
            with urllib.request.urlopen(url) as said:
                return json.load(said)
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nobody listens at {url}")


def test_the_dashboard_lists_the_study_and_its_trials(tmp_path):
    plan = plan_at(tmp_path, trials=3)
    create(plan)
    work(plan, toy())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = "from optuna_dashboard._cli import main; main()"
    options = ["--host", "127.0.0.1", "--port", port]
    process = subprocess.Popen([sys.executable, "-c", command, plan.storage, *options])
    try:
        address = f"http://127.0.0.1:{port}/api/studies"
        (study,) = answer(address, process)["study_summaries"]
        shown = answer(f"{address}/{study['study_id']}", process)
    finally:
        process.kill()
        process.wait()
    assert study["study_name"] == "toy"
    assert [one["number"] for one in shown["trials"]] == [0, 1, 2]
