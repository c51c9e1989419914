"""Airflow's REST API: trigger a DAG, watch its tasks, read their results and why they failed."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import SplitResult, unquote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from quintet import loopback
from quintet.ops.kube import Kube
from quintet.progress import UserError

SECONDS = 30
"""Time-out of one request."""


PATIENCE = Retry(8, backoff_factor=0.5, status_forcelist=[500, 502, 503, 504], raise_on_status=False)
"""A question is asked again for a minute, so that a restarted pod does not end the following of a run."""


class AirflowApi:
    """A session with Airflow.

    Args:
        url: of the API server, such as ``http://localhost:8080``.
        username: who to log in as.
        password: theirs.

    Raises:
        UserError: when Airflow does not answer or refuses the login.
    """

    poll_seconds = 1.0

    def __init__(self, url: str, username: str, password: str) -> None:
        self._url = url
        self._session = loopback.session()
        self._session.mount(url, HTTPAdapter(max_retries=PATIENCE))
        # A login may be sent twice: after a resume, the pod that takes the first may only be called ready.
        login = PATIENCE.new(allowed_methods=None)
        self._session.mount(f"{url}/auth/token", HTTPAdapter(max_retries=login))
        token = self._call("POST", "/auth/token", json={"username": username, "password": password})[
            "access_token"
        ]
        self._session.headers["Authorization"] = f"Bearer {token}"

    @classmethod
    @contextlib.contextmanager
    def connect(cls, kube: Kube) -> Iterator["AirflowApi"]:
        """Log in to the Airflow of a platform through a forwarded port, which lives as long as the block."""
        with kube.forward("airflow-api-server", 8080) as port:
            credentials = (kube.secret("airflow-admin", key) for key in ("username", "password"))
            yield cls(f"http://127.0.0.1:{port}", *credentials)

    def dags(self) -> list[dict[str, Any]]:
        """Return all DAGs."""
        return list(self._call("GET", "/api/v2/dags", params={"limit": 100, "exclude_stale": True})["dags"])

    def dag(self, dag: str) -> dict[str, Any]:
        """Return one DAG."""
        return self._call("GET", f"/api/v2/dags/{dag}")

    def unpause(self, dag: str) -> None:
        """Unpause a DAG: its runs start, by schedule and by hand."""
        self._call("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": False})

    def pause(self, dag: str) -> None:
        """Hold a DAG's runs."""
        self._call("PATCH", f"/api/v2/dags/{dag}", json={"is_paused": True})

    def set_variable(self, name: str, value: str) -> None:
        """Make an Airflow variable or change it."""
        variable = {"key": name, "value": value}
        change = {
            "actions": [{"action": "create", "entities": [variable], "action_on_existence": "overwrite"}]
        }
        self._call("PATCH", "/api/v2/variables", json=change)

    def set_connection_password(self, name: str, url: SplitResult) -> None:
        """Set a connection's password to that of a URL, if it leads to the same user, host and database.

        Args:
            name: of the connection.
            url: what it was made of.
        """
        with contextlib.suppress(NotFound):
            found = self._call("GET", f"/api/v2/connections/{name}")
            same = (found["login"], found["host"], found["schema"]) == (
                url.username,
                url.hostname,
                url.path.removeprefix("/"),
            )
            if same:
                change = {
                    "connection_id": name,
                    "conn_type": found["conn_type"],
                    "password": unquote(url.password or ""),
                }
                self._call(
                    "PATCH", f"/api/v2/connections/{name}", params={"update_mask": "password"}, json=change
                )

    def delete(self, dag: str) -> None:
        """Forget a DAG and its runs."""
        self._call("DELETE", f"/api/v2/dags/{dag}")

    def trigger(self, dag: str, params: dict[str, Any], date: datetime | None = None) -> str:
        """Start a run and return its id.

        Args:
            dag: which.
            params: of this run.
            date: its logical date; None for a run that has none.

        Raises:
            UserError: when Airflow has no such DAG or the DAG no such parameter.
        """
        known = self._call("GET", f"/api/v2/dags/{dag}/details")["params"] or {}
        if unknown := sorted(set(params) - set(known)):
            takes = ", ".join(sorted(known)) or "none"
            raise UserError(f"{dag} has no parameter {unknown[0]}; it takes {takes}.")
        asked = {"logical_date": date.isoformat() if date else None, "conf": params}
        if date:
            asked["run_after"] = date.isoformat()
        run = self._call("POST", f"/api/v2/dags/{dag}/dagRuns", json=asked)
        return str(run["dag_run_id"])

    def last_run(self, dag: str) -> dict[str, Any]:
        """Return a DAG's latest run; empty before its first."""
        answer = self._call(
            "GET", f"/api/v2/dags/{dag}/dagRuns", params={"limit": 1, "order_by": "-run_after"}
        )
        return next(iter(answer["dag_runs"]), {})

    def runs(self, dag: str = "~", run: str = "", states: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return the latest runs, 20 at most, the latest first.

        Args:
            dag: of this DAG; by default of all.
            run: with this id; by default with any.
            states: in one of these states; by default in any.
        """
        question = {
            "limit": 20,
            "order_by": "-run_after",
            "state": list(states),
            "run_id_pattern": run or None,
        }
        found = self._call("GET", f"/api/v2/dags/{dag}/dagRuns", params=question)["dag_runs"]
        return [entry for entry in found if not run or entry["dag_run_id"] == run]

    def run(self, dag: str, run: str) -> dict[str, Any]:
        """Return one run."""
        return self._call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")

    def fail(self, dag: str, run: str) -> None:
        """End a run as failed, with the tasks that it still has."""
        self._call("PATCH", f"/api/v2/dags/{dag}/dagRuns/{run}", json={"state": "failed"})

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """Return the task instances of a run, in the order of their starts."""
        found = self._call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances", params={"limit": 100})
        return sorted(found["task_instances"], key=lambda task: task["start_date"] or "9")

    def result(self, task: dict[str, Any], key: str = "return_value") -> Any:
        """Return what a task instance returned, or left under another key, or None."""
        params = {"map_index": task["map_index"], "deserialize": True}
        with contextlib.suppress(NotFound):
            return self._call("GET", f"{_path(task)}/xcomEntries/{key}", params=params)["value"]
        return None

    def reason(self, task: dict[str, Any]) -> str:
        """Return why a task instance failed or was skipped: its exception's sentence, else its log's end."""
        lines = self.log(task, task["try_number"])
        return _reason(lines) if lines else "it left no log"

    def log(self, task: dict[str, Any], attempt: int) -> list[dict[str, Any]]:
        """Return the log of a try of a task instance, line by line as Airflow wrote it; empty without one."""
        params = {"map_index": task["map_index"], "full_content": True}
        with contextlib.suppress(NotFound):
            log = self._call("GET", f"{_path(task)}/logs/{max(attempt, 1)}", params=params)
            return [line for line in log["content"] if isinstance(line, dict)]
        return []

    def pool(self, name: str) -> dict[str, Any]:
        """Return a pool with its slots."""
        return self._call("GET", f"/api/v2/pools/{name}")

    def import_errors(self) -> list[dict[str, Any]]:
        """Return what went wrong when Airflow last read the DAG files: file names and tracebacks."""
        return list(self._call("GET", "/api/v2/importErrors", params={"limit": 100})["import_errors"])

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = self._session.request(
                method, self._url + path, timeout=SECONDS, headers={"Accept": "application/json"}, **arguments
            )
        except requests.RequestException as error:
            raise UserError(
                "Airflow does not answer: `quintet status` says whether its pods are ready."
            ) from error
        if answer.status_code == 404:
            raise NotFound(f"Airflow has nothing at {path}: {_detail(answer)}")
        if not answer.ok:
            raise UserError(f"Airflow refused {method} {path} with {answer.status_code}: {_detail(answer)}")
        return dict(answer.json()) if answer.content else {}


class NotFound(UserError):
    """Airflow has no such thing (yet)."""


def _path(task: dict[str, Any]) -> str:
    return f"/api/v2/dags/{task['dag_id']}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}"


def _detail(answer: requests.Response) -> str:
    try:
        return str(answer.json().get("detail", answer.text))[:500]
    except ValueError:
        return answer.text[:500]


def _reason(lines: list[dict[str, Any]]) -> str:
    for line in reversed(lines):
        if errors := line.get("error_detail"):
            return str(errors[0]["exc_value"])
        if "reason" in line:
            return str(line["reason"])
    return "\n".join(str(line["event"]) for line in lines[-5:])
