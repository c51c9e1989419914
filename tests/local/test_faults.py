"""What goes wrong on people's machines is said in a sentence, leaves nothing behind, and loses no data."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from quintet.local.parts import services_of
from quintet.local.platform import Platform
from quintet.local.processes import Running, wait_until
from quintet.local.state import State
from tests.local.conftest import CAPTURE, Local, folder
from tests.table_hash import tables

SERVICES = services_of(["forest"])
SECONDS = 300
DATE = "2026-01-31T12:00:00Z"
ROOTS = os.pathsep.join([".", "pipelines", "sources", "serving", "cli"])


class CommandLine:
    """`quintet` on one state."""

    def __init__(self, state: State) -> None:
        self.state = state

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "quintet", "--state", str(self.state.folder), "--on", "local", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": ROOTS},
        )

    def __call__(self, *words: str, code: int = 0) -> str:
        process = self.start(*words)
        said, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == code, said
        return said

    @property
    def processes(self) -> list[str]:
        """The commands of all processes that have to do with the state."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                command = " ".join(process.cmdline())
                about_it = str(self.state.folder) in command + " ".join(process.environ().values())
                if about_it and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(command)
        return found

    @property
    def rows(self) -> dict[str, str]:
        return tables(Platform(self.state).database_url("forest", "quintet"))

    def stored(self) -> dict[str, str]:
        """The ETag of each object of the pipelines."""
        platform = Platform(self.state)
        listed = platform.s3.client().list_objects_v2(Bucket="data")["Contents"]
        return {each["Key"]: each["ETag"] for each in listed}


@dataclass(frozen=True)
class Beginning:
    """How a platform began: with a run that Ctrl-C stopped in its `load`, and another of the same date."""

    quintet: CommandLine
    first: str
    """What the first run said, which found nothing."""
    code: int
    """What it ended with."""
    left: list[str]
    """The processes after it."""
    second: str
    """What the second run said."""
    rows: dict[str, str]
    """The hash of each table's rows after it."""


@pytest.fixture(scope="module")
def beginning() -> Iterator[Beginning]:
    with folder() as state:
        quintet = CommandLine(state)
        run = quintet.start("run", CAPTURE, "--date", DATE)
        load = state.runs / CAPTURE / "manual__2026-01-31T12-00-00-00-00/load/try-1/log.jsonl"
        begun = wait_until(lambda: load.exists() or run.poll() is not None, SECONDS, pause=0.005)
        run.send_signal(signal.SIGINT)
        first, _ = run.communicate(timeout=60)
        assert begun, first
        assert load.exists(), first
        left = quintet.processes
        second = quintet("run", CAPTURE, "--date", DATE)
        yield Beginning(quintet, first, run.returncode, left, second, quintet.rows)
        quintet("down")
        assert quintet.processes == []


@pytest.fixture
def quintet(beginning: Beginning) -> CommandLine:
    """A platform with a capture in it, whose services run."""
    quintet = beginning.quintet
    entries = quintet.state.running()
    if not all(name in entries and entries[name].process for name in SERVICES):
        quintet("up")
    return quintet


@contextmanager
def another_program() -> Iterator[Running]:
    """A program of somebody else, whose pid was once a service's."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        yield Running(process.pid, psutil.Process(process.pid).create_time() - 3600)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_run_from_nothing_starts_the_services(beginning: Beginning) -> None:
    assert beginning.first.count(" Ready") == 0
    assert "▸ postgres: PostgreSQL, with the roles and tables of the chart" in beginning.first


def test_ctrl_c_in_a_run_stops_its_step_and_the_next_run_ends_it(
    beginning: Beginning, quintet: CommandLine
) -> None:
    assert beginning.code == 130
    assert len(beginning.left) == len(quintet.processes)
    assert not any("forest.load" in command or "dag_runner" in command for command in beginning.left)
    assert beginning.second.startswith(
        f"platform local, {quintet.state.folder}\n▸ {CAPTURE} manual__2026-01-31T12:00:00+00:00"
    )
    assert "service" not in beginning.second
    assert "✓ export success" in beginning.second
    assert '"rows_read": 5810, "rows_new": 5810' in beginning.second


def test_two_platforms_side_by_side_make_the_same(
    beginning: Beginning, platform: Local, captured: list[Any]
) -> None:
    assert not set(beginning.quintet.state.ports().values()) & set(platform.platform.ports.values())
    assert beginning.rows == tables(platform.database)


def test_status_says_what_runs(quintet: CommandLine) -> None:
    said = quintet("status")
    assert said.count(" Ready") == len(SERVICES)
    assert "champion forest: none yet, its training DAG makes one\n" in said
    assert f"dag      {CAPTURE}         last run success" in said


def test_services_that_were_killed_are_named_and_start_again_with_their_data(quintet: CommandLine) -> None:
    before, objects, ports = quintet.rows, quintet.stored(), quintet.state.ports()
    for entry in quintet.state.running().values():
        os.kill(entry.pid, signal.SIGKILL)
    ended = wait_until(lambda: not any(e.process for e in quintet.state.running().values()), 30)
    assert ended
    assert quintet("status").count("ended by itself") == len(SERVICES)
    # A release of Quintet has come since, whose files make the same roles and tables.
    quintet.state.made_with("postgres", "other files")
    # Other programs have got a port and pids; nobody has those of the two that may leave workers.
    with socket.create_server(("127.0.0.1", ports["s3"])), another_program() as other:
        for name in set(SERVICES) - {"postgres", "mlflow"}:
            quintet.state.note_running(name, other)
        (quintet.state.folder / "postgres/data/postmaster.pid").write_text(f"{other.pid}\n")
        quintet("up")
        assert quintet("status").count(" Ready") == len(SERVICES)
    assert quintet.state.ports()["s3"] != ports["s3"]
    assert quintet.state.ports()["postgres"] == ports["postgres"]
    assert quintet.rows == before
    assert quintet.stored() == objects


def test_a_server_that_nobody_remembers_is_ended_first(quintet: CommandLine) -> None:
    pid = quintet.state.running()["postgres"].pid
    quintet.state.note_running("postgres", None)
    quintet("up")
    assert quintet.state.running()["postgres"].pid != pid
    assert not psutil.pid_exists(pid)


def test_two_commands_do_not_fight_over_one_state(quintet: CommandLine) -> None:
    with quintet.state.alone():
        said = quintet("run", CAPTURE, code=1)
    assert f"Another command (process {os.getpid()}) works with {quintet.state.folder}" in said


def test_a_command_that_was_killed_leaves_no_run_behind(quintet: CommandLine) -> None:
    services = len(quintet.processes)
    run = quintet.start("run", CAPTURE, "--date", "2026-01-31T14:00:00Z")
    started = quintet.state.runs / CAPTURE / "manual__2026-01-31T14-00-00-00-00/extract/try-1/command.json"
    assert wait_until(started.exists, 60, pause=0.005)
    run.kill()
    run.communicate(timeout=60)
    assert wait_until(lambda: len(quintet.processes) == services, 30)
    tries = [folder.relative_to(started.parents[2]) for folder in started.parents[2].glob("*/*")]
    assert tries == [Path("extract/try-1")]


def test_a_killed_airflow_ends_the_run_with_a_sentence(quintet: CommandLine) -> None:
    services = len(quintet.processes)
    run = quintet.start("run", CAPTURE, "--date", "2026-01-31T15:00:00Z")
    started = quintet.state.runs / CAPTURE / "manual__2026-01-31T15-00-00-00-00/extract/try-1/command.json"
    assert wait_until(started.exists, 60, pause=0.005)
    os.kill(quintet.state.running()["airflow"].pid, signal.SIGKILL)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "airflow.log" in said
    assert len(quintet.processes) == services


def test_ctrl_c_while_services_start_leaves_none(tmp_path: Path) -> None:
    with folder() as state:
        quintet = CommandLine(state)
        up = quintet.start("up")
        assert wait_until(lambda: "postgres" in state.running(), 60, pause=0.005)
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=60)
        assert up.returncode == 130
        assert quintet.processes == []
        assert state.running() == {}


def test_a_full_disk_is_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, quintet: CommandLine
) -> None:
    monkeypatch.setattr("quintet.local.state.BYTES_NEEDED", 1 << 60)
    with pytest.raises(Exception, match=r"MiB left and \d+ MiB are needed: free some"):
        quintet.state.refuse_full_disk()


def test_down_leaves_a_pid_alone_that_another_program_has(quintet: CommandLine) -> None:
    quintet("down")
    with another_program() as other:
        for name in SERVICES:
            quintet.state.note_running(name, other)
        quintet("down")
