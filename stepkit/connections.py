"""Connections of the HTTP client: they dial addresses that were checked, and read within a budget."""

from __future__ import annotations

import functools
import http.client
import io
import socket
import time
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from stepkit import trust
from stepkit.addresses import addresses_of
from stepkit.errors import Code, InvalidInput
from stepkit.patience import Unfinished
from stepkit.urls import host_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Budget:
    """The time and the bytes of one answer, redirects before it, its head and all that is between included.

    Args:
        seconds: from `begin` on.
        most_bytes: as they come from the network, still packed.
    """

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self._seconds, self._most_bytes = seconds, most_bytes
        self.begin("")

    def begin(self, url: str) -> None:
        """Starts over, for an answer of this URL."""
        self._url, self._taken, self._end = url, 0, time.monotonic() + self._seconds

    def left(self) -> float:
        """Returns the seconds that are left.

        Raises:
            Unfinished: none are.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise Unfinished(f"did not finish its answer in {self._seconds:g} s")
        return left

    def take(self, size: int) -> None:
        """Counts bytes.

        Raises:
            InvalidInput: they are too many.
        """
        self._taken += size
        if self._taken > self._most_bytes:
            raise InvalidInput(
                f"{self._url} sent more than {self._most_bytes} bytes as they come from the network",
                Code.UNREADABLE_INPUT,
                file=self._url,
                service=host_of(self._url),
            )


class _Metered(io.RawIOBase):
    """The bytes of a socket, as far as a budget goes: a time-out of each read alone never ends a drip."""

    def __init__(self, file: io.RawIOBase, connected: socket.socket, budget: Budget) -> None:
        self._file, self._socket, self._budget = file, connected, budget
        self._timeout = connected.gettimeout()

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        left = self._budget.left()
        self._socket.settimeout(left if self._timeout is None else min(self._timeout, left))
        try:
            size = self._file.readinto(buffer)
        except TimeoutError:
            self._budget.left()
            raise
        self._budget.take(size or 0)
        return size

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, connected: socket.socket, *arguments: Any, budget: Budget, **options: Any) -> None:
        super().__init__(connected, *arguments, **options)
        self.fp = io.BufferedReader(_Metered(self.fp.detach(), connected, budget))


class _Connection(HTTPConnection):
    def __init__(self, *arguments: Any, budget: Budget, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._budget = budget
        # http.client makes its responses by this attribute.
        self.response_class = functools.partial(_Response, budget=budget)  # type: ignore[assignment]

    def _new_conn(self) -> socket.socket:
        if self.proxy is not None:
            return super()._new_conn()
        name = self._dns_host
        try:
            addresses = addresses_of(name, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        failure: NewConnectionError | ConnectTimeoutError | None = None
        for address in addresses:
            self._budget.left()
            # By the name it would be looked up once more, and could be another address then.
            self._dns_host = address
            try:
                return super()._new_conn()
            except (NewConnectionError, ConnectTimeoutError) as error:
                failure = error
            finally:
                self._dns_host = name
        raise failure or NewConnectionError(self, f"{name} has no address")


class _EncryptedConnection(_Connection, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _EncryptedPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _EncryptedConnection


class _Budgeted(urllib3.PoolManager):
    budget: Budget

    def _new_pool(self, *arguments: Any, **options: Any) -> urllib3.HTTPConnectionPool:
        pool = super()._new_pool(*arguments, **options)
        pool.conn_kw["budget"] = self.budget
        if isinstance(pool, urllib3.HTTPSConnectionPool):
            pool.conn_kw["ssl_context"] = trust.context()
        return pool


class DirectManager(_Budgeted):
    """Pools of connections to a source itself.

    Args:
        budget: of what their connections read.
        settings: of each pool, as `urllib3.PoolManager` has them.
    """

    def __init__(self, budget: Budget, **settings: Any) -> None:
        super().__init__(**settings)
        self.budget = budget
        self.pool_classes_by_scheme = {"http": _Pool, "https": _EncryptedPool}


class ProxiedManager(_Budgeted, urllib3.ProxyManager):
    """Pools of connections through a proxy, which looks names up by itself; arguments as `DirectManager`."""

    def __init__(self, proxy: str, budget: Budget, **settings: Any) -> None:
        encrypted = proxy.lower().startswith("https:")
        super().__init__(proxy, proxy_ssl_context=trust.context() if encrypted else None, **settings)
        self.budget = budget
        self.pool_classes_by_scheme = {"http": _Pool, "https": _EncryptedPool}
