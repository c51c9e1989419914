"""What a URL says of the server behind it."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from stepkit.outcomes import Code, RefusedInput


def host_of(url: str) -> str:
    """Returns a URL's host and port, without a login: what `StepEnd.service` names a source by."""
    return urlsplit(url).netloc.rpartition("@")[2]


def same_host(url: str, location: str) -> str:
    """Gives the URL that a redirect leads to.

    Raises:
        RefusedInput: it is on another host, or no longer encrypted.
    """
    target = urljoin(url, location)
    here, there = urlsplit(url), urlsplit(target)
    if there.hostname != here.hostname or there.scheme not in ("http", "https"):
        raise RefusedInput(
            f"{url} redirects to {target}, another host: give that URL if it is the right one",
            Code.INVALID_SETTING,
            service=host_of(url),
        )
    if (here.scheme, there.scheme) == ("https", "http"):
        raise RefusedInput(
            f"{url} redirects to {target}, which is not encrypted: a token could be read",
            Code.INVALID_SETTING,
            service=host_of(url),
        )
    return target
