"""Which model is served, and what happens to a champion that does not prove good."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

import bundle
from app.bundle_cache import ABANDONED_SECONDS, BundleCache
from tests.serving.conftest import TOKEN, Api, Trained
from tests.serving.registry_server import GONE, Registry

Samples = list[dict[str, float | str]]
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def damaged(trained: dict[str, Trained], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The forest with one byte of one array flipped."""
    folder = tmp_path_factory.mktemp("damaged") / "bundle"
    shutil.copytree(trained["forest"].folder, folder)
    array = folder / "arrays/threshold.npy"
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(content)
    return folder


def test_before_a_champion(api: Callable[..., Api], samples: Samples) -> None:
    client = api().refresh().client
    assert client.get("/health").json() == {"status": "ok"}
    ready = client.get("/ready")
    assert (ready.status_code, ready.json()) == (200, {"model": None, "version": None})
    answer = client.post("/predict", json={"samples": samples[:1]})
    assert answer.status_code == 503
    assert "no model" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) > 0
    report = client.get("/metadata").json()
    assert report["model"] is None
    assert report["registry"]["reachable"] is True


def test_an_outage_before_the_first_champion_takes_no_pod_away(
    registry: Registry, api: Callable[..., Api]
) -> None:
    asked = api().refresh()
    registry.broken = GONE
    client = asked.refresh().client
    assert client.get("/ready").status_code == 200
    assert client.get("/metadata").json()["registry"]["reachable"] is False


def test_not_ready_without_registry_and_disk(
    registry: Registry, api: Callable[..., Api], samples: Samples
) -> None:
    asked = api()
    assert asked.client.get("/ready").status_code == 503
    registry.broken = GONE
    client = asked.refresh().client
    ready = client.get("/ready")
    assert ready.status_code == 503
    assert "answered 503" in ready.json()["detail"]
    assert client.get("/health").status_code == 200
    assert client.post("/predict", json={"samples": samples[:1]}).status_code == 503


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((200, b"<html>"), "answered 200 without JSON"),
        ((200, b"[]"), "answered 200 without JSON"),
        ((200, b'{"error": "no"}'), "names no model version"),
        ((200, b'{"model_version": []}'), "names no model version"),
        ((403, b'{"error_code": "PERMISSION_DENIED"}'), "answered 403"),
    ],
)
def test_an_answer_that_is_not_the_registrys_counts_as_none(
    registry: Registry, api: Callable[..., Api], answer: tuple[int, bytes], reason: str
) -> None:
    registry.broken = answer
    ready = api().refresh().client.get("/ready")
    assert ready.status_code == 503
    assert reason in ready.json()["detail"]


def test_metadata_describes_the_champion(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained]
) -> None:
    registry.promote(3, trained["forest"].folder)
    client = api().refresh().client
    assert client.get("/ready").json() == {"model": "forest", "version": "3"}
    report = client.get("/metadata").json()
    assert (report["model"], report["version"]) == ("forest", "3")
    assert (report["digest"], report["run_id"]) == (trained["forest"].digest, "run3")
    assert report["engine"] == "forest"
    assert report["classes"][1] == {"value": 1, "name": "Lodgepole Pine"}
    columns = {column["name"]: column for column in report["columns"]}
    assert len(columns) == 12
    assert columns["elevation"]["type"] == "number"
    assert columns["elevation"]["range"][0] < columns["elevation"]["range"][1]
    assert columns["wilderness_area"]["categories"] == ["Cache", "Commanche", "Neota", "Rawah"]


def test_a_new_champion_takes_over(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained]
) -> None:
    registry.promote(1, trained["linear"].folder)
    asked = api().refresh()
    registry.promote(2, trained["forest"].folder)
    report = asked.refresh().client.get("/metadata").json()
    assert (report["version"], report["engine"]) == ("2", "forest")
    assert 'version="2"' in asked.admin.get("/metrics").text
    assert 'version="1"' not in asked.admin.get("/metrics").text


def test_a_flipped_byte_is_refused_and_the_old_champion_stays(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained], damaged: Path, samples: Samples
) -> None:
    registry.promote(1, trained["linear"].folder)
    asked = api().refresh()
    registry.promote(2, damaged)
    report = asked.refresh().client.get("/metadata").json()
    assert report["version"] == "1"
    assert report["registry"]["refused"]["version"] == "2"
    assert "arrays/threshold.npy is damaged" in report["registry"]["refused"]["reason"]
    assert asked.client.get("/ready").status_code == 200
    assert asked.client.post("/predict", json={"samples": samples[:1]}).json()["version"] == "1"
    assert "inference_champion_refused_total 1.0" in asked.admin.get("/metrics").text

    registry.promote(2, trained["forest"].folder)
    report = asked.refresh().client.get("/metadata").json()
    assert (report["version"], report["registry"]["refused"]) == ("2", None)


def test_a_refused_champion_is_left_alone_for_a_while(
    registry: Registry, api: Callable[..., Api], damaged: Path
) -> None:
    registry.promote(1, damaged)
    asked = api()
    for _ in range(3):
        asked.champion.refresh()
    assert "inference_champion_refused_total 1.0" in asked.admin.get("/metrics").text
    ready = asked.client.get("/ready")
    assert ready.status_code == 503
    assert "damaged" in ready.json()["detail"]


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"bundle_digest": "0" * 64}, "is not the one that the registry names"),
        ({"bundle_digest": "../../etc"}, "is not a sha256"),
        ({"bundle_path": "elsewhere"}, "has no file elsewhere/digests.json"),
    ],
)
def test_a_champion_whose_tags_lead_elsewhere_is_refused(
    registry: Registry,
    api: Callable[..., Api],
    trained: dict[str, Trained],
    tags: dict[str, str],
    reason: str,
) -> None:
    registry.promote(1, trained["linear"].folder, **tags)
    refused = api().refresh().client.get("/metadata").json()["registry"]["refused"]
    assert reason in refused["reason"]


def test_a_champion_without_a_bundle_is_refused(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained]
) -> None:
    registry.promote(1, trained["linear"].folder)
    assert registry.champion
    registry.champion["tags"] = []
    client = api().refresh().client
    assert "version 1 of forest has no tag bundle_digest" in client.get("/ready").json()["detail"]


def test_a_bundle_that_answers_otherwise_than_in_training_is_refused(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained], tmp_path: Path
) -> None:
    folder = tmp_path / "otherwise"
    shutil.copytree(trained["linear"].folder, folder)
    smoke = json.loads((folder / "smoke.json").read_text())
    smoke["labels"] = [(label + 1) % 7 for label in smoke["labels"]]
    _rewrite(folder, "smoke.json", json.dumps(smoke))
    registry.promote(1, folder)
    refused = api().refresh().client.get("/metadata").json()["registry"]["refused"]
    assert "another answer than training recorded" in refused["reason"]


def test_a_restart_without_registry_serves_from_disk(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained], samples: Samples
) -> None:
    registry.promote(4, trained["forest"].folder)
    before = api().refresh().client.post("/predict", json={"samples": samples}).json()
    registry.broken = GONE
    restarted = api().refresh().client
    assert restarted.get("/ready").status_code == 200
    assert restarted.post("/predict", json={"samples": samples}).json() == before
    assert restarted.get("/metadata").json()["registry"]["reachable"] is False


def test_a_restart_beside_a_refused_champion_serves_from_disk(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained], damaged: Path, samples: Samples
) -> None:
    registry.promote(1, trained["linear"].folder)
    before = api().refresh().client.post("/predict", json={"samples": samples}).json()
    registry.promote(2, damaged)
    restarted = api().refresh().client
    assert restarted.get("/ready").status_code == 200
    assert restarted.post("/predict", json={"samples": samples}).json() == before
    report = restarted.get("/metadata").json()
    assert (report["version"], report["registry"]["refused"]["version"]) == ("1", "2")


def test_a_damaged_disk_is_not_served_and_heals(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained], tmp_path: Path
) -> None:
    registry.promote(4, trained["forest"].folder)
    api().refresh()
    (tmp_path / trained["forest"].digest / "contract.json").write_text("{}")
    registry.broken = GONE
    restarted = api().refresh()
    ready = restarted.client.get("/ready")
    assert ready.status_code == 503
    assert "the bundle on disk: contract.json is damaged" in ready.json()["detail"]
    registry.broken = None
    assert restarted.refresh().client.get("/metadata").json()["version"] == "4"


def test_only_the_served_bundle_stays_on_disk(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained], tmp_path: Path
) -> None:
    registry.promote(1, trained["linear"].folder)
    asked = api().refresh()
    for name, age in ((".incoming-left-by-a-kill", 2 * ABANDONED_SECONDS), (".incoming-of-another-pod", 1)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, times=(time.time() - age,) * 2)
    registry.promote(2, trained["forest"].folder)
    asked.refresh()
    kept = {trained["forest"].digest, "last-good.json", ".incoming-of-another-pod"}
    assert {entry.name for entry in tmp_path.iterdir()} == kept


def test_two_pods_may_download_the_same_bundle_into_one_volume(
    trained: dict[str, Trained], tmp_path: Path
) -> None:
    mine, others = BundleCache(tmp_path), BundleCache(tmp_path)
    chosen = trained["linear"]

    def download(target: Path) -> None:
        shutil.copytree(chosen.folder, target, dirs_exist_ok=True)

    def download_slowly(target: Path) -> None:
        download(target)
        others.get(chosen.digest, download)

    folder = mine.get(chosen.digest, download_slowly)
    assert bundle.load(folder, expected_digest=chosen.digest).digest == chosen.digest


def test_the_registry_may_go_while_serving(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained], samples: Samples
) -> None:
    registry.promote(1, trained["linear"].folder)
    asked = api().refresh()
    registry.broken = GONE
    asked.refresh()
    assert asked.client.get("/ready").status_code == 200
    assert asked.client.post("/predict", json={"samples": samples[:1]}).status_code == 200
    assert "inference_registry_up 0.0" in asked.admin.get("/metrics").text


def test_reload_needs_the_token(api: Callable[..., Api]) -> None:
    admin = api().admin
    for headers in ({}, {"Authorization": "Bearer guess"}, {"Authorization": f"Basic {TOKEN}"}):
        assert admin.post("/reload", headers=headers).status_code == 401
    assert admin.get("/metrics").status_code == 200


def test_reload_is_shut_without_a_token(api: Callable[..., Api]) -> None:
    asked = api(admin_token=None)
    assert asked.admin.post("/reload", headers=BEARER).status_code == 401


def test_reload_says_what_became_of_it(
    registry: Registry, api: Callable[..., Api], trained: dict[str, Trained], damaged: Path
) -> None:
    admin = api().admin

    def reload() -> httpx.Response:
        return admin.post("/reload", headers=BEARER)

    assert reload().json() == {"model": None, "version": None, "changed": False}
    registry.promote(1, trained["linear"].folder)
    assert reload().json() == {"model": "forest", "version": "1", "changed": True}
    assert reload().json()["changed"] is False
    registry.promote(2, damaged)
    assert reload().status_code == 409
    registry.broken = GONE
    answer = reload()
    assert answer.status_code == 502
    assert "answered 503" in answer.json()["detail"]


def _rewrite(folder: Path, name: str, text: str) -> None:
    """Changes a bundle's file and its digest with it."""
    (folder / name).write_text(text)
    digests = json.loads((folder / "digests.json").read_text())
    digests[name] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "digests.json").write_text(json.dumps(digests))
