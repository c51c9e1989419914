"""What comes from a server, and how much of it is taken: whole, or piece by piece in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError

from stepkit import trust
from stepkit.connections import Budget
from stepkit.errors import Code, InvalidInput
from stepkit.patience import Unfinished
from stepkit.urls import host_of

_CHUNK = 1 << 16


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
    """From the beginning of a request to the last byte of its answer, redirects included."""
    first_wait: float = 0.5
    longest_wait: float = 60.0
    """The longest wait of the client's own choice."""
    longest_asked_wait: float = 600.0
    """The most that all waits a server asks for may come to; below the 15 minutes that a step has."""
    least_limited_wait: float = 15.0
    """The least after 429 and its like where the server says nothing of it: most limits are of a minute."""
    longest_trying: float = 720.0
    """No attempt begins later: with the longest answer it stays below what a step has."""
    max_bytes: int = 64 << 20
    """Of a body, unpacked; packed it may be as large, and a frame of 1 MiB around it."""
    max_redirects: int = 3


class Stream:
    """An answer on its way: status and headers are there, the body is read piece by piece.

    A file to read from, for parsers, or an iterator of pieces. Reading raises `Unfinished` when the answer
    breaks off or takes too long, and `InvalidInput` when it is too large; a consumer lets both pass.
    """

    def __init__(self, url: str, response: urllib3.BaseHTTPResponse, limits: Limits, budget: Budget) -> None:
        self.url = url
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._limits, self._budget = limits, budget
        self._taken = 0

    def read(self, size: int = _CHUNK) -> bytes:
        """Returns the next piece, of `size` bytes at most, unpacked; empty at the end."""
        try:
            piece: bytes = self._response.read1(size)
        except HTTPError as error:
            why = trust.reason_of(error)
            raise Unfinished(f"broke off after {self._taken} bytes ({why})") from error
        self._taken += len(piece)
        if self._taken > self._limits.max_bytes:
            raise InvalidInput(
                f"{self.url} sent more than {self._limits.max_bytes} bytes",
                Code.UNREADABLE_INPUT,
                file=self.url,
                service=host_of(self.url),
            )
        if piece:
            self._budget.left()
        return piece

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read():
            yield piece

    def whole(self) -> Answer:
        """Reads what is left of the body into memory."""
        return Answer(self.url, self.status, self.headers, b"".join(self))
