"""Which batch each group has reached, on disk so that it survives restarts and all workers share it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

LAST_BATCH = 9


class AllBatchesServedError(Exception):
    """The last batch of a group has been served for its whole interval."""


class Progress:
    """The batch counters, in a SQLite file; every change is one durable transaction."""

    def __init__(self, state_dir: Path, min_update_seconds: float, clock: Callable[[], float]) -> None:
        """Opens the counters, which are made when they do not exist.

        Args:
            state_dir: Folder of the SQLite file; made when missing.
            min_update_seconds: How long one batch is served before the next.
            clock: Unix time in seconds.

        Raises:
            OSError: The folder cannot be made or written.
        """
        state_dir.mkdir(parents=True, exist_ok=True)
        self._path = state_dir / "progress.sqlite3"
        self._min_update_seconds = min_update_seconds
        self._clock = clock
        try:
            with self._transaction() as db:
                db.execute(
                    "CREATE TABLE IF NOT EXISTS progress"
                    " (group_number INTEGER PRIMARY KEY, batch_number INTEGER NOT NULL, since REAL NOT NULL)"
                )
        except sqlite3.OperationalError as error:
            raise OSError(f"cannot keep state in {state_dir} (STATE_DIR): {error}") from error

    def current_batch(self, group: int) -> int:
        """Returns a group's batch, moving on to the next when the interval of the current one is over.

        Raises:
            AllBatchesServedError: Batch 9 has been served for its whole interval.
        """
        with self._transaction() as db:
            now = self._clock()  # under the lock: a time read before waiting for it may be older than `since`
            row = db.execute(
                "SELECT batch_number, since FROM progress WHERE group_number = ?", (group,)
            ).fetchone()
            batch, since = row or (-1, float("-inf"))
            if now - since < self._min_update_seconds:
                return int(batch)
            if batch == LAST_BATCH:
                raise AllBatchesServedError
            db.execute("REPLACE INTO progress VALUES (?, ?, ?)", (group, batch + 1, now))
            return int(batch) + 1

    def restart(self, group: int) -> None:
        """Resets a group to batch 0."""
        with self._transaction() as db:
            db.execute("DELETE FROM progress WHERE group_number = ?", (group,))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as db, db:
            db.execute("BEGIN IMMEDIATE")
            yield db
