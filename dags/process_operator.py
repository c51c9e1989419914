"""The operator that runs a step as a process of this machine: the runtime without a cluster.

STEP_PODS_FILE then says, for each step, its Python and its environment, and where the evidence of each
try is kept: what was run, what it said, its result, how it ended.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from exit_codes import failure_of, given, options, result_of, returned
from step_files import read_json

from stepkit.settings import Run

GRACE_SECONDS = 10
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
PRIVATE = 0o700  # what a try leaves is for whoever runs the platform: a source's texts are in it
KILLED = 128  # what shells and the kubelet add to the number of the signal that ended a process


class ProcessStepOperator(BaseOperator):
    """Runs one step in a process group of its own and gives its end the meaning that a pod's has.

    Args:
        pipeline: Name of the pipeline, such as `weather`.
        step: Name of the step in kebab-case, such as `train`.
        arguments: Command-line options of the step, templated.
        env_vars: Environment variables of this task alone, templated.
        timeout: Time the step may run before it is stopped.
        returns: Entry of the result that Airflow takes for the whole of it, see `exit_codes.returned`.
        variant: Options that differ between the instances of a mapped step. They stand apart from
            `arguments` because Airflow renders no templates in a mapped value.
    """

    template_fields = ("arguments", "env_vars")

    def __init__(
        self,
        *,
        pipeline: str,
        step: str,
        arguments: list[str],
        env_vars: Mapping[str, str],
        timeout: timedelta,
        returns: str | None = None,
        variant: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.step = step
        self.arguments = arguments
        self.env_vars = env_vars
        self.timeout = timeout
        self.returns = returns
        self.variant = variant or {}
        self._process: subprocess.Popen[bytes] | None = None

    def execute(self, context: Context) -> Any:
        """Run the step to its end and return its result."""
        name = f"{self.pipeline}-{self.step}"
        platform = read_json("STEP_PODS_FILE")
        if name not in platform["steps"]:
            known = sorted(platform["steps"])
            raise AirflowFailException(f"No step {name}: STEP_PODS_FILE describes {known}")
        folder = _fresh_folder(Path(platform["runs"]), context["ti"])
        described = platform["steps"][name]
        environment = {**described["env"], **self.env_vars, "RESULT_PATH": str(folder / "result.json")}
        module = f"{self.pipeline}.{self.step.replace('-', '_')}"
        asked = given([*self.arguments, *options(self.variant)])
        command = [described["python"], "-m", module, *asked]
        _write(folder / "command.json", {"argv": command, "env": environment})
        inherited = {variable: os.environ[variable] for variable in INHERITED if variable in os.environ}
        exit_code = self._run(command, {**inherited, **environment, **described["secret_env"]}, folder)
        result = folder / "result.json"
        message = result.read_text(encoding="utf-8") if result.exists() else ""
        if exit_code:
            raise failure_of(name, exit_code, message, _signal(exit_code) or "it gave no reason")
        return returned(result_of(message), self.returns, context["ti"])

    def on_kill(self) -> None:
        """Stop the step with everything that it has started."""
        process = self._process
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _run(self, command: list[str], environment: Mapping[str, str], folder: Path) -> int:
        """Run the command and return its exit code, as a shell would name it; nothing of it stays."""
        scratch = folder / "tmp"
        scratch.mkdir(PRIVATE)
        started = datetime.now(UTC)
        code: int | None = None
        try:
            with open(folder / "log.jsonl", "wb", opener=_private) as log:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**environment, "TMPDIR": str(scratch)},
                    cwd=scratch,
                    process_group=0,
                    umask=0o777 - PRIVATE,
                )
            code = self._process.wait(self.timeout.total_seconds())
        except OSError as error:
            raise AirflowException(f"{command[2]} cannot be started: {error}") from error
        except subprocess.TimeoutExpired:
            raise AirflowException(f"{command[2]} was stopped: it ran for {self.timeout}") from None
        finally:
            self.on_kill()
            ended = self._process.returncode if self._process else None
            shutil.rmtree(scratch, ignore_errors=True)
            _write(folder / "end.json", _end(ended, started))
        return code if code >= 0 else KILLED - code


def _fresh_folder(runs: Path, ti: Any) -> Path:
    """Make the folder of a try; the first try of a task clears what a former run of the same id has left."""
    task = ti.task_id if ti.map_index < 0 else f"{ti.task_id}-{ti.map_index}"
    of_task = runs / ti.dag_id / Run(run_id=ti.run_id).key / task
    folder: Path = of_task / f"try-{ti.try_number}"
    try:
        shutil.rmtree(of_task if ti.try_number == 1 else folder, ignore_errors=True)
        for path in (runs, runs / ti.dag_id, of_task.parent, of_task, folder):
            path.mkdir(PRIVATE, parents=path == runs, exist_ok=path != folder)
    except OSError as error:
        raise AirflowException(f"The evidence of this try cannot be kept in {folder}: {error}") from error
    return folder


def _end(code: int | None, started: datetime) -> dict[str, Any]:
    exit_code = KILLED - code if code is not None and code < 0 else code
    return {
        "exit_code": exit_code,
        "signal": _signal(exit_code) if code is not None and code < 0 else None,
        "started": started.isoformat(),
        "ended": datetime.now(UTC).isoformat(),
    }


def _signal(exit_code: int | None) -> str | None:
    """Name the signal of an exit code; None where it stands for none: a process may choose any up to 255.

    Real-time signals have a number and, but for the first and last, no name in Python.
    """
    number = (exit_code or 0) - KILLED
    if number not in signal.valid_signals():
        return None
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with open(path, "w", encoding="utf-8", opener=_private) as file:
        json.dump(content, file, indent=1, ensure_ascii=False)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
