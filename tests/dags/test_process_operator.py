"""A step that is a process: what its end means in Airflow, what it leaves, and that nothing of it stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
from pods import step
from process_operator import ProcessStepOperator

RUN_ID = "manual__2026-01-01T00:00:00+00:00"
Run = Callable[..., dict[str, Any]]

STEP = """
import json, os, pathlib, signal, subprocess, sys, time

def say(text):
    pathlib.Path(os.environ["RESULT_PATH"]).write_text(text)

way, _, value = sys.argv[1].removeprefix("--way=").partition(":")
print("at work", flush=True)
pathlib.Path(os.environ["TMPDIR"], "left").touch()
if way == "exit":
    code, _, text = value.partition(":")
    say(text)
    sys.exit(int(code))
if way == "kill":
    os.kill(os.getpid(), int(value or signal.SIGKILL))
if way == "wait":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path(value).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)
say(json.dumps(dict(os.environ)))
"""


@pytest.fixture
def runs(tmp_path: Path, step_files: Path) -> Path:
    """The folder of the evidence of tries; steps are one that ends in the way that it is asked for."""
    code = tmp_path / "code" / "forest"
    code.mkdir(parents=True)
    (code / "load.py").write_text(STEP)
    described = {
        "python": sys.executable,
        "env": {"PYTHONPATH": str(code.parent), "DATA_BUCKET": "data"},
        "secret_env": {"DATABASE_URL": "postgresql://secret"},
    }
    content = {"operator": "process", "runs": str(tmp_path / "runs"), "steps": {"forest-load": described}}
    (step_files / "pods.json").write_text(json.dumps(content))
    return tmp_path / "runs"


def operator(way: str, **settings: Any) -> ProcessStepOperator:
    with DAG("processes", schedule=None):
        task = step("forest", "load", arguments={"way": way, "empty": ""}, **settings)
    assert isinstance(task, ProcessStepOperator)
    return task


@pytest.fixture
def run(runs: Path) -> Run:
    def execute(way: str, try_number: int = 1, map_index: int = -1, **settings: Any) -> dict[str, Any]:
        ti = SimpleNamespace(
            dag_id="processes", run_id=RUN_ID, task_id="load", map_index=map_index, try_number=try_number
        )
        return operator(way, **settings).execute({"ti": ti})  # type: ignore[typeddict-item]

    return execute


def folder_of(runs: Path, task: str = "load", number: int = 1) -> Path:
    return runs / "processes" / "manual__2026-01-01T00-00-00-00-00" / task / f"try-{number}"


def end_of(runs: Path, number: int = 1) -> dict[str, Any]:
    return dict(json.loads((folder_of(runs, number=number) / "end.json").read_text()))


def test_the_result_is_what_the_step_wrote(run: Run, runs: Path) -> None:
    assert run('exit:0:{"rows": 3}') == {"rows": 3}
    end = end_of(runs)
    assert (end["exit_code"], end["signal"]) == (0, None)
    assert (folder_of(runs) / "log.jsonl").read_text() == "at work\n"
    assert not (folder_of(runs) / "tmp").exists()


def test_what_a_try_leaves_is_for_nobody_else(run: Run, runs: Path) -> None:
    former = os.umask(0)
    try:
        run("exit:0:{}")
    finally:
        os.umask(former)
    left = [runs, *runs.rglob("*")]
    assert {"command.json", "end.json", "log.jsonl", "result.json"} <= {path.name for path in left}
    assert {oct(path.stat().st_mode & 0o777) for path in left if path.is_dir()} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in left if path.is_file()} == {"0o600"}


@pytest.mark.parametrize(
    ("way", "kind", "sentence"),
    [
        ('exit:99:{"message": "No new rows."}', AirflowSkipException, "No new rows"),
        ('exit:2:{"message": "Row 3 is bad."}', AirflowFailException, "exit code 2: Row 3 is bad"),
        ('exit:1:{"message": "KeyError"}', AirflowFailException, "exit code 1: KeyError"),
        ('exit:75:{"message": "S3 is down."}', AirflowException, "exit code 75: S3 is down"),
        ("exit:75:", AirflowException, "its log says more"),
        ("kill", AirflowException, "exit code 137: SIGKILL"),
        ("exit:129:", AirflowException, "exit code 129: SIGHUP"),
        ("exit:162:", AirflowException, r"exit code 162: SIGRTMIN\, its log"),
        ("exit:165:", AirflowException, r"exit code 165: SIGRTMIN\+3\, its log"),
        ("exit:193:", AirflowException, "exit code 193: it gave no reason"),
        ("exit:250:", AirflowException, "exit code 250: it gave no reason"),
        ("exit:255:", AirflowException, "exit code 255: it gave no reason"),
        ("exit:0:", AirflowFailException, "not a JSON object"),
        ("exit:0:[1]", AirflowFailException, "not a JSON object"),
    ],
)
def test_an_end_means_what_a_pods_means(
    run: Run, way: str, kind: type[AirflowException], sentence: str
) -> None:
    with pytest.raises(AirflowException, match=sentence) as raised:
        run(way)
    assert type(raised.value) is kind


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (37, "SIGRTMIN+3"), (64, "SIGRTMAX")])
def test_the_end_names_the_signal(run: Run, runs: Path, number: int, name: str) -> None:
    with pytest.raises(AirflowException, match=f"exit code {128 + number}: {name.replace('+', '.')}"):
        run(f"kill:{number}")
    assert (end_of(runs)["exit_code"], end_of(runs)["signal"]) == (128 + number, name)


def test_the_environment_is_clean_and_secrets_are_in_no_file(
    run: Run, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUP_NUMBER", "7")
    found = run("environment", environment={"OMP_NUM_THREADS": "2"})
    assert "GROUP_NUMBER" not in found
    assert (found["DATA_BUCKET"], found["DATABASE_URL"]) == ("data", "postgresql://secret")
    assert (found["OMP_NUM_THREADS"], found["PATH"]) == ("2", os.environ["PATH"])
    command = json.loads((folder_of(runs) / "command.json").read_text())
    assert command["argv"] == [sys.executable, "-m", "forest.load", "--way=environment"]
    assert command["env"]["DATA_BUCKET"] == "data"
    assert "DATABASE_URL" not in command["env"]


def test_each_try_and_each_instance_has_a_folder_of_its_own(run: Run, runs: Path) -> None:
    for map_index in (0, 1):
        run("exit:0:{}", map_index=map_index)
    run("exit:0:{}", try_number=2)
    assert folder_of(runs, "load-0").exists()
    assert folder_of(runs, "load-1").exists()
    assert folder_of(runs, number=2).exists()
    run("exit:0:{}", try_number=1)
    assert not folder_of(runs, number=2).exists()


def test_a_step_that_takes_too_long_is_stopped_with_its_children(
    run: Run, runs: Path, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(AirflowException, match=r"forest\.load was stopped: it ran for 0:00:02"):
        run(f"wait:{pids}", timeout=timedelta(seconds=2))
    assert end_of(runs)["signal"] == "SIGTERM"
    assert_gone(pids)


def test_a_killed_task_stops_its_step(run: Run, runs: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    task = operator(f"wait:{pids}")
    ti = SimpleNamespace(dag_id="processes", run_id=RUN_ID, task_id="load", map_index=-1, try_number=1)
    failures: list[BaseException] = []

    def execute() -> None:
        try:
            task.execute({"ti": ti})  # type: ignore[typeddict-item]
        except AirflowException as error:
            failures.append(error)

    thread = threading.Thread(target=execute)
    thread.start()
    deadline = time.monotonic() + 30
    while not (pids.exists() and len(pids.read_text().split()) == 2) and time.monotonic() < deadline:
        thread.join(0.05)
    task.on_kill()
    thread.join()
    assert failures
    assert_gone(pids)


def test_a_python_that_is_not_there_is_named(run: Run, step_files: Path, runs: Path) -> None:
    content = json.loads((step_files / "pods.json").read_text())
    content["steps"]["forest-load"]["python"] = "/no/python"
    (step_files / "pods.json").write_text(json.dumps(content))
    with pytest.raises(AirflowException, match=r"forest\.load cannot be started.*/no/python"):
        run("exit:0:{}")


def test_an_unknown_step_is_named(run: Run, step_files: Path, runs: Path) -> None:
    content = json.loads((step_files / "pods.json").read_text())
    content["steps"] = {"forest-extract": {}}
    (step_files / "pods.json").write_text(json.dumps(content))
    with pytest.raises(AirflowFailException, match=r"No step forest-load.*forest-extract"):
        run("exit:0:{}")


def test_what_only_a_pod_has_is_left_out(runs: Path) -> None:
    task = operator("x", inline_wait=3, retries=5)
    assert task.retries == 5
    assert not hasattr(task, "inline_wait")


def test_no_kubernetes_is_imported_for_a_process(runs: Path) -> None:
    code = (
        "import sys; import pods; from airflow.sdk import DAG\n"
        "with DAG('d', schedule=None): pods.step('forest', 'load')\n"
        "sys.exit('kubernetes' in sys.modules)"
    )
    roots = os.pathsep.join(["dags", "."])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": roots}, check=False)
    assert done.returncode == 0


def assert_gone(pids: Path) -> None:
    alive = [pid for pid in map(int, pids.read_text().split()) if psutil.pid_exists(pid)]
    _, left = psutil.wait_procs([psutil.Process(pid) for pid in alive], timeout=10)
    assert not left


def test_a_list_of_the_result_is_returned_and_the_rest_shared(runs: Path) -> None:
    shared: dict[str, Any] = {}
    ti = SimpleNamespace(
        dag_id="processes",
        run_id=RUN_ID,
        task_id="load",
        map_index=-1,
        try_number=1,
        xcom_push=shared.__setitem__,
    )
    task = operator('exit:0:{"uri": "s3://data/m", "files": [1, 2]}', returns="files")
    assert task.execute({"ti": ti}) == [1, 2]  # type: ignore[typeddict-item]
    assert shared == {"uri": "s3://data/m"}
