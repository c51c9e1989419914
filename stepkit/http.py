"""A GET that survives a bad server: time-outs, bounded retries, and limits on what it takes in."""

from __future__ import annotations

import email.utils
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from stepkit.outcomes import OutsideDown, RefusedInput

_RETRIED = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 1 << 16
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a server said: any final status that is not worth a retry."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Limits:
    """How long and how often a client tries, and how much it takes; times are in seconds."""

    attempts: int = 5
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    answer_timeout: float = 120.0
    first_wait: float = 0.5
    longest_wait: float = 60.0
    """The longest wait of the client's own choice."""
    longest_asked_wait: float = 600.0
    """The most that all waits a server asks for may come to; below the 15 minutes that a step has."""
    max_bytes: int = 64 << 20
    max_redirects: int = 3


class _Unfinished(Exception):
    """An attempt that may go better next time."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Client:
    """Gets answers over HTTP.

    Waits between attempts grow exponentially with full jitter (AWS Architecture Blog, "Exponential Backoff
    And Jitter"), unless the server sets the wait by `Retry-After`, in seconds or as a date.
    """

    def __init__(self, limits: Limits | None = None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._limits = limits or Limits()
        self._sleep = sleep
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=self._limits.connect_timeout, read=self._limits.read_timeout),
            retries=False,
        )

    def get(self, url: str, parameters: Mapping[str, str | int] | None = None) -> Answer:
        """Asks until there is an answer.

        Args:
            url: http or https.
            parameters: the query.

        Returns:
            The answer, which may be a 4xx other than 429: what it means is the caller's to say.

        Raises:
            OutsideDown: no attempt succeeded, or the server asks for more than `longest_asked_wait`.
            RefusedInput: the URL is no URL, the answer is too large, or it redirects to another host.
        """
        if urlsplit(url).scheme not in ("http", "https"):
            raise RefusedInput(f"{url!r} is not a URL: it must begin with http:// or https://")
        if parameters:
            url = f"{url}?{urlencode(parameters)}"
        patience = self._limits.longest_asked_wait
        for attempt in range(1, self._limits.attempts + 1):
            try:
                return self._follow(url)
            except _Unfinished as failure:
                reason, asked = str(failure), failure.wait
            if asked is not None and asked > patience:
                raise OutsideDown(
                    f"{url} {reason} and asks to wait {asked:.0f} s, where {patience:.0f} s are left to wait:"
                    " run the step again after that time"
                )
            patience -= asked or 0
            wait = self._wait(attempt) if asked is None else asked
            if attempt < self._limits.attempts:
                _logger.warning("%s %s; attempt %d follows in %.1f s", url, reason, attempt + 1, wait)
                self._sleep(wait)
        raise OutsideDown(f"{url} {reason}, {self._limits.attempts} times over")

    def _wait(self, attempt: int) -> float:
        longest = min(self._limits.longest_wait, self._limits.first_wait * 2**attempt)
        return random.uniform(0, longest)  # noqa: S311 - spreads retries, hides nothing

    def _follow(self, url: str) -> Answer:
        """Follows redirects on the same host only: another could be an address inside the cluster."""
        for _ in range(self._limits.max_redirects + 1):
            answer = self._ask(url)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            target = urljoin(url, location)
            if urlsplit(target).hostname != urlsplit(url).hostname or urlsplit(target).scheme not in (
                "http",
                "https",
            ):
                raise RefusedInput(
                    f"{url} redirects to {target}, another host: give that URL if it is the right one"
                )
            url = target
        raise RefusedInput(f"{url} redirects more than {self._limits.max_redirects} times")

    def _ask(self, url: str) -> Answer:
        try:
            response = self._pool.request("GET", url, redirect=False, preload_content=False)
            try:
                if response.status in _RETRIED:
                    raise _Unfinished(
                        f"answered {response.status}", retry_after(response.headers.get("Retry-After"))
                    )
                body = b"".join(self._chunks(url, response))
            finally:
                response.close()
        except LocationValueError as error:
            raise RefusedInput(f"{url!r} is not a URL: {error}") from error
        except HTTPError as error:
            raise _Unfinished(f"did not answer ({type(error).__name__})") from error
        return Answer(url, response.status, response.headers, body)

    def _chunks(self, url: str, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        end = time.monotonic() + self._limits.answer_timeout
        taken = 0
        while chunk := response.read1(_CHUNK):
            taken += len(chunk)
            if taken > self._limits.max_bytes:
                raise RefusedInput(f"{url} sent more than {self._limits.max_bytes} bytes")
            if time.monotonic() > end:
                raise _Unfinished(f"did not finish its answer in {self._limits.answer_timeout:.0f} s")
            yield chunk


def retry_after(header: str | None) -> float | None:
    """Gives the seconds a `Retry-After` header asks for (RFC 9110, 10.2.3); None when it says nothing."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
