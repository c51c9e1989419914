"""``quintet test``: the tests of pipelines, in the environment of their steps, with real servers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile

from quintet.local.task_graph import interruptible
from quintet.paths import PIPELINES, PLATFORM, WORKSPACE
from quintet.pipelines import Pipeline, pipelines
from quintet.progress import UserError, stage
from quintet.testing import shared_servers, tables

PYTEST = ("-m", "pytest", "--import-mode=importlib", "-p", "quintet.testing.fixtures")


def main(words: list[str]) -> None:
    """Run the tests of pipelines, one after the other.

    Args:
        words: names of pipelines, by default all of the workspace; then options of pytest.

    Raises:
        UserError: when there is no pipeline, one has no tests, or a test fails.
    """
    known = pipelines()
    chosen = list(takewhile(known.__contains__, words))
    options, chosen = words[len(chosen) :], chosen or list(known)
    if not chosen:
        raise UserError(f"There is no pipeline in {PIPELINES}: `quintet new NAME` makes one.")
    for name in chosen:
        if not (known[name].folder / "tests").is_dir():
            raise UserError(f"{name} has no tests: {known[name].folder / 'tests'} is not there.")
    with interruptible(), shared_servers.outside_pytest():
        failed = [name for name in chosen if not _passes(known[name], options)]
    if failed:
        raise UserError(f"Tests failed: {', '.join(failed)}.")


def _passes(pipeline: Pipeline, options: list[str]) -> bool:
    """Run the tests of a pipeline and return whether they pass."""
    with stage("servers", f"what tests of {pipeline.name} may ask for"), ThreadPoolExecutor() as pool:
        list(pool.map(lambda start: start(), _servers(pipeline)))
    run_in = [sys.executable, str(PLATFORM / "cli" / "run_in.py"), f"{pipeline.name}+test"]
    asked = [f"--rootdir={WORKSPACE}", *options, str(pipeline.folder / "tests")]
    return subprocess.run([*run_in, *PYTEST, *asked], cwd=WORKSPACE, check=False).returncode == 0


def _servers(pipeline: Pipeline) -> list[Callable[[], object]]:
    """Return what starts the servers of a pipeline's tests: its environment has no program of a server."""
    found: list[Callable[[], object]] = [shared_servers.s3]
    if pipeline.schemas:
        found.append(lambda: tables.template(shared_servers.postgres(), pipeline.name))
    if pipeline.model:
        found.append(shared_servers.mlflow_url)
    return found
