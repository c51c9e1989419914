"""A client that survives a bad server: time-outs, bounded retries, and limits on what it takes in."""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

import urllib3
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_before_delay
from urllib3.exceptions import HTTPError, LocationValueError, ProxyError

from stepkit import trust
from stepkit.answers import Answer as Answer
from stepkit.answers import Limits as Limits
from stepkit.answers import Stream as Stream
from stepkit.connections import Budget
from stepkit.errors import Code, DependencyUnavailable, InvalidInput
from stepkit.patience import Patience
from stepkit.patience import Unfinished as Unfinished
from stepkit.proxies import LOGIN_WANTED, Pools, not_let_through, proxy_of, unreached
from stepkit.rate_limits import retry_after, seconds_to_wait
from stepkit.urls import checked_url, host_of, origin_of, same_host

T = TypeVar("T")
_RETRIED = frozenset({429, 500, 502, 503, 504})
_LIMITED = frozenset({418, 429})
"""Sent to who asks too often; 418 is of exchanges, to who went on after 429."""
_TELLING_BYTES = 1 << 14
"""Of a refusal, as far as it is searched for a time and a reason."""
_SHOWN = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEP_METHOD = frozenset({307, 308})
_FRAME_BYTES = 1 << 20
"""What heads, redirects and the sizes of chunks may take beside a body."""
_ANYWHERE = frozenset({"accept", "accept-encoding", "content-type"})
"""Headers that go along when a redirect leads to another origin: no token is among them."""
_logger = logging.getLogger(__name__)


class Client:
    """Gets answers over HTTP, in one session, through the proxy that the environment names, if it does.

    A server sets the wait before the next attempt as `stepkit.rate_limits` reads it; else it grows, as
    `stepkit.patience` says.

    Args:
        limits: how long, how often, how much.
        headers: sent with each request, such as a token.
        ask_again: statuses that mean "later", besides 429 and the 5xx that pass.
        explain: returns what the beginning of such an answer's body says of its reason; nothing if nothing.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        ask_again: Collection[int] = (),
        explain: Callable[[bytes], str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = limits or Limits()
        self._sleep, self._explain = sleep, explain
        self._retried = _RETRIED | frozenset(ask_again)
        self._headers = dict(headers or {})
        self._budget = Budget(self._limits.answer_timeout, self._limits.max_bytes + _FRAME_BYTES)
        self._pools = Pools(
            self._budget,
            timeout=urllib3.Timeout(connect=self._limits.connect_timeout, read=self._limits.read_timeout),
            retries=False,
        )

    def get(
        self,
        url: str,
        parameters: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Asks until there is an answer, and takes it into memory.

        Args:
            url: http or https.
            parameters: the query.
            headers: of this request, besides the client's.

        Returns:
            The answer, which may be a 4xx other than 429: what it means is the caller's to say.

        Raises:
            DependencyUnavailable: no attempt succeeded, or the server asks for more than
                `longest_asked_wait`.
            InvalidInput: the URL is not a URL, the answer is too large, or it redirects to another host.
        """
        return self.stream(url, Stream.whole, parameters, headers=headers)

    def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Sends a body until there is an answer; only for requests that may be repeated. Else as `get`."""
        return self.stream(url, Stream.whole, headers=headers, body=body)

    def download(
        self,
        url: str,
        path: Path,
        parameters: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Writes the body of a 200 to a file, which is there only when it is whole. Else as `get`.

        Returns:
            The answer, without its body when that is in the file.
        """

        def keep(stream: Stream) -> Answer:
            if stream.status != 200:
                return stream.whole()
            part = path.with_name(f"{path.name}.part")
            with part.open("wb") as file:
                file.writelines(stream)
            os.replace(part, path)
            return Answer(stream.url, stream.status, stream.headers, b"")

        return self.stream(url, keep, parameters, headers=headers)

    def stream(
        self,
        url: str,
        consume: Callable[[Stream], T],
        parameters: Mapping[str, str | int] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> T:
        """Returns what `consume` makes of an answer, in bounded memory.

        An answer that breaks off is asked for again, and `consume` called again with the new one: it must
        begin from the start and leave nothing of the attempt before.

        Args:
            url: http or https.
            consume: reads the stream; sees every status that is not worth a retry.
            parameters: the query.
            headers: of this request, besides the client's.
            body: what to send, by POST; without it, GET.

        Raises:
            DependencyUnavailable: no attempt succeeded, or the server asks for more than
                `longest_asked_wait`.
            InvalidInput: the URL is not a URL, the answer is too large, or it redirects to another host.
        """
        url = checked_url(url)
        if parameters:
            url = f"{url}?{urlencode(parameters)}"
        limits = self._limits
        patience = Patience(
            limits.attempts,
            limits.first_wait,
            limits.longest_wait,
            limits.longest_asked_wait,
            limits.least_limited_wait,
        )
        late = stop_before_delay(limits.longest_trying)
        retrying = Retrying(
            sleep=self._sleep,
            retry=retry_if_exception_type(Unfinished),
            wait=patience.wait,
            stop=lambda state: patience.stop(state) or late(state),
            before_sleep=lambda state: _tell(url, state),
            reraise=True,
        )
        try:
            made: T = retrying(self._follow, url, consume, headers, body)
        except Unfinished as failure:
            if patience.asked_too_much:
                raise DependencyUnavailable(
                    f"{url} {failure} and asks to wait {failure.wait:.0f} s, where {patience.left:.0f} s are"
                    f" left to wait: next try after {_moment_in(failure.wait or 0.0)}",
                    service=host_of(url),
                ) from failure
            times = retrying.statistics["attempt_number"]
            raise DependencyUnavailable(
                f"{url} {failure}, {times} times over", service=host_of(url)
            ) from failure
        return made

    def _follow(
        self,
        url: str,
        consume: Callable[[Stream], T],
        headers: Mapping[str, str] | None,
        body: bytes | None,
    ) -> T:
        """Follows redirects on the same host only: another could be an address inside the cluster."""
        self._budget.begin(url)
        method, every = "GET" if body is None else "POST", {**self._headers, **(headers or {})}
        for _ in range(self._limits.max_redirects + 1):
            try:
                response = self._pools.of(url).request(
                    method, url, body=body, headers=every, redirect=False, preload_content=False
                )
            except LocationValueError as error:
                raise InvalidInput(f"{url!r} is not a URL: {error}", Code.INVALID_SETTING) from error
            except ProxyError as error:
                raise unreached(url, error) from error
            except HTTPError as error:
                if refused := trust.refusal(host_of(url), error):
                    raise refused from error
                raise Unfinished(f"did not answer ({trust.reason_of(error)})") from error
            try:
                location = response.headers.get("Location")
                if response.status == LOGIN_WANTED and proxy_of(url):
                    raise not_let_through(url, response.status)
                if response.status in self._retried:
                    raise self._later(response)
                if response.status not in _REDIRECTS or not location:
                    return consume(Stream(url, response, self._limits, self._budget))
                if method == "POST" and response.status not in _KEEP_METHOD:
                    raise InvalidInput(
                        f"{url} answers a POST with {response.status} to {location}, which would make it"
                        " a GET: give the final URL",
                        Code.INVALID_SETTING,
                        service=host_of(url),
                    )
            finally:
                response.close()
            target = same_host(url, location)
            if origin_of(target) != origin_of(url):
                every = {name: value for name, value in every.items() if name.lower() in _ANYWHERE}
            url = target
        raise InvalidInput(
            f"{url} redirects more than {self._limits.max_redirects} times",
            Code.INVALID_SETTING,
            service=host_of(url),
        )

    def _later(self, response: urllib3.BaseHTTPResponse) -> Unfinished:
        @functools.cache
        def beginning() -> bytes:
            try:
                return response.read(_TELLING_BYTES)
            except HTTPError:
                return b""

        reason, limited = f"answered {response.status}", response.status in _LIMITED
        if self._explain and (said := " ".join(self._explain(beginning()).split())):
            reason += f" ({said[:_SHOWN]})"
        if not limited:
            return Unfinished(reason, retry_after(response.headers.get("Retry-After")))
        return Unfinished(reason, seconds_to_wait(response.headers, beginning), limited)


def _moment_in(seconds: float) -> str:
    try:
        moment = datetime.now(UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return "that time"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _tell(url: str, state: RetryCallState) -> None:
    failure = state.outcome.exception() if state.outcome else None
    _logger.warning(
        "%s %s; attempt %d follows in %.1f s", url, failure, state.attempt_number + 1, state.upcoming_sleep
    )
