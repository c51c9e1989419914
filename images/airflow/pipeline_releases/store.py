"""Versions and releases in S3: what is named by its hash never changes, `current` by compare-and-swap."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline_releases.manifest import Manifest, Refused, as_bytes, digest_of

INVALID, AWAY = 2, 75
"""The exit codes of steps, where it refuses or is away."""
CURRENT = "current"
ATTEMPTS = 60
"""Of a change. Each attempt that fails is a change that another writer has made."""
# The DAG processor waits for the answer before it parses on: a silent S3 may not hold it up for long.
PATIENCE = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2})
NOTHING = Manifest({})
_NO_OBJECT = "NoSuchKey"
_CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", _NO_OBJECT)


class Away(Exception):
    """S3 does not answer, or refuses the key; its text is a sentence."""


class Store:
    """The bucket of releases.

    Every method raises `Away` when S3 does not answer.

    Args:
        bucket: Its name.
        settings: Of boto3's client: `endpoint_url`, `region_name` and the key.
    """

    def __init__(self, bucket: str, **settings: Any) -> None:
        self._bucket = bucket
        style = {"addressing_style": "path"} if settings.get("endpoint_url") else {}
        self._client = boto3.client("s3", config=PATIENCE.merge(Config(s3=style)), **settings)

    @classmethod
    def from_environment(cls) -> Store:
        """Return the store that the variables `DAGS_…` lead to."""
        return cls(
            os.environ["DAGS_BUCKET"],
            endpoint_url=os.environ.get("DAGS_ENDPOINT_URL") or None,
            region_name=os.environ["DAGS_REGION"],
            aws_access_key_id=os.environ["DAGS_ACCESS_KEY"],
            aws_secret_access_key=os.environ["DAGS_SECRET_KEY"],
        )

    def current_version(self) -> str:
        """Return the name of the version that holds now."""
        return self._current()[0]

    def manifest(self, version: str) -> Manifest:
        """Return a version.

        Raises:
            Refused: There is no such version, or its bytes are others than it was named for.
        """
        if version == NOTHING.version:
            return NOTHING
        return Manifest.parse(self._named(_version_key(version), version))

    def files(self, pipeline: str, digest: str) -> dict[str, str]:
        """Return the files of a release, by name.

        Raises:
            Refused: As of `manifest`.
        """
        files: dict[str, str] = json.loads(self._named(_release_key(pipeline, digest), digest))
        return files

    def put_files(self, pipeline: str, files: Mapping[str, str]) -> str:
        """Write the files of a release, which no version names yet, and return their digest."""
        body = as_bytes(files)
        digest = digest_of(body)
        self._put(_release_key(pipeline, digest), body)
        return digest

    def change(self, make: Callable[[Manifest], Manifest]) -> str:
        """Have what `make` makes of the current version as the current version, and return its name.

        `make` is asked again when another writer was faster, so that no change is lost.

        Raises:
            Away: Others changed it all the time, too.
        """
        for _ in range(ATTEMPTS):
            former, etag = self._current()
            changed = make(self.manifest(former))
            if changed.version == former:
                return former
            self._put(_version_key(changed.version), changed.body())
            condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
            if self._put(CURRENT, changed.version.encode(), **condition):
                # An old version that holds again may have been deleted until now, as one without use.
                self._put(_version_key(changed.version), changed.body())
                return changed.version
            time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - keeps writers apart, no secret
        raise Away(f"s3://{self._bucket}/{CURRENT} was changed by others {ATTEMPTS} times: try again.")

    def unused(self, in_use: Callable[[], set[str]], before: datetime) -> list[str]:
        """Return the keys of versions, then releases, that are older than a moment and that nothing needs.

        The current version, those in use, and those that are younger need their releases.

        Args:
            in_use: Is asked for the versions that Airflow still needs, once the bucket has been looked at.
            before: The moment, with a time zone.

        Raises:
            Refused: A version that is needed is damaged.
        """
        written = {key: when for prefix in ("versions/", "releases/") for key, when in self._list(prefix)}
        needed = {key for key, when in written.items() if key.startswith("versions/") and when >= before}
        needed |= {_version_key(version) for version in {self.current_version(), *in_use()}}
        for key in needed & written.keys():
            version = key.removeprefix("versions/").removesuffix(".json")
            for pipeline, release in self.manifest(version).releases.items():
                needed.add(_release_key(pipeline, release.digest))
        unused = {key for key, when in written.items() if key not in needed and when < before}
        return sorted(unused, reverse=True)

    def delete(self, key: str, before: datetime) -> None:
        """Delete an object, unless somebody has written it since a moment."""
        with self._naming(key):
            if self._client.head_object(Bucket=self._bucket, Key=key)["LastModified"] < before:
                self._client.delete_object(Bucket=self._bucket, Key=key)

    def _list(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        with self._naming(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            for page in pages:
                for found in page.get("Contents", ()):
                    yield found["Key"], found["LastModified"]

    def _current(self) -> tuple[str, str]:
        found = self._get(CURRENT)
        return (found[0].decode(), found[1]) if found else (NOTHING.version, "")

    def _named(self, key: str, digest: str) -> bytes:
        found = self._get(key)
        if found is None:
            raise Refused(f"There is no s3://{self._bucket}/{key}: a run of this version cannot go on.")
        if digest_of(found[0]) != digest:
            raise Refused(f"s3://{self._bucket}/{key} is damaged: its name is not the hash of its bytes.")
        return found[0]

    def _get(self, key: str) -> tuple[bytes, str] | None:
        with self._naming(key):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if _code(error) == _NO_OBJECT:
                    return None
                raise
            return answer["Body"].read(), answer["ETag"]

    def _put(self, key: str, body: bytes, **condition: str) -> bool:
        """Write an object and return whether its condition held."""
        with self._naming(key):
            try:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=body, **condition)
            except ClientError as error:
                if condition and _code(error) in _CHANGED:
                    return False
                raise
        return True

    @contextmanager
    def _naming(self, key: str) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise Away(f"s3://{self._bucket}/{key} cannot be reached: {error}") from None


def _version_key(version: str) -> str:
    return f"versions/{version}.json"


def _release_key(pipeline: str, digest: str) -> str:
    return f"releases/{pipeline}/{digest}.json"


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
