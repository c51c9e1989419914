"""What a step of a pipeline tries at the record that says who is champion: only promotion may write it."""

from __future__ import annotations

import psycopg2
import pytest

from stepkit import postgres
from stepkit.promotion.decisions import Decision, Decisions, Model
from stepkit.settings import Run, Settings
from tests.conftest import as_promotion

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
