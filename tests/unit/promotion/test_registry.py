"""How a champion is shown: what is asked of MLflow's registry, or written to S3; no server asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, RESOURCE_DOES_NOT_EXIST

from stepkit.errors import MLFLOW, Code, DependencyUnavailable, InvalidInput
from stepkit.promotion import registry
from stepkit.promotion.decisions import Model
from stepkit.promotion.registry import LatestModelFile, MlflowRegistry
from stepkit.settings import Settings

SETTINGS = Settings(model_name="toy", tracking_uri="http://127.0.0.1:1")
CHAMPION = Model("svc", "run 2", "digest 2", "rows 2")


def version(number: int, shown: str = "", **tags: str) -> SimpleNamespace:
    """A version; `shown` is its stage and the tag of that name."""
    known = {"bundle_digest": f"digest {number}", "algorithm": "svc", "data_sha256": f"rows {number}", **tags}
    if shown:
        known["stage"] = shown
    return SimpleNamespace(
        version=str(number), run_id=f"run {number}", tags=known, current_stage=shown or "None", name="toy"
    )


class Client:
    """An MLflow whose registered model has some versions; keeps what it is told."""

    def __init__(self, *versions: SimpleNamespace, aliases: dict[str, str] | None = None) -> None:
        self.versions, self.aliases = list(versions), aliases
        self.told: list[Any] = []
        self.code = RESOURCE_DOES_NOT_EXIST
        self.gone: set[str] = set()

    def get_registered_model(self, name: str) -> Any:
        assert name == "toy"
        if self.aliases is None:
            raise MlflowException(f"no {name}", self.code)
        return SimpleNamespace(aliases=self.aliases)

    def create_registered_model(self, name: str) -> None:
        self.told.append(("model", name))

    def search_model_versions(self, condition: str) -> list[SimpleNamespace]:
        assert condition == "name = 'toy'"
        return self.versions

    def list_artifacts(self, run_id: str, path: str) -> list[str]:
        self.get_run(run_id)
        return [f"{path}/contract.json"]

    def get_run(self, run_id: str) -> Any:
        if run_id in self.gone:
            raise MlflowException(f"no {run_id}", self.code)
        return SimpleNamespace(info=SimpleNamespace(artifact_uri=f"artifacts of {run_id}"))

    def create_model_version(self, name: str, **given: Any) -> SimpleNamespace:
        self.told.append(("version", name, given))
        self.versions.append(version(9, **given["tags"]))
        return self.versions[-1]

    def set_registered_model_alias(self, *given: str) -> None:
        self.told.append(("alias", *given))

    def set_model_version_tag(self, *given: str) -> None:
        self.told.append(("tag", *given))

    def transition_model_version_stage(self, *given: str) -> None:
        self.told.append(("stage", *given))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., MlflowRegistry]:
    def run(client: Client) -> MlflowRegistry:
        monkeypatch.setattr(registry, "MlflowClient", lambda: client)
        monkeypatch.setattr(registry.tracking, "configure", client.told.append)
        made = MlflowRegistry(SETTINGS)
        assert client.told == [SETTINGS]
        client.told.clear()
        return made

    return run


Opened = Callable[..., MlflowRegistry]


def test_without_a_champion_the_model_is_made_and_nothing_shown(opened: Opened) -> None:
    client = Client()
    assert opened(client).show(None, lambda: pytest.fail("nothing is shown")) is None
    assert client.told == [("model", "toy")]


def test_a_new_champion_gets_the_alias_the_tag_and_the_stage(opened: Opened) -> None:
    client = Client(version(1, "Production"), version(2), aliases={"champion": "1"})
    assert opened(client).show(CHAMPION, lambda: client.told.append("fence")) == 2
    assert client.told == [
        "fence",
        ("alias", "toy", "champion", "2"),
        ("tag", "toy", "1", "stage", "Archived"),
        ("stage", "toy", "1", "Archived"),
        ("tag", "toy", "2", "stage", "Production"),
        ("stage", "toy", "2", "Production"),
        "fence",
    ]


def test_a_champion_that_is_shown_is_left_as_it_is(opened: Opened) -> None:
    client = Client(
        version(1, "Archived"),
        version(2, "Production"),
        aliases={"champion": "2"},
    )
    assert opened(client).show(CHAMPION, lambda: client.told.append("fence")) == 2
    assert client.told == ["fence"]


def test_a_champion_that_is_no_version_is_registered(opened: Opened) -> None:
    client = Client(version(1, "Archived"), version(2, bundle_digest="another"))
    client.aliases = {"champion": "2"}
    assert opened(client).show(CHAMPION, lambda: None) == 9
    assert client.told[0] == (
        "version",
        "toy",
        {
            "source": "artifacts of run 2/model",
            "run_id": "run 2",
            "tags": {
                "algorithm": "svc",
                "bundle_digest": "digest 2",
                "bundle_path": "bundle",
                "data_sha256": "rows 2",
            },
        },
    )
    assert client.told[1] == ("alias", "toy", "champion", "9")


def test_a_champion_whose_version_and_run_are_gone_is_not_shown(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(version(1, "Archived"), aliases={})
    client.gone = {"run 2"}
    assert opened(client).show(CHAMPION, lambda: pytest.fail("nothing is shown")) is None
    assert client.told == []
    assert "toy has no version of the champion, and MLflow no run run 2" in caplog.text
    client.code = INTERNAL_ERROR
    with pytest.raises(DependencyUnavailable):
        opened(client).show(CHAMPION, lambda: None)


def test_a_version_whose_run_is_gone_is_nothing_to_go_back_to(opened: Opened) -> None:
    client = Client(version(1), version(2))
    client.gone = {"run 1"}
    with pytest.raises(
        InvalidInput, match=r"version 1 of toy has nothing to serve any more: .* run 1"
    ) as refused:
        opened(client).model(1)
    assert (refused.value.code, refused.value.service) == (Code.UNUSABLE_MODEL, MLFLOW)
    client.code = INTERNAL_ERROR
    with pytest.raises(DependencyUnavailable):
        opened(client).model(1)


def test_an_mlflow_that_fails_is_down(opened: Opened) -> None:
    client = Client()
    client.code = INTERNAL_ERROR
    with pytest.raises(DependencyUnavailable):
        opened(client).show(CHAMPION, lambda: None)
    assert client.told == []


def test_a_version_is_found_by_its_run_and_its_bundle(opened: Opened) -> None:
    found = opened(Client(version(1), version(2)))
    assert found.version(CHAMPION) == 2
    assert found.version(Model("svc", "run 2", "digest 1", "rows 2")) is None
    assert found.version(Model("svc", "run 1", "digest 2", "rows 2")) is None


def test_a_version_leads_to_its_model(opened: Opened) -> None:
    person = version(3)
    del person.tags["bundle_digest"]
    found = opened(Client(version(1), version(2), person))
    assert found.model(2) == CHAMPION
    for number in (3, 4):
        with pytest.raises(InvalidInput) as refused:
            found.model(number)
        assert (refused.value.code, refused.value.service) == (Code.MISSING_INPUT, MLFLOW)
        assert str(refused.value) == (
            f"toy has no version {number} with a bundle: choose one that MLflow lists"
        )


def test_without_a_registry_a_file_names_the_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []
    monkeypatch.setattr(
        registry, "ObjectStore", lambda: SimpleNamespace(put=lambda *given: written.append(given))
    )
    file = registry.of(Settings(registry_enabled=False), "bucket", "toys")
    assert isinstance(file, LatestModelFile)
    assert file.show(None, lambda: written.append("fence")) is None
    assert written == []
    assert file.show(CHAMPION, lambda: written.append("fence")) is None
    assert (written[0], written[2:]) == ("fence", ["fence"])
    uri, body, content_type = written[1]
    assert (uri, content_type) == ("s3://bucket/toys/latest_model.json", "application/json")
    assert json.loads(body) == {
        "run_id": "run 2",
        "bundle_digest": "digest 2",
        "algorithm": "svc",
        "data_sha256": "rows 2",
    }
    assert body.startswith(b'{\n "run_id"')
    assert file.version(CHAMPION) is None
    with pytest.raises(InvalidInput) as refused:
        file.model(1)
    assert refused.value.code == Code.INVALID_SETTING
    assert str(refused.value) == (
        "--rollback-to needs the registry, and MLFLOW_ENABLE_MODEL_REGISTRY is false"
    )


def test_the_settings_choose_the_registry(opened: Opened) -> None:
    opened(Client())
    assert isinstance(registry.of(SETTINGS, "bucket", "toys"), MlflowRegistry)
