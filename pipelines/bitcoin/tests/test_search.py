"""What a study tries, and what it leaves, on a real Postgres; nothing is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from bitcoin import study
from bitcoin.tune import suggested
from stepkit.settings import Run, Settings

TRIALS = 6


class Lost(Exception):
    """Ends a trial as one ends whose worker is gone."""


@pytest.fixture
def settings(bitcoin_database: str) -> Settings:
    return Settings(run=Run(dag_id="training", run_id="run-1"), database_url=bitcoin_database)


def tried(settings: Settings, *workers: int, lost: int | None = None, seed: int = 42) -> list[dict[str, Any]]:
    """The parameters that a study's trials had in the end, in any order.

    Args:
        settings: a run's.
        workers: how many trials each takes before the next goes on.
        lost: the number of a trial that does not end.
        seed: of the search.
    """

    def objective(trial: optuna.Trial) -> float:
        suggested(trial, 40)
        if trial.number == lost:
            raise Lost
        return float(trial.number)

    for worker in workers:
        ours = study.opened(settings)
        with study.trial_lock(settings) as lock:
            try:
                study.work(ours, lock, objective, worker, lambda _: None, seed)
            except Lost:
                study.work(ours, lock, objective, worker, lambda _: None, seed)
    ended = ours.get_trials(deepcopy=False, states=study.ENDED)
    return sorted((trial.params for trial in ended), key=lambda parameters: sorted(parameters.items()))


def of(settings: Settings, run_id: str) -> Settings:
    return Settings(run=Run(dag_id="training", run_id=run_id), database_url=settings.database_url)


def test_what_is_tried_follows_from_the_seed_and_not_from_who_tries_it(settings: Settings) -> None:
    alone = tried(settings, TRIALS)
    assert len(alone) == len({str(parameters) for parameters in alone}) == TRIALS
    assert tried(of(settings, "three-workers"), 2, 3, TRIALS) == alone
    assert tried(of(settings, "a-lost-trial"), TRIALS, lost=2) == alone
    assert tried(of(settings, "another-seed"), TRIALS, seed=43) != alone


def test_a_hopeless_trial_is_pruned(settings: Settings) -> None:
    ours = study.opened(settings)

    def objective(trial: optuna.Trial) -> float:
        worth = 1.0 if trial.number < 6 else 0.0
        trial.report(worth, 0)
        if trial.should_prune():
            raise optuna.TrialPruned
        return worth

    done: list[TrialState] = []
    with study.trial_lock(settings) as lock:
        assert study.work(ours, lock, objective, 8, lambda trial: done.append(trial.state)) == 8
    assert done == [TrialState.COMPLETE] * 6 + [TrialState.PRUNED] * 2
    assert ours.best_params == {}
    assert np.isfinite(ours.best_value)
