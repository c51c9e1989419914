"""Looks into the landing zone and says which files this run takes."""

from __future__ import annotations

import hashlib
import itertools
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from excel.landed import LandedFile, Manifest
from stepkit.options import Option
from stepkit.outcomes import Code, NothingToDo, RefusedInput
from stepkit.s3 import ObjectStore, file_sha256
from stepkit.settings import Settings
from stepkit.step import run

SETTLED_SECONDS = 2
"""A file of a folder that was written to less long ago may not be whole; the next scan takes it."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scanned:
    """The files of this run: `parse` runs once for each of `files`."""

    manifest_uri: str
    files: list[dict[str, int]]


def scan(
    settings: Settings,
    *,
    bucket: Annotated[str, Option("bucket of the landing zone", env="DATA_BUCKET")] = "data",
    landing_prefix: Annotated[str, Option("first part of the keys of dropped files")] = "landing_zone/",
    landing_folder: Annotated[
        Path | None, Option("folder of this machine whose files are moved to the landing zone first")
    ] = None,
    max_files: Annotated[int, Option("most files of one run; the others wait", minimum=1, maximum=200)] = 50,
    pipeline_prefix: Annotated[str, Option("first part of the keys of the run's documents")] = "excel",
) -> Scanned:
    """Lists the landing zone, once a run: a retry takes the files that its first try found."""
    store = ObjectStore()
    landing_zone = f"s3://{bucket}/{landing_prefix.rstrip('/')}/"
    folder = f"s3://{bucket}/{pipeline_prefix}/{settings.run.key}"
    manifest_uri = Manifest(folder, ()).uri
    if landing_folder:
        take_in(store, landing_folder, landing_zone)
    if not store.exists(manifest_uri):
        found = (each for each in store.listed(landing_zone) if not each.uri.endswith("/"))
        in_order = sorted(found, key=lambda each: (each.modified, each.uri))
        files = tuple(LandedFile.of(each, landing_zone) for each in itertools.islice(in_order, max_files))
        if not files:
            raise NothingToDo(f"no file is in {landing_zone}")
        store.put_if_absent(manifest_uri, Manifest(folder, files).to_json(), "application/json")
    manifest = Manifest.read(store, manifest_uri)
    _logger.info("%d files: %s", len(manifest.files), ", ".join(file.name for file in manifest.files))
    return Scanned(manifest_uri, [{"index": index} for index in range(len(manifest.files))])


def take_in(store: ObjectStore, folder: Path, landing_zone: str) -> None:
    """Moves the files of a folder to the landing zone.

    A file stays while it is written to, while it is hidden, and while another of its name waits there.

    Raises:
        RefusedInput: there is no such folder.
    """
    if not folder.is_dir():
        raise RefusedInput(
            f"there is no folder {folder}: correct --landing-folder (LANDING_FOLDER)",
            Code.INVALID_SETTING,
            file=folder,
        )
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith((".", "~$")) for part in relative.parts) or not path.is_file():
            continue
        if time.time() - path.stat().st_mtime < SETTLED_SECONDS:
            _logger.info("%s was written to just now: the next scan takes it", path)
            continue
        uri = landing_zone + relative.as_posix()
        waiting = store.look(uri)
        if waiting is None:
            store.upload(path, uri)
        elif hashlib.sha256(store.get(uri)).hexdigest() != file_sha256(path):
            _logger.info("%s waits: another file of its name is in the landing zone", path)
            continue
        path.unlink()


if __name__ == "__main__":
    run(scan)
