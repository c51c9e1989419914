"""Looks into the landing zone and says which files this run takes."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from excel.folder import take_in
from excel.landed import LEFT_LIST, LandedFile, Manifest, read_left
from stepkit.options import Option
from stepkit.outcomes import NothingToDo
from stepkit.s3 import ObjectStore
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

    Files come in the order of their arrival; those that an earlier run has left in their place come last, so
    that they keep no other waiting.
    """
    store = ObjectStore()
    landing_zone = f"s3://{bucket}/{landing_prefix.rstrip('/')}/"
    folder = f"s3://{bucket}/{pipeline_prefix}/{settings.run.key}"
    manifest_uri = Manifest(folder, ()).uri
    passed_over = take_in(store, landing_folder, landing_zone) if landing_folder else []
    if not store.exists(manifest_uri):
        found = (each for each in store.listed(landing_zone) if not each.uri.endswith("/"))
        left = read_left(store, f"s3://{bucket}/{pipeline_prefix}/{LEFT_LIST}")
        in_order = sorted(found, key=lambda each: (left.get(each.uri) == each.etag, each.modified, each.uri))
        files = tuple(LandedFile.of(each, landing_zone) for each in itertools.islice(in_order, max_files))
        if not files:
            raise NothingToDo("; ".join([f"no file is in {landing_zone}", *passed_over]))
        store.put_if_absent(manifest_uri, Manifest(folder, files).to_json(), "application/json")
    manifest = Manifest.read(store, manifest_uri)
    _logger.info("%d files: %s", len(manifest.files), ", ".join(file.name for file in manifest.files))
    return Scanned(manifest_uri, [{"index": index} for index in range(len(manifest.files))])


if __name__ == "__main__":
    run(scan)
