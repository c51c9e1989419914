"""The addresses that are dialled for a name."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from stepkit.addresses import addresses_of
from stepkit.errors import Code, InvalidInput

PUBLIC = "93.184.215.14"


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses of each name."""
    answers: dict[str, list[str]] = {}

    def look_up(host: str, port: int, *, type: int) -> list[Any]:
        assert (port, type) == (8443, socket.SOCK_STREAM)
        return [(socket.AF_INET, type, 6, "", (address, port)) for address in answers[host]]

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    monkeypatch.delenv("PRIVATE_SOURCES", raising=False)
    return answers


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "::1", PUBLIC])
@pytest.mark.usefixtures("resolver")
def test_an_address_that_was_written_out_is_dialled(address: str) -> None:
    assert addresses_of(address, 8443) == [address]


def test_each_address_is_dialled_once_in_the_resolvers_order_and_eight_at_most(
    resolver: dict[str, list[str]],
) -> None:
    every = [f"93.184.215.{last}" for last in range(30, 10, -1)]
    resolver["a.example"] = [every[0], "10.0.0.1", *every]
    assert addresses_of("a.example", 8443) == every[:8]


def test_a_refusal_says_what_the_name_stands_for_and_what_to_do(resolver: dict[str, list[str]]) -> None:
    resolver["a.example"] = [f"10.0.0.{last}" for last in range(9)]
    with pytest.raises(InvalidInput) as refused:
        addresses_of("a.example", 8443)
    shown = ", ".join(f"10.0.0.{last}" for last in range(8))
    assert str(refused.value) == (
        f"a.example stands for {shown}, which is not a public address: if that is the source, name the host"
        " in PRIVATE_SOURCES, or write the address instead of the name"
    )
    assert (refused.value.code, refused.value.service) == (Code.INVALID_SETTING, "a.example")


def test_what_cannot_be_a_name_has_no_address() -> None:
    name = "a" * 64 + ".example"
    with pytest.raises(socket.gaierror, match=f"'{name}' is not a name") as unknown:
        addresses_of(name, 8443)
    assert unknown.value.errno == socket.EAI_NONAME


@pytest.mark.parametrize(
    ("host", "address", "setting"),
    [
        ("LocalHost.", "127.0.0.1", ""),
        ("app.localhost", "::1", ""),
        ("api-data.", "fd00::1", ""),
        ("api-data", "::ffff:10.96.0.1", ""),
        ("host.docker.INTERNAL", "192.168.65.2", ""),
        ("printer.local", "192.168.1.9", ""),
        ("a.example.", "10.0.0.1", ",b.example,A.example ,"),
        ("A.b.example", "10.0.0.1", " .B.example"),
        ("a.example", f"::ffff:{PUBLIC}", ""),
        ("a.example", "2002:5db8:d70e::", ""),
        ("a.example", "64:ff9b::5db8:d70e", ""),
    ],
)
def test_a_name_may_stand_for(
    resolver: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, host: str, address: str, setting: str
) -> None:
    resolver[host] = [address]
    monkeypatch.setenv("PRIVATE_SOURCES", setting)
    assert addresses_of(host, 8443) == [address]


@pytest.mark.parametrize(
    ("host", "address", "setting"),
    [
        ("localhost", PUBLIC, ""),
        ("app.localhost", "10.0.0.1", "app.localhost"),
        ("notlocalhost.example", "127.0.0.1", "notlocalhost.example"),
        ("a.example", "10.0.0.1", ", ,"),
        ("a.example", "10.0.0.1", "b.a.example,example,xa.example"),
        ("b.example", "10.0.0.1", ".b.example"),
        ("a.example.svc.b", "10.0.0.1", ""),
        ("a.example", "ff0e::1", "a.example"),
    ],
)
def test_a_name_may_not_stand_for(
    resolver: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, host: str, address: str, setting: str
) -> None:
    resolver[host] = [address]
    monkeypatch.setenv("PRIVATE_SOURCES", setting)
    with pytest.raises(InvalidInput):
        addresses_of(host, 8443)
