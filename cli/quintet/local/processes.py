"""Servers as processes: each in a session of its own, known again by its pid and the time of its start."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from quintet import loopback
from quintet.progress import UserError

START_SECONDS = 240
END_SECONDS = 15
POLL_SECONDS = 0.05
SAME_START_SECONDS = 2
"""How far two readings of a process' start may be apart; no pid is given away again within it."""
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "CC")
"""What a server takes from this process; the rest could lead it to other servers than its own."""
WITHOUT_A_PROXY = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


@dataclass(frozen=True)
class Running:
    """A process that was started, by this command or by one before it.

    Attributes:
        pid: also of its session and its process group.
        started: Unix time of its start, which tells it from another that was given its pid later.
    """

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Running":
        """Describe a process that has just been started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return cls(pid, psutil.Process(pid).create_time())
        return cls(pid, time.time())

    @property
    def process(self) -> psutil.Process | None:
        """The process, or None when it has ended."""
        with contextlib.suppress(psutil.NoSuchProcess):
            found = self._bearer
            if found and found.status() != psutil.STATUS_ZOMBIE:
                return found
        return None

    @property
    def _bearer(self) -> psutil.Process | None:
        """The process also where it has ended and whoever started it has not taken note."""
        with contextlib.suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.pid)
            if abs(found.create_time() - self.started) < SAME_START_SECONDS:
                return found
        return None

    def end(self, how: signal.Signals = signal.SIGTERM, seconds: float = END_SECONDS) -> None:
        """Ask the process to end and wait for it; kill what is left of its session after that.

        Args:
            how: the signal that it ends on.
            seconds: how long it may take; then it is killed.
        """
        found = self.process
        # A number that another process bears by now is not ours to end; one that nobody bears may still
        # be the session of workers whose master was killed.
        family = [] if self._bearer is None and psutil.pid_exists(self.pid) else _session(self.pid)
        if found:
            with contextlib.suppress(psutil.NoSuchProcess):
                found.send_signal(how)
            with contextlib.suppress(psutil.TimeoutExpired, ChildProcessError):
                found.wait(seconds)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=END_SECONDS)


def spawn(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str],
    *,
    user: int | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server that Ctrl-C does not reach; its output goes to the log.

    Args:
        command: program and arguments; no secrets, as every user of the machine can read them.
        log: is overwritten.
        environment: beside `INHERITED`.
        user: number of the user that it runs as; None for ours.
        cwd: its working directory.

    Raises:
        UserError: when it cannot be started.
    """
    own = {name: os.environ[name] for name in INHERITED if name in os.environ}
    try:
        with log.open("wb") as output:
            return subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**own, **WITHOUT_A_PROXY, **environment},
                cwd=cwd,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
    except OSError as error:
        raise UserError(f"{command[0]} cannot be started: {error.strerror}.") from error


def await_ready(
    name: str,
    child: subprocess.Popen[bytes],
    log: Path,
    ready: Callable[[], bool],
    cancelled: threading.Event | None = None,
) -> None:
    """Wait until a server is ready.

    Raises:
        UserError: when it ended, or was not ready in time; with the end of its log.
    """
    done = wait_until(lambda: child.poll() is not None or _is_set(cancelled) or ready(), START_SECONDS)
    alive = child.poll() is None
    if alive and done and not _is_set(cancelled):
        return
    if _is_set(cancelled):
        raise UserError(f"{name} was not waited for any longer.")
    what = f"was not ready after {START_SECONDS} s" if alive else f"ended with code {child.returncode}"
    raise UserError(f"{name} {what}: {end_of(log)}\n  Log: {log}")


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = POLL_SECONDS) -> bool:
    """Wait until a condition holds and say whether it did in time."""
    never = threading.Event()
    deadline = time.monotonic() + seconds
    while not (held := condition()) and time.monotonic() < deadline:
        never.wait(pause)
    return held


def answers(url: str) -> bool:
    """Return whether a GET gets a 2xx."""
    try:
        return loopback.session().get(url, timeout=5).ok
    except requests.RequestException:
        return False


def is_free(port: int) -> bool:
    """Return whether nobody listens on a port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def end_of(log: Path, lines: int = 8) -> str:
    """Return the last lines of a log."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError:
        return "it left no log"


def _session(leader: int) -> list[psutil.Process]:
    """Return the processes of a session that have not ended."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _is_set(event: threading.Event | None) -> bool:
    return event is not None and event.is_set()
