import os
import signal
from pathlib import Path

import psutil

from quintet.local.processes import Running, spawn, wait_until


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_the_workers_of_a_killed_master_end_though_nobody_took_note_of_its_end(tmp_path: Path) -> None:
    program = 'sleep 60 & echo "$!" > worker; wait'
    master = spawn(["sh", "-c", program], tmp_path / "log", {}, cwd=tmp_path)
    running = Running.of(master.pid)
    written = tmp_path / "worker"
    assert wait_until(lambda: written.exists() and written.read_text().endswith("\n"), 10)
    worker = psutil.Process(int(written.read_text()))
    os.kill(master.pid, signal.SIGKILL)
    assert wait_until(lambda: has_ended(psutil.Process(master.pid)), 10)
    try:
        running.end()
        assert wait_until(lambda: has_ended(worker), 10)
    finally:
        master.wait()
