"""The record of promotions in a real Postgres: what is written and read of each, and who holds the lock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

from stepkit import postgres
from stepkit.errors import POSTGRES, Code, DependencyUnavailable, InvalidInput, NothingToDo
from stepkit.promotion.comparison import Comparison
from stepkit.promotion.decisions import (
    Decision,
    Decisions,
    LockLost,
    Model,
    Recorded,
    exclusive,
    parameters_hash,
    refuse_repetition,
)
from stepkit.settings import Run, Settings
from tests.roles import as_promotion

OLD = Model("svc", "run of old", "digest of old", "rows of old")
NEW = Model("forest", "run of new", "digest of new", "rows of new")
PROMOTED = Decision(
    outcome="promoted",
    reason="it gains",
    challenger=NEW,
    champion=OLD,
    metrics={"challenger": {"accuracy": 0.9}},
    comparison=Comparison(0.1, 0.05, 0.2),
    parameters_sha256="parameters",
    snapshot_uri="s3://b/s.parquet",
)
Query = Callable[[str], list[Any]]


@pytest.fixture
def settings(forest_database: str) -> Settings:
    """Those of the step that promotes."""
    url = as_promotion(forest_database)
    return Settings(run=Run("training", "run 1"), database_url=url, model_name="toy")


@pytest.fixture
def query(settings: Settings) -> Query:
    def run(statement: str) -> list[Any]:
        connection = psycopg2.connect(settings.database_url)
        try:
            with connection.cursor() as rows:
                rows.execute(statement)
                return rows.fetchall()
        finally:
            connection.close()

    return run


def end_sessions(query: Query) -> None:
    """End all others of the role in its database."""
    query(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
    )


@contextmanager
def decisions(settings: Settings, **changes: Any) -> Iterator[Decisions]:
    with postgres.transaction(settings) as rows:
        yield Decisions(rows, replace(settings, **changes), "forest")


def test_a_decision_is_written_with_all_that_it_was_founded_on(settings: Settings, query: Query) -> None:
    with decisions(settings) as record:
        found = record.record(PROMOTED)
        assert found == Recorded(found.decision_id, "promoted", "it gains", NEW)
        assert query("SELECT count(*) FROM forest.promotion_decisions") == [(0,)]
    names = (
        "decision_id, model_name, dag_id, run_id, verdict, reason, challenger_algorithm,"
        " challenger_mlflow_run_id, challenger_digest, champion_mlflow_run_id, champion_digest,"
        " data_sha256, metrics, gain, gain_low, gain_high, snapshot_uri"
    )
    assert query(f"SELECT {names} FROM forest.promotion_decisions") == [
        (
            found.decision_id,
            "toy",
            "training",
            "run 1",
            "promoted",
            "it gains",
            "forest",
            "run of new",
            "digest of new",
            "run of old",
            "digest of old",
            "rows of new",
            {"challenger": {"accuracy": 0.9}},
            0.1,
            0.05,
            0.2,
            "s3://b/s.parquet",
        )
    ]
    trainings = "SELECT model_name, data_sha256, parameters_sha256, dag_id, run_id FROM forest.trainings"
    assert query(trainings) == [("toy", "rows of new", "parameters", "training", "run 1")]


def test_a_decision_that_ends_no_training_records_none(settings: Settings, query: Query) -> None:
    with decisions(settings) as record:
        record.record(Decision("rolled_back", "why", OLD, None))
    assert query("SELECT count(*) FROM forest.trainings") == [(0,)]
    found = query(
        "SELECT champion_digest, gain, gain_low, gain_high, metrics FROM forest.promotion_decisions"
    )
    assert found == [(None, None, None, None, {})]


def test_a_training_that_is_recorded_stays_as_it_is(settings: Settings, query: Query) -> None:
    for run_id in ("run 1", "run 2"):
        with decisions(settings, run=Run("training", run_id)) as record:
            record.record(PROMOTED)
    assert query("SELECT run_id FROM forest.trainings") == [("run 1",)]


def test_the_champion_is_of_the_newest_decision_that_refused_nobody(settings: Settings) -> None:
    with decisions(settings) as record:
        assert record.champion() is None
    made: list[tuple[Any, Model, Model]] = [
        ("promoted", NEW, NEW),
        ("refused", OLD, NEW),
        ("rolled_back", OLD, OLD),
    ]
    for at, (outcome, challenger, champion) in enumerate(made):
        with decisions(settings, run=Run("training", f"run {at}")) as record:
            record.record(Decision(outcome, "why", challenger, None))
            assert record.champion() == champion
    with decisions(settings, model_name="another") as record:
        assert record.champion() is None


def test_a_run_finds_what_it_has_decided(settings: Settings) -> None:
    with decisions(settings) as record:
        assert record.of_this_run() is None
        written = record.record(PROMOTED)
        assert record.of_this_run() == written
    for changes in (
        {"model_name": "another"},
        {"run": Run("training", "run 2")},
        {"run": Run("another", "run 1")},
    ):
        with decisions(settings, **changes) as record:
            assert record.of_this_run() is None


def test_a_decision_needs_a_run(settings: Settings) -> None:
    with pytest.raises(InvalidInput, match="--run-id"), decisions(settings, run=Run("training")):
        pass


def test_one_promotion_at_a_time_decides(settings: Settings, query: Query) -> None:
    free = "SELECT count(*) FROM (SELECT FROM forest.promotion_lock FOR UPDATE SKIP LOCKED) AS free"
    with exclusive(settings, "forest") as record:
        record.record(PROMOTED)
        record.confirm_lock()
        assert query(free) == [(0,)]
    assert query(free) == [(1,)]
    assert query("SELECT verdict FROM forest.promotion_decisions") == [("promoted",)]


def test_a_promotion_whose_session_ends_has_decided_nothing(settings: Settings, query: Query) -> None:
    def decide_and_lose_the_session() -> None:
        with exclusive(settings, "forest") as record:
            record.record(PROMOTED)
            end_sessions(query)

    with pytest.raises(DependencyUnavailable):
        decide_and_lose_the_session()
    # Whoever waited has the lock by then, and decides on what the record says.
    with exclusive(settings, "forest") as record:
        assert record.champion() is None
        assert record.of_this_run() is None


def test_a_step_that_may_promote_nothing_is_told_so(settings: Settings, forest_database: str) -> None:
    of_a_step = replace(settings, database_url=forest_database)
    with pytest.raises(DependencyUnavailable) as refused, exclusive(of_a_step, "forest"):
        pass
    assert (refused.value.code, refused.value.service) == (Code.ACCESS_REFUSED, POSTGRES)
    assert "(permission denied for table promotion_lock)" in str(refused.value)


def test_a_session_that_has_ended_has_lost_the_lock(settings: Settings, query: Query) -> None:
    def end_the_session() -> None:
        with exclusive(settings, "forest") as record:
            end_sessions(query)
            record.confirm_lock()

    with pytest.raises(LockLost) as lost:
        end_the_session()
    assert (lost.value.code, lost.value.service) == (Code.SERVICE_DOWN, POSTGRES)
    assert str(lost.value).startswith("Postgres ended the session that holds the promotion's lock: ")
    assert "\n" not in str(lost.value)


def test_a_training_is_not_repeated_by_another_run(settings: Settings, forest_database: str) -> None:
    with decisions(settings) as record:
        record.record(PROMOTED)
    settings = replace(settings, database_url=forest_database)
    given = ("forest", "rows of new", "parameters", "the table")
    refuse_repetition(settings, *given)
    refuse_repetition(replace(settings, model_name="another", run=Run("training", "run 2")), *given)
    for other in (("forest", "other rows", "parameters"), ("forest", "rows of new", "others")):
        refuse_repetition(replace(settings, run=Run("training", "run 2")), *other, "the table")
    for run in (Run("training", "run 2"), Run("another", "run 1")):
        with pytest.raises(NothingToDo) as nothing:
            refuse_repetition(replace(settings, run=run), *given)
        assert str(nothing.value) == (
            "run run 1 has trained on these rows of the table with these parameters"
        )


def test_parameters_have_one_hash_in_any_order() -> None:
    found = parameters_hash({"a": 1, "b": [2]})
    assert found == parameters_hash({"b": [2], "a": 1})
    assert found == hashlib.sha256(b'{"a": 1, "b": [2]}').hexdigest()
