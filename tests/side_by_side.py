"""What `make test` runs: lint, the tests, and the DAGs' tests in Airflow's environment, side by side.

Each line that they print begins with the name of its suite. One that fails does not end the others.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Queue

REPOSITORY = Path(__file__).resolve().parents[1]
RUN_IN = [sys.executable, str(REPOSITORY / "cli/run_in.py")]
PYTEST = ["-m", "pytest", "--numprocesses"]
OF_THE_DAGS = ["-o", "pythonpath=.", "-o", "testpaths=tests/dags"]
SUITES = {
    # More than cores, as each waits for servers and processes: with 3, two cores were idle 30 % of the time.
    "tests": [*RUN_IN, "dev", *PYTEST, "5"],
    "dags": [*RUN_IN, "airflow", *PYTEST, "1", *OF_THE_DAGS],
    "lint": ["make", "--no-print-directory", "lint"],
}


def main() -> None:
    """Run the suites; exit with 1 where one failed."""
    started = time.monotonic()
    ended: Queue[tuple[str, int]] = Queue()
    running = {name: _start(command) for name, command in SUITES.items()}
    readers = [threading.Thread(target=_follow, args=(*each, ended)) for each in running.items()]
    for reader in readers:
        reader.start()
    try:
        ends = [ended.get() for _ in running]
    finally:
        for process in running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
        for reader in readers:
            reader.join()
    seconds = time.monotonic() - started
    if failed := [name for name, code in ends if code]:
        sys.exit(f"Failed after {seconds:.0f} s: see the lines that begin with {' and '.join(failed)}.")
    print(f"All that needs no cluster passed in {seconds:.0f} s; make e2e tests the rest on one of its own.")


def _start(command: list[str]) -> subprocess.Popen[str]:
    # A session of its own, so that one signal ends the suite with its workers.
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _follow(name: str, process: subprocess.Popen[str], ended: Queue[tuple[str, int]]) -> None:
    """Print what a suite prints, and say with what code it ended."""
    assert process.stdout
    for line in process.stdout:
        print(f"{name:5} | {line}", end="", flush=True)
    ended.put((name, process.wait()))


if __name__ == "__main__":
    main()
