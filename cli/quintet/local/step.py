"""``quintet step`` without a cluster: a step as a process, with the connections of its task."""

import contextlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from quintet.by_hand import ending, run_id
from quintet.edits import again_after_each_save
from quintet.local.platform import Platform, python
from quintet.local.processes import INHERITED
from quintet.local.state import State
from quintet.paths import WORKSPACE
from quintet.pipelines import Step, pipelines
from quintet.progress import UserError
from stepkit.settings import Run
from stepkit.trust import BUNDLES

OF_THE_TERMINAL = ("TERM", "COLUMNS", "LINES", "USER", "EDITOR", "PYTHONBREAKPOINT")
OUTWARD = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", *BUNDLES)
"""By which a source outside is reached, where `--source-url` names one; the platform's own ports are not."""
STOP_SECONDS = 1
"""A step may be killed at any time; what it has begun is put right by its next run."""


@dataclass(frozen=True)
class Command:
    """What runs a step.

    Attributes:
        words: the program and its arguments.
        environment: all of it.
    """

    words: list[str]
    environment: dict[str, str]


def main(state: State, step: Step, options: list[str], like: str, *, watch: bool) -> None:
    """Become the step: its exit code is ours, and stdin stays the terminal; or run it again after each save.

    Args:
        state: of the platform.
        step: the step.
        options: of the step.
        like: the id of a run whose task of this step had more options and an environment, or "".
        watch: whether it runs again after each save of its code, until Ctrl-C.

    Raises:
        UserError: when there is no such platform or former task, or it does not know the pipeline yet.
    """
    if not state.ports():
        raise UserError(f"There is no local platform in {state.folder}: `quintet up` makes one.")
    pipeline = step.pipeline
    if f"minio-{pipeline.name}" not in state.credentials():
        raise UserError(
            f"The local platform in {state.folder} does not have the pipeline {pipeline.name} yet: "
            f"`quintet --on local run {pipeline.last_dag}` makes its users and tables."
        )
    former = _former(state, step, like, options)
    if watch:

        def start() -> Attempt:
            pipelines.cache_clear()  # an edit of pipeline.yaml counts too
            return Attempt(_command(state, step, former, options, run_id()))

        again_after_each_save(step, start)
    command = _command(state, step, former, options, "" if like else run_id())
    os.chdir(WORKSPACE)
    os.execve(command.words[0], command.words, command.environment)  # noqa: S606


class Attempt:
    """A run of a step as a process, at this terminal.

    Args:
        command: what to run.
    """

    def __init__(self, command: Command) -> None:
        self._process = subprocess.Popen(command.words, env=command.environment, cwd=WORKSPACE)

    def end(self) -> str | None:
        """Return how it ended; None while it runs."""
        code = self._process.poll()
        return None if code is None else ending(code if code >= 0 else 128 - code)

    def stop(self) -> None:
        """Stop it with all that it has started."""
        if self._process.poll() is not None:
            return
        family = psutil.Process(self._process.pid).children(recursive=True)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self._process.kill()
        self._process.wait()


def _former(state: State, step: Step, like: str, options: list[str]) -> dict[str, Any]:
    """Return the command of a former task; an empty one without the wish for it."""
    return former_task(state, step.module, like, options) if like else {"argv": [], "env": {}}


def _command(state: State, step: Step, former: dict[str, Any], options: list[str], run: str) -> Command:
    """Return what runs a step.

    Args:
        state: of the platform.
        step: the step.
        former: the command of a task that it is run like.
        options: more, which win.
        run: id of a run of its own; "" for that of the former task.
    """
    plain, secret = Platform(state).step_environment(step.pipeline.name, step.name)
    plain = {"TASK_ID": step.name, **former["env"], **plain, **({"RUN_ID": run} if run else {})}
    plain.pop("RESULT_PATH", None)
    kept = (*INHERITED, *OF_THE_TERMINAL, *OUTWARD)
    own = {name: os.environ[name] for name in kept if name in os.environ}
    words = [str(python(step.pipeline.name)), "-m", step.module, *former["argv"][3:], *options]
    return Command(words, {**own, **plain, **secret})


def former_task(state: State, module: str, run: str, options: list[str]) -> dict[str, Any]:
    """Return the last command of a task of an earlier run.

    Args:
        state: of the platform.
        module: of the step, ``<pipeline>.<step>``.
        run: its id.
        options: choose between the instances of a mapped task: the one that was given them, else one that
            failed, else the first.

    Raises:
        UserError: when the run has no such task.
    """
    key = Run(run_id=run).key
    found: list[tuple[bool, bool, dict[str, Any]]] = []
    for task in sorted(state.runs.glob(f"*/{key}/*")):
        last = max(task.glob("try-*"), key=lambda path: int(path.name.partition("-")[2]), default=None)
        command = _read(last / "command.json") if last else {}
        if last and command.get("argv", [])[2:3] == [module]:
            given = all(option in command["argv"] for option in options)
            failed = _read(last / "end.json").get("exit_code") != 0
            found.append((given, failed, command))
    if not found:
        known = sorted({path.name for path in state.runs.glob("*/*")})[-5:]
        runs = ", ".join(known) or "none"
        raise UserError(f"Run {run} has no task that ran {module}; the last runs are {runs}.")
    return max(found, key=lambda entry: entry[:2])[2]


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
