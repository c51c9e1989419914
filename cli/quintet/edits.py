"""Saved edits of a step's code, and the loop that runs the step again after each.

Files are looked at ten times a second: a pipeline and what it stands on are some hundred files, which take a
few milliseconds. The system's own notices would need a package, and do not cross a shared folder.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol

from quintet.imports import SHARED, StepError, needed
from quintet.local.task_graph import interruptible
from quintet.paths import FILE, PLATFORM
from quintet.pipelines import Step
from quintet.progress import UserError

POLL_SECONDS = 0.1
SETTLED_SECONDS = 0.05
"""After so long without another change, a save is whole."""
Seen = dict[Path, tuple[int, int, int]]


class Attempt(Protocol):
    """One run of a step."""

    def end(self) -> str | None:
        """Return how it ended, as a mark and a few words; None while it runs."""

    def stop(self) -> None:
        """End it if it runs, and take away what is left of it."""


class Edits:
    """Tells which of a step's files were saved.

    Args:
        step: the step.
        root: the platform's files.
    """

    def __init__(self, step: Step, root: Path = PLATFORM) -> None:
        self._step, self._root = step, root
        self._folders = [step.pipeline.folder, *(root / name for name in SHARED)]
        self._seen = self._look()
        self._held: set[Path] | None = None

    def check(self) -> None:
        """Note what the step holds now.

        Raises:
            UserError: when what it imports is not Python, or it is not there; names file and line.
        """
        self._held = None
        try:
            self._held = self._needed()
        except StepError as error:
            raise UserError(str(error)) from error

    def saved(self) -> list[str]:
        """Return the names of the step's files that were saved, made or deleted since the last call."""
        now = self._look()
        if now == self._seen:
            return []
        # An editor may empty a file before it writes it, or write another and give it the name.
        while (later := self._after_a_moment()) != now:
            now = later
        changed = {path for path in now.keys() | self._seen.keys() if now.get(path) != self._seen.get(path)}
        self._seen = now
        for path in changed:
            # Python takes bytecode for that of any text of the same size and second.
            for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
                compiled.unlink(missing_ok=True)
        if self._held is not None:
            try:
                changed &= self._held | self._needed()
            except StepError:
                changed = {path for path in changed if path.suffix == ".py"}
        return sorted(os.path.relpath(path, self._root) for path in changed)

    def _needed(self) -> set[Path]:
        """Return the files of the step's image, and those that say how it is run."""
        pipeline = self._step.pipeline
        if (pipeline.folder / "Dockerfile").exists():
            return set(self._look())  # what an image of its own holds is for that file to say
        module = self._step.module.removeprefix(f"{pipeline.name}.")
        code = needed(self._root, pipeline.name, module, self._step.given.get("files", []), pipeline.folder)
        return {*code, self._step.lock, pipeline.folder / FILE}

    def _after_a_moment(self) -> Seen:
        time.sleep(SETTLED_SECONDS)
        return self._look()

    def _look(self) -> Seen:
        seen: Seen = {}
        for top in self._folders:
            for folder, folders, files in os.walk(top):
                folders[:] = [name for name in folders if name != "__pycache__"]
                for name in files:
                    # Editors keep hidden files, and such with a tilde, beside what is edited.
                    if not name.startswith(".") and not name.endswith("~"):
                        _note(seen, Path(folder, name))
        return seen


@interruptible()
def again_after_each_save(step: Step, start: Callable[[], Attempt]) -> NoReturn:
    """Run a step, and again whenever one of its files was saved, until the user ends it.

    A save while it runs stops that run. What cannot be run is told in a sentence; the next save tries again.

    Args:
        step: the step.
        start: starts a run of it.
    """
    edits = Edits(step)
    why = "Ctrl-C ends it"
    while True:
        _say(f"▸ {step.image}: {why}")
        attempt = None
        try:
            edits.check()
            attempt = start()
            saved = _await_save(edits, step, attempt)
        except UserError as error:
            _say(f"✗ {error}\n  The next save tries again.")
            saved = _await_save(edits, step, None)
        finally:
            if attempt:
                attempt.stop()
        why = f"again, as {', '.join(saved)} {'was' if len(saved) == 1 else 'were'} saved"


def _await_save(edits: Edits, step: Step, attempt: Attempt | None) -> list[str]:
    """Wait for a save, and tell the end of the run meanwhile."""
    began, running = time.monotonic(), attempt
    while not (saved := edits.saved()):
        if running and (end := running.end()):
            mark, _, words = end.partition(" ")
            seconds = time.monotonic() - began
            _say(f"{mark} {step.image} {words} after {seconds:.1f} s; the next save runs it again")
            running = None
        time.sleep(POLL_SECONDS)
    return saved


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _note(seen: Seen, path: Path) -> None:
    try:
        status = path.stat()
    except OSError:  # it went meanwhile
        return
    seen[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
