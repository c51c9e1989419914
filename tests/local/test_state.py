"""The folder of a local platform: what it keeps, from whom, and for whom alone."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from quintet.local import commands, databases, demo, platform, step
from quintet.local.databases import made_of
from quintet.local.parts import ports_of, services_of, shown_services
from quintet.local.platform import choose
from quintet.local.postgres import Postgres
from quintet.local.state import State
from quintet.pipelines import Pipeline, pipelines
from quintet.progress import UserError


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def test_the_folder_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("QUINTET_STATE", str(tmp_path / "environment"))
    assert State.of(None).folder == tmp_path / "environment"
    assert State.of(str(tmp_path / "given")).folder == tmp_path / "given"
    monkeypatch.delenv("QUINTET_STATE")
    assert State.of(None).folder.name == ".quintet"


@pytest.mark.parametrize("name", ["%(x)s", "two\nlines", "bell\a"])
def test_a_path_that_a_program_takes_for_another_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"The state's path is .*--state"):
        State.of(str(tmp_path / name))


def test_a_link_stands_for_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "state")
    assert State.of(str(tmp_path / "link")).folder == tmp_path / "state"


def test_credentials_are_made_once_and_only_we_read_them(state: State) -> None:
    first = choose(state, ["postgres"]).credentials
    assert choose(state, []).credentials == first
    passwords = [keys["password"] for keys in first.values() if "password" in keys]
    assert len(set(passwords)) == len(passwords) > 3
    for path in state.folder.glob("*.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_data_whose_password_is_gone_are_named_before_another_is_made(state: State) -> None:
    choose(state, ["postgres"])
    data = state.path("postgres", "data")
    (data / "PG_VERSION").write_text("18")
    assert choose(state, ["postgres"]).credentials
    (state.folder / "credentials.json").unlink()
    with pytest.raises(UserError, match=rf"credentials\.json has no password .* {data} open by no other"):
        choose(state, ["postgres"])
    assert not (state.folder / "credentials.json").exists()


def test_a_port_stays_until_somebody_else_has_it(state: State) -> None:
    before = choose(state, ["postgres", "mlflow"]).ports
    assert choose(state, ["postgres", "mlflow"]).ports == before
    with socket.create_server(("127.0.0.1", before["mlflow"])):
        after = choose(state, ["postgres", "mlflow"]).ports
    assert after["postgres"] == before["postgres"]
    assert after["mlflow"] != before["mlflow"]


def test_the_address_of_the_database_follows_its_port(state: State) -> None:
    port = choose(state, ["postgres"]).ports["postgres"]
    with socket.create_server(("127.0.0.1", port)):
        moved = choose(state, ["postgres"])
    assert f":{moved.ports['postgres']}/quintet" in moved.credentials["postgres-forest"]["url"]


def test_databases_are_made_again_for_other_passwords_and_in_a_new_data_folder(tmp_path: Path) -> None:
    server = Postgres(tmp_path, 5432, None)
    server.data.mkdir()
    version = server.data / "PG_VERSION"
    version.touch()
    made = made_of(server, {"forest": "first"})
    assert made_of(server, {"forest": "first"}) == made
    assert made_of(server, {"forest": "second"}) != made
    os.utime(version, (0, 0))
    assert made_of(server, {"forest": "first"}) != made


def test_a_new_migration_of_a_pipeline_is_one_more_to_make(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = Postgres(tmp_path, 5432, None)
    server.data.mkdir()
    (server.data / "PG_VERSION").touch()
    pipeline = Pipeline(tmp_path / "weather", {"schemas": ["weather"], "steps": {}})
    monkeypatch.setattr(databases, "pipelines", lambda: {"weather": pipeline})
    migrations = pipeline.folder / "migrations"
    migrations.mkdir(parents=True)
    (migrations / "0001_tables.sql").write_text("CREATE TABLE a ();")
    made = made_of(server, {})
    assert made_of(server, {}) == made
    (migrations / "0002_more.sql").write_text("CREATE TABLE b ();")
    assert made_of(server, {}) != made


def test_a_port_of_a_service_that_there_is_no_more_is_passed_over(state: State) -> None:
    choose(state, ["postgres", "forest-api", "api-data"])
    assert shown_services(state) == ["postgres", "api-data"]


def test_only_steps_that_ask_the_source_learn_its_address(state: State) -> None:
    made = choose(state, ports_of(services_of(pipelines())))
    asking = {
        f"{name}-{step}": plain["SOURCE_API_BASE_URL"]
        for name, pipeline in pipelines().items()
        for step in pipeline.steps
        if "SOURCE_API_BASE_URL" in (plain := made.step_environment(name, step)[0])
    }
    assert asking == {
        "bitcoin-extract": made.url("binance"),
        "crime-download-data": made.url("socrata"),
        "forest-extract": made.url("api-data"),
        "sipsa-extract": made.url("sipsa-ws"),
    }


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """The one pipeline of a checkout; nobody has a server that simulates its source."""
    step = {"source": True, "secretEnv": {"TOKEN": {"secret": "weather-token", "key": "token"}}}
    source = {"url": "https://weather.example.com"}
    weather = Pipeline(Path("weather"), {"steps": {"observe": step}, "source": source})
    monkeypatch.setattr(platform, "pipelines", lambda: {"weather": weather})
    return weather


def test_a_source_that_none_of_our_servers_simulates_is_asked_itself(state: State, weather: Pipeline) -> None:
    plain, _ = choose(state, ["s3", "postgres", "mlflow"]).step_environment("weather", "observe")
    assert plain["SOURCE_API_BASE_URL"] == "https://weather.example.com"


def test_a_secret_of_ones_own_reaches_a_step_once_it_is_among_the_credentials(
    state: State, weather: Pipeline
) -> None:
    _, secret = choose(state, ["s3", "postgres", "mlflow"]).step_environment("weather", "observe")
    assert set(secret) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    state.add_credentials({"weather-token": {"token": "t0ken"}})
    _, secret = choose(state, []).step_environment("weather", "observe")
    assert secret["TOKEN"] == "t0ken"


def test_no_client_of_s3_sends_trailers_of_checksums(state: State) -> None:
    told = choose(state, ["postgres", "s3"]).s3.environment("mlflow")
    assert told["AWS_REQUEST_CHECKSUM_CALCULATION"] == "when_required"
    assert told["AWS_RESPONSE_CHECKSUM_VALIDATION"] == "when_required"


def test_a_damaged_file_is_named(state: State) -> None:
    (state.path() / "ports.json").write_text("{")
    with pytest.raises(UserError, match=r"ports\.json is damaged"):
        state.ports()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"), State(tmp_path / "file").alone():
        pass


def test_a_demo_is_made_anew_and_takes_the_next_folder_beside_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("quintet.local.demo.DEFAULT", tmp_path)
    with demo.fresh_state(None) as first:
        (first.folder / "rows").touch()
        with demo.fresh_state(None) as second:
            assert [first.folder.name, second.folder.name] == ["demo", "demo-2"]
        with pytest.raises(UserError, match="Another command"), demo.fresh_state(str(first.folder)):
            pass
        assert (first.folder / "rows").exists()
    with demo.fresh_state(None) as third:
        assert third == first
        assert not (third.folder / "rows").exists()


def test_without_a_pipeline_that_shows_the_platform_a_demo_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "showcase", lambda: None)
    with pytest.raises(UserError, match="nothing to show: no pipeline"):
        demo.main(str(tmp_path / "state"), stay=False)
    assert not (tmp_path / "state").exists()


def test_a_run_of_a_dag_that_no_pipeline_names_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no DAG no_such_dag; .*forest_training_pipeline"):
        commands.run(State(tmp_path / "state"), "no_such_dag", {}, None)
    assert not (tmp_path / "state").exists()


def test_a_demo_empties_no_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds what is not a demo's"), demo.fresh_state(str(tmp_path)):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_pipeline_that_is_newer_than_the_platform_is_no_obstacle_until_it_has_run(state: State) -> None:
    new, known = pipelines()["sipsa"].steps["stage"], pipelines()["forest"].steps["load"]
    choose(state, ["postgres", "s3", "mlflow"])
    kept = {name: secret for name, secret in state.credentials().items() if name != "minio-sipsa"}
    (state.folder / "credentials.json").write_text(json.dumps(kept))
    assert "sipsa" not in platform.Platform(state).s3.keys
    assert platform.Platform(state).step_environment("forest", known.name)
    with pytest.raises(UserError, match="does not have the pipeline sipsa yet"):
        step.main(state, new, [], "", watch=False)
