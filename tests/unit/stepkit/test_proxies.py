"""The proxy for a URL, as the environment names it."""

from __future__ import annotations

import pytest

from stepkit.errors import Code, InvalidInput
from stepkit.http import Client
from stepkit.proxies import proxy_of
from tests.scripted_http import response, serving

PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("url", ["http://source.example/", "https://source.example/", "http://192.0.2.1/"])
def test_one_proxy_may_be_named_for_all(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert proxy_of(url) is None
    monkeypatch.setenv("ALL_PROXY", PROXY)
    assert proxy_of(url) == PROXY


@pytest.mark.parametrize(
    ("host", "direct"),
    [
        ("10.2.3.4", True),
        ("11.2.3.4", False),
        ("[2001:db8::7]", True),
        ("[2001:db9::7]", False),
        ("ten.example", False),
        ("me:secret@named.example", True),
    ],
)
def test_what_no_proxy_names_is_asked_without_one(
    monkeypatch: pytest.MonkeyPatch, host: str, direct: bool
) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "10.1.1.1/8, 2001:db8::1/32,named.example")
    assert proxy_of(f"http://{host}:8080/") == (None if direct else PROXY)


@pytest.mark.parametrize(
    ("login", "sent"), [("user:p%40ss", b"dXNlcjpwQHNz"), ("user", b"dXNlcjo="), ("%C3%A1:x", b"4Tp4")]
)
def test_a_login_is_sent_to_the_proxy(monkeypatch: pytest.MonkeyPatch, login: str, sent: bytes) -> None:
    with serving(response(200, "by the proxy")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", f"//{login}@"))
        Client().get("http://source.example/")
    assert b"proxy-authorization: Basic " + sent + b"\r\n" in proxy.received[0]


@pytest.mark.parametrize(
    ("scheme", "proxy"), [("http", "socks5://proxy.example:1080"), ("https", "http://proxy.example:port")]
)
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, scheme: str, proxy: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", proxy)
    with pytest.raises(InvalidInput) as refused:
        Client().get(f"{scheme}://source.example/")
    said = f"{scheme.upper()}_PROXY is not a proxy over http or https: write http://host:port ("
    assert str(refused.value).startswith(said)
    assert refused.value.code is Code.INVALID_SETTING
