"""The local services: started together, each as soon as what it needs is there; stopped; listed."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from quintet.local import chart, databases, mlflow, postgres
from quintet.local.airflow import Runner
from quintet.local.parts import (
    environment_of,
    needed_environments,
    ports_of,
    servers,
    services_of,
    shown_services,
)
from quintet.local.platform import choose, for_sqlalchemy, python
from quintet.local.processes import (
    END_SECONDS,
    POLL_SECONDS,
    Running,
    answers,
    await_ready,
    end_of,
    spawn,
    wait_until,
)
from quintet.local.state import State
from quintet.local.task_graph import Task, run_tasks, undisturbed
from quintet.paths import PLATFORM
from quintet.progress import Stage, UserError, stage
from run_in import folder_of, is_made

PURPOSES = {
    "postgres": "PostgreSQL, with the roles and tables of the chart",
    "s3": "SeaweedFS, with the buckets of the chart",
    "mlflow": "runs and the model registry",
    "airflow": "Airflow's database",
}
BUCKET_SECONDS = 60
STOPS = {
    "postgres": (postgres.STOP, postgres.STOP_SECONDS),
    # It has written all it has within a second, and then waits a quarter of a minute for clients to leave.
    "s3": (signal.SIGTERM, 3),
}
"""How a service is asked to end, and the seconds it may take, where they are not those of all."""


class Start:
    """One start of the services that do not run.

    Args:
        state: of the platform; this command has it alone.
        pipelines: whose services are started, with those that the state has had before.
    """

    def __init__(self, state: State, pipelines: Sequence[str]) -> None:
        self.pipelines = pipelines
        wanted = list(dict.fromkeys([*services_of(pipelines), *shown_services(state)]))
        alive = {name: bool(entry.process) for name, entry in state.running().items()}
        self.missing = [name for name in wanted if not alive.get(name)]
        stop(state, self.missing)  # a killed server may have left workers
        former = state.ports()
        self.platform = choose(state, ports_of(self.missing))
        moved = {name for name, port in former.items() if self.platform.ports[name] != port}
        misled = [name for name in wanted if moved & set(_addresses(name)) and alive.get(name)]
        stop(state, misled)
        self.missing += misled
        self.state = state
        self.cancelled = threading.Event()
        self.runner: Runner | None = None
        self._started: list[str] = []

    def run(self, *, keep_runner: bool = False) -> None:
        """Start what is missing; whatever stops this, nothing that it started stays.

        Args:
            keep_runner: leave a process in `runner` that can run DAGs, its imports done.

        Raises:
            UserError: when a service does not start, with the end of its log.
        """
        try:
            run_tasks(self._tasks(keep_runner), self.cancelled)
            if self.runner and not keep_runner:
                self.runner.__exit__()
        except BaseException:
            with undisturbed():
                if self.runner:
                    self.runner.__exit__()
                stop(self.state, self._started)
            raise

    def _tasks(self, keep_runner: bool) -> dict[str, Task]:
        tasks: dict[str, Task] = {}
        environments = needed_environments(self.pipelines)
        environments += [other for other in map(environment_of, self.missing) if other]
        for name in dict.fromkeys(environments):
            if not is_made(name):
                tasks[f"environment {name}"] = ([], partial(self._make, name))
        needs = {"mlflow": ["postgres", "s3"], "airflow": ["postgres"]}
        work = {"postgres": self._postgres, "s3": self._s3, "mlflow": self._mlflow}
        for name in sorted(self.missing, key=lambda name: name == "mlflow"):
            start = work.get(name, partial(self._program, name))
            needed = [f"environment {environment_of(name)}", *needs.get(name, [])]
            tasks[name] = ([task for task in needed if task in tasks], self._staged(name, start))
        needed = [f"environment {other}" for other in ["airflow", *self.pipelines]] + needs["airflow"]
        migrated = self.state.made_with("airflow") == str(python_of("airflow"))
        if keep_runner or not migrated:
            tasks["airflow"] = ([task for task in needed if task in tasks], self._run_airflow)
            if not migrated:
                tasks["airflow"] = (tasks["airflow"][0], self._staged("airflow", self._migrate))
        return tasks

    def _staged(self, name: str, start: Callable[[Stage], None]) -> Callable[[], None]:
        def work() -> None:
            with stage(name, _purpose(name)) as current:
                start(current)

        return work

    def _make(self, name: str) -> None:
        """Make a Python environment; the next command makes again one that was broken off."""
        with stage(f"environment {name}", "the packages of its lock, once for each change") as current:
            run_in = str(PLATFORM / "cli" / "run_in.py")
            command = [sys.executable, run_in, name, "-c", ""]
            child = spawn(command, current.log, os.environ)
            while child.poll() is None and not self.cancelled.wait(POLL_SECONDS):
                pass
            Running.of(child.pid).end()
            if child.wait() and not self.cancelled.is_set():
                raise UserError(f"environment {name}: {end_of(current.log)}\n  Log: {current.log}")

    def _postgres(self, current: Stage) -> None:
        server = self.platform.postgres
        user = server.prepare()
        settings = chart.values("postgres")["config"]
        command = server.command(settings)
        self._serve("postgres", command, {}, server.is_ready, user=user, cwd=server.folder)
        credentials = self.platform.credentials
        passwords = {
            role: credentials[f"postgres-{role.replace('_', '-')}"]["password"] for role in databases.roles()
        }
        made = databases.made_of(server, passwords)
        if self.state.made_with("postgres") != made:
            current.say("roles, databases and tables")
            databases.make_databases(server, passwords, self.state.folder / "passwords")
            self.state.made_with("postgres", made)
        current.outcome = f"127.0.0.1:{server.port}"

    def _s3(self, current: Stage) -> None:
        server = self.platform.s3
        buckets = list(chart.values("minio")["buckets"])
        ready = partial(server.make_bucket, buckets[0])
        self._serve("s3", server.command(), server.server_environment(), ready, cwd=server.folder)
        for bucket in buckets:
            if not wait_until(partial(server.make_bucket, bucket), BUCKET_SECONDS):
                raise UserError(f"S3 makes no bucket {bucket}: {self.state.log('s3')} says why.")
        current.outcome = server.endpoint

    def _mlflow(self, current: Stage) -> None:
        ours = str(python("mlflow"))
        passwordless = for_sqlalchemy(self.platform.postgres.url("mlflow_db", "mlflow"))
        if self.state.made_with("mlflow") not in ("", ours):
            current.say("bringing its database to this MLflow's schema")
            password = self.platform.credentials["postgres-mlflow"]["password"]
            current.run(*mlflow.upgrade_command(python("mlflow"), passwordless), env={"PGPASSWORD": password})
        s3 = self.platform.s3.environment("mlflow")
        s3["MLFLOW_S3_ENDPOINT_URL"] = s3["AWS_ENDPOINT_URL_S3"]
        bucket = chart.values("mlflow")["s3"]["bucket"]
        command = mlflow.command(python("mlflow"), self.platform.ports["mlflow"], f"s3://{bucket}")
        database = for_sqlalchemy(self.platform.database_url("mlflow", "mlflow_db"))
        self._answering("mlflow", command, mlflow.environment(database, s3))
        self.state.made_with("mlflow", ours)
        current.outcome = self.platform.url("mlflow")

    def _run_airflow(self) -> None:
        self.platform.describe_steps()
        self.runner = Runner(self.platform)

    def _migrate(self, current: Stage) -> None:
        self._run_airflow()
        assert self.runner  # noqa: S101 - has just been made
        self.runner.migrate()
        self.state.made_with("airflow", str(python_of("airflow")))

    def _program(self, name: str, current: Stage) -> None:
        """Start one of our own programs: a source, or the API of a model."""
        environment = str(environment_of(name))
        module = "app" if environment == "serving" else environment
        command: list[str | Path] = [python(environment), "-m", module]
        self._answering(name, command, self.platform.service_environment(name))
        current.outcome = self.platform.url(name)

    def _answering(self, name: str, command: list[str | Path], environment: dict[str, str]) -> None:
        url = f"{self.platform.url(name)}/health"
        self._serve(name, command, environment, lambda: answers(url), cwd=self.state.folder)

    def _serve(
        self,
        name: str,
        command: list[str | Path],
        environment: dict[str, str],
        ready: Callable[[], bool],
        *,
        user: int | None = None,
        cwd: Path,
    ) -> None:
        log = self.state.log(name)
        child = spawn(command, log, environment, user=user, cwd=cwd)
        self.state.note_running(name, Running.of(child.pid))
        self._started.append(name)
        await_ready(name, child, log, ready, self.cancelled)


def _addresses(service: str) -> list[str]:
    """Return the services whose addresses a service is told."""
    if service == "mlflow":
        return ["postgres", "s3"]
    return ["postgres", "mlflow"] if service.startswith("inference-") else []


def _purpose(service: str) -> str:
    if service.startswith("inference-"):
        return "predictions of the champion"
    if service in PURPOSES:
        return PURPOSES[service]
    simulates = servers()[service].simulates
    return "a simulator of the source outside" if simulates else "a source of the platform's own"


def stop(state: State, names: Sequence[str] | None = None) -> None:
    """Stop services; data stay. Postgres stops last, as the others use it.

    Args:
        state: of the platform.
        names: which; all by default.
    """
    running = {name: entry for name, entry in state.running().items() if names is None or name in names}

    def end(name: str) -> None:
        how, seconds = STOPS.get(name, (signal.SIGTERM, END_SECONDS))
        running[name].end(how, seconds)
        state.note_running(name, None)

    others = [name for name in running if name != "postgres"]
    with ThreadPoolExecutor(len(others) or 1) as pool:
        list(pool.map(end, others))
    if "postgres" in running:
        end("postgres")


@contextmanager
def services(state: State, pipelines: Sequence[str]) -> Iterator[Start]:
    """Have the services that pipelines need, and a runner of DAGs, for as long as the block runs."""
    start = Start(state, pipelines)
    start.run(keep_runner=True)
    try:
        yield start
    finally:
        with undisturbed(), stage("down", "stop what this command started"):
            if start.runner:
                start.runner.__exit__()
            stop(state)


def python_of(name: str) -> Path:
    """Return where the Python of an environment is, or would be."""
    return folder_of(name) / "bin" / "python"
