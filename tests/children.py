"""Processes that a test starts to kill them: forked from one that has imported what they run."""

from __future__ import annotations

import multiprocessing

PROCESSES = multiprocessing.get_context("forkserver")
# One fork server serves all tests of a worker, and it imports when it starts: hence one list.
PROCESSES.set_forkserver_preload(
    [
        "boto3",
        "tests.attacks.test_landing_zone",
        "tests.unit.bitcoin.test_load_killed",
        "tests.unit.excel.test_load_disturbed",
        "tests.unit.forest_ingest.test_load_killed",
        "tests.unit.sipsa.test_killed",
    ]
)
