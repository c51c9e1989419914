"""The proxies that the environment names for what is outside: HTTP_PROXY, HTTPS_PROXY, NO_PROXY."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import (  # type: ignore[attr-defined]  # typeshed lacks the second
    getproxies_environment,
    proxy_bypass_environment,
)

import urllib3
from urllib3.exceptions import ProxyError

from stepkit import trust
from stepkit.connections import Budget, DirectManager, ProxiedManager
from stepkit.errors import Code, InvalidInput
from stepkit.patience import Unfinished
from stepkit.urls import host_of

LOGIN_WANTED = 407
"""Only a proxy answers so."""


class Pools:
    """Connections: to a host, or to the proxy that stands before it.

    Args:
        budget: of what all of them read.
        settings: of each pool, as `urllib3.PoolManager` has them.
    """

    def __init__(self, budget: Budget, **settings: Any) -> None:
        self._budget, self._settings = budget, settings
        self._direct = DirectManager(budget, **settings)
        self._proxied: dict[str, urllib3.ProxyManager] = {}

    def of(self, url: str) -> urllib3.PoolManager:
        """Returns the pool that a request for the URL goes through.

        Raises:
            InvalidInput: the environment names a proxy that cannot be used.
        """
        proxy = proxy_of(url)
        if proxy is None:
            return self._direct
        if proxy not in self._proxied:
            self._proxied[proxy] = self._behind(proxy, urlsplit(url).scheme)
        return self._proxied[proxy]

    def _behind(self, proxy: str, scheme: str) -> urllib3.ProxyManager:
        try:
            there = urlsplit(proxy)
            login = f"{unquote(there.username)}:{unquote(there.password or '')}" if there.username else None
            headers = urllib3.make_headers(proxy_basic_auth=login)
            return ProxiedManager(proxy, self._budget, proxy_headers=headers, **self._settings)
        except (urllib3.exceptions.LocationValueError, ValueError) as error:
            reason = "" if "@" in proxy else f" ({error})"  # which may quote a part of the login
            raise InvalidInput(
                f"{scheme.upper()}_PROXY is not a proxy over http or https: write http://host:port{reason};"
                " characters of a login that are not letters or digits are written as %XX",
                Code.INVALID_SETTING,
            ) from error


def unreached(url: str, error: ProxyError) -> Exception:
    """Returns what it means that a proxy did not let a request through: to be tried again, or not."""
    proxy = host_of(proxy_of(url) or "")
    why = trust.reason_of(error.original_error)
    if refused := trust.refusal(f"the proxy {proxy}", error, proxy):
        return refused
    if found := re.search(r"\b(403|407)\b", why):
        return not_let_through(url, int(found[1]))
    return Unfinished(f"was not reached through the proxy {proxy} that the environment names ({why})")


def not_let_through(url: str, status: int) -> InvalidInput:
    """Returns the ending for a proxy that answers, and refuses."""
    proxy = host_of(proxy_of(url) or "")
    if status == LOGIN_WANTED:
        return InvalidInput(
            f"the proxy {proxy} wants a login before it asks {host_of(url)} ({status}): write it into"
            f" {urlsplit(url).scheme.upper()}_PROXY, as http://user:password@host:port",
            Code.INVALID_SETTING,
            service=proxy,
        )
    return InvalidInput(
        f"the proxy {proxy} refuses to connect to {host_of(url)} ({status}): have its rules allow that",
        Code.REQUEST_REFUSED,
        service=proxy,
    )


def proxy_of(url: str) -> str | None:
    """Returns the URL of the proxy for a URL; None when it is to be asked without one."""
    proxies, here = getproxies_environment(), urlsplit(url)
    proxy = proxies.get(here.scheme) or proxies.get("all")
    host = here.hostname or ""
    if not proxy or proxy_bypass_environment(here.netloc.rpartition("@")[2], proxies):
        return None
    if _in_networks(host, proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _in_networks(host: str, no_proxy: str) -> bool:
    """Returns whether the host is in a network of NO_PROXY, which `urllib.request` does not read."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in no_proxy.split(","):
        try:
            if address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
