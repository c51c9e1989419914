"""Checks the bucket of the pipeline, and that what is temporary in it goes by itself."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated

from stepkit import lifecycle
from stepkit.errors import Code, InvalidInput
from stepkit.options import Option
from stepkit.settings import Settings
from stepkit.step import run

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BucketReady:
    """The bucket, and the prefixes whose expiry was missing or wrong until now."""

    bucket: str
    corrected: list[str]


def setup_s3(
    settings: Settings,
    *,
    bucket: Annotated[str, Option("bucket of the pipeline", env="DATA_REPO_BUCKET_NAME")] = "data",
    temporary_prefixes: Annotated[list[str], Option("prefixes whose objects go", env="TEMPORARY_PREFIXES")],
    expire_days: Annotated[int, Option("days after which they go", minimum=1)] = 60,
) -> BucketReady:
    """Makes sure that objects below the temporary prefixes expire; other rules of the bucket stay."""
    for prefix in temporary_prefixes:
        if not isinstance(prefix, str) or not prefix.endswith("/") or prefix.startswith("/"):
            raise InvalidInput(
                f"--temporary-prefixes (TEMPORARY_PREFIXES) holds {prefix!r}: a prefix ends with / and does"
                " not begin with it, such as 1-enriched-data/",
                Code.INVALID_SETTING,
            )
    corrected = lifecycle.expire(bucket, dict.fromkeys(temporary_prefixes, expire_days))
    for prefix in corrected:
        _logger.warning("objects below %s in bucket %s now go after %d days", prefix, bucket, expire_days)
    return BucketReady(bucket, corrected)


if __name__ == "__main__":
    run(setup_s3)
