"""Bundles on disk, each in a folder named by its digest, and the note of which one was served last."""

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from app.registry import ModelVersion
from bundle import BundleError

ABANDONED_SECONDS = 3600
"""A download begun so long ago was broken off; a younger one may be another pod's on the same volume."""


class BundleCache:
    """A folder of whole bundles: one appears by a rename, or not at all. Pods of one model may share it."""

    def __init__(self, root: Path) -> None:
        """Opens the folder, which is made when missing.

        Raises:
            OSError: It cannot be made.
        """
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._note = root / "last-good.json"

    def get(self, digest: str, download: Callable[[Path], None]) -> Path:
        """Returns the folder of a bundle, which is downloaded first when it is not there."""
        folder = self._root / digest
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=self._root, prefix=".incoming-") as incoming:
                whole = Path(incoming, "bundle")
                whole.mkdir()
                download(whole)
                try:
                    whole.rename(folder)
                except OSError:
                    if not folder.exists():  # else another pod was quicker
                        raise
        return folder

    def drop(self, digest: str) -> None:
        """Removes a bundle that proved bad."""
        shutil.rmtree(self._root / digest, ignore_errors=True)

    def last_good(self) -> tuple[ModelVersion, Path] | None:
        """Returns the version that was served last, and its folder."""
        try:
            version = ModelVersion(**json.loads(self._note.read_text()))
        except (OSError, ValueError, TypeError, BundleError):
            return None
        return version, self._root / version.digest

    def keep(self, version: ModelVersion) -> None:
        """Notes the version that is served now and removes every other bundle.

        An open bundle that is removed stays readable: its arrays are mapped.
        """
        with tempfile.NamedTemporaryFile("w", dir=self._root, prefix=".note-", delete=False) as file:
            file.write(version.to_json())
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).rename(self._note)
        for entry in self._root.iterdir():
            if entry.is_dir() and entry.name != version.digest and not _is_under_way(entry):
                shutil.rmtree(entry, ignore_errors=True)


def _is_under_way(entry: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return entry.name.startswith(".incoming-") and time.time() - entry.stat().st_mtime < ABANDONED_SECONDS
    return False
