"""A source's name that stands for an address inside the network, at once or later."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from stepkit.errors import DependencyUnavailable, InvalidInput
from stepkit.http import Client, Limits

LIMITS = Limits(attempts=1, connect_timeout=1)
PUBLIC, PUBLIC_6 = "93.184.215.14", "2606:2800:21f::1"


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were dialled; none answers."""
    seen: list[str] = []

    def refuse(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
        seen.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr("urllib3.util.connection.create_connection", refuse)
    for name in ("HTTP_PROXY", "ALL_PROXY", "PRIVATE_SOURCES"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return seen


def resolve(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Answers the n-th look-up by the n-th list, and later ones by the last."""
    asked = 0

    def look_up(host: str, port: int, *rest: Any, **more: Any) -> list[Any]:
        nonlocal asked
        asked += 1
        found = answers[min(asked, len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr("socket.getaddrinfo", look_up)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.96.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "2002:0a00:0001::",
        "64:ff9b::a00:1",
    ],
)
def test_a_public_name_does_not_lead_inside(
    monkeypatch: pytest.MonkeyPatch, dialled: list[str], address: str
) -> None:
    resolve(monkeypatch, [address])
    with pytest.raises(InvalidInput, match=r"source\.example stands for .*PRIVATE_SOURCES"):
        Client(LIMITS).get("http://source.example/data")
    assert dialled == []


def test_of_a_names_addresses_only_the_public_ones_are_dialled(
    monkeypatch: pytest.MonkeyPatch, dialled: list[str]
) -> None:
    resolve(monkeypatch, ["10.0.0.1", PUBLIC, "127.0.0.1", PUBLIC_6])
    with pytest.raises(DependencyUnavailable):
        Client(LIMITS).get("http://source.example/data")
    assert dialled == [PUBLIC, PUBLIC_6]


def test_a_name_that_stands_for_another_address_a_moment_later_is_dialled_where_it_was_checked(
    monkeypatch: pytest.MonkeyPatch, dialled: list[str]
) -> None:
    resolve(monkeypatch, [PUBLIC], ["127.0.0.1"])
    with pytest.raises(DependencyUnavailable):
        Client(LIMITS).get("http://source.example/data")
    assert dialled == [PUBLIC]
    with pytest.raises(InvalidInput, match=r"stands for 127\.0\.0\.1"):
        Client(LIMITS).get("http://source.example/data")
    assert dialled == [PUBLIC]


@pytest.mark.parametrize(
    ("host", "address", "setting"),
    [
        ("10.96.0.1", "10.96.0.1", ""),
        ("localhost", "127.0.0.1", ""),
        ("api-data", "10.96.0.1", ""),
        ("api-data.quintet.svc", "10.96.0.1", ""),
        ("api-data.quintet.svc.cluster.local", "10.96.0.1", ""),
        ("data.corp.example", "10.1.1.1", "other.example, Data.Corp.example"),
        ("data.corp.example", "10.1.1.1", ".corp.example"),
        ("source.example", PUBLIC, ""),
    ],
)
def test_a_source_that_is_inside_is_reached(
    monkeypatch: pytest.MonkeyPatch, dialled: list[str], host: str, address: str, setting: str
) -> None:
    resolve(monkeypatch, [address])
    monkeypatch.setenv("PRIVATE_SOURCES", setting)
    with pytest.raises(DependencyUnavailable):
        Client(LIMITS).get(f"http://{host}/data")
    assert dialled == [address]


@pytest.mark.parametrize("host", ["api-data.quintet.svc", "localhost", "data.corp.example"])
def test_no_name_stands_for_the_clouds_metadata(
    monkeypatch: pytest.MonkeyPatch, dialled: list[str], host: str
) -> None:
    resolve(monkeypatch, ["169.254.169.254"])
    monkeypatch.setenv("PRIVATE_SOURCES", "data.corp.example")
    with pytest.raises(InvalidInput, match=r"stands for 169\.254\.169\.254"):
        Client(LIMITS).get(f"http://{host}/data")
    assert dialled == []
