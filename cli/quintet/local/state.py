"""The folder that holds all of a local platform: data, credentials, ports, logs, and who is running."""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import stat
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quintet.local.processes import Running, free_ports, is_free
from quintet.paths import WORKSPACE, in_the_checkout
from quintet.progress import UserError

DEFAULT = WORKSPACE / ".quintet"
BYTES_NEEDED = 1 << 30
RUNNER = "airflow"
"""Runs DAGs for as long as the command that started it; one that is left was left by a killed command."""
_RUNNING_LOCK = threading.Lock()


@dataclass(frozen=True)
class State:
    """A local platform by its folder.

    Attributes:
        folder: absolute; made by the first command that needs it.
    """

    folder: Path

    @classmethod
    def of(cls, given: str | None) -> "State":
        """Return the state meant: the one given, else of ``QUINTET_STATE``, else of the workspace.

        Raises:
            UserError: when a program that is told its path takes it for another.
        """
        folder = Path(given or os.environ.get("QUINTET_STATE") or DEFAULT).expanduser().resolve()
        # Airflow fills in %(name)s; PostgreSQL's initdb ends at a line's end.
        if "%(" in str(folder) or not str(folder).isprintable():
            raise UserError(
                f"The state's path is {str(folder)!r}: Airflow or PostgreSQL takes no path with %( or a"
                " character that cannot be printed; name another with --state."
            )
        return cls(folder)

    def path(self, *parts: str) -> Path:
        """Return a folder of the state, and make it."""
        # PostgreSQL may run as another user, who passes through to its folder.
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        folder = self.folder.joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def log(self, name: str) -> Path:
        """Return the log of a service."""
        return self.path("logs") / f"{name}.log"

    @property
    def runs(self) -> Path:
        """The evidence of every task that ran: ``<dag>/<run key>/<task>[-<map index>]/try-<n>/``."""
        return self.folder / "runs"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands that start, stop or use this state's services out while the body runs.

        The lock ends with the process that holds it, however that ends.

        Raises:
            UserError: when one is at work, or the folder cannot be written.
        """
        try:
            lock = open(self.path() / "lock", "a+", opener=_private)  # noqa: SIM115 - closed below
        except OSError as error:
            raise UserError(
                f"{self.folder} cannot be written ({error.strerror}): name another with --state."
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise UserError(
                    f"Another command ({lock.read().strip() or 'unknown'}) works with {self.folder}: "
                    "try again after it, or name another state with --state."
                ) from error
            lock.truncate(0)
            lock.write(f"process {os.getpid()}")
            lock.flush()
            self._close_runs()
            if forgotten := self.running().get(RUNNER):
                forgotten.end()
                self.note_running(RUNNER, None)
            yield

    def _close_runs(self) -> None:
        """Close the evidence of runs to other users; earlier versions left it open to all.

        The folder itself comes last: a command that is killed before that leaves the work to the next one.
        """
        if not (self.folder / "credentials.json").exists() or not self.runs.is_dir():
            return  # another's folder, which a demo refuses, or one without runs
        top = self.runs.stat()
        if stat.S_IMODE(top.st_mode) == 0o700:
            return
        for _, _, files, folder in os.fwalk(self.runs):
            for name in files:
                # A link's own rights mean nothing, and what it leads to is not ours to change.
                if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    os.chmod(name, 0o600, dir_fd=folder)
            if not os.path.samestat(os.fstat(folder), top):
                os.fchmod(folder, 0o700)
        self.runs.chmod(0o700)

    def empty(self) -> None:
        """Remove all but the lock, after ending what a killed command has left running."""
        for entry in self.running().values():
            entry.end()
        for path in self.path().iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def refuse_full_disk(self) -> None:
        """Check that there is room to begin.

        Raises:
            UserError: when there is not.
        """
        status = os.statvfs(self.path())
        free = status.f_bavail * status.f_frsize
        if free < BYTES_NEEDED:
            raise UserError(
                f"The disk of {self.folder} has {free >> 20} MiB left and {BYTES_NEEDED >> 20} MiB are"
                " needed: free some, or name a folder elsewhere with --state."
            )

    def credentials(self) -> dict[str, dict[str, str]]:
        """Return the credentials by the names and keys that their Secrets have on a cluster."""
        return self._read("credentials.json")

    def add_credentials(self, wanted: Mapping[str, Mapping[str, str | None]]) -> dict[str, dict[str, str]]:
        """Return the credentials, after generating those that are missing.

        Args:
            wanted: name of a Secret -> key -> value, or None for one that is generated.
        """
        known = self.credentials()
        for name, keys in wanted.items():
            kept = known.setdefault(name, {})
            for key, value in keys.items():
                if value is not None:
                    kept[key] = value
                elif key not in kept:
                    kept[key] = secrets.token_hex(16)
        self.write_private("credentials.json", known)
        return known

    def ports(self) -> dict[str, int]:
        """Return the port of each service."""
        return self._read("ports.json")

    def choose_ports(self, names: list[str]) -> dict[str, int]:
        """Return a port for each name: the one it had unless somebody else listens there now.

        Args:
            names: of services that do not run.
        """
        ports = self.ports()
        lacking = [name for name in names if name not in ports or not is_free(ports[name])]
        fresh = free_ports(len(lacking))
        ports |= dict(zip(lacking, fresh, strict=True))
        self._write("ports.json", ports)
        return ports

    def running(self) -> dict[str, Running]:
        """Return the services that were started and not stopped; some may have ended since."""
        return {name: Running(**entry) for name, entry in self._read("running.json").items()}

    def is_up(self) -> bool:
        """Return whether any service runs."""
        return any(entry.process for name, entry in self.running().items() if name != RUNNER)

    def is_meant(self) -> bool:
        """Return whether a command that says nothing of it means this platform, and not one on a cluster."""
        return self.is_up() or not in_the_checkout()

    def note_running(self, name: str, running: Running | None) -> None:
        """Remember that a service runs, or that it does not."""
        with _RUNNING_LOCK:
            entries = self._read("running.json")
            entries.pop(name, None)
            if running is not None:
                entries[name] = asdict(running)
            self._write("running.json", entries)

    def made_with(self, name: str, made_with: str | None = None) -> str:
        """Return what a service's data were last made or migrated with, such as an environment; "" if never.

        Args:
            name: of the service.
            made_with: remember this.
        """
        known = self._read("made-with.json")
        if made_with is not None:
            self._write("made-with.json", {**known, name: made_with})
        return str(known.get(name, ""))

    def write_private(self, name: str, content: Any) -> Path:
        """Write a JSON file that only we can read; a reader sees the old or the new one, never a part."""
        path = self.path() / name
        temporary = path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
        temporary.replace(path)
        return path

    _write = write_private

    def _read(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise UserError(f"{path} is damaged ({error}): delete it, or the whole state.") from error


def _private(path: str, flags: int) -> int:
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor
