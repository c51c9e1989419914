"""The tables that the owner makes for Optuna are those that Optuna would make."""

from __future__ import annotations

from typing import Any

import optuna
import psycopg2
import pytest
import sqlalchemy
from optuna.storages._rdb import models

from bitcoin.study import SCHEMA, opened, storage, trial_lock
from stepkit.errors import InvalidInput
from stepkit.settings import Run, Settings
from tests.pooler import pooler
from tests.services import PostgresServer

COLUMNS = """
    SELECT table_name, column_name, data_type, udt_name, character_maximum_length, is_nullable,
        column_default IS NOT NULL
    FROM information_schema.columns WHERE table_schema = %s ORDER BY table_name, ordinal_position
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, contype, pg_get_constraintdef(pg_constraint.oid)
    FROM pg_constraint JOIN pg_namespace ON pg_namespace.oid = connamespace
    WHERE nspname = %s AND contype <> 'n' ORDER BY 1, 2, 3
"""
INDEXES = (
    "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = %s AND indexname LIKE 'ix%%' ORDER BY 1"
)
ENUMS = """
    SELECT typname, array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum
    JOIN pg_type ON pg_type.oid = enumtypid JOIN pg_namespace ON pg_namespace.oid = typnamespace
    WHERE nspname = %s GROUP BY typname ORDER BY typname
"""


def described(url: str, schema: str) -> list[list[Any]]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET search_path = {schema}")
            found = []
            for query in (COLUMNS, CONSTRAINTS, INDEXES, ENUMS, "SELECT * FROM version_info", None):
                cursor.execute(query or "SELECT * FROM alembic_version", [schema])
                rows = [[str(value).replace(f"{schema}.", "") for value in row] for row in cursor.fetchall()]
                found.append(rows)
            return found
    finally:
        connection.close()


def test_they_are_the_same(postgres_server: PostgresServer, bitcoin_database: str) -> None:
    theirs = postgres_server.url(postgres_server.create_database())
    optuna.storages.RDBStorage(theirs.replace("postgresql://", "postgresql+psycopg2://"))
    columns, *others = described(theirs, "public")
    assert len({row[0] for row in columns}) == len(models.BaseModel.metadata.tables) + 1
    assert described(bitcoin_database, SCHEMA) == [columns, *others]


def test_tables_of_another_optuna_are_refused(postgres_server: PostgresServer, bitcoin_database: str) -> None:
    name = bitcoin_database.rpartition("/")[2]
    postgres_server.execute("UPDATE bitcoin_optuna.alembic_version SET version_num = 'v2.6.0.a'", name)
    with pytest.raises(InvalidInput, match="are not those of Optuna"):
        storage(Settings(database_url=bitcoin_database))


def test_the_role_needs_no_right_to_create(bitcoin_database: str) -> None:
    study = opened(Settings(run=Run(dag_id="d", run_id="r"), database_url=bitcoin_database))
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert len(study.trials) == 2
    engine = sqlalchemy.create_engine(bitcoin_database.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.connect() as connection, pytest.raises(sqlalchemy.exc.ProgrammingError):
        connection.execute(sqlalchemy.text("CREATE TABLE bitcoin_optuna.mine ()"))
    engine.dispose()


def test_a_url_is_read_as_postgres_reads_it(bitcoin_database: str) -> None:
    scheme, _, rest = bitcoin_database.partition("://")
    login, _, place = rest.partition("@")
    run = Run(dag_id="d", run_id="r")
    for url in (f"postgres://{rest}", f"{scheme}://{login.partition(':')[0]}:{{}}@127.0.0.1:1,{place}"):
        assert opened(Settings(run=run, database_url=url)).study_name == "d/r"


def test_a_study_works_through_a_pooler_that_takes_no_options(bitcoin_database: str) -> None:
    with pooler(bitcoin_database) as url:
        settings = Settings(run=Run(dag_id="d", run_id="r"), database_url=url)
        with trial_lock(settings) as lock, lock.held():
            assert opened(settings).study_name == "d/r"


def test_a_study_without_a_url_is_refused() -> None:
    with pytest.raises(InvalidInput, match="DATABASE_URL is not set"):
        storage(Settings())
