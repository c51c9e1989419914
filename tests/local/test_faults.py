"""What goes wrong on people's machines is said in a sentence, leaves nothing behind, and loses no data."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from quintet.local.platform import Platform, services_of
from quintet.local.processes import Running, wait_until
from quintet.local.state import State
from tests.local.conftest import CAPTURE, folder
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


@pytest.fixture(scope="module")
def quintet() -> Iterator[CommandLine]:
    """A platform with a capture in it; a test finds its services running."""
    with folder() as state:
        command = CommandLine(state)
        said = command("run", CAPTURE, "--date", DATE)
        assert said.count(" Ready") == 0
        assert "▸ postgres: PostgreSQL, with the roles and tables of the chart" in said
        yield command
        command("down")
        assert command.processes == []


@pytest.fixture(autouse=True)
def running(quintet: CommandLine) -> None:
    entries = quintet.state.running()
    if not all(name in entries and entries[name].process for name in SERVICES):
        quintet("up")


def test_a_run_goes_on_from_the_one_before_and_the_same_date_is_the_same_run(quintet: CommandLine) -> None:
    before = quintet.rows
    said = quintet("run", CAPTURE, "--date", DATE)
    assert said.startswith(
        f"platform local, {quintet.state.folder}\n▸ {CAPTURE} manual__2026-01-31T12:00:00+00:00"
    )
    assert "service" not in said
    assert '"rows_new": 5810' in said
    assert quintet.rows == before


def test_status_says_what_runs(quintet: CommandLine) -> None:
    said = quintet("status")
    assert said.count(" Ready") == len(SERVICES)
    assert "champion none yet" in said
    assert f"dag      {CAPTURE}         last run success" in said


def test_services_that_were_killed_are_named_and_start_again_with_their_data(quintet: CommandLine) -> None:
    before, objects = quintet.rows, quintet.stored()
    for entry in quintet.state.running().values():
        os.kill(entry.pid, signal.SIGKILL)
    ended = wait_until(lambda: not any(e.process for e in quintet.state.running().values()), 30)
    assert ended
    assert quintet("status").count("ended by itself") == len(SERVICES)
    quintet("up")
    assert quintet.rows == before
    assert quintet.stored() == objects


def test_a_port_that_is_taken_is_changed_and_a_pid_that_another_program_has_is_left_alone(
    quintet: CommandLine,
) -> None:
    quintet("down")
    ports = quintet.state.ports()
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        born = psutil.Process(other.pid).create_time()
        for name in SERVICES:
            quintet.state.note_running(name, Running(other.pid, born - 3600))
        (quintet.state.folder / "postgres/data/postmaster.pid").write_text(f"{other.pid}\n")
        quintet("down")
        with socket.create_server(("127.0.0.1", ports["mlflow"])):
            quintet("up")
            assert quintet.state.ports()["mlflow"] != ports["mlflow"]
            assert quintet.state.ports()["postgres"] == ports["postgres"]
            assert quintet("status").count(" Ready") == len(SERVICES)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


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


def test_ctrl_c_in_a_run_stops_its_step_and_the_next_run_ends_it(quintet: CommandLine) -> None:
    services = len(quintet.processes)
    date = "2026-01-31T13:00:00Z"
    run = quintet.start("run", CAPTURE, "--date", date)
    started = quintet.state.runs / CAPTURE / "manual__2026-01-31T13-00-00-00-00/load/try-1/log.jsonl"
    assert wait_until(started.exists, 60, pause=0.005)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    assert len(quintet.processes) == services
    said = quintet("run", CAPTURE, "--date", date)
    assert "✓ export success" in said
    assert '"rows_read": 5810, "rows_new": 5810' in said


def test_a_command_that_was_killed_leaves_no_run_behind(quintet: CommandLine) -> None:
    services = len(quintet.processes)
    run = quintet.start("run", CAPTURE, "--date", "2026-01-31T14:00:00Z")
    started = quintet.state.runs / CAPTURE / "manual__2026-01-31T14-00-00-00-00/extract/try-1/command.json"
    assert wait_until(started.exists, 60, pause=0.005)
    run.kill()
    run.communicate(timeout=60)
    assert wait_until(lambda: len(quintet.processes) == services, 30)


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
