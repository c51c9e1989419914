"""Champions that somebody else than promotion has named: the registry and the record have to agree."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import boto3
import psycopg2
import pytest

from app.record import Record
from app.settings import Settings
from bundle import write
from bundle.reader import bundle_digest
from stepkit import postgres
from stepkit.promotion.decisions import Decision, Decisions, Model, Outcome
from stepkit.settings import Run
from stepkit.settings import Settings as StepSettings
from tests import services
from tests.attacks.api.conftest import ROWS, TREE, contract
from tests.conftest import as_promotion, as_serving
from tests.serving.conftest import TOKEN, Api
from tests.serving.registry_server import GONE, Registry

Asking = Callable[[], Api]
SAMPLE = {"samples": [dict.fromkeys(ROWS.columns, 0.1)]}


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another bundle than the sound one."""
    folder = tmp_path_factory.mktemp("other") / "bundle"
    write(folder, contract(metrics={"accuracy": 0.9}), TREE, ROWS)
    return folder


@pytest.fixture
def decide(forest_database: str) -> Callable[..., None]:
    """Writes what a promotion has decided on the run of a version, as the role that may."""

    def write_down(version: int, bundle: Path, outcome: Outcome = "promoted", model: str = "forest") -> None:
        run = Run("training", f"{outcome} {version}")
        settings = StepSettings(run, as_promotion(forest_database), model_name=model)
        decision = Decision(
            outcome, "a test", Model("forest", f"run{version}", bundle_digest(bundle), "d"), None
        )
        with postgres.transaction(settings) as rows:
            Decisions(rows, settings, "forest").record(decision)

    return write_down


@pytest.fixture
def asking(api: Callable[..., Api], forest_database: str) -> Asking:
    """Makes the API, which asks registry and record; all of a test share the cache on disk."""
    return lambda: api(promotion_record_url=as_serving(forest_database))


def version(asked: Api) -> str | None:
    found: str | None = asked.client.get("/metadata").json()["version"]
    return found


def refused(asked: Api) -> dict[str, str]:
    found: dict[str, str] = asked.client.get("/metadata").json()["registry"]["refused"]
    return found


def test_an_alias_that_promotion_did_not_move_is_refused(
    registry: Registry, asking: Asking, decide: Callable[..., None], sound: Path, other: Path
) -> None:
    decide(1, sound)
    registry.promote(1, sound)
    asked = asking().refresh()
    assert version(asked) == "1"
    registry.promote(2, other)
    asked.refresh()
    assert version(asked) == "1"
    assert refused(asked)["version"] == "2"
    assert (
        f"the registry names version 2 of run run2, bundle {bundle_digest(other)[:12]}, and the record of "
        f"promotions run run1, bundle {bundle_digest(sound)[:12]}: the next promotion puts the registry right"
    ) in refused(asked)["reason"]
    assert "inference_champion_refused_total 1.0" in asked.admin.get("/metrics").text
    reload = asked.admin.post("/reload", headers={"Authorization": f"Bearer {TOKEN}"})
    assert reload.status_code == 409
    assert asked.client.get("/ready").status_code == 200
    assert asked.client.post("/predict", json=SAMPLE).json()["version"] == "1"

    decide(2, other)
    asked.champion.refresh()
    assert version(asked) == "2"
    assert refused(asked) is None


@pytest.mark.parametrize("restarted", [False, True])
def test_a_champion_of_before_is_not_played_again(
    registry: Registry, asking: Asking, decide: Callable[..., None], sound: Path, other: Path, restarted: bool
) -> None:
    asked = asking()
    for number, bundle in enumerate((sound, other), 1):
        decide(number, bundle)
        registry.promote(number, bundle)
        asked.refresh()
    registry.promote(1, sound)
    asked = (asking() if restarted else asked).refresh()
    assert version(asked) == "2"
    assert refused(asked)["version"] == "1"
    decide(1, sound, "rolled_back")
    asked.refresh()
    assert version(asked) == "1"


def test_tags_that_lead_to_another_run_or_bundle_are_refused(
    registry: Registry, asking: Asking, decide: Callable[..., None], sound: Path, other: Path
) -> None:
    decide(1, sound)
    registry.promote(1, other)  # the run's bundle, and the tag with it
    assert refused(asking().refresh())["version"] == "1"
    registry.promote(2, sound)  # the bundle, from a run that promotion did not look at
    assert refused(asking().refresh())["version"] == "2"


def test_a_challenger_that_was_refused_and_another_models_champion_are_none(
    registry: Registry, asking: Asking, decide: Callable[..., None], sound: Path, other: Path
) -> None:
    decide(1, sound)
    decide(2, other, "refused")
    decide(3, other, model="another")
    asked = asking()
    for number in (2, 3):
        registry.promote(number, other)
        assert refused(asked.refresh())["version"] == str(number)
    registry.promote(1, sound)
    assert version(asked.refresh()) == "1"


def test_a_file_in_s3_that_a_step_has_written_is_refused(
    registry: Registry,
    api: Callable[..., Api],
    forest_database: str,
    decide: Callable[..., None],
    bucket: str,
    sound: Path,
    other: Path,
) -> None:
    def name(run: str, bundle: Path) -> None:
        text = json.dumps({"run_id": run, "bundle_digest": bundle_digest(bundle)})
        boto3.client("s3").put_object(Bucket=bucket, Key="forest/latest_model.json", Body=text.encode())

    registry.folders |= {"run1": sound, "run2": other}
    uri = f"s3://{bucket}/forest/latest_model.json"
    asked = api(promotion_record_url=as_serving(forest_database), model_run_uri=uri)
    decide(1, sound)
    name("run1", sound)
    assert asked.refresh().champion.version
    name("run2", other)
    assert "the registry names a model of run run2" in refused(asked.refresh())["reason"]
    assert asked.champion.version.run_id == "run1"


def test_serving_reads_who_is_champion_and_nothing_else(forest_database: str) -> None:
    settings = StepSettings(Run("serving", "attack"), as_serving(forest_database))
    for statement in (
        "SELECT reason FROM promotion_decisions",
        "SELECT * FROM promotion_decisions",
        "SELECT count(*) FROM trainings",
        "SELECT FROM promotion_lock",
        "SELECT count(*) FROM forest_cover_samples",
        "SELECT count(*) FROM train_data.forest_cover_data",
        "INSERT INTO promotion_decisions (model_name, verdict) VALUES ('forest', 'promoted')",
        "UPDATE promotion_decisions SET challenger_digest = 'x'",
        "DELETE FROM promotion_decisions",
        "LOCK TABLE promotion_decisions IN SHARE MODE",
        "SELECT decision_id FROM promotion_decisions FOR SHARE",
        "CREATE TABLE own (x int)",
        "SELECT * FROM migrations.forest",
    ):
        with (
            pytest.raises(psycopg2.errors.InsufficientPrivilege),
            postgres.transaction(settings) as rows,
        ):
            rows.execute(statement)


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


@pytest.mark.parametrize("url", ["http://u:sesame@host", "postgresql://u:open/sesame@host/db", "sesame"])
def test_a_url_that_is_none_is_named_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="PROMOTION_RECORD_URL is no URL") as refusal:
        Record(Settings(mlflow_model_name="forest", promotion_record_url=url))
    assert not re.search("open|sesame", str(refusal.value))
