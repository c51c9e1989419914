"""Processes that a test starts to kill them: forked from one that has imported what they run."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from typing import Any

PROCESSES = multiprocessing.get_context("forkserver")
# One fork server serves all tests of a worker, and it imports when it starts: hence one list.
PROCESSES.set_forkserver_preload(
    [
        "tests.s3_client",
        "tests.attacks.test_landing_zone",
        "bitcoin.tests.test_load_killed",
        "excel.tests.test_load_disturbed",
        "forest.tests.ingest.test_load_killed",
        "sipsa.tests.test_killed",
    ]
)


def child(target: Callable[..., object], *arguments: Any) -> ForkServerProcess:
    """Make a process, not started yet, that runs a function in the environment as it is now.

    The fork server keeps the environment that it was started in: where the first test of a worker needs no
    S3, it has no key of it.
    """
    return PROCESSES.Process(target=_run, args=(dict(os.environ), target, arguments))


def _run(environment: Mapping[str, str], target: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(*arguments)
