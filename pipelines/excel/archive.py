"""Moves the files of the run out of the landing zone: to `archive/`, or to `rejected/` with a report."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Annotated

from excel.landed import LEFT, Outcome, read_outcomes
from stepkit.options import Option
from stepkit.outcomes import Code, RefusedInput
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run

_MOST_NAMED = 10
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

    Raises:
        RefusedInput: the parse of a file has failed; all others were moved.
    """
    store = ObjectStore()
    archived, reports, staying = 0, list[str](), list[str]()
    for outcome in read_outcomes(store, outcomes_uri):
        if outcome.status in LEFT:
            if outcome.status == "unparsed":
                staying.append(outcome.file.name)
            continue
        prefix = rejected_prefix if outcome.status == "refused" else archive_prefix
        uri = f"s3://{bucket}/{prefix.rstrip('/')}/{outcome.folder}/{outcome.file.name}"
        if outcome.reasons:
            store.put(f"{uri}.report.json", report(settings, outcome), "application/json")
        if not store.move(outcome.file.listed, uri):
            _logger.warning("%s was replaced meanwhile: the next run reads the new file", outcome.file.uri)
        if outcome.status == "refused":
            reports.append(f"{uri}.report.json")
        else:
            archived += 1
    if staying:
        raise RefusedInput(
            f"{', '.join(staying[:_MOST_NAMED])}: parse failed, so {len(staying)} files stay in the "
            f"landing zone for the next run ({archived} others were archived, {len(reports)} rejected)",
            Code.UNREADABLE_INPUT,
            file=staying[0],
        )
    return Archived(archived, len(reports), reports[:_MOST_NAMED])


def report(settings: Settings, outcome: Outcome) -> bytes:
    """Gives what the person who dropped a file should read, as JSON."""
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
