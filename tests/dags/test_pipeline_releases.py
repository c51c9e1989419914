"""Pipelines that are releases of their own: published to S3 by their Jobs, read by Airflow as a bundle."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.sdk import DAG
from airflow.utils.session import create_session
from sqlalchemy import delete

from pipeline_releases.__main__ import check, main, publish, withdraw
from pipeline_releases.bundle import PipelineReleases
from pipeline_releases.given import Given
from pipeline_releases.manifest import Refused
from pipeline_releases.retention import expire, versions_in_use
from pipeline_releases.store import Away, Store
from quintet.testing import shared_servers
from tests.dags.conftest import ROOT

DAG_FILE = """
from airflow.sdk import DAG
from pods import code_of, step

with DAG({dag!r}, schedule=None, user_defined_macros={{"code_of": code_of}}):
    step({pipeline!r}, "load")
"""
# `pods` is found in Airflow's folder of DAGs, which no DAG file of a release is in.
PLATFORM_FOLDER = {"AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags")}
PLATFORM = {"forest": {"DAG": ["forest_train"], "variable": ["forest_rows"], "schema": ["forest_data"]}}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    """A bucket of the test's own, to which Airflow's configuration leads."""
    server = shared_servers.s3()
    settings = {
        "DAGS_BUCKET": server.create_bucket(),
        "DAGS_ENDPOINT_URL": server.endpoint,
        "DAGS_REGION": server.environment["AWS_DEFAULT_REGION"],
        "DAGS_ACCESS_KEY": server.environment["AWS_ACCESS_KEY_ID"],
        "DAGS_SECRET_KEY": server.environment["AWS_SECRET_ACCESS_KEY"],
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(tmp_path / "bundles"),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(
            [{"name": "releases", "classpath": "pipeline_releases.bundle.PipelineReleases", "kwargs": {}}]
        ),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return Store.from_environment()


def given(
    pipeline: str, image: str = "1", texts: Mapping[str, str] | None = None, **claims: list[str]
) -> Given:
    name = f"{pipeline}_load"
    steps = {
        "images": {f"{pipeline}-load": f"registry.test/{pipeline}-load:{image}"},
        "steps": {f"{pipeline}-load": {"env": {"CITY": pipeline}}},
    }
    files = {
        f"{pipeline}.py": DAG_FILE.format(dag=name, pipeline=pipeline),
        "steps.json": json.dumps(steps),
    }
    own = {"DAG": [name], "variable": [f"{pipeline}_city"]}
    return Given(pipeline, own | claims, files | dict(texts or {}))


def bundle(version: str | None = None) -> PipelineReleases:
    """The bundle as Airflow's processes make it."""
    made = DagBundlesManager().get_bundle("releases", version)
    assert isinstance(made, PipelineReleases)
    made.initialize()
    return made


def versions_of(made: PipelineReleases) -> str:
    return made.get_current_version().version


def dags_of(made: PipelineReleases) -> dict[str, DAG]:
    return BundleDagBag(dag_folder=str(made.path), bundle_path=made.path, bundle_name="releases").dags


def pod_of(dag: DAG) -> Any:
    return dag.get_task("load").build_pod_request_obj(dry_run=True).spec.containers[0]


def test_airflow_reads_each_pipeline_with_its_images_and_settings(store: Store) -> None:
    assert dags_of(bundle()) == {}
    publish(given("weather"), store, PLATFORM)
    publish(given("tides", image="7"), store, PLATFORM)
    dags = dags_of(bundle())
    assert dags.keys() == {"weather_load", "tides_load"}
    container = pod_of(dags["tides_load"])
    assert container.image == "registry.test/tides-load:7"
    env = {entry.name: entry.value for entry in container.env}
    # What STEP_PODS_FILE says of all steps holds for these too.
    assert (env["CITY"], env["DATA_BUCKET"]) == ("tides", "data")


def test_a_fixed_version_keeps_its_dags_and_images_after_another_publication(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(given("weather"), store, PLATFORM)
    began = versions_of(bundle())
    publish(given("weather", image="2"), store, PLATFORM)
    now = bundle()
    assert versions_of(now) != began
    assert pod_of(dags_of(now)["weather_load"]).image == "registry.test/weather-load:2"
    # As in the pod of the scheduler, to which the version may be new.
    for storage in (tmp_path / "bundles", tmp_path / "elsewhere"):
        monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(storage))
        fixed = bundle(began)
        assert versions_of(fixed) == began
        dag = dags_of(fixed)["weather_load"]
        assert pod_of(dag).image == "registry.test/weather-load:1"
        template = dag.get_template_env().from_string("{{ code_of('weather-load') }}")
        assert template.render(dag=dag) == "registry.test/weather-load:1"


def test_the_same_release_again_is_the_same_version(store: Store) -> None:
    publish(given("weather"), store, PLATFORM)
    former = store.current_version()
    publish(given("weather"), store, PLATFORM)
    assert store.current_version() == former


def test_files_of_other_pipelines_stay_the_same_files_with_their_times(store: Store) -> None:
    publish(given("weather"), store, PLATFORM)
    made = bundle()
    before = (made.path / "weather/weather.py").stat()
    publish(given("tides"), store, PLATFORM)
    made.refresh()
    after = (made.path / "weather/weather.py").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_broken_file_hides_no_dag_of_another_pipeline(store: Store) -> None:
    publish(given("weather"), store, PLATFORM)
    publish(given("tides", texts={"tides.py": "from airflow.sdk import DAG\nraise OSError"}), store, PLATFORM)
    made = bundle()
    bag = BundleDagBag(dag_folder=str(made.path), bundle_path=made.path, bundle_name="releases")
    assert (bag.dags.keys(), bag.import_errors.keys()) == ({"weather_load"}, {"tides/tides.py"})


def test_publishers_at_the_same_time_lose_nothing(store: Store) -> None:
    names = [f"team{number}" for number in range(6)]
    start = threading.Barrier(len(names))

    def run(name: str) -> None:
        own = Store.from_environment()
        start.wait()
        publish(given(name), own, PLATFORM)

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.manifest(store.current_version()).releases.keys() == set(names)


def test_a_pipeline_that_is_withdrawn_is_gone_and_its_runs_go_on(store: Store) -> None:
    publish(given("weather"), store, PLATFORM)
    publish(given("tides"), store, PLATFORM)
    began = store.current_version()
    withdraw(given("weather"), store, PLATFORM)
    assert dags_of(bundle()).keys() == {"tides_load"}
    assert dags_of(bundle(began)).keys() == {"tides_load", "weather_load"}
    withdraw(given("weather"), store, PLATFORM)


def test_without_s3_what_was_brought_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(given("weather"), store, PLATFORM)
    version = versions_of(bundle())
    monkeypatch.setenv("DAGS_ENDPOINT_URL", "http://127.0.0.1:9")
    again = bundle()
    assert (versions_of(again), dags_of(again).keys()) == (version, {"weather_load"})
    assert dags_of(bundle(version)).keys() == {"weather_load"}
    with pytest.raises(Away, match=r"s3://.*/current cannot be reached"):
        again.refresh()
    assert dags_of(again).keys() == {"weather_load"}


def test_without_the_bucket_no_dag_goes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(given("weather"), store, PLATFORM)
    made = bundle()
    monkeypatch.setenv("DAGS_BUCKET", f"gone-{uuid4().hex[:8]}")
    with pytest.raises(Away):
        bundle().refresh()
    assert dags_of(made).keys() == {"weather_load"}


def test_a_version_whose_bytes_are_others_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(given("weather"), store, PLATFORM)
    version = versions_of(bundle())
    environment = shared_servers.s3().environment
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL_S3"],
        region_name=environment["AWS_DEFAULT_REGION"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    (listed,) = client.list_objects_v2(Bucket=store._bucket, Prefix="releases/weather/")["Contents"]
    client.put_object(Bucket=store._bucket, Key=listed["Key"], Body=b"{}")
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "elsewhere"))
    with pytest.raises(Refused, match=r"releases/weather/.* is damaged"):
        bundle(version)
    with pytest.raises(Refused, match=r"There is no s3://.*/versions/0123.json"):
        bundle("0123")


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"DAG": ["tides_load"]}, "The DAG tides_load is that of pipeline tides"),
        ({"DAG": ["forest_train"]}, "The DAG forest_train is that of pipeline forest"),
        ({"variable": ["forest_rows"]}, "The variable forest_rows is that of pipeline forest"),
    ],
)
def test_a_name_of_another_pipeline_is_refused_and_nothing_changes(
    store: Store, claims: dict[str, list[str]], sentence: str
) -> None:
    publish(given("tides"), store, PLATFORM)
    former = store.current_version()
    for command in (check, publish):
        with pytest.raises(Refused, match=f"{sentence}: rename it in pipeline weather"):
            command(given("weather", **claims), store, PLATFORM)
    with pytest.raises(Refused, match="The platform has a pipeline forest of its own"):
        check(given("forest"), store, PLATFORM)
    assert store.current_version() == former
    check(given("weather"), store, PLATFORM)
    assert store.current_version() == former


@pytest.mark.parametrize(
    ("dag_file", "sentence"),
    [
        (DAG_FILE.format(dag="weather_load", pipeline="weather"), ""),
        (
            DAG_FILE.format(dag="other", pipeline="weather"),
            "make these DAGs: other. .*names in `dags`: weather_load",
        ),
        (
            "from airflow.sdk import DAG\nimport absent",
            "weather.py of pipeline weather cannot be imported: .*absent",
        ),
    ],
)
def test_dag_files_are_imported_before_anything_is_published(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    dag_file: str,
    sentence: str,
) -> None:
    told = {"pipeline": "weather", "claims": {"DAG": ["weather_load"]}}
    hidden = tmp_path / "..data"
    hidden.mkdir()
    for name, text in (("release.json", json.dumps(told)), ("steps.json", "{}"), ("weather.py", dag_file)):
        (hidden / name).write_text(text)
        (tmp_path / name).symlink_to(hidden / name)
    monkeypatch.setenv("RELEASE_FOLDER", str(tmp_path))
    assert main(["parse"]) == (2 if sentence else 0)
    said = capsys.readouterr()
    assert re.search(sentence, said.err) if sentence else "make weather_load" in said.out


def test_a_file_makes_no_dag_that_its_release_does_not_claim(store: Store) -> None:
    """As Airflow reads it with the settings of the image, which are not those of this process."""
    texts = {"weather.py": DAG_FILE.format(dag="forest_train", pipeline="weather")}
    publish(given("weather", texts=texts), store, PLATFORM)
    publish(given("tides"), store, PLATFORM)
    made = bundle()
    code = (
        "import json, sys; from airflow.dag_processing.dagbag import BundleDagBag;"
        "bag = BundleDagBag(dag_folder=sys.argv[1], bundle_path=sys.argv[1], bundle_name='releases');"
        "print(json.dumps([sorted(bag.dags), bag.import_errors]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "images/airflow"), **PLATFORM_FOLDER}
    ended = subprocess.run(
        [sys.executable, "-c", code, str(made.path)],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    dags, errors = json.loads(ended.stdout.splitlines()[-1])
    assert (dags, list(errors)) == (["tides_load"], ["weather/weather.py"])
    assert "makes the DAG forest_train, and the release of pipeline weather has only" in str(errors)


LATER = datetime.now(UTC) + timedelta(days=1)
"""A moment before which all that a test has written counts as old."""


def unused(store: Store, *in_use: str) -> list[str]:
    """The versions that would go, and then the pipelines of which a release would."""
    keys = store.unused(lambda: set(in_use), LATER)
    versions = [key.removesuffix(".json").partition("/")[2] for key in keys if key.startswith("versions/")]
    return versions + [key.split("/")[1] for key in keys if key.startswith("releases/")]


def test_what_neither_a_run_nor_the_current_version_needs_is_unused(store: Store) -> None:
    assert unused(store) == []
    versions = []
    for pipeline, image in (("weather", "1"), ("weather", "2"), ("tides", "1"), ("weather", "3")):
        publish(given(pipeline, image), store, PLATFORM)
        versions.append(store.current_version())
    first, second, third, _ = versions
    assert store.unused(set, datetime.now(UTC) - timedelta(days=1)) == []
    assert unused(store, first) == [*sorted([second, third], reverse=True), "weather"]
    # What is in use needs its releases; what is gone already, such as a version of another bundle, none.
    assert unused(store, first, third, "absent") == [second]
    assert unused(store, *versions) == []


def test_what_is_unused_goes_and_what_stays_can_be_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(given("weather"), store, PLATFORM)
    old = store.current_version()
    publish(given("weather", "2"), store, PLATFORM)
    began = store.current_version()
    publish(given("tides"), store, PLATFORM)
    withdraw(given("weather"), store, PLATFORM)
    monkeypatch.setattr("pipeline_releases.retention.versions_in_use", lambda: {began})
    said = expire(store, LATER, dry_run=True)
    assert "2 versions and 1 releases are older" in said
    store.manifest(old)
    assert expire(store, LATER, dry_run=False) == said
    with pytest.raises(Refused, match="There is no s3://"):
        store.manifest(old)
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH", str(tmp_path / "elsewhere"))
    assert dags_of(bundle(began)).keys() == {"weather_load"}
    assert dags_of(bundle()).keys() == {"tides_load"}
    assert "0 versions and 0 releases" in expire(store, LATER, dry_run=False)


def test_what_was_written_meanwhile_stays_and_holds_again_after_it_was_deleted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(given("weather"), store, PLATFORM)
    first = store.current_version()
    publish(given("weather", "2"), store, PLATFORM)
    version, release = store.unused(set, LATER)
    store.delete(version, datetime.now(UTC) - timedelta(days=1))
    store.manifest(first)

    compare = store._put

    def put(key: str, body: bytes, **condition: str) -> bool:
        if condition:
            for each in (version, release):
                store.delete(each, LATER)
        return compare(key, body, **condition)

    monkeypatch.setattr(store, "_put", put)
    publish(given("weather"), store, PLATFORM)
    assert store.current_version() == first
    assert dags_of(bundle()).keys() == {"weather_load"}


def test_airflow_needs_the_versions_that_its_runs_and_dags_have() -> None:
    dag = {"dag_id": "needs", "bundle_name": "needs"}
    run = {"dag_id": "needs", "run_type": "manual"}
    rows: list[tuple[Any, dict[str, Any]]] = [
        (DagBundleModel, {"name": "needs", "version": "of the bundle"}),
        (DagModel, {**dag, "bundle_version": "of the DAG"}),
        (DagVersion, {**dag, "version_number": 1, "bundle_version": "of its code"}),
        (DagRun, {**run, "run_id": "1", "bundle_version": "of the run"}),
        (DagRun, {**run, "run_id": "2", "bundle_version": None}),
    ]
    before = versions_in_use()
    with create_session() as session:
        for model, values in rows:
            session.add(model(**values))
            session.flush()
    try:
        assert versions_in_use() - before == {"of the bundle", "of the DAG", "of its code", "of the run"}
    finally:
        with create_session() as session:
            for model, values in reversed(rows):
                key = "dag_id" if "dag_id" in values else "name"
                session.execute(delete(model).where(getattr(model, key) == "needs"))
    assert versions_in_use() == before
