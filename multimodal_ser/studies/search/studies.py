"""A study of Optuna as the workers of a search share it: a place for each of its N trials.

A trial is counted by its place, 0 to N - 1, that no other trial holds unless it failed. What a
trial draws and how it is pruned depends on its place and on what was done before, so that a search
which was stopped goes on as if it had not been, whatever numbers Optuna gives to its trials.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError, UpdateFinishedTrialError
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.storages._heartbeat import get_heartbeat_thread
from optuna.trial import FrozenTrial, TrialState, create_trial

from multimodal_ser.studies.search.storage import opened, shown
from multimodal_ser.types import ConfigError, DataError, MissingError, listed, nearest

Objective = Callable[[optuna.Trial], float | Sequence[float]]
SAMPLERS = ("tpe", "random")
PRUNERS = ("hyperband", "median", "none")
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
HELD = (*DONE, TrialState.RUNNING)
_PLAN = "mser"
_PAUSE = 0.01
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Plan:
    """What a search is, and how long it goes on.

    folder: of this machine, where its workers show that they live; steps: the most that a trial
    reports, numbered from 0; timeout: seconds after which no trial begins; about: what else must
    be the same when the study goes on, as JSON.
    """

    name: str
    storage: str
    folder: Path
    directions: tuple[str, ...] = ("maximize",)
    sampler: str = "tpe"
    pruner: str = "hyperband"
    steps: int = 10
    seed: int = 0
    trials: int = 100
    timeout: float | None = None
    about: dict[str, Any] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """Everything that decides the trials.

        It is stored in the study and compared when the study goes on.
        """
        keys = ("directions", "sampler", "pruner", "steps", "seed", "about")
        return json.loads(json.dumps({key: getattr(self, key) for key in keys}))

    def mistakes(self) -> list[str]:
        """Everything that is impossible, in words."""
        lines = [
            f"{key}: unknown (given {given!r}){nearest(given, list(allowed))} allowed: "
            + ", ".join(allowed)
            for key, given, allowed in (
                ("sampler", self.sampler, SAMPLERS),
                ("pruner", self.pruner, PRUNERS),
            )
            if given not in allowed
        ]
        lines += [
            f"{key}: at least 1 (given {given})"
            for key, given in (("trials", self.trials), ("steps", self.steps))
            if given < 1
        ]
        if len(self.directions) > 1 and self.pruner != "none":
            lines.append(
                f"pruner: none is the only one for several objectives (given {self.pruner!r})"
            )
        return lines


def refuse_mistakes(plan: Plan) -> Plan:
    if lines := plan.mistakes():
        raise ConfigError(listed(lines, "mistakes in the plan of the search"))
    return plan


def create(plan: Plan) -> Ledger:
    """Make the study, or open the one that was started with the same plan."""
    refuse_mistakes(plan)
    storage = opened(plan.storage, new=True)
    study = optuna.create_study(
        storage=storage,
        study_name=plan.name,
        directions=plan.directions,  # pyright: ignore[reportArgumentType]
        load_if_exists=True,
    )
    if _PLAN not in study.user_attrs and not study.get_trials(deepcopy=False):
        study.set_user_attr(_PLAN, plan.identity())
    return Ledger(plan, storage)


def trials(plan: Plan) -> list[FrozenTrial]:
    """The trials that were completed or pruned, in the order of their places."""
    done = Ledger(plan).trials(*DONE)
    return sorted(copy.deepcopy(done), key=lambda trial: trial.user_attrs.get("place", math.inf))


class Ledger:
    """The trials of a study, as a worker starts and ends them; ConfigError for another plan."""

    def __init__(self, plan: Plan, storage: BaseStorage | None = None) -> None:
        self.plan = plan
        self.storage = storage or opened(plan.storage)
        try:
            self.id = self.storage.get_study_id_from_name(plan.name)
        except KeyError:
            raise MissingError(f"no study {plan.name!r} in {shown(plan.storage)}") from None
        begun = self.storage.get_study_user_attrs(self.id).get(_PLAN)
        if begun is None:
            raise ConfigError(
                f"the study {plan.name!r} in {shown(plan.storage)} was not begun by a search; "
                "give this one another name"
            )
        if lines := differences(begun, plan.identity()):
            raise ConfigError(
                f"the study {plan.name!r} in {shown(plan.storage)} was begun with another plan; "
                "go on with that one, or give this one another name\n"
                + listed(lines, "differences")
            )

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """The trials in these states, by number; they must not be changed."""
        return self.storage.get_all_trials(self.id, deepcopy=False, states=states)

    def attempt(self, objective: Objective, worker: dict[str, Any]) -> None:
        """Run one trial, from its number to its values; does nothing where others hold all places.

        worker: lets a sweep find out whether the process of the trial lives. It is written together
        with the trial, so a kill cannot leave a trial without it.
        """
        begun = create_trial(state=TrialState.RUNNING, user_attrs={"worker": worker})
        trial_id = self.storage.create_new_trial(self.id, begun)
        with get_heartbeat_thread(trial_id, self.storage):
            place = self._place(trial_id)
            if place is None:
                self.fail(trial_id, "surplus: others hold all the places")
                return
            try:
                self._judge(objective, trial_id, place)
            except UpdateFinishedTrialError:
                return  # given up by a sweep on another machine, which took this one for dead
            finally:
                if (error := sys.exception()) is not None:
                    self.fail(trial_id, f"{type(error).__name__}: {error}")

    def _place(self, trial_id: int) -> int | None:
        """The first free place.

        Places are taken in the order of trial numbers, so no two are the same.
        """
        number = self.storage.get_trial_number_from_id(trial_id)
        while True:
            before = [trial for trial in self.trials(*HELD) if trial.number < number]
            if len(before) >= self.plan.trials:
                return None
            taken = {trial.user_attrs.get("place") for trial in before}
            if all(
                "place" in earlier.user_attrs
                for earlier in before
                if not earlier.state.is_finished()
            ):
                break
            time.sleep(_PAUSE)  # one with a smaller number is about to take its own
        place = next(place for place in itertools.count() if place not in taken)
        self.storage.set_trial_user_attr(trial_id, "place", place)
        return place

    def _judge(self, objective: Objective, trial_id: int, place: int) -> None:
        """Run the trial as Optuna's own loop, with a new sampler and a new pruner, as after a stop.

        What they remember from trial to trial is lost after a stop, and the trials would then
        differ.
        """
        study = optuna.load_study(
            study_name=self.plan.name,
            storage=self.storage,
            sampler=_sampler(self.plan, place),
            pruner=_pruner(self.plan),
        )
        trial = optuna.Trial(study, trial_id)
        state, values = TrialState.PRUNED, None
        try:
            values = objective(trial)
            state = TrialState.COMPLETE
        except optuna.TrialPruned:
            pass
        if values is not None and not np.isfinite(values).all():
            raise DataError(f"trial {place}: not a finite value ({values}) with {trial.params}")
        patiently(lambda: study.tell(trial, values, state, skip_if_finished=True))

    def fail(self, trial_id: int, why: str) -> None:
        """Give a trial up, so that its place is free; one that has ended meanwhile stays."""
        try:
            self.storage.set_trial_user_attr(trial_id, "failed", why)
            self.storage.set_trial_state_values(trial_id, TrialState.FAIL)
        except UpdateFinishedTrialError:
            return


def patiently(action: Callable[[], _Result]) -> _Result:
    """Try again where the connection was lost; the storage waits for its server."""
    for _ in range(2):
        try:
            return action()
        except StorageInternalError:
            time.sleep(0.5)
    return action()


def differences(begun: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Each key with different values, in words."""
    before, after = dict(_leaves(begun)), dict(_leaves(now))
    return [
        f"{key}: {_said(before, key)} in the study, {_said(after, key)} now"
        for key in dict.fromkeys([*before, *after])
        if _said(before, key) != _said(after, key)
    ]


def _leaves(value: Any, above: str = "") -> list[tuple[str, Any]]:
    if not isinstance(value, dict) or not value:
        return [(above, value)]
    return [
        leaf
        for key, inner in value.items()
        for leaf in _leaves(inner, f"{above}.{key}" if above else str(key))
    ]


def _said(values: dict[str, Any], key: str) -> str:
    return json.dumps(values[key], ensure_ascii=False) if key in values else "nothing"


def _sampler(plan: Plan, place: int) -> BaseSampler:
    """The sampler, seeded for one trial; each branch is learned from its own trials (`group`)."""
    seed = int(np.random.SeedSequence([plan.seed, place]).generate_state(1)[0])
    if plan.sampler == "random":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=seed, multivariate=True, group=True)


def _pruner(plan: Plan) -> BasePruner:
    if plan.pruner == "hyperband":
        return _Hyperband(max_resource=plan.steps)
    return MedianPruner() if plan.pruner == "median" else NopPruner()


class _Hyperband(HyperbandPruner):
    """Optuna's pruner, with brackets by place and without the reports of failed trials."""

    def _get_bracket_id(self, study: optuna.Study, trial: FrozenTrial) -> int:
        if trial.state == TrialState.FAIL or "place" not in trial.user_attrs:
            return -1
        placed: Any = SimpleNamespace(number=trial.user_attrs["place"])
        return super()._get_bracket_id(study, placed)
