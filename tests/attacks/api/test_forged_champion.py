"""Champions that somebody else than promotion has named: the registry and the record have to agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import boto3
import psycopg2
import pytest

from bundle.reader import bundle_digest
from stepkit import postgres
from stepkit.settings import Run, Settings
from tests.attacks.api.conftest import ROWS, Asking, refused, version
from tests.roles import as_serving
from tests.serving.conftest import TOKEN, Api
from tests.serving.registry_server import Registry

SAMPLE = {"samples": [dict.fromkeys(ROWS.columns, 0.1)]}


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
    settings = Settings(Run("serving", "attack"), as_serving(forest_database))
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
