"""Who may ask for predictions, and how often: a file of hashed keys, read again when it changes."""

import hashlib
import hmac
import json
import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import HTTPException

LOOK_SECONDS = 5.0
"""A changed file is in use so soon: a Secret's volume takes a minute to change."""
MOST_MET = 1000
CHALLENGE = {"WWW-Authenticate": "Bearer"}

log = logging.getLogger(__name__)


@dataclass
class Client:
    """One client: its name, its key's sha256, and what it may still ask of its rate."""

    name: str
    sha256: str
    per_second: float | None = None
    """Requests a second, as many at once; None: any number."""
    left: float = field(default=0.0, compare=False)
    seen_at: float = field(default=0.0, compare=False)


class ClientKeys:
    """The clients of a file; safe to use from one thread at a time.

    The file is JSON: `{"NAME": {"sha256": "64 hex digits", "per_second": 50}}`; the rate may be absent.
    """

    def __init__(self, file: Path) -> None:
        """Reads the file.

        Raises:
            ValueError: It cannot be read, or is not such a file; with a sentence.
        """
        self._file = file
        self._state = self._stated()
        self._clients = _read(file)
        # A header that was let in is not hashed again, which takes a tenth of an answer's time. Looking it up
        # compares it with none but its equal, by a hash that depends on a secret of this process.
        self._met: dict[bytes, Client] = {}
        self._looked_at = time.monotonic()

    def admit(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Admits a request whose `Authorization: Bearer` is a client's key and whose rate allows it.

        Raises:
            HTTPException: 401 or 429, with a sentence.
        """
        now = time.monotonic()
        if now - self._looked_at > LOOK_SECONDS:
            self._look(now)
        given = b""
        for name, value in headers:
            if name == b"authorization":
                given = value
                break
        found = self._met.get(given)
        if found is None:
            found = self._found(given)
            if len(self._met) < MOST_MET:
                self._met[given] = found
        if found.per_second is not None:
            _take(found, found.per_second, now)

    def _found(self, given: bytes) -> Client:
        scheme, _, key = given.partition(b" ")
        digest = hashlib.sha256(key.strip()).hexdigest()
        found = None
        for client in self._clients:  # all of them, so that the time tells nothing
            if hmac.compare_digest(client.sha256, digest):
                found = client
        if found is None or scheme.lower() != b"bearer":
            raise HTTPException(401, "POST /predict takes a client's key as its bearer token.", CHALLENGE)
        return found

    def _look(self, now: float) -> None:
        self._looked_at = now
        try:
            state = self._stated()
            if state == self._state:
                return
            clients = _read(self._file)
        except ValueError as error:
            log.error("%s: the keys that were read before stay", error)
            return
        before = {client.name: client for client in self._clients}
        self._clients = [
            before[each.name] if before.get(each.name) == each else each for each in clients
        ]  # one that did not change has used up what it has used up
        self._state = state
        self._met.clear()
        log.info("the keys of %d clients were read again", len(clients))

    def _stated(self) -> tuple[int, int, int]:
        try:
            found = self._file.stat()
        except OSError as error:
            raise ValueError(f"CLIENT_KEYS_FILE {self._file} cannot be read: {error.strerror}") from error
        return found.st_mtime_ns, found.st_ino, found.st_size


def _take(client: Client, rate: float, now: float) -> None:
    most = max(1.0, rate)
    client.left = most if not client.seen_at else min(most, client.left + (now - client.seen_at) * rate)
    client.seen_at = now
    if client.left < 1:
        wait = max(1, round((1 - client.left) / rate))
        raise HTTPException(
            429,
            f"Client {client.name} may ask {rate:g} times a second: try again later.",
            {"Retry-After": str(wait)},
        )
    client.left -= 1


def _read(file: Path) -> list[Client]:
    try:
        found = json.loads(file.read_bytes())
        clients = [_client(name, stated) for name, stated in found.items()]
    except OSError as error:
        raise ValueError(f"CLIENT_KEYS_FILE {file} cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"CLIENT_KEYS_FILE {file} is not a list of clients: {error}") from error
    if not clients:
        raise ValueError(f"CLIENT_KEYS_FILE {file} names no client: nobody could ask")
    return clients


def _client(name: str, stated: dict[str, Any]) -> Client:
    if not {"sha256"} <= stated.keys() <= {"sha256", "per_second"}:
        raise ValueError(f"{name} must have sha256, and may have per_second")
    digest, rate = stated["sha256"], stated.get("per_second")
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError(f"{name}: sha256 must be 64 hexadecimal digits, of the key without a line's end")
    if rate is not None and (type(rate) not in (int, float) or not 0 < rate <= 1e6):
        raise ValueError(f"{name}: per_second must be a number above 0, at most 1e6")
    return Client(name, digest, rate)
