"""What S3's answers mean for a step: endings that name the object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from stepkit import trust
from stepkit.errors import S3, Code, DependencyUnavailable, InvalidInput

_BAD_KEY = ("KeyTooLongError", "XMinioInvalidObjectName", "XMinioInvalidResourceName", "InvalidURI")
"""What servers say of a key that they take from nobody."""
_WRONG_REGION = ("AuthorizationHeaderMalformed", "IllegalLocationConstraintException")
_CLOCKS_DIFFER = ("RequestTimeTooSkewed", "RequestExpired")
_BAD_TOKEN = ("ExpiredToken", "InvalidToken", "TokenRefreshRequired")
"""What AWS says with 400 of credentials that were lent for a time."""
_REDIRECTS = (301, 302, 303, 307, 308)
_REGION_HEADER = "x-amz-bucket-region"
_SHOWN = 200


class ObjectMissing(InvalidInput):
    """There is no object at the URI."""

    default_code = Code.MISSING_INPUT


class AlreadyThere(Exception):
    """A conditional write found an object."""


class Conflict(DependencyUnavailable):
    """A conditional write met another one under way, which may yet fail: nothing is known of the object."""


@contextmanager
def naming(uri: str) -> Iterator[None]:
    """Turns boto3's errors into endings that name the object; its URI need not have a key."""
    try:
        yield
    except NoCredentialsError:
        raise InvalidInput(
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
        raise DependencyUnavailable(f"S3 does not answer for {uri}: {error}", file=uri, service=S3) from error


def refuse_at_once(
    caught_exception: Exception | None = None, response: tuple[Any, Any] | None = None, **_: object
) -> None:
    """Ends what boto3 would try again in vain: an answer to its event `needs-retry`.

    Raises:
        InvalidInput: S3 is encrypted as no further attempt mends it, or leads elsewhere.
    """
    if caught_exception is not None:
        url = getattr(caught_exception, "kwargs", {}).get("endpoint_url", "")
        if refused := trust.refusal(f"S3 at {urlsplit(url).netloc}" if url else "S3", caught_exception, S3):
            raise refused from caught_exception
    http = response and response[0]
    # Where no region is named boto3 asks for it, is led elsewhere again, and so on until the stack is full.
    if http is not None and http.status_code in _REDIRECTS and _REGION_HEADER not in http.headers:
        raise InvalidInput(
            f"S3 answers {http.status_code} at {http.url[:_SHOWN]}, which leads to"
            f" {http.headers.get('Location', 'no named place')[:_SHOWN]}: AWS_ENDPOINT_URL_S3 must be the URL"
            " that S3 itself answers at",
            Code.INVALID_SETTING,
            service=S3,
        )


def _ending(uri: str, error: ClientError) -> Exception:
    # botocore has both of these in each of its errors; the code is the server's.
    said = error.response["Error"]
    code = said.get("Code", "")
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if code == "PreconditionFailed":
        return AlreadyThere(uri)
    if code in ("ConditionalRequestConflict", "OperationAborted"):
        return Conflict(f"S3 is at work on another write of {uri} ({code})", file=uri, service=S3)
    if code in _BAD_KEY:
        # A key of 1,024 bytes may stand in a sentence of a result of 4,000.
        return InvalidInput(
            f"S3 does not take the key {uri:.300} ({code}): give it a shorter name, of plain characters",
            Code.INVALID_INPUT,
            file=uri,
            service=S3,
        )
    if code == "NoSuchBucket":
        return _down(uri, f"there is no bucket for {uri}: create it, or correct the bucket's name")
    if status == 404:
        return ObjectMissing(f"there is no object at {uri}", file=uri, service=S3)
    if code in _WRONG_REGION:
        return InvalidInput(
            f"S3 takes no request of this region for {uri} ({_words(said)}): correct AWS_DEFAULT_REGION",
            Code.INVALID_SETTING,
            file=uri,
            service=S3,
        )
    if code in _CLOCKS_DIFFER:
        return _down(
            uri,
            f"S3 refuses a request for {uri} by its time ({_words(said)}): the clocks of this machine and of"
            " S3 must agree within 15 minutes",
        )
    if status in (401, 403) or code in _BAD_TOKEN:
        refusal = f"S3 refuses access to {uri} ({code}): check the access key and its policy"
        return _down(uri, refusal, Code.ACCESS_REFUSED)
    if code in ("XMinioStorageFull", "InsufficientStorage", "QuotaExceeded") or status == 507:
        full = f"S3 has no room for {uri} ({code}): free space or enlarge its volume"
        return _down(uri, full, Code.STORAGE_FULL)
    return _down(uri, f"S3 answered {status} {_words(said)} for {uri}")


def _words(said: dict[str, Any]) -> str:
    """Returns the code of an error, with S3's own words where it has some."""
    words = " ".join(str(said.get("Message") or "").split())[:_SHOWN]
    return ": ".join(filter(None, (str(said.get("Code", "")), words)))


def _down(uri: str, sentence: str, code: Code = Code.SERVICE_DOWN) -> DependencyUnavailable:
    return DependencyUnavailable(sentence, code, file=uri, service=S3)
