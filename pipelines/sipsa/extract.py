"""Asks SIPSA for a whole report and keeps its answer in S3 as gzip."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sipsa import answer
from sipsa.interface import CONTENT_TYPE, PATH, call
from sipsa.schema import Operation
from stepkit.http import Client, Limits
from stepkit.options import Option
from stepkit.s3 import ObjectStore
from stepkit.settings import Settings
from stepkit.step import run
from stepkit.urls import joined

LIMITS = Limits(
    attempts=4,
    connect_timeout=30,
    # The server thinks before it begins, and takes about a minute for 300 MB on a good day.
    read_timeout=300,
    answer_timeout=600,
    longest_trying=240,
    first_wait=5,
    max_bytes=2 << 30,
)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Extracted:
    """Where the raw answer is."""

    raw_uri: str
    sha256: str
    """Of the object, which is gzip."""


def extract(
    settings: Settings,
    *,
    operation: Annotated[Operation, Option("report to ask for")],
    source_url: Annotated[str, Option("base URL of the service", env="SOURCE_API_BASE_URL")],
    wsdl_url: Annotated[str, Option("URL of its WSDL, or path and query at the base URL")] = PATH,
    bucket: Annotated[str, Option("bucket of the raw answers", env="DATA_BUCKET")] = "data",
) -> Extracted:
    """Stores one answer, the report's whole history, once a run: a retry uses what it finds there."""
    store = ObjectStore()
    raw_uri = f"s3://{bucket}/sipsa/raw/{operation}/{settings.run.key}/answer.xml.gz"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "answer.xml.gz")
        if not store.exists(raw_uri):
            size = ask(
                Client(LIMITS, explain=answer.reason_of), joined(source_url, wsdl_url), operation, path
            )
            _logger.info("%s answered %d bytes, %d packed", operation, size, path.stat().st_size)
            store.upload_if_absent(path, raw_uri, "application/gzip")
        return Extracted(raw_uri, store.download(raw_uri, path))


def ask(client: Client, wsdl_url: str, operation: Operation, path: Path) -> int:
    """Writes the whole answer of an operation to a file, as gzip, and returns its unpacked size in bytes.

    Raises:
        DependencyUnavailable: the service does not answer, or not to the end, or with faults, after retries.
        InvalidInput: there is no such service at the URL.
    """
    request = call(client, wsdl_url, operation)
    return client.stream(
        request.url,
        lambda stream: answer.keep(stream, operation, path),
        headers={"Content-Type": CONTENT_TYPE, "Accept-Encoding": "gzip"},
        body=request.envelope,
    )


if __name__ == "__main__":
    run(extract)
