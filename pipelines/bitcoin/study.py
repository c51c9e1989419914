"""The Optuna study of one run, in Postgres: several workers take trials from it until it has enough."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState
from psycopg2.extensions import connection, cursor
from sqlalchemy.exc import InterfaceError, OperationalError

from stepkit import postgres
from stepkit.errors import Code, InvalidInput
from stepkit.settings import Settings

SCHEMA = "bitcoin_optuna"
HEARTBEAT_SECONDS = 5
LOST_AFTER_SECONDS = 30
"""A trial whose worker has not been heard of for so long counts as lost, and another takes its place."""
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_TAKEN = (TrialState.RUNNING, *ENDED)
_DRAW = "draw"
"""The attribute of a trial that says which of the study's draws it tries."""


class Lock:
    """One worker at a time takes a trial: two that counted at once would both take the last one.

    The lock is of a transaction in a session of its own, so that Postgres frees it when the worker is killed.
    """

    def __init__(self, rows: cursor, name: str) -> None:
        self._rows = rows
        self._name = name

    def acquire(self) -> None:
        """Waits for the lock."""
        self._rows.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [self._name])

    def release(self) -> None:
        """Releases the lock, if it is ours."""
        self._rows.connection.commit()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds the lock until the block ends, or `release` is called in it."""
        self.acquire()
        try:
            yield
        finally:
            self.release()


@contextmanager
def trial_lock(settings: Settings) -> Iterator[Lock]:
    """Opens a session for the lock of this run's study.

    Raises:
        DependencyUnavailable: Postgres does not answer, or another worker keeps the lock for longer than a
            minute.
    """
    with postgres.transaction(settings) as rows:
        yield Lock(rows, f"study {name_of(settings)}")


def name_of(settings: Settings) -> str:
    """Returns the name of a run's study: a run that is tried again goes on with it."""
    return f"{settings.run.dag_id}/{settings.run.required_id}"


def storage(settings: Settings) -> optuna.storages.RDBStorage:
    """Connects to Optuna's tables, which the owner of the schema has made.

    Raises:
        InvalidInput: `DATABASE_URL` is not set or no URL, or the tables are not those of this Optuna.
    """

    def connected() -> connection:
        opened = postgres.connect(settings, search_path=SCHEMA, statement_timeout="60s")
        opened.commit()  # SQLAlchemy rolls back what it finds begun
        return opened

    try:
        return optuna.storages.RDBStorage(
            # Others read a URL otherwise than libpq does: `postgres:`, two hosts, braces in a password.
            "postgresql+psycopg2://",
            engine_kwargs={
                "creator": connected,
                "pool_size": 2,
                "max_overflow": 1,
                "pool_pre_ping": True,
            },
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=LOST_AFTER_SECONDS,
            skip_table_creation=True,
        )
    except RuntimeError as error:
        raise InvalidInput(
            f"the tables of schema {SCHEMA} are not those of Optuna {optuna.__version__}: {error}",
            Code.STATE_CONFLICT,
        ) from error


@contextmanager
def errors() -> Iterator[None]:
    """Turns the storage's failures to answer into `DependencyUnavailable`."""
    try:
        yield
    except (OperationalError, InterfaceError, StorageInternalError) as error:
        raise postgres.down(error, "the work of the study") from error


def opened(settings: Settings) -> Study:
    """Returns this run's study, which the first to ask makes; it looks for the greatest value.

    Raises:
        DependencyUnavailable: Postgres does not answer.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", ExperimentalWarning)
    with errors():
        return optuna.create_study(
            storage=storage(settings),
            study_name=name_of(settings),
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=0),
        )


def work(
    study: Study,
    lock: Lock,
    objective: Callable[[Trial], float],
    trials: int,
    done: Callable[[FrozenTrial], None],
    seed: int = 0,
) -> int:
    """Takes trials from a study until it has enough, and returns how many were taken.

    A trial that its worker has lost does not count: the next one tries the same again. One that fails ends
    the work: it would fail again. Until eight trials have ended, what is tried follows from the seed alone,
    whichever worker tries it and however often one is killed; later also from what the others found by then.

    Args:
        study: this run's.
        lock: of this study.
        objective: what a trial is worth; may raise `optuna.TrialPruned`.
        trials: of all workers together.
        done: called with each trial that ended.
        seed: of the search.
    """
    taken = 0
    while True:
        with lock.held():
            optuna.storages.fail_stale_trials(study)
            others = study.get_trials(deepcopy=False, states=_TAKEN)
            if len(others) >= trials:
                return taken
            draw = min(set(range(trials)) - {other.user_attrs.get(_DRAW) for other in others})

            def begun(trial: Trial, draw: int = draw) -> float:
                trial.set_user_attr(_DRAW, draw)
                # From here on the trial stands in the study as running: another worker may count.
                lock.release()
                return objective(trial)

            study.sampler = _sampler(seed, draw)
            study.optimize(begun, n_trials=1, callbacks=[lambda _, trial: done(trial)])
            taken += 1


def _sampler(seed: int, draw: int) -> optuna.samplers.BaseSampler:
    """Returns what draws the parameters of one trial."""
    (own,) = np.random.SeedSequence([seed, draw]).generate_state(1)
    # Several search at once: each keeps away from what the others are trying.
    return optuna.samplers.TPESampler(seed=int(own), n_startup_trials=8, constant_liar=True)
