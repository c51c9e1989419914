"""The latest input that a pipeline has stored: a JSON object in S3, read when somebody asks for it."""

import json
import logging
import threading
import time
from typing import Any
from urllib.parse import urlsplit

MOST_BYTES = 16_777_216
"""Of a stored input: some hundred times what a pipeline stores."""

log = logging.getLogger(__name__)


class LatestInputUnavailableError(Exception):
    """There is no stored input, or S3 does not answer and never did."""


class LatestInput:
    """Reads the object again after some seconds; while S3 is away, what it read last stands.

    Connection and keys come from boto3's own variables.

    Args:
        uri: `s3://bucket/key`.
        fresh_seconds: For how long an object is not asked for again.
    """

    def __init__(self, uri: str, fresh_seconds: float) -> None:
        self._uri = uri
        self._fresh_seconds = fresh_seconds
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._document: dict[str, Any] | None = None
        self._client: Any = None

    def get(self, series: str) -> dict[str, Any]:
        """Returns the document.

        Args:
            series: The name of the list that it must hold.

        Raises:
            LatestInputUnavailableError: There is none, with a sentence.
        """
        with self._lock:
            if time.monotonic() - self._read_at > self._fresh_seconds:
                try:
                    self._document = self._read(series)
                except LatestInputUnavailableError as error:
                    if self._document is None:
                        log.warning("%s (%s: %r)", error, self._uri, error.__cause__)
                        raise
                    log.warning("%s (%s: %r); what was read before stands", error, self._uri, error.__cause__)
                self._read_at = time.monotonic()
            if self._document is None:
                raise LatestInputUnavailableError(f"The stored {series} have not been read")
            return self._document

    def _read(self, series: str) -> dict[str, Any]:
        import boto3  # 30 MB of memory that models without stored input do without
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        place = urlsplit(self._uri)
        if self._client is None:
            patience = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
            self._client = boto3.client("s3", config=patience)
        try:
            answer = self._client.get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))
            content = answer["Body"].read(MOST_BYTES + 1)
            if len(content) > MOST_BYTES:
                raise LatestInputUnavailableError(f"The stored {series} are larger than {MOST_BYTES} bytes")
            document = json.loads(content)
        except (ClientError, BotoCoreError) as error:
            kind = type(error).__name__  # what else it says is of this network
            raise LatestInputUnavailableError(
                f"The stored {series} cannot be read from S3: {kind}"
            ) from error
        except (ValueError, RecursionError) as error:
            raise LatestInputUnavailableError(f"The stored {series} are not JSON") from error
        if not isinstance(document, dict) or not isinstance(document.get(series), list):
            raise LatestInputUnavailableError(f"The stored object holds no {series}")
        return document
