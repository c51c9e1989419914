"""A command that goes on until it is ended, such as `quintet step --watch`, and what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

LIMIT_SECONDS = 180
"""After which a command that does not say what is awaited is ended."""
WAITS = "the next save runs it again"
FAILED = "The next save tries again."


class Watched:
    """A command in a session of its own.

    Args:
        command: program and arguments.
        environment: all of it.
        folder: its working directory.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def until(self, phrase: str) -> str:
        """Return what it says up to a line with a phrase; its end, or a limit, is the end of the wait."""
        assert self.process.stdout
        said = ""
        limit = threading.Timer(LIMIT_SECONDS, os.killpg, (self.process.pid, signal.SIGKILL))
        limit.start()
        try:
            for line in self.process.stdout:
                said += line
                if phrase in line:
                    return said
        finally:
            limit.cancel()
        raise AssertionError(f"It ended without {phrase!r}: {said}")

    def interrupt(self, seconds: float) -> int:
        """Send what Ctrl-C does, read the rest, and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=seconds)
        return self.process.returncode


@contextmanager
def watched(command: list[str], environment: Mapping[str, str], folder: Path) -> Iterator[Watched]:
    """Start a command; nothing that it has started stays behind."""
    started = Watched(command, environment, folder)
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.process.pid, signal.SIGKILL)
        started.process.wait()


def replace(file: Path, old: str, new: str) -> None:
    """Save a file with another text in the place of one that it holds."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
