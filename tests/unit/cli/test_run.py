"""`quintet run` against a server that speaks the part of Airflow's REST API that it uses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from quintet.airflow_api import AirflowApi
from quintet.progress import UserError
from quintet.run import follow

RUN = "/api/v2/dags/forest/dagRuns/manual-1"


def task(task_id: str, state: str, map_index: int = -1, **more: Any) -> dict[str, Any]:
    times = {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-01-01T00:00:02.500Z"}
    identity = {"dag_id": "forest", "dag_run_id": "manual-1", "task_id": task_id, "map_index": map_index}
    return {**identity, **times, "state": state, "try_number": 1, "rendered_map_index": None, **more}


@pytest.fixture
def answers() -> dict[str, Any]:
    """What the server says to each path; a list is said item by item, the last one again and again."""
    return {
        "/auth/token": {"access_token": "t"},
        "/api/v2/dags/forest/details": {"params": {"seed": 1}},
        "/api/v2/dags/forest/dagRuns": {"dag_run_id": "manual-1"},
    }


@pytest.fixture
def airflow(answers: dict[str, Any]) -> Iterator[AirflowApi]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.partition("?")[0]
            answer = answers.get(path)
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            body = json.dumps(answer or {"detail": "not here"}).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            """Keep the test's output to the command's own."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield AirflowApi(f"http://127.0.0.1:{server.server_port}", "admin", "secret")
        server.shutdown()
        thread.join()


def test_each_task_is_shown_once_with_its_seconds_and_result(
    airflow: AirflowApi, answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    running, done = task("extract", "running"), task("extract", "success")
    mapped = task("train", "success", 0, rendered_map_index="svc")
    answers[RUN] = [{"state": "running"}, {"state": "running"}, {"state": "success"}]
    answers[f"{RUN}/taskInstances"] = [
        {"task_instances": [running]},
        {"task_instances": [done]},
        {"task_instances": [done, mapped]},
    ]
    answers[f"{RUN}/taskInstances/extract/xcomEntries/return_value"] = {"value": {"rows": 3}}

    follow(airflow, "forest", airflow.trigger("forest", {"seed": 7}))

    assert capsys.readouterr().out.splitlines() == [
        "▸ forest manual-1",
        '  ✓ extract success 2.5 s  {"rows": 3}',
        "  ✓ train[svc] success 2.5 s",
    ]


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            [
                {"event": "starts"},
                {"event": "failed", "error_detail": [{"exc_value": "row 3 has 12 fields"}]},
            ],
            "row 3 has 12 fields",
        ),
        ([{"event": "first"}, {"event": "last"}], "first\nlast"),
    ],
)
def test_a_failed_run_ends_with_the_reason_of_its_task(
    airflow: AirflowApi, answers: dict[str, Any], log: list[dict[str, Any]], reason: str
) -> None:
    answers[RUN] = {"state": "failed"}
    answers[f"{RUN}/taskInstances"] = {
        "task_instances": [task("load", "failed"), task("export", "upstream_failed")]
    }
    answers[f"{RUN}/taskInstances/load/logs/1"] = {"content": log}
    with pytest.raises(UserError, match=r"^forest manual-1: load failed: ") as failure:
        follow(airflow, "forest", "manual-1")
    assert str(failure.value).endswith(reason)


def test_a_skipped_task_says_why(
    airflow: AirflowApi, answers: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers[RUN] = {"state": "success"}
    answers[f"{RUN}/taskInstances"] = {"task_instances": [task("load", "skipped")]}
    answers[f"{RUN}/taskInstances/load/logs/1"] = {
        "content": [{"event": "Skipping", "reason": "no new rows"}]
    }
    follow(airflow, "forest", "manual-1")
    assert "- load skipped 2.5 s  no new rows" in capsys.readouterr().out


def test_a_parameter_that_the_dag_lacks_is_refused_by_name(airflow: AirflowApi) -> None:
    with pytest.raises(UserError, match="forest has no parameter sead; it takes seed"):
        airflow.trigger("forest", {"sead": 7})


def test_a_dag_that_is_not_there_is_named(airflow: AirflowApi) -> None:
    with pytest.raises(UserError, match="nothing at /api/v2/dags/forst/details: not here"):
        airflow.trigger("forst", {})
