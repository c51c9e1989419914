"""Asks the forest data API for a capture and keeps its answer in S3 as received."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Annotated

from forest.capture import MAX_REFUSED_SHARE, Capture, parse_capture, refuse_end_of_data
from stepkit.bounded_json import parse_json
from stepkit.errors import Code, DependencyUnavailable, InvalidInput
from stepkit.http import Answer, Client, Limits
from stepkit.options import Option
from stepkit.refused_rows import MaxRefusedShare
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run
from stepkit.text import excerpt
from stepkit.urls import host_of

LIMITS = Limits(max_bytes=16 << 20)
"""A capture has about 60 bytes a row, and 5,810 rows."""
_MOST_VALUES_OF_AN_ERROR = 10_000
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extracted:
    """Where the raw answer is, and what it holds."""

    raw_uri: str
    sha256: str
    rows: int
    batch_number: int
    rows_refused: int


def extract(
    settings: Settings,
    *,
    source_url: Annotated[str, Option("base URL of the forest data API", env="SOURCE_API_BASE_URL")],
    group_number: Annotated[int, Option("our group at the API")],
    bucket: Annotated[str, Option("bucket of the raw answers", env="DATA_BUCKET")] = "data",
    pipeline_prefix: Annotated[str, Option("first part of the keys in the bucket")] = "forest",
    max_refused_share: MaxRefusedShare = MAX_REFUSED_SHARE,
) -> Extracted:
    """Stores one capture of the forest data API in S3, once a run: a retry uses what it finds there."""
    store = ObjectStore()
    # Runs of two DAGs may share a run id; their groups differ.
    folder = f"s3://{bucket}/{pipeline_prefix}/raw/group-{group_number}/{settings.run.key}"
    raw_uri = f"{folder}/data.json"
    if not store.exists(raw_uri):
        body = ask(Client(LIMITS), source_url, group_number)
        try:
            check(body, source_url, group_number, max_refused_share)
        except InvalidInput as refusal:
            refused_uri = f"{folder}/refused-{hashlib.sha256(body).hexdigest()[:12]}"
            store.put(refused_uri, body)
            raise InvalidInput(
                f"{refusal} (the whole answer: {refused_uri})",
                refusal.code,
                file=refused_uri,
                row=refusal.row,
                column=refusal.column,
                service=host_of(source_url),
            ) from refusal
        store.put_if_absent(raw_uri, body, "application/json")
    body = store.get(raw_uri)
    capture = check(body, raw_uri, group_number, max_refused_share)
    _logger.info("batch %d: %d rows in %s", capture.batch_number, len(capture.rows), raw_uri)
    sha256 = hashlib.sha256(body).hexdigest()
    return Extracted(raw_uri, sha256, len(capture.rows), capture.batch_number, capture.refused.refused)


def ask(client: Client, source_url: str, group_number: int) -> bytes:
    """Returns the body of the API's successful answer.

    Raises:
        NothingToDo: the group has had all its batches.
        InvalidInput: the API does not know the group, or there is no such API at the URL.
        DependencyUnavailable: the API does not answer, after retries.
    """
    answer = client.get(f"{source_url.rstrip('/')}/data", {"group_number": group_number})
    if answer.status == 200:
        return answer.body
    refuse_end_of_data(_json_or_empty(answer), source_url)
    if answer.status >= 500:
        raise DependencyUnavailable(
            f"{answer.url} answered {answer.status}: {excerpt(answer.body)}", service=host_of(answer.url)
        )
    if answer.status in (400, 422):
        raise InvalidInput(
            f"{source_url} refuses --group-number {group_number}: {answer.status} {excerpt(answer.body)}",
            Code.REQUEST_REFUSED,
            service=host_of(source_url),
        )
    raise InvalidInput(
        f"{answer.url} answered {answer.status}: check --source-url",
        Code.REQUEST_REFUSED,
        service=host_of(answer.url),
    )


def check(
    body: bytes, source: str, group_number: int, max_refused_share: float = MAX_REFUSED_SHARE
) -> Capture:
    """Returns the capture that an answer holds, after checking every row and that it is ours.

    Raises:
        InvalidInput: it is not a capture, has too many rows that are not samples, or is one of another group.
        NothingToDo: it holds no rows, or says that there are no more.
    """
    capture = parse_capture(body, source, max_refused_share)
    if capture.group_number != group_number:
        raise InvalidInput(
            f"{source} answered for group {capture.group_number}, not for our group {group_number}",
            Code.REQUEST_REFUSED,
            file=source,
        )
    return capture


def _json_or_empty(answer: Answer) -> dict[str, object]:
    try:
        parsed = parse_json(answer.body, _MOST_VALUES_OF_AN_ERROR)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


if __name__ == "__main__":
    run(extract)
