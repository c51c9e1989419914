"""Which rows of Airflow's database go by the chart's command, and which stay: its own schema, in Postgres."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest

from quintet.local.platform import for_sqlalchemy, python
from tests.charts.render import named, render
from tests.charts.test_retention import called
from tests.services import PostgresServer

ENDED = "ended with"
COMMANDS = f"""
import gc, json, sys, traceback
gc.disable()
from airflow.__main__ import main
for line in sys.stdin:
    sys.argv, code = json.loads(line), 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    except Exception:
        traceback.print_exc(file=sys.stdout)
        code = 1
    print("\\n{ENDED}", code, flush=True)
"""
"""Airflow's command line, which takes seconds to import, for one command after another."""
Rows = dict[str, list[str]]
"""The rows of each table, as JSON, in order."""


class Airflow:
    """A database of Airflow's, with rows of a given age, and Airflow's command line on it."""

    def __init__(self, url: str, commands: subprocess.Popen[str]) -> None:
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True
        self.commands = commands
        self.made: Rows = {}

    def run(self, *words: str) -> tuple[int, str]:
        """What a command ends with, and what it prints."""
        assert self.commands.stdin
        assert self.commands.stdout
        self.commands.stdin.write(json.dumps(["airflow", *words]) + "\n")
        self.commands.stdin.flush()
        printed = []
        for line in self.commands.stdout:
            if line.startswith(ENDED):
                return int(line.removeprefix(ENDED)), "".join(printed)
            printed.append(line)
        raise AssertionError(f"Airflow ended: {''.join(printed)[-2000:]}")

    def rows(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
        cursor = self.connection.cursor()
        cursor.execute(statement, values)
        return [row[0] for row in cursor.fetchall()] if cursor.description else []

    def add(self, table: str, **values: Any) -> None:
        names, places = ", ".join(f'"{name}"' for name in values), ", ".join(["%s"] * len(values))
        insert = f'INSERT INTO "{table}" AS t ({names}) VALUES ({places}) RETURNING to_jsonb(t)::text'
        self.made[table] = self.made.get(table, []) + self.rows(insert, tuple(values.values()))

    def take_made(self) -> Rows:
        """The rows added since the last time."""
        made, self.made = self.made, {}
        return made

    def those_there(self, rows: Rows) -> Rows:
        """Which of these rows are in the database as they were."""
        there = {table: set(self.rows(f'SELECT to_jsonb(t)::text FROM "{table}" AS t')) for table in rows}
        found = {table: [row for row in given if row in there[table]] for table, given in rows.items()}
        return {table: left for table, left in found.items() if left}

    def archives(self) -> list[Any]:
        """The tables that rows are moved to before they go."""
        return self.rows("SELECT tablename FROM pg_tables WHERE starts_with(tablename, '_airflow_deleted__')")

    def add_dag(self, dag: str, parsed: datetime, *versions: datetime) -> list[str]:
        """A DAG and its versions, whose ids are returned."""
        one = {"timetable_type": "cron", "partition_mapper_info": "{}", "max_active_tasks": 16}
        flags = dict.fromkeys(["is_paused", "is_stale", "has_task_concurrency_limits"], False)
        self.add(
            "dag",
            dag_id=dag,
            last_parsed_time=parsed,
            bundle_name="dags",
            max_consecutive_failed_dag_runs=0,
            **one,
            **flags,
        )
        return [self.add_version(dag, number, created) for number, created in enumerate(versions)]

    def add_version(self, dag: str, number: int, created: datetime) -> str:
        version, times = str(uuid4()), {"created_at": created, "last_updated": created}
        of_the_version = {"id": str(uuid4()), "dag_id": dag, "dag_version_id": version, **times}
        self.add("dag_version", id=version, version_number=number, dag_id=dag, **times)
        self.add("serialized_dag", dag_hash="", **of_the_version)
        self.add("dag_code", fileloc=f"{dag}{number}", source_code="", source_code_hash="", **of_the_version)
        return version

    def add_run(self, dag: str, run_type: str, start: datetime, version: str) -> None:
        """A run of one task, with what Airflow writes of both."""
        run = f"{run_type}__{start.isoformat()}"
        kind = {"run_type": run_type, "state": "success", "created_dag_version_id": version}
        self.add("dag_run", dag_id=dag, run_id=run, run_after=start, start_date=start, **kind)
        (number,) = self.rows("SELECT id FROM dag_run WHERE dag_id = %s AND run_id = %s", (dag, run))
        attempt, place = str(uuid4()), {"dag_id": dag, "task_id": "step", "run_id": run}
        tried = {"try_number": 1, "pool": "steps", "pool_slots": 1, "start_date": start}
        self.add("task_instance", id=attempt, dag_version_id=version, **place, **tried)
        self.add("task_instance_history", task_instance_id=str(uuid4()), **place, **tried)
        self.add("rendered_task_instance_fields", rendered_fields="{}", **place)
        self.add("xcom", dag_run_id=number, key="return_value", value="{}", timestamp=start, **place)
        self.add("task_state_store", dag_run_id=number, key="pod", value="{}", updated_at=start, **place)
        self.add("dag_run_note", dag_run_id=number, content="", created_at=start, updated_at=start)
        wait = {"start_date": start, "end_date": start, "reschedule_date": start, "duration": 0}
        self.add("task_reschedule", ti_id=attempt, **wait)
        self.add_callback("success", start)
        (callback,) = self.rows("SELECT id FROM callback ORDER BY created_at = %s DESC LIMIT 1", (start,))
        times = {"created_at": start, "last_updated_at": start, "deadline_time": start}
        self.add("deadline", id=str(uuid4()), dagrun_id=number, callback_id=callback, missed=True, **times)

    def add_callback(self, state: str, created: datetime) -> None:
        call = {"type": "executor", "fetch_method": "import_path", "data": "{}", "priority_weight": 1}
        self.add("callback", id=str(uuid4()), state=state, created_at=created, **call)

    def add_events(self, when: datetime) -> None:
        """What Airflow writes beside runs."""
        self.add("log", event="success", dttm=when)
        self.add("job", job_type="SchedulerJob", state="success", latest_heartbeat=when)
        self.add("import_error", filename=f"of-{when:%Y%m%d}.py", timestamp=when)
        self.add("trigger", classpath="step_trigger", kwargs="{}", created_date=when)
        self.add("asset_event", asset_id=1, extra="{}", timestamp=when)
        self.add("revoked_token", jti=uuid4().hex, exp=when)
        self.add_callback("failed", when)


@pytest.fixture(scope="module")
def commands(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    url = postgres_server.url(postgres_server.create_database())
    variables = {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": for_sqlalchemy(url),
    }
    with subprocess.Popen(
        [python("airflow"), "-c", COMMANDS],
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        airflow = Airflow(url, process)
        code, printed = airflow.run("db", "migrate")
        assert code == 0, printed
        yield airflow
        airflow.connection.close()
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def airflow(commands: Airflow) -> Airflow:
    commands.rows(
        "TRUNCATE dag_bundle, dag_run, log, job, import_error, trigger, asset_event, callback CASCADE"
    )
    commands.add("dag_bundle", name="dags")
    commands.take_made()
    return commands


def clean(airflow: Airflow, folder: Path, **environment: str) -> tuple[int, str]:
    """What the CronJob's container would end with and print."""
    folder.mkdir()
    told = ""
    for program, *words in called(
        named(render("airflow"), "CronJob", "airflow-retention"), folder, **environment
    ):
        if program == "python":  # what it deletes from S3 is another test's
            continue
        code, printed = airflow.run(*words)
        told += printed
        if code:
            return code, told
    return 0, told


def test_what_is_older_than_the_value_goes_and_nothing_else(airflow: Airflow, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    young, old, older = (now - timedelta(days=days) for days in (89, 91, 92))
    airflow.add_dag("gone", old, older)
    first, last = airflow.add_dag("daily", now, older, old)
    airflow.take_made()
    airflow.add_run("daily", "scheduled", young, last)
    airflow.add_events(young)
    airflow.add_callback("running", old)
    stays = airflow.take_made()
    airflow.add_run("daily", "scheduled", old, first)
    airflow.add_run("daily", "manual", older, first)
    airflow.add_events(old)
    goes = airflow.take_made()
    airflow.rows("CREATE TABLE _airflow_deleted__log__20260101000000 AS TABLE log")

    code, printed = clean(airflow, tmp_path / "dry", DRY_RUN="true")
    assert code == 0, printed
    assert "Performing dry run for table task_instance\nChecking table task_instance\nFound 2 rows" in printed
    assert airflow.those_there(stays) == stays
    assert airflow.those_there(goes) == goes
    assert airflow.archives() == ["_airflow_deleted__log__20260101000000"]

    code, printed = clean(airflow, tmp_path / "clean")
    assert code == 0, printed
    assert airflow.those_there(stays) == stays
    assert airflow.those_there(goes) == {}
    assert airflow.archives() == []
    for table in ("dag", "serialized_dag", "dag_code"):
        assert airflow.rows(f"SELECT DISTINCT dag_id FROM {table}") == ["daily"]
    assert airflow.rows("SELECT id::text FROM dag_version") == [last]


def test_the_last_run_that_nobody_started_by_hand_stays_without_its_tasks(
    airflow: Airflow, tmp_path: Path
) -> None:
    before, old, older = (datetime.now(UTC) - timedelta(days=days) for days in (100, 91, 92))
    (version,) = airflow.add_dag("yearly", datetime.now(UTC), before)
    airflow.add_run("yearly", "scheduled", older, version)
    airflow.add_run("yearly", "manual", old, version)
    code, printed = clean(airflow, tmp_path / "clean")
    assert code == 0, printed
    assert airflow.rows("SELECT run_type FROM dag_run") == ["scheduled"]
    assert airflow.rows("SELECT task_id FROM task_instance") == []


def test_a_table_that_cannot_be_cleaned_fails_the_job_and_keeps_no_other_from_it(
    airflow: Airflow, tmp_path: Path
) -> None:
    airflow.add_events(datetime.now(UTC) - timedelta(days=91))
    goes = airflow.take_made()
    of_the_table = {"import_error": goes.pop("import_error")}
    airflow.rows("ALTER TABLE import_error RENAME COLUMN timestamp TO moment")
    try:
        code, printed = clean(airflow, tmp_path / "clean")
    finally:
        airflow.rows("ALTER TABLE import_error RENAME COLUMN moment TO timestamp")
    assert code == 1
    assert "did not clean them: ['import_error']" in printed
    assert airflow.those_there(of_the_table) == of_the_table
    assert airflow.those_there(goes) == {}
