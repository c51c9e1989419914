"""Moves the files of the run out of the landing zone: to `archive/`, or to `rejected/` with a report."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Annotated

from excel.manifest import LEFT, REPORT, LandedFile, Outcome, read_outcomes
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import MAX_RESULT_BYTES, run

_MOST_NAMED, _SHOWN = 10, 100
_MOST_BYTES = MAX_RESULT_BYTES - 500
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Archived:
    """How many files went where."""

    files_archived: int
    files_rejected: int
    rejected: list[str]
    """Where the reports are, of the first few."""


def archive(
    settings: Settings,
    *,
    outcomes_uri: Annotated[str, Option("S3 URI of load's outcomes")],
    bucket: Annotated[str, Option("bucket of archive and rejected files", env="DATA_BUCKET")] = "data",
    archive_prefix: Annotated[str, Option("first part of the keys of loaded files")] = "archive/",
    rejected_prefix: Annotated[str, Option("first part of the keys of refused files")] = "rejected/",
) -> Archived:
    """Moves what `load` has dealt with; a retry moves what is left. A file that nobody could parse stays.

    A file whose name makes no good key is kept under a hash of it, with a report that holds the name.

    Raises:
        InvalidInput: the parse of a file has failed, or the store does not move it; all others were moved.
    """
    store = ObjectStore()
    archived, reports, staying = 0, list[str](), dict[LandedFile, str]()
    for outcome in read_outcomes(store, outcomes_uri):
        if outcome.status in LEFT:
            if outcome.status == "unparsed":
                staying[outcome.file] = "parse failed"
            continue
        prefix = rejected_prefix if outcome.status == "refused" else archive_prefix
        try:
            uri = _move(store, settings, outcome, bucket, f"{prefix.rstrip('/')}/")
        except InvalidInput as fault:
            staying[outcome.file] = str(fault)
            continue
        if outcome.status == "refused":
            reports.append(f"{uri}{REPORT}")
        else:
            archived += 1
    if staying:
        first, reason = next(iter(staying.items()))
        names = ", ".join(file.name[:_SHOWN] for file in list(staying)[:_MOST_NAMED])
        raise InvalidInput(
            f"{names}: {reason}, so {len(staying)} files stay in the "
            f"landing zone for the next run ({archived} others were archived, {len(reports)} rejected)",
            Code.UNREADABLE_INPUT,
            file=first.name,
        )
    return Archived(archived, len(reports), _fitting(reports[:_MOST_NAMED]))


def _move(store: ObjectStore, settings: Settings, outcome: Outcome, bucket: str, prefix: str) -> str:
    """Moves a file, with its report where it needs one, and returns its new URI.

    Raises:
        InvalidInput: the store takes no object of such a name.
    """
    uri = f"s3://{bucket}/{outcome.key(prefix)}"
    if outcome.reasons or outcome.is_renamed(prefix):
        store.put(f"{uri}{REPORT}", report(settings, outcome), "application/json")
    if not store.move(outcome.file.listed, uri):
        _logger.warning("%s was replaced meanwhile: the next run reads the new file", outcome.file.uri)
    return uri


def _fitting(uris: list[str]) -> list[str]:
    """Returns the first URIs, as many as a step's result holds beside the rest of it."""
    while len(json.dumps(uris, ensure_ascii=False).encode()) > _MOST_BYTES:
        uris = uris[:-1]
    return uris


def report(settings: Settings, outcome: Outcome) -> bytes:
    """Returns what the person who dropped a file should read, as JSON."""
    content = {
        "file": outcome.file.name,
        "sha256": outcome.sha256,
        "received_at": outcome.file.received_at,
        "status": outcome.status,
        "run": f"{settings.run.dag_id} {settings.run.run_id}",
        **outcome.summary,
        "reasons": outcome.reasons,
    }
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


if __name__ == "__main__":
    run(archive)
