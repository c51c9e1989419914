"""Looks into the landing zone and says which files this run takes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from excel.folder import take_in
from excel.manifest import LandedFile, Manifest
from stepkit.errors import NothingToDo
from stepkit.options import Option
from stepkit.s3 import Listed, ObjectMissing, ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

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
    """Lists the landing zone, once a run: a retry takes the files that its first try found.

    Where there are more files than one run takes, those that fewer runs have taken go first: a file that no
    run gets rid of keeps no other waiting. The files of a run are loaded in the order of their arrival.
    """
    store = ObjectStore()
    landing_zone = f"s3://{bucket}/{landing_prefix.rstrip('/')}/"
    folder = f"s3://{bucket}/{pipeline_prefix}/{settings.run.key}"
    manifest_uri = Manifest(folder, ()).uri
    passed_over = take_in(store, landing_folder, landing_zone) if landing_folder else []
    if not store.exists(manifest_uri):
        found = [each for each in store.listed(landing_zone) if not each.uri.endswith("/")]
        tries = _Tries.read(store, f"s3://{bucket}/{pipeline_prefix}/tries.json", found)
        chosen = sorted(found, key=lambda each: (tries.of[each], each.modified, each.uri))[:max_files]
        in_order = sorted(chosen, key=lambda each: (each.modified, each.uri))
        files = tuple(LandedFile.of(each, landing_zone) for each in in_order)
        if not files:
            raise NothingToDo("; ".join([f"no file is in {landing_zone}", *passed_over]))
        store.put_if_absent(manifest_uri, Manifest(folder, files).to_json(), "application/json")
        tries.note(store, chosen)
    manifest = Manifest.read(store, manifest_uri)
    _logger.info("%d files: %s", len(manifest.files), ", ".join(file.name for file in manifest.files))
    return Scanned(manifest_uri, [{"index": index} for index in range(len(manifest.files))])


@dataclass(frozen=True)
class _Tries:
    """How many runs have taken each object of the landing zone; one that is replaced begins again."""

    uri: str
    of: dict[Listed, int]

    @classmethod
    def read(cls, store: ObjectStore, uri: str, found: Iterable[Listed]) -> _Tries:
        try:
            known = json.loads(store.get(uri))
        except ObjectMissing:
            known = {}
        return cls(uri, {each: known.get(each.uri, {}).get(each.etag, 0) for each in found})

    def note(self, store: ObjectStore, chosen: Iterable[Listed]) -> None:
        """Counts this run; what has left the landing zone is forgotten."""
        counted = self.of | {each: self.of[each] + 1 for each in chosen}
        document = {each.uri: {each.etag: count} for each, count in counted.items() if count}
        store.put(self.uri, json.dumps(document, ensure_ascii=False, indent=1).encode(), "application/json")


if __name__ == "__main__":
    run(scan)
