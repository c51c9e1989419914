"""What S3's answers mean for a step: endings that name the object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from stepkit import trust
from stepkit.outcomes import S3, Code, OutsideDown, RefusedInput

_BAD_KEY = ("KeyTooLongError", "XMinioInvalidObjectName", "XMinioInvalidResourceName", "InvalidURI")
"""What servers say of a key that they take from nobody."""


class ObjectMissing(RefusedInput):
    """There is no object at the URI."""

    default_code = Code.MISSING_INPUT


class AlreadyThere(Exception):
    """A conditional write found an object."""


class Conflict(OutsideDown):
    """A conditional write met another one under way, which may yet fail: nothing is known of the object."""


@contextmanager
def naming(uri: str) -> Iterator[None]:
    """Turns boto3's errors into endings that name the object; its URI need not have a key."""
    try:
        yield
    except NoCredentialsError:
        raise RefusedInput(
            "S3 needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment", Code.INVALID_SETTING
        ) from None
    except ClientError as error:
        raise _ending(uri, error) from error
    except S3UploadFailedError as error:
        # `upload_file` wraps what S3 answered, and keeps it only as the context.
        if not isinstance(answer := error.__context__, ClientError):
            raise
        raise _ending(uri, answer) from error
    except BotoCoreError as error:
        raise OutsideDown(f"S3 does not answer for {uri}: {error}", file=uri, service=S3) from error


def refuse_untrusted(caught_exception: Exception | None = None, **_: object) -> None:
    """Ends what boto3 would try again: an answer to its event `needs-retry`.

    Raises:
        RefusedInput: S3 is encrypted as no further attempt mends it.
    """
    if caught_exception is None:
        return
    url = getattr(caught_exception, "kwargs", {}).get("endpoint_url", "")
    if refused := trust.refusal(f"S3 at {urlsplit(url).netloc}" if url else "S3", caught_exception, S3):
        raise refused from caught_exception


def _ending(uri: str, error: ClientError) -> Exception:
    # botocore has both of these in each of its errors; the code is the server's.
    code = error.response["Error"].get("Code", "")
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if code == "PreconditionFailed":
        return AlreadyThere(uri)
    if code in ("ConditionalRequestConflict", "OperationAborted"):
        return Conflict(f"S3 is at work on another write of {uri} ({code})", file=uri, service=S3)
    if code in _BAD_KEY:
        # A key of 1,024 bytes may stand in a sentence of a result of 4,000.
        return RefusedInput(
            f"S3 does not take the key {uri:.300} ({code}): give it a shorter name, of plain characters",
            Code.INVALID_INPUT,
            file=uri,
            service=S3,
        )
    if code == "NoSuchBucket":
        return _down(uri, f"there is no bucket for {uri}: create it, or correct the bucket's name")
    if status == 404:
        return ObjectMissing(f"there is no object at {uri}", file=uri, service=S3)
    if status in (401, 403):
        refusal = f"S3 refuses access to {uri} ({code}): check the access key and its policy"
        return _down(uri, refusal, Code.ACCESS_REFUSED)
    if code in ("XMinioStorageFull", "InsufficientStorage", "QuotaExceeded") or status == 507:
        full = f"S3 has no room for {uri} ({code}): free space or enlarge its volume"
        return _down(uri, full, Code.STORAGE_FULL)
    return _down(uri, f"S3 answered {status} {code} for {uri}")


def _down(uri: str, sentence: str, code: Code = Code.SERVICE_DOWN) -> OutsideDown:
    return OutsideDown(sentence, code, file=uri, service=S3)
