"""The latest model of a training without a registry: a small JSON object in S3 that names its run."""

import json
from urllib.parse import urlsplit

from app.registry import MOST_ANSWER_BYTES, ModelVersion, RegistryUnavailableError
from bundle import BundleError


def read_latest_run(uri: str, model_name: str) -> ModelVersion | None:
    """Reads the object; None while there is none. Connection and keys come from boto3's own variables.

    Args:
        uri: `s3://bucket/key`.
        model_name: What the model is called in answers.

    Raises:
        BundleError: The object does not name a run and the digest of its bundle.
        RegistryUnavailableError: S3 does not answer, or refuses.
    """
    import boto3  # 30 MB of memory that serving with a registry does without
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    place = urlsplit(uri)
    # An S3 that swallows packets must not hold up /reload, nor a restart that has the bundle on disk.
    patience = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})
    try:
        answer = boto3.client("s3", config=patience).get_object(
            Bucket=place.netloc, Key=place.path.lstrip("/")
        )
        text = answer["Body"].read(MOST_ANSWER_BYTES)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise _unreadable(error) from error
    except BotoCoreError as error:
        raise _unreadable(error) from error
    try:
        run = json.loads(text)
        return ModelVersion(model_name, None, run["run_id"], run["bundle_digest"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"the latest run's object names no run and bundle_digest: {error!r}") from error


def _unreadable(error: Exception) -> RegistryUnavailableError:
    """Returns the error that S3 does not answer or refuses, without its address."""
    return RegistryUnavailableError(f"The latest run cannot be read from S3: {type(error).__name__}")
