"""Objects in S3, addressed by `s3://bucket/key`. boto3 reads `AWS_*` and `AWS_ENDPOINT_URL_S3` itself."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from stepkit.errors import S3, Code, InvalidInput
from stepkit.s3_errors import AlreadyThere, Conflict, naming, refuse_at_once
from stepkit.s3_errors import ObjectMissing as ObjectMissing

T = TypeVar("T")
_CHUNK = 1 << 20
_UNEXPLAINED = (400, 401, 403)
_CONFLICT_ATTEMPTS = 6
_CONFLICT_FIRST_WAIT, _CONFLICT_LONGEST_WAIT = 0.1, 5.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listed:
    """An object as a listing shows it; `etag` changes with its bytes."""

    uri: str
    size: int
    etag: str
    modified: datetime


class ObjectStore:
    """A connection to S3. Every object written carries the sha256 of its bytes as metadata.

    Methods raise `DependencyUnavailable` when S3 does not answer, refuses access or is full, `ObjectMissing`
    when there is no such object, and `InvalidInput` for a malformed URI.
    """

    def __init__(self) -> None:
        self._client = client()

    def exists(self, uri: str) -> bool:
        """Returns whether there is an object at the URI."""
        return self.look(uri) is not None

    def get(self, uri: str) -> bytes:
        """Returns the object's bytes."""
        bucket, key = split(uri)
        with naming(uri):
            body: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def put(self, uri: str, body: bytes, content_type: str = "application/octet-stream") -> str:
        """Writes the object, replacing what is there, and returns its sha256."""
        return self._put(uri, body, content_type)

    def put_if_absent(self, uri: str, body: bytes, content_type: str = "application/octet-stream") -> bool:
        """Writes the object unless there is one already, atomically.

        Returns:
            Whether this call wrote it; if not, the object that was there is untouched.
        """
        try:
            _settled(lambda: self._put(uri, body, content_type, IfNoneMatch="*"))
        except AlreadyThere:
            _logger.info("%s is already there and stays as it is", uri)
            return False
        return True

    def upload(self, path: Path, uri: str) -> str:
        """Writes a file as an object, in parts when it is large, and returns its sha256."""
        bucket, key = split(uri)
        digest = file_sha256(path)
        with naming(uri):
            self._client.upload_file(str(path), bucket, key, ExtraArgs={"Metadata": {"sha256": digest}})
        return digest

    def upload_open(self, file: BufferedReader, uri: str) -> str:
        """Writes an open file as an object, in parts when it is large, and returns its sha256."""
        bucket, key = split(uri)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        # boto3 may close what it has sent, and whoever opened the file still needs it.
        with naming(uri), os.fdopen(os.dup(file.fileno()), "rb") as same:
            same.seek(0)
            self._client.upload_fileobj(same, bucket, key, ExtraArgs={"Metadata": {"sha256": digest}})
        return digest

    def upload_if_absent(self, path: Path, uri: str, content_type: str = "application/octet-stream") -> bool:
        """Writes a file of at most 5 GB as an object unless there is one already, atomically.

        Returns:
            Whether this call wrote it; if not, the object that was there is untouched.
        """
        bucket, key = split(uri)
        digest = file_sha256(path)

        def put() -> None:
            with naming(uri), path.open("rb") as file:
                self._client.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=file,
                    ContentType=content_type,
                    Metadata={"sha256": digest},
                    IfNoneMatch="*",
                )

        try:
            _settled(put)
        except AlreadyThere:
            _logger.info("%s is already there and stays as it is", uri)
            return False
        return True

    def download(self, uri: str, path: Path) -> str:
        """Writes the object to a file in chunks of bounded size and returns its sha256."""
        bucket, key = split(uri)
        digest = hashlib.sha256()
        with naming(uri), path.open("wb") as file:
            for chunk in self._client.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    def listed(self, prefix_uri: str) -> Iterator[Listed]:
        """Returns the objects whose URIs begin with `prefix_uri`, in the order of their keys."""
        bucket, prefix = split(prefix_uri)
        with naming(prefix_uri):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for found in page.get("Contents", []):
                    uri = f"s3://{bucket}/{found['Key']}"
                    yield Listed(uri, found["Size"], found["ETag"], found["LastModified"])

    def look(self, uri: str) -> Listed | None:
        """Returns what a listing would show of one object; None when there is none."""
        try:
            found = self._head(uri)
        except ObjectMissing:
            return None
        return Listed(uri, found["ContentLength"], found["ETag"], found["LastModified"])

    def copy(self, uri: str, to: str) -> None:
        """Copies an object of at most 5 GB within S3, with its metadata; replaces what is there."""
        (bucket, key), (from_bucket, from_key) = split(to), split(uri)
        with naming(uri):
            self._client.copy_object(
                Bucket=bucket, Key=key, CopySource={"Bucket": from_bucket, "Key": from_key}
            )

    def move(self, source: Listed, uri: str) -> bool:
        """Moves an object, unless it is not the one any more that was listed.

        Killed at any point it can be called again: the object is at one of the two places, or at both.

        Returns:
            Whether the listed object has left its place, now or before; False when another has taken it.
        """
        now = self.look(source.uri)
        if now is None:
            return True
        if now.etag != source.etag:
            return False
        (bucket, key), (from_bucket, from_key) = split(uri), split(source.uri)
        origin = {"Bucket": from_bucket, "Key": from_key}

        def copy_and_delete() -> None:
            with naming(source.uri):
                self._client.copy_object(
                    Bucket=bucket, Key=key, CopySource=origin, CopySourceIfMatch=source.etag
                )
                # Without versions S3 has no atomic move; where it knows the condition, a new object stays.
                self._client.delete_object(Bucket=from_bucket, Key=from_key, IfMatch=source.etag)

        try:
            _settled(copy_and_delete)
        except (AlreadyThere, ObjectMissing):
            return self.look(source.uri) is None
        return True

    def _head(self, uri: str) -> Any:
        bucket, key = split(uri)
        with naming(uri):
            try:
                return self._client.head_object(Bucket=bucket, Key=key)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] in _UNEXPLAINED:
                    # An answer to HEAD has no body: why S3 refuses, it says to a GET alone.
                    self._client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")
                raise

    def _put(self, uri: str, body: bytes, content_type: str, **conditions: Any) -> str:
        bucket, key = split(uri)
        digest = hashlib.sha256(body).hexdigest()
        with naming(uri):
            self._client.put_object(
                Bucket=bucket,
                Key=key,
                Body=body,
                ContentType=content_type,
                Metadata={"sha256": digest},
                **conditions,
            )
        return digest


def _settled(write: Callable[[], T]) -> T:
    """Repeats a conditional write that met another, until one of the two has happened."""
    retrying = Retrying(
        retry=retry_if_exception_type(Conflict),
        stop=stop_after_attempt(_CONFLICT_ATTEMPTS),
        wait=wait_random_exponential(_CONFLICT_FIRST_WAIT, _CONFLICT_LONGEST_WAIT),
        reraise=True,
    )
    return retrying(write)


def client() -> Any:
    """Returns boto3's client with the time-outs and retries of a step.

    Making one takes a tenth of a second, and threads may share one: there is one for each set of `AWS_*`
    variables.

    Raises:
        InvalidInput: the address of S3 holds a login.
    """
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        if "@" in os.environ.get(name, ""):  # boto3's errors quote it
            raise InvalidInput(
                f"{name} holds a login: give it as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                Code.INVALID_SETTING,
                service=S3,
            )
    return _client(tuple(sorted(item for item in os.environ.items() if item[0].startswith("AWS_"))))


@cache
def _client(environment: tuple[tuple[str, str], ...]) -> Any:
    # boto3 reads the variables by itself; they are here to tell one client from another.
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "max_attempts": 4},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    made = boto3.Session().client("s3", config=config)
    made.meta.events.register_first("needs-retry.s3", refuse_at_once)
    return made


def split(uri: str) -> tuple[str, str]:
    """Returns the bucket and the key of an S3 URI.

    Raises:
        InvalidInput: it is not of the form `s3://bucket/key`.
    """
    # Not as a URL: a key may hold `?` and `#`.
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not key:
        raise InvalidInput(f"{uri!r} is not an S3 URI: write s3://bucket/key", Code.INVALID_SETTING)
    return bucket, key


def file_sha256(path: Path) -> str:
    """Returns the sha256 of a file, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
