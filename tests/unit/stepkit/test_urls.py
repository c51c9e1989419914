"""What a URL says, and where a reference or a redirect leads from it."""

from __future__ import annotations

import pytest

from stepkit.errors import Code, InvalidInput
from stepkit.urls import Origin, checked_url, host_of, joined, origin_of, same_host

UNSAFE = "it holds a space, a backslash or a control character"
SCHEME = "it must begin with http:// or https://"
LONG = "ftp://" + "a" * 300
CUT = LONG[:200]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://a.example/x", ("http", "a.example", 80)),
        ("https://a.example", ("https", "a.example", 443)),
        ("HTTPS://A.Example/X", ("https", "a.example", 443)),
        ("https://a.example:8443/x@y?y#z", ("https", "a.example", 8443)),
        ("http://[2001:db8::1]:8080/", ("http", "2001:db8::1", 8080)),
    ],
)
def test_what_is_dialled_for_a_url(url: str, origin: tuple[str, str, int]) -> None:
    assert origin_of(url) == Origin(*origin)
    assert checked_url(url) == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://a b/", UNSAFE),
        ("http://a\\b/", UNSAFE),
        ("http://a/\x9b", UNSAFE),
        ("ftp://a/", SCHEME),
        ("//a/", SCHEME),
        ("http://", "no host specified"),
        ("http:///path", "no host specified"),
        ("http://b\xfccher.example/", "its host can be read in two ways"),
    ],
)
def test_what_is_no_url_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        origin_of(url)
    with pytest.raises(InvalidInput) as refused:
        checked_url(url)
    assert str(refused.value) == f"{url!r} is not a URL: {reason}"
    assert refused.value.code is Code.INVALID_SETTING


@pytest.mark.parametrize(
    "url", ["http://me:secret@a/", "http://me:se/cret@a/", "http://me:se\\cret@a/", "ftp://me@secret@a/"]
)
def test_a_url_with_a_login_is_refused_without_it(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"^the URL that ends in 'a/' is not taken.* a login") as refused:
        checked_url(url)
    assert refused.value.code is Code.INVALID_SETTING
    assert "cret" not in str(refused.value)


def test_a_long_url_is_cut_in_a_refusal() -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_url(LONG)
    assert str(refused.value) == f"{CUT!r} is not a URL: {SCHEME}"


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("../service?wsdl", "http://a.example:8080/service?wsdl"),
        ("?wsdl", "http://a.example:8080/soap/?wsdl"),
        ("https://b.example/", "https://b.example/"),
    ],
)
def test_a_reference_means_what_it_does_at_its_base(reference: str, target: str) -> None:
    assert joined("http://a.example:8080/soap/", reference) == target


def test_a_reference_that_makes_no_url_is_refused() -> None:
    base, reference = "http://a.example/soap/", "http://[" + "1" * 300
    with pytest.raises(InvalidInput) as refused:
        joined(base, reference)
    assert str(refused.value).startswith(f"{reference[:200]!r} at {base} is not a URL: ")
    assert (refused.value.code, refused.value.file) == (Code.INVALID_SETTING, base)
    with pytest.raises(InvalidInput, match=f"'ftp://b/' is not a URL: {SCHEME}"):
        joined(base, "ftp://b/")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://me:secret@a.example:8080/x@y", "a.example:8080"),
        ("http://a.example", "a.example"),
        ("http://[", ""),
        ("data", ""),
    ],
)
def test_a_host_is_named_without_a_login(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("http://me:secret@a.example/x", "y", "http://me:secret@a.example/y"),
        ("http://a.example:8080/x", "//a.example:8080/y", "http://a.example:8080/y"),
    ],
)
def test_a_redirect_may_keep_what_the_url_has(url: str, location: str, target: str) -> None:
    assert same_host(url, location) == target


@pytest.mark.parametrize(
    ("location", "told"),
    [
        (
            "http://me:secret@a.example/y",
            "http://me:secret@a.example/y, with a login in it, which no redirect may bring",
        ),
        ("/x\x00y", f"'/x\\x00y', another host, or none: {UNSAFE}"),
        (LONG, f"{CUT}, another host, or none: {SCHEME}"),
    ],
)
def test_a_redirect_that_is_refused_is_shown(location: str, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        same_host("http://a.example/x", location)
    assert str(refused.value) == f"http://a.example/x redirects to {told}"
