"""Stages of a long command: what each does, its time and, on a terminal, the last line of its output."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from quintet.paths import cache_dir
from quintet.terminal import raw, visible

CLEAR = "\r\033[K"
"""Clears the line of a terminal: the one control sequence that we write, past the guard of the others."""
_PRINT_LOCK = threading.Lock()


class UserError(Exception):
    """A failure whose message says all that the person at the keyboard needs; shown without a traceback.

    Attributes:
        code: what the command exits with.
    """

    code = 1


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
        self.live = sys.stderr.isatty()
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
        self.show()

    def show(self) -> None:
        """Show the last line again, with the seconds until now; only on a terminal."""
        if self.live:
            line = visible(self._tail[-1]) if self._tail else ""
            width = shutil.get_terminal_size().columns - 1
            with _PRINT_LOCK:
                print(
                    f"{CLEAR}  {self.name} {self.seconds:4.0f} s  {line}"[: width + 4],
                    end="",
                    file=raw(sys.stderr),
                    flush=True,
                )

    def note(self, line: str) -> None:
        """Print a line that is worth a line of its own where there is no terminal."""
        self.say(line)
        if not self.live:
            _print(f"  {self.name} {self.seconds:.0f} s: {line}", live=False)

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
    _print(f"▸ {name}: {purpose}", live=current.live)
    try:
        with _ticking(current):
            yield current
    except BaseException:
        _print(f"✗ {name} failed after {current.seconds:.1f} s", live=current.live)
        raise
    _print(
        f"✓ {name} {current.seconds:.1f} s{'  ' + current.outcome if current.outcome else ''}",
        live=current.live,
    )


@contextlib.contextmanager
def _ticking(current: Stage) -> Iterator[None]:
    """Show on a terminal that a stage is at work, also while what it runs says nothing."""
    done = threading.Event()

    def tick() -> None:
        while not done.wait(1):
            current.show()

    ticker = threading.Thread(target=tick, daemon=True)
    if current.live:
        ticker.start()
    try:
        yield
    finally:
        done.set()
        if current.live:
            ticker.join()


def _print(line: str, *, live: bool) -> None:
    with _PRINT_LOCK:
        print(f"{CLEAR if live else ''}{visible(line)}", file=raw(sys.stderr), flush=True)


def _environment(extra: Mapping[str, str] | None) -> dict[str, str] | None:
    return {**os.environ, **extra} if extra else None


def _shown(command: Sequence[str | Path]) -> str:
    text = " ".join(str(part) for part in command)
    return text if len(text) <= 160 else f"{text[:157]}..."
