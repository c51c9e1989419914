"""The forest pipelines from the DAG files, with real services, and no cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
from botocore.exceptions import ClientError

from quintet.local import served
from quintet.local.processes import wait_until
from quintet.pipelines import pipelines
from quintet.progress import UserError
from stepkit.s3 import split
from stepkit.settings import Run
from tests.local.conftest import CAPTURE, SMALL, TRAINING, Local
from tests.secret_values import found_in
from tests.table_hash import tables

SAMPLES = "forest.forest_cover_samples"


def result_of(tasks: list[Any], task_id: str) -> Any:
    return next(task["result"] for task in tasks if task["task_id"] == task_id)


def evidence(platform: Local, task: dict[str, Any], number: int) -> Path:
    runs = platform.platform.state.runs / task["dag_id"]
    (found,) = runs.glob(f"*/{task['task_id']}/try-{number}")
    return found


def test_a_capture_is_loaded_and_exported(captured: list[Any]) -> None:
    assert [task["state"] for task in captured] == ["success"] * 3
    loaded = result_of(captured, "load")
    assert loaded["rows_new"] == loaded["rows_read"] == result_of(captured, "export")["rows"] == 5810


def test_the_same_date_is_the_same_run_and_leaves_the_same(platform: Local, captured: list[Any]) -> None:
    run_id, before = captured[0]["dag_run_id"], tables(platform.database)
    again = platform.run(CAPTURE, date=datetime.fromisoformat(run_id.removeprefix("manual__")))
    assert {task["dag_run_id"] for task in again} == {run_id}
    assert {task["state"] for task in again} == {"success"}
    assert result_of(again, "load") == result_of(captured, "load")
    assert tables(platform.database) == before


def test_training_ends_with_a_champion_that_is_served(platform: Local, trained: list[Any]) -> None:
    assert {task["state"] for task in trained} == {"success"}
    assert sorted(task["rendered_map_index"] for task in trained if task["map_index"] >= 0) == [
        "logistic_regression",
        "random_forest",
        "svc",
    ]
    promoted = result_of(trained, "promote")
    assert (promoted["verdict"], promoted["version"]) == ("promoted", 1)
    serving = served.await_champion(platform.platform, "inference-forest")
    digests = {task["result"]["bundle_digest"] for task in trained if task["map_index"] >= 0}
    assert serving["digest"] in digests
    example = json.loads(pipelines()["forest"].example.read_text())
    (prediction,) = served.predict(platform.platform, "inference-forest", example)["predictions"]
    assert prediction["class_name"] in {label["name"] for label in serving["classes"]}


def test_parameters_reach_the_steps(platform: Local, trained: list[Any]) -> None:
    preprocess = next(task for task in trained if task["task_id"] == "preprocess_forest_data")
    argv = json.loads((evidence(platform, preprocess, 1) / "command.json").read_text())["argv"]
    (given,) = [option for option in argv if option.startswith("--training-parameters=")]
    decisive = json.loads(given.partition("=")[2])
    expected = {"seed": "42", "n_estimators": "5", "svc_max_rows": "500", "min_metric": "0.1"}
    assert expected.items() <= decisive.items()
    assert re.fullmatch("[0-9a-f]{12}", decisive["code"])


def test_the_same_rows_are_not_trained_on_again(platform: Local, trained: list[Any]) -> None:
    tasks = platform.run(TRAINING, SMALL)
    assert {task["state"] for task in tasks} == {"skipped"}


@pytest.mark.parametrize(
    ("dag", "params", "sentence"),
    [
        ("no_such_dag", {}, "There is no DAG no_such_dag; .*forest_cover_data_extraction"),
        (TRAINING, {"trees": 5}, "has no parameter trees; it takes .*min_captures"),
        (TRAINING, {"n_estimators": "many"}, "refuses n_estimators='many'"),
    ],
)
def test_a_run_that_cannot_be_is_refused(
    platform: Local, dag: str, params: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        platform.run(dag, params)


def test_a_try_leaves_what_was_run_and_how_it_ended(platform: Local, captured: list[Any]) -> None:
    folder = evidence(platform, captured[0], 1)
    command = json.loads((folder / "command.json").read_text())
    assert command["argv"][1:3] == ["-m", "forest.extract"]
    assert command["env"]["RUN_ID"] == captured[0]["dag_run_id"]
    end = json.loads((folder / "end.json").read_text())
    assert (end["exit_code"], end["signal"]) == (0, None)
    assert datetime.fromisoformat(end["started"]) < datetime.fromisoformat(end["ended"])
    assert json.loads((folder / "result.json").read_text()) == captured[0]["result"]
    assert all(json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines())
    assert not (folder / "tmp").exists()


def test_no_evidence_holds_a_secret(platform: Local, trained: list[Any]) -> None:
    secrets = {
        value
        for keys in platform.platform.credentials.values()
        for key, value in keys.items()
        if key not in ("username", "access-key")
    }
    texts = [path.read_text() for path in platform.platform.state.runs.rglob("*.json*")]
    assert len(texts) > 20
    assert not [secret for secret in secrets for text in texts if secret in text]


def test_nothing_that_the_platform_wrote_holds_a_secret_but_the_files_that_are_for_them(
    platform: Local, captured: list[Any]
) -> None:
    here, state = platform.platform, platform.platform.state
    secrets = {
        value
        for keys in here.credentials.values()
        for key, value in keys.items()
        if key not in ("username", "access-key")
    }
    with pytest.raises(UserError, match="has no parameter"):
        platform.run(CAPTURE, {"password": "none"})
    for_secrets = {state.folder / name for name in ("credentials.json", "pods.json")}
    data = [state.folder / name for name in ("postgres", "s3")]
    written = {
        str(path.relative_to(state.folder)): path.read_bytes().decode("utf-8", "replace")
        for path in state.folder.rglob("*")
        if path.is_file() and path not in for_secrets and not any(path.is_relative_to(each) for each in data)
    }
    assert {"logs/postgres.log", "logs/s3.log", "logs/mlflow.log"} <= written.keys()
    started = [each.process for each in state.running().values() if each.process]
    commands = [" ".join(process.cmdline()) for process in started]
    assert len(commands) > 3
    written["commands"] = "\n".join(commands)
    with psycopg2.connect(here.database_url("airflow", "airflow")) as connection, connection.cursor() as rows:
        for table in ("xcom", "task_instance", "dag_run", "log"):
            rows.execute(f"SELECT t::text FROM {table} t")
            written[table] = "\n".join(text for (text,) in rows.fetchall())
    connection.close()
    assert "raw_uri" in written["xcom"]
    assert {name: held for name, text in written.items() if (held := found_in(text, secrets))} == {}


def test_a_pipeline_reaches_its_own_objects_and_serving_only_reads(
    platform: Local, captured: list[Any]
) -> None:
    bucket, key = split(result_of(captured, "extract")["raw_uri"])
    assert platform.s3_of("forest").get_object(Bucket=bucket, Key=key)["ContentLength"] > 0
    for user in ("bitcoin", "serving"):
        with pytest.raises(ClientError, match="AccessDenied"):
            platform.s3_of(user).get_object(Bucket=bucket, Key=key)
    with pytest.raises(ClientError, match="AccessDenied"):
        platform.s3_of("bitcoin").delete_object(Bucket=bucket, Key=key)
    stored = {"Bucket": bucket, "Key": "bitcoin/latest/a.json"}
    platform.s3_of("bitcoin").put_object(**stored, Body=b"1")
    assert platform.s3_of("serving").get_object(**stored)["ContentLength"] == 1
    with pytest.raises(ClientError, match="AccessDenied"):
        platform.s3_of("serving").put_object(**stored, Body=b"")


def test_a_step_that_is_killed_is_tried_again_and_leaves_the_same(
    platform: Local, captured: list[Any]
) -> None:
    date = datetime.now(UTC)
    killed = threading.Thread(target=kill_once, args=("forest.load",))
    killed.start()
    tasks = platform.run(CAPTURE, date=date)
    killed.join()
    load = next(task for task in tasks if task["task_id"] == "load")
    assert (load["state"], load["try_number"]) == ("success", 2)
    run = platform.platform.state.runs / CAPTURE / Run(run_id=load["dag_run_id"]).key
    end = json.loads((run / "load/try-1/end.json").read_text())
    assert (end["exit_code"], end["signal"]) == (137, "SIGKILL")
    assert load["result"]["rows_read"] == load["result"]["rows_new"] == 5810


def kill_once(module: str) -> None:
    """Kills the first process that runs a step."""

    def killed() -> bool:
        for process in psutil.Process(os.getpid()).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if module in process.cmdline():
                    process.send_signal(signal.SIGKILL)
                    return True
        return False

    assert wait_until(killed, 60, pause=0.01)
