"""Stages of a long command: what each does, its time and, on a terminal, the last line of its output.

rich is imported where a terminal shows it.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quintet.paths import cache_dir
from quintet.terminal import raw, visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

REFRESHES = 4
"""Of the lines that move, each second."""


class UserError(Exception):
    """A failure whose message says all that the person at the keyboard needs; shown without a traceback.

    Attributes:
        code: what the command exits with.
        document: what is known in spite of the failure, for `--json`; None for nothing.
    """

    code = 1
    document: Any = None


class CommandError(UserError):
    """A program that was run for the user has failed."""


def output(*command: str | Path, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a short command and return what it wrote to stdout.

    Raises:
        CommandError: when it cannot be started or does not exit with code 0; the message has its stderr.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            input=stdin,
            env=_environment(env),
            text=True,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise CommandError(f"{command[0]} cannot be run: {error.strerror}.") from error
    if done.returncode:
        raise CommandError(
            f"`{_shown(command)}` failed with code {done.returncode}: {done.stderr.strip()[-2000:]}"
        )
    return done.stdout


def succeeds(*command: str | Path) -> bool:
    """Return whether a command can be started and exits with code 0."""
    try:
        return (
            subprocess.run([str(part) for part in command], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


class Stage:
    """One named piece of work, with a log file of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log = cache_dir("logs") / f"{name.replace(' ', '-').replace('/', '-')}.log"
        self.outcome = ""
        self._started = time.monotonic()
        self._tail: deque[str] = deque(maxlen=20)
        self.log.write_text("", encoding="utf-8")

    @property
    def seconds(self) -> float:
        """Seconds since the stage began."""
        return time.monotonic() - self._started

    def say(self, line: str) -> None:
        """Write a line to the log and, on a terminal, show it in place of the line before."""
        self._tail.append(line)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        _board.say(self, line)

    def note(self, line: str) -> None:
        """Print a line that is worth a line of its own where there is no terminal."""
        self.say(line)
        if not sys.stderr.isatty():
            _board.print(f"  {self.name} {self.seconds:.0f} s: {line}")

    def run(
        self,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
    ) -> None:
        """Run a long command; its output goes to the log.

        Raises:
            CommandError: with the last lines of the output and the log's path.
        """
        self.say(f"$ {_shown(command)}")
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=_environment(env),
            )
        except OSError as error:
            raise CommandError(f"{command[0]} cannot be run: {error.strerror}.") from error
        if stdin is not None and process.stdin:
            process.stdin.write(stdin)
            process.stdin.close()
        try:
            for line in process.stdout or ():
                self.say(line.rstrip())
        except BaseException:
            process.terminate()
            raise
        finally:
            code = process.wait()
        if code:
            tail = "\n".join(f"    {line}" for line in self._tail)
            raise CommandError(
                f"{self.name}: `{_shown(command)}` failed with code {code}.\n{tail}\n  Log: {self.log}"
            )


@contextlib.contextmanager
def stage(name: str, purpose: str) -> Iterator[Stage]:
    """Announce a stage, run its body, and print its time and outcome, on stderr.

    Args:
        name: one or two words, also the name of the log.
        purpose: what it does and why, in a few words.
    """
    current = Stage(name)
    _board.print(f"▸ {name}: {purpose}")
    try:
        with _board.line(current):
            yield current
    except BaseException:
        _board.print(f"✗ {name} failed after {current.seconds:.1f} s")
        raise
    _board.print(f"✓ {name} {current.seconds:.1f} s{'  ' + current.outcome if current.outcome else ''}")


class _Board:
    """The stages at work, each a line that moves below what was printed; only on a terminal."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._lines: dict[Stage, TaskID] = {}
        self._progress: Progress | None = None

    @contextlib.contextmanager
    def line(self, stage: Stage) -> Iterator[None]:
        """Show the line of a stage while the body runs."""
        if not sys.stderr.isatty():
            yield
            return
        with self._lock:
            if self._progress is None:
                self._progress = _moving()
                self._progress.start()
            self._lines[stage] = self._progress.add_task(stage.name, said="")
        try:
            yield
        finally:
            with self._lock:
                self._progress.remove_task(self._lines.pop(stage))
                if not self._lines:
                    self._progress.stop()
                    self._progress = None

    def say(self, stage: Stage, line: str) -> None:
        """Show the last line of a stage's output."""
        with self._lock:
            if self._progress and stage in self._lines:
                self._progress.update(self._lines[stage], said=visible(line))

    def print(self, line: str) -> None:
        """Print a line that stays, above those that move."""
        with self._lock:
            if self._progress:
                from rich.text import Text

                self._progress.console.print(Text(visible(line)), soft_wrap=True)
            else:
                print(visible(line), file=sys.stderr, flush=True)


_board = _Board()


def _moving() -> "Progress":
    """Return a display of lines; what it shows is text, whatever rich would read in it."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}", markup=False, table_column=Column(no_wrap=True)),
        # Its own control sequences pass the guard; `visible` has been over all else.
        console=Console(file=raw(sys.stderr)),
        refresh_per_second=REFRESHES,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _environment(extra: Mapping[str, str] | None) -> dict[str, str] | None:
    return {**os.environ, **extra} if extra else None


def _shown(command: Sequence[str | Path]) -> str:
    text = " ".join(str(part) for part in command)
    return text if len(text) <= 160 else f"{text[:157]}..."
