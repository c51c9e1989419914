"""The seven steps on a real Postgres, a real S3 and a real MLflow server, and what a reset leaves alone."""

from __future__ import annotations

import cloudpickle
import mlflow
import pandas as pd
import psycopg2
import pytest

import bundle
from penguins.load_raw import load_raw
from penguins.preprocess import preprocess
from penguins.reset_schema import Reset, reset_schema
from penguins.schema import FEATURES
from penguins.snapshot import SPLIT
from penguins.tests.conftest import World
from stepkit.errors import InvalidInput
from stepkit.settings import Settings
from tests.services import PostgresServer

SAMPLE = {
    "culmen_length_mm": [46.1],
    "culmen_depth_mm": [13.2],
    "flipper_length_mm": [211.0],
    "body_mass_g": [4500.0],
    "island": ["Biscoe"],
    "sex": ["FEMALE"],
}
RECORD = "SELECT verdict, reason FROM penguins_record.promotion_decisions ORDER BY decision_id"


def test_a_run_publishes_a_model_that_names_species(world: World) -> None:
    preprocessed, trained, promoted = world.run("r1")
    assert (preprocessed.rows, preprocessed.train_rows + preprocessed.test_rows) == (342, 342)
    assert preprocessed.defects["unknown_sex"] == 1
    assert trained.accuracy > 0.95
    assert (promoted.verdict, promoted.champion, promoted.version) == ("promoted", "random_forest", 1)
    client = mlflow.MlflowClient(world.tracking_uri)
    run = client.get_run(trained.mlflow_run_id)
    assert run.data.metrics["baseline_accuracy"] < 0.6
    assert 0.95 < run.data.metrics["cross_validated_accuracy"] <= 1
    assert run.data.params["unknown_sex"] == "1"
    folder = client.download_artifacts(trained.mlflow_run_id, "model")
    with open(f"{folder}/model.pkl", "rb") as file:
        model = cloudpickle.load(file)
    (label,) = model.predict(pd.DataFrame(SAMPLE)[list(FEATURES)])
    served = bundle.load(client.download_artifacts(trained.mlflow_run_id, "bundle"))
    assert served.contract.target == "species"
    assert served.contract.split == SPLIT
    assert [each.name for each in served.contract.features if each.nullable] == ["sex"]
    assert [each.name for each in served.contract.labels][label] == "Gentoo"


def test_a_second_run_leaves_the_same_rows_and_keeps_the_champion(world: World) -> None:
    _, first, _ = world.run("r1")
    before = world.tables()
    _, second, promoted = world.run("r2")
    assert world.tables() == before
    assert second.bundle_digest == first.bundle_digest
    assert (promoted.verdict, promoted.version) == ("refused", 1)
    assert [verdict for verdict, _ in world.query(RECORD)] == ["promoted", "refused"]


def test_every_step_can_be_repeated(world: World) -> None:
    preprocessed, trained, promoted = world.run("r1")
    before = world.tables()
    assert world.prepare("r1") == preprocessed
    assert world.train("r1", preprocessed) == trained
    assert world.publish("r1", preprocessed, trained) == promoted
    assert world.tables() == before
    assert len(world.query(RECORD)) == 1


def test_a_training_that_is_cleared_and_asked_for_other_trees_leaves_the_champions_run_alone(
    world: World,
) -> None:
    preprocessed, first, _ = world.run("r1", n_estimators=20)
    second = world.train("r1", preprocessed, n_estimators=10)
    assert second.mlflow_run_id != first.mlflow_run_id
    client = mlflow.MlflowClient(world.tracking_uri)
    for trained, trees in ((first, "20"), (second, "10")):
        run = client.get_run(trained.mlflow_run_id)
        assert (run.data.params["n_estimators"], run.info.status) == (trees, "FINISHED")
        assert run.data.tags["bundle_digest"] == trained.bundle_digest


def test_the_processed_table_holds_what_the_model_sees(world: World) -> None:
    world.prepare("r1")
    columns = "sex_female + sex_male, island_biscoe + island_dream + island_torgersen, species"
    found = world.query(f"SELECT {columns}, side FROM penguins.processed_penguins WHERE line = 338")
    assert found[0][:3] == (1.0, 1.0, "Gentoo")
    ((mean, deviation),) = world.query(
        "SELECT avg(body_mass_g), stddev_pop(body_mass_g) FROM penguins.processed_penguins"
        " WHERE side = 'train'"
    )
    assert mean == pytest.approx(0)
    assert deviation == pytest.approx(1)


def test_a_reset_drops_the_schemas_own_and_no_record(world: World) -> None:
    world.run("r1")
    world.query("CREATE VIEW penguins.heavy AS SELECT line FROM penguins.raw_penguins")
    settings = world.settings("r2")
    assert reset_schema(settings) == Reset("penguins", ["heavy", "processed_penguins", "raw_penguins"])
    assert reset_schema(settings) == Reset("penguins", [])
    assert len(world.query(RECORD)) == 1
    with pytest.raises(InvalidInput, match=r"no table penguins\.raw_penguins: run create_raw_table first"):
        load_raw(settings)


def test_the_role_can_drop_nothing_else(world: World) -> None:
    for statement in (
        "DROP TABLE penguins_record.promotion_decisions",
        "DELETE FROM penguins_record.promotion_decisions",
        "CREATE TABLE penguins_record.own (x int)",
        "CREATE SCHEMA own",
        "DROP SCHEMA penguins CASCADE",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            world.query(statement)


def test_a_reset_with_a_role_that_owns_more_is_refused(world: World, postgres_server: PostgresServer) -> None:
    name = world.database_url.rpartition("/")[2]
    for user in ("postgres", "quintet_owner"):
        with pytest.raises(InvalidInput, match=f"logs in as {user}, which owns more"):
            reset_schema(Settings(database_url=postgres_server.url(name, user)))


def test_a_reset_that_would_break_something_outside_is_refused_whole(
    world: World, postgres_server: PostgresServer
) -> None:
    world.prepare("r1")
    name = world.database_url.rpartition("/")[2]
    postgres_server.execute("CREATE VIEW public.outside AS SELECT line FROM penguins.raw_penguins", name)
    before = world.tables()
    with pytest.raises(InvalidInput, match=r"is not reset: view public\.outside depends on"):
        reset_schema(world.settings("r2"))
    assert world.tables() == before


def test_too_few_lines_are_refused(world: World) -> None:
    world.prepare("r1")
    world.query("DELETE FROM penguins.raw_penguins WHERE line > 50")
    with pytest.raises(InvalidInput, match="30 of each are needed"):
        preprocess(world.settings("r1"), bucket=world.bucket)
