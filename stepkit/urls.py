"""What a URL says of the server behind it, as the client that dials it reads it."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from urllib3.util import parse_url

from stepkit.errors import Code, InvalidInput

_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
"""Readers of URLs differ in what they make of these: one takes for a path what another takes for a host."""
_SHOWN = 200


class Origin(NamedTuple):
    """What is dialled for a URL."""

    scheme: str
    host: str
    port: int


def origin_of(url: str) -> Origin:
    """Returns what urllib3 dials for a URL.

    Raises:
        ValueError: it is not http or https, or two readers could take it for different hosts.
    """
    if _UNSAFE.search(url):
        raise ValueError("it holds a space, a backslash or a control character")
    dialled, read = parse_url(url), urlsplit(url)
    if dialled.scheme not in _PORTS or read.scheme != dialled.scheme:
        raise ValueError("it must begin with http:// or https://")
    host = (dialled.host or "").strip("[]")
    if not host:
        raise ValueError("no host specified")
    if read.hostname != host or read.port != dialled.port:
        raise ValueError("its host can be read in two ways")
    return Origin(dialled.scheme, host, dialled.port or _PORTS[dialled.scheme])


def checked_url(url: str) -> str:
    """Returns a URL that a setting holds.

    Raises:
        InvalidInput: it is not one, or holds a login, of which nothing is quoted.
    """
    try:
        origin_of(url)
        login = "@" in urlsplit(url).netloc
    except ValueError as error:
        if "@" not in url:
            raise InvalidInput(f"{url[:_SHOWN]!r} is not a URL: {error}", Code.INVALID_SETTING) from error
        login = True
    if login:
        raise InvalidInput(
            f"the URL that ends in {url.rpartition('@')[2][:_SHOWN]!r} is not taken for what stands before"
            " its @: a login would be quoted with the URL in logs, and is not sent",
            Code.INVALID_SETTING,
        )
    return url


def joined(base: str, reference: str) -> str:
    """Returns what a reference means at a base URL.

    Raises:
        InvalidInput: the two make no URL.
    """
    try:
        target = urljoin(base, reference)
    except ValueError as error:
        raise InvalidInput(
            f"{reference[:_SHOWN]!r} at {base} is not a URL: {error}", Code.INVALID_SETTING, file=base
        ) from error
    return checked_url(target)


def host_of(url: str) -> str:
    """Returns a URL's host and port, without a login: what `StepError.service` names a source by."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def same_host(url: str, location: str) -> str:
    """Returns the URL that a redirect leads to: at the same host and port, or from http to https there.

    Raises:
        InvalidInput: it leads elsewhere, names a login, is no longer encrypted, or is not a URL.
    """
    try:
        target = urljoin(url, location)
        there = origin_of(target)
    except ValueError as error:
        raise _refused(url, location, f"another host, or none: {error}") from error
    here = origin_of(url)
    if there.host != here.host:
        raise _refused(url, target, "another host: give that URL if it is the right one")
    if (here.scheme, there.scheme) == ("https", "http"):
        raise _refused(url, target, "which is not encrypted: a token could be read")
    if there != here and (here.port, there.port) != (_PORTS["http"], _PORTS["https"]):
        raise _refused(url, target, "another port: give that URL if it is the right one")
    if parse_url(target).auth != parse_url(url).auth:
        raise _refused(url, target, "with a login in it, which no redirect may bring")
    return target


def _refused(url: str, target: str, reason: str) -> InvalidInput:
    shown = target if target.isprintable() else repr(target)
    return InvalidInput(
        f"{url} redirects to {shown[:_SHOWN]}, {reason}", Code.INVALID_SETTING, service=host_of(url)
    )
