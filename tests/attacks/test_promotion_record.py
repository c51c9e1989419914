"""What a step of a pipeline tries at the record that says who is champion: only promotion may write it."""

from __future__ import annotations

from dataclasses import replace

import psycopg2
import pytest

from stepkit import postgres
from stepkit.promotion.decisions import Decision, Decisions, Model, exclusive
from stepkit.settings import Run, Settings
from tests.roles import as_promotion

FORGED = Decision("promoted", "I say so", Model("svc", "run", "digest", "rows"), None, parameters_sha256="p")


def settings(url: str) -> Settings:
    return Settings(run=Run("training", "run 1"), database_url=url, model_name="forest")


def test_a_step_makes_nobody_champion(forest_database: str) -> None:
    with (
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
        postgres.transaction(settings(forest_database)) as rows,
    ):
        Decisions(rows, settings(forest_database), "forest").record(FORGED)
    with postgres.transaction(settings(as_promotion(forest_database))) as rows:
        record = Decisions(rows, settings(forest_database), "forest")
        assert record.champion() is None
        record.record(FORGED)
        assert record.champion() == FORGED.challenger


def test_a_step_lets_no_training_be_skipped(forest_database: str) -> None:
    statement = (
        "INSERT INTO forest.trainings (model_name, data_sha256, parameters_sha256, dag_id, run_id)"
        " VALUES ('forest', 'd', 'p', 'training', 'run 1')"
    )
    with (
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
        postgres.transaction(settings(forest_database)) as rows,
    ):
        rows.execute(statement)


def test_promotion_reads_and_writes_nothing_but_the_record(forest_database: str) -> None:
    for statement in (
        "SELECT count(*) FROM forest.forest_cover_samples",
        "CREATE TABLE forest.own (x int)",
        "UPDATE forest.promotion_decisions SET reason = 'another'",
    ):
        with (
            pytest.raises(psycopg2.errors.InsufficientPrivilege),
            postgres.transaction(settings(as_promotion(forest_database))) as rows,
        ):
            rows.execute(statement)


def test_no_step_keeps_a_promotion_waiting_or_ends_it(forest_database: str) -> None:
    promoting = replace(settings(as_promotion(forest_database)), run=Run("training", "promotion"))
    attack = psycopg2.connect(forest_database)
    rows = attack.cursor()
    # What the lock was once, and what of it now a step might take.
    rows.execute("SELECT pg_advisory_lock(hashtext('promotion of forest'))")
    rows.execute("SELECT FROM forest.promotion_decisions")
    attack.commit()
    for statement in (
        "SELECT FROM forest.promotion_lock FOR UPDATE",
        "SELECT FROM forest.promotion_lock FOR SHARE",
        "LOCK TABLE forest.promotion_lock IN ACCESS SHARE MODE",
        "LOCK TABLE forest.promotion_decisions IN SHARE MODE",
        "SELECT FROM forest.promotion_decisions FOR SHARE",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            rows.execute(statement)
        attack.rollback()
    rows.execute("LOCK TABLE forest.promotion_decisions IN ACCESS SHARE MODE")
    rows.execute("SELECT FROM forest.promotion_decisions")
    try:
        with exclusive(promoting, "forest") as record:
            record.record(FORGED)
            session = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                rows.execute(session, ["step promotion"])
            record.confirm_lock()
    finally:
        attack.close()
    with exclusive(promoting, "forest") as record:
        assert record.champion() == FORGED.challenger
