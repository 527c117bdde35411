"""A search whose processes are killed does, in the end, exactly the trials it was asked for."""

import pytest

from tests.helpers.study_kills import kill_parents, kill_workers

pytestmark = pytest.mark.faults


def test_a_search_goes_on_when_workers_are_killed(tmp_path):
    kill_workers(tmp_path)


def test_the_same_command_goes_on_when_a_search_was_killed(tmp_path):
    kill_parents(tmp_path)
