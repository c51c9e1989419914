"""The connections of clients: bounded in number, in a request's head, and in the time that they may stall."""

import asyncio
import resource
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar, Literal

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.metrics import RequestCounts
from app.places import Places
from app.upgrades import WithoutUpgrades

SPARE_CONNECTIONS = 100
"""Beyond the bound, when none within it is idle: for probes and refusals. One more takes the place of one of
these that never asked, or else of any that rests."""
MAX_HEAD_BYTES = 65_536
"""Of a request's head, and of what may come between two parts of a chunked body: extensions and trailers."""
MAX_UNTAKEN_BYTES = 67_108_864
"""What all clients together may leave unread of their answers, beyond what the kernel's buffers take."""
MAX_PIPELINED = 32
"""Requests that may wait behind the one that is being answered. What comes in one piece is parsed at once: it
can hold thousands, each of which takes kilobytes until it is answered."""
ANSWER_SECONDS = 30
"""So long may a client leave unread what the kernel's buffers do not take."""
PROBES = {"/health", "/ready"}
CLOSE = (b"connection", b"close")
REFUSAL = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
OTHER_FILES = 300
"""What a process opens beside its public port's connections: the other port's, models, the registry's."""

Part = Literal["head", "body"]


class PipelineFull(Exception):
    """A client has sent more requests than may wait."""


class Full:
    """Stands before the application on connections beyond the bound, each of which gets one answer."""

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self._app, self._counts = app, counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers probes, which else would end a process that is well, and refuses the rest."""
        if scope["type"] == "http" and scope["path"] in PROBES:

            async def closing(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message.get("headers", ()), CLOSE]
                await send(message)

            await self._app(scope, receive, closing)
            return
        self._counts.answered("other", 429, 0.0)
        problem = {"detail": "Too many connections are open: try again in a second."}
        await JSONResponse(problem, 429, {"Retry-After": "1", "Connection": "close"})(scope, receive, send)


@dataclass(frozen=True)
class Limits:
    """What the connections of one port may take."""

    connections: int
    """How many may be open."""
    head_seconds: float
    """How long the head of a request may take, and the first request after a connection is made."""
    body_seconds: float
    """How long the application gives a body. One that it does not read may take twice that."""
    full: Full
    """Answers on connections beyond the bound."""
    counts: RequestCounts


class Connection(WithoutUpgrades):
    """uvicorn's connection, dropped when its client stalls. uvicorn itself times none but idle ones."""

    limits: ClassVar[Limits]
    places: ClassVar[Places]
    untaken_bytes: ClassVar[int] = 0
    """Of all connections with these limits."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._timed: Part | None = None
        self._timed_scope: Any = None
        self._head_bytes = 0
        self._bytes_between = 0
        self._met_body = False
        self._untaken_bytes = 0
        self._late: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first request."""
        super().connection_made(transport)
        beyond = len(self.connections) - self.limits.connections
        if beyond <= 0 or self._displace():
            self.places.take(self)
        else:
            self.app = self.limits.full
            if beyond > SPARE_CONNECTIONS:
                self._displaced()._drop("bound")
        self._expect("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends all waiting."""
        super().connection_lost(exc)
        self.places.leave(self)
        self._expect(None)
        self._end_untaken()

    def data_received(self, data: bytes) -> None:
        """Times what is still to come; the usual request comes whole, and is not timed."""
        WithoutUpgrades.data_received(self, data)
        cycle = self.cycle
        if (
            self._timed is not None
            or cycle is None
            or cycle.more_body
            or cycle.response_complete
            or cycle.scope is not self.scope
        ):
            self._time_rest(len(data))

    def on_message_begin(self) -> None:
        """Drops a client that sends on and on without waiting for an answer.

        Raises:
            PipelineFull: Ends the parser's work on what has come.
        """
        if len(self.pipeline) >= MAX_PIPELINED:
            self._drop("bound")
            raise PipelineFull
        WithoutUpgrades.on_message_begin(self)

    def on_body(self, body: bytes) -> None:
        """Notes that a body goes on, which endless trailers do not."""
        WithoutUpgrades.on_body(self, body)
        self._met_body = True

    def on_response_complete(self) -> None:
        """Times the rest of a last answer too, for which the transport waits without end."""
        WithoutUpgrades.on_response_complete(self)
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._begin_untaken()

    def pause_writing(self) -> None:
        """Begins to wait for the client to take its answer."""
        super().pause_writing()
        self._begin_untaken()

    def resume_writing(self) -> None:
        """Ends that."""
        super().resume_writing()
        self._end_untaken()

    def timeout_keep_alive_handler(self) -> None:
        """Closes an idle connection, or drops it when its client has not taken the last answer."""
        if self.transport.get_write_buffer_size():
            self._drop("answer")
        else:
            super().timeout_keep_alive_handler()

    def _displace(self) -> bool:
        """Drops a connection that is idle, if there is one: who asks does not wait for who does not."""
        idle = self.places.least_needed(self.loop.time())
        if not isinstance(idle, Connection):
            return False
        self.places.leave(idle)
        idle._drop("bound")
        return True

    def _displaced(self) -> "Connection":
        """Returns a connection that never asked, else one that rests, else this one: probes must get in."""
        others = [
            each
            for each in self.connections
            if isinstance(each, Connection) and each is not self and not each.transport.is_closing()
        ]
        silent = (each for each in others if each.cycle is None)
        resting = (each for each in others if each.resting_since is not None)
        return next(chain(silent, resting), self)

    @property
    def resting_since(self) -> float | None:
        """When it had its last answer, by the loop's clock, if nothing has come since; uvicorn times that."""
        timer = self.timeout_keep_alive_task
        return timer.when() - self.timeout_keep_alive if timer else None

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _part(self) -> Part | None:
        """What of a request is coming; blank lines after an answer are the beginning of a head."""
        if self.cycle is None or self.scope is not self.cycle.scope:
            return "head"
        if self.cycle.more_body:
            return "body"
        return None if self._answering else "head"

    def _time_rest(self, received: int) -> None:
        if self.cycle is not None and not self.cycle.more_body:
            self.places.heard(self)
        part = self._part
        self._head_bytes = self._head_bytes + received if part == "head" else 0
        self._bytes_between = self._bytes_between + received if part == "body" and not self._met_body else 0
        self._met_body = False
        if self._bytes_between > MAX_HEAD_BYTES:
            self._drop("body")
        elif self._head_bytes > MAX_HEAD_BYTES and self._answering:
            self.flow.pause_reading()  # until the answer is written: a refusal would stand amid it
        elif self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(431, b"The head of the request is too large.")
        elif part != self._timed or self.scope is not self._timed_scope:
            self._expect(part)

    def _expect(self, part: Part | None) -> None:
        if self._late:
            self._late.cancel()
        self._late, self._timed, self._timed_scope = None, part, self.scope
        if part:
            seconds = self.limits.head_seconds if part == "head" else 2 * self.limits.body_seconds
            self._late = self.loop.call_later(seconds, self._stalled)

    def _stalled(self) -> None:
        if self._timed == "head" and self._answering:
            self._expect("head")  # of the next request: a refusal would stand amid the answer to this one
        elif self._timed == "head" and self._head_bytes and not self.transport.is_closing():
            self._refuse(408, b"The head of the request did not come in time.")
        else:
            self._drop(self._timed or "head")

    def _refuse(self, status: int, problem: bytes) -> None:
        self.limits.counts.dropped["head"] += 1
        self._expect(None)
        self.transport.write(STATUS_LINE[status] + REFUSAL % (len(problem), problem))
        self.transport.close()

    def _begin_untaken(self) -> None:
        self._end_untaken()
        self._untaken_bytes = self.transport.get_write_buffer_size()
        kind = type(self)
        kind.untaken_bytes += self._untaken_bytes
        if kind.untaken_bytes > MAX_UNTAKEN_BYTES:
            self._drop("answer")
        else:
            self._untaken = self.loop.call_later(ANSWER_SECONDS, self._drop, "answer")

    def _end_untaken(self) -> None:
        if self._untaken:
            self._untaken.cancel()
        type(self).untaken_bytes -= self._untaken_bytes
        self._untaken, self._untaken_bytes = None, 0

    def _drop(self, reason: str) -> None:
        self.limits.counts.dropped[reason] += 1
        self.transport.abort()


def allow_open_files(connections: int) -> None:
    """Allows this process as many open files as its connections need.

    Raises:
        ValueError: The system allows fewer, with a sentence.
    """
    needed = connections + SPARE_CONNECTIONS + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ValueError(
            f"MAX_CONNECTIONS {connections} takes {needed} open files, and the system allows this process"
            f" {hard}: set MAX_CONNECTIONS to at most {hard - needed + connections}, or raise the limit"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def bounded(limits: Limits) -> type[Connection]:
    """Returns the class of connections with those limits, for uvicorn's `http`."""
    return type("BoundedConnection", (Connection,), {"limits": limits, "places": Places()})
