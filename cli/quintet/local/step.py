"""``quintet step``: one step in this very terminal, with the connections that a task of a run would have."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from quintet.local.platform import Platform, python
from quintet.local.processes import INHERITED
from quintet.local.state import State
from quintet.paths import WORKSPACE
from quintet.pipelines import pipelines
from quintet.progress import UserError
from stepkit.settings import Run
from stepkit.trust import BUNDLES

OF_THE_TERMINAL = ("TERM", "COLUMNS", "LINES", "USER", "EDITOR", "PYTHONBREAKPOINT")
OUTWARD = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", *BUNDLES)
"""By which a source outside is reached, where `--source-url` names one; the platform's own ports are not."""


def main(state: State, pipeline: str, step: str, options: list[str], like: str) -> NoReturn:
    """Become the step: its exit code is ours, and stdin stays the terminal.

    Args:
        state: of the platform.
        pipeline: its name.
        step: its name, with hyphens or underscores.
        options: of the step.
        like: the id of a run whose task of this step had more options and an environment, or "".

    Raises:
        UserError: when there is no such step, platform or former task.
    """
    name = step.replace("_", "-")
    known = pipelines()
    if pipeline not in known:
        raise UserError(f"There is no pipeline {pipeline}; there are {', '.join(known)}.")
    steps = known[pipeline].steps
    if name not in steps:
        raise UserError(f"Pipeline {pipeline} has no step {name}; it has {', '.join(steps)}.")
    if not state.ports():
        raise UserError(f"There is no local platform in {state.folder}: `quintet up` makes one.")
    plain, secret = Platform(state).step_environment(pipeline, name)
    module = steps[name].module
    if like:
        former = former_task(state, module, like, options)
        options = [*former["argv"][3:], *options]
        plain = {**former["env"], **plain}
        plain.pop("RESULT_PATH", None)
    else:
        plain = {"RUN_ID": f"by-hand-{datetime.now(UTC):%Y%m%dT%H%M%SZ}", "TASK_ID": name, **plain}
    kept = (*INHERITED, *OF_THE_TERMINAL, *OUTWARD)
    own = {name: os.environ[name] for name in kept if name in os.environ}
    program = python(pipeline)
    os.chdir(WORKSPACE)
    os.execve(program, [str(program), "-m", module, *options], {**own, **plain, **secret})  # noqa: S606


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
