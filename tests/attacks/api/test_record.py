"""The record of promotions as the API asks it: when, how often, and what its silence means."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest

from app.record import Record
from app.settings import Settings
from tests import services
from tests.attacks.api.conftest import Asking, refused, version
from tests.serving.conftest import Api
from tests.serving.registry_server import GONE, Registry


def test_a_disagreement_is_looked_at_again_at_each_poll_for_a_while(
    registry: Registry,
    asking: Asking,
    decide: Callable[..., None],
    sound: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.promote(1, sound)
    asked = asking()
    for _ in range(3):
        asked.champion.refresh()
    assert "inference_champion_refused_total 3.0" in asked.admin.get("/metrics").text
    monkeypatch.setattr("app.champion.SETTLING_SECONDS", 0)
    for _ in range(3):
        asked.champion.refresh()
    assert "inference_champion_refused_total 4.0" in asked.admin.get("/metrics").text
    decide(1, sound)
    assert version(asked.refresh()) == "1"


def test_a_promotion_that_is_under_way_takes_no_bundle_from_disk(
    registry: Registry, asking: Asking, decide: Callable[..., None], sound: Path, other: Path
) -> None:
    decide(1, sound)
    registry.promote(1, sound)
    asking().refresh()
    decide(2, other)  # the alias follows
    restarted = asking()
    restarted.champion.refresh()
    assert version(restarted) == "1"
    assert refused(restarted)["version"] == "1"
    registry.promote(2, other)
    restarted.champion.refresh()
    assert version(restarted) == "2"


def test_the_record_is_asked_for_a_new_champion_alone(
    registry: Registry,
    asking: Asking,
    decide: Callable[..., None],
    forest_database: str,
    postgres_server: services.PostgresServer,
    sound: Path,
    other: Path,
) -> None:
    decide(1, sound)
    registry.promote(1, sound)
    asked = asking().refresh()
    postgres_server.execute(f'DROP DATABASE "{forest_database.rpartition("/")[2]}" WITH (FORCE)')
    report = asked.refresh().client.get("/metadata").json()
    assert report["registry"] == {
        "reachable": True,
        "detail": "The registry names a champion.",
        "refused": None,
    }
    registry.promote(2, other)
    asked.refresh()
    assert (version(asked), refused(asked)) == ("1", None)
    assert "inference_registry_up 0.0" in asked.admin.get("/metrics").text
    assert version(asking().refresh()) == "1"  # from disk


def test_what_was_on_disk_is_compared_once_the_record_answers(
    registry: Registry, api: Callable[..., Api], asking: Asking, decide: Callable[..., None], sound: Path
) -> None:
    registry.promote(1, sound)
    api().refresh()  # of a release that did not ask
    registry.broken = GONE
    asked = asking().refresh()
    assert version(asked) == "1"
    registry.broken = None
    asked.refresh()
    assert refused(asked)["version"] == version(asked) == "1"
    decide(1, sound)
    asked.refresh()
    assert refused(asked) is None


@contextmanager
def silent(first: bytes = b"") -> Iterator[int]:
    """A server that answers the first message of each session, if at all, and then says nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held = []

        def take() -> None:
            with suppress(OSError):
                while True:
                    held.append(listener.accept()[0])
                    held[-1].recv(4096)
                    held[-1].sendall(first)

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for session in held:
                session.close()


def reported(name: str, value: str) -> bytes:
    """What a server says of a setting."""
    text = f"{name}\0{value}\0".encode()
    return b"S" + (len(text) + 4).to_bytes(4) + text


LET_IN = b"".join(
    [
        b"R\0\0\0\x08\0\0\0\0",
        reported("client_encoding", "UTF8"),
        reported("DateStyle", "ISO, MDY"),
        reported("standard_conforming_strings", "on"),
        b"Z\0\0\0\x05I",
    ]
)
SILENT = {"says nothing": b"", "lets in and says nothing": LET_IN}


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        ("says nothing", "TimeoutError"),
        ("lets in and says nothing", "TimeoutError"),
        ("is not there", "OperationalError"),
        ("knows no such role", "OperationalError"),
        ("has no such table", "UndefinedTable"),
    ],
)
def test_a_record_that_does_not_answer_is_an_outage(
    failure: str,
    kind: str,
    registry: Registry,
    api: Callable[..., Api],
    decide: Callable[..., None],
    asking: Asking,
    forest_database: str,
    database: str,
    sound: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decide(1, sound)
    registry.promote(1, sound)
    monkeypatch.setattr("app.record.CONNECT_SECONDS", 0.1 if failure == "says nothing" else 3)
    monkeypatch.setattr("app.record.ANSWER_SECONDS", 0.1 if failure in SILENT else 5)
    with silent(SILENT.get(failure, b"")) as port:
        url = f"postgresql://forest_serving:geheim@127.0.0.1:{port}/quintet?sslmode=disable"
        if failure == "is not there":
            (free,) = services.free_ports(1)
            url = url.replace(str(port), str(free))
        elif failure == "knows no such role":
            url = re.sub(r"//\w+@", "//forest_serving_of_tomorrow@", forest_database)
        elif failure == "has no such table":
            url = re.sub(r"//\w+@", "//forest_serving@", database)
        asked = api(promotion_record_url=url).refresh()
        ready = asked.client.get("/ready")
        assert ready.status_code == 503
        assert f"The record of promotions cannot be read: {kind}" in ready.json()["detail"]
        for answer in (ready.text, asked.client.get("/metadata").text):
            assert not re.search(r"127\.0\.0\.1|forest_serving|geheim|relation", answer)
        assert "inference_champion_refused_total 0.0" in asked.admin.get("/metrics").text
    assert version(asking().refresh()) == "1"


def test_a_pod_that_comes_before_its_role_is_ready_once_that_is_there(
    registry: Registry,
    api: Callable[..., Api],
    decide: Callable[..., None],
    forest_database: str,
    postgres_server: services.PostgresServer,
    sound: Path,
) -> None:
    decide(1, sound)
    registry.promote(1, sound)
    role = f"serving_{uuid4().hex}"
    asked = api(promotion_record_url=re.sub(r"//\w+@", f"//{role}@", forest_database)).refresh()
    assert asked.client.get("/ready").status_code == 503
    postgres_server.execute(f"CREATE ROLE {role} LOGIN IN ROLE forest_serving")
    postgres_server.execute(f"ALTER ROLE {role} SET search_path = forest")
    asked.champion.refresh()
    assert asked.client.get("/ready").json() == {"model": "forest", "version": "1"}


@pytest.mark.parametrize("url", ["http://u:sesame@host", "postgresql://u:open/sesame@host/db", "sesame"])
def test_a_url_that_is_none_is_named_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="PROMOTION_RECORD_URL is not a URL") as refusal:
        Record(Settings(mlflow_model_name="forest", promotion_record_url=url))
    assert not re.search("open|sesame", str(refusal.value))
