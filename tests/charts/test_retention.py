"""What goes after some days, and what stays: MLflow's runs on a real server, and the rendered CronJobs."""

from __future__ import annotations

import io
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mlflow
import psycopg2
import pytest
import yaml
from mlflow import MlflowClient

from quintet.pipelines import pipelines
from tests.charts.render import CHARTS, ChartError, Manifest, named, of_kind, render
from tests.charts.test_own_release import own
from tests.roles import as_promotion

DAY_MS = 86_400_000


def run_retention(
    url: str, decisions: Path, *options: str, of: tuple[str, ...] = ("--release=quintet", "--untagged")
) -> str:
    """What the program prints, by default that of the platform.

    It runs in this process, which has imported MLflow: that takes seconds.
    """
    program = str(CHARTS / "mlflow/files/scripts/retention.py")
    # What another test of this process has set would count before the variables.
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as printed:
        patch.setattr(sys, "argv", [program, "--days=90", f"--decisions={decisions}", *of, *options])
        for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
            patch.setenv(variable, url)
        runpy.run_path(program, run_name="__main__")
    return printed.getvalue()


def test_old_runs_go_unless_a_version_or_a_decision_names_them(
    mlflow_url: str, make_database: Callable[[str], str], tmp_path: Path
) -> None:
    # Without the second, it would ask the registry that another test of this process has set.
    client = MlflowClient(mlflow_url, mlflow_url)
    experiment = client.create_experiment(f"retention-{time.time_ns()}")
    now = int(time.time() * 1000)

    def run(days: int) -> str:
        return str(client.create_run(experiment, start_time=now - days * DAY_MS).info.run_id)

    young, old, versioned, decided, former = run(89), run(91), run(91), run(91), run(91)
    client.log_text(old, "x" * (3 << 20), "folder/model.txt")
    model = client.create_registered_model(f"retention-{time.time_ns()}").name
    client.create_model_version(model, f"runs:/{versioned}/bundle", versioned)
    url = make_database("forest")
    with psycopg2.connect(as_promotion(url)) as connection, connection.cursor() as rows:
        rows.execute(
            "INSERT INTO forest.promotion_decisions (model_name, dag_id, run_id, verdict, reason,"
            " data_sha256, challenger_algorithm, challenger_digest, metrics, challenger_mlflow_run_id,"
            " champion_mlflow_run_id) VALUES ('forest', 'd', 'r', 'refused', 'none', 'h', 'svc', 'b',"
            " '{}', %s, %s)",
            [decided, former],
        )
    connection.close()
    (tmp_path / "forest").write_text(url)
    (tmp_path / "..data").mkdir()

    assert "1 runs older than 90 days that nothing names, 3.0 MiB; 3 older" in run_retention(
        mlflow_url, tmp_path, "--dry-run"
    )
    assert client.get_run(old).info.lifecycle_stage == "active"
    run_retention(mlflow_url, tmp_path)
    stages = {each: client.get_run(each).info.lifecycle_stage for each in (young, versioned, decided, former)}
    assert set(stages.values()) == {"active"}
    assert client.get_run(old).info.lifecycle_stage == "deleted"
    assert "0 runs older" in run_retention(mlflow_url, tmp_path)


def test_a_release_leaves_the_runs_of_another_which_that_ones_decisions_may_name(
    mlflow_url: str, tmp_path: Path
) -> None:
    client = MlflowClient(mlflow_url, mlflow_url)
    long_ago = int(time.time() * 1000) - 91 * DAY_MS
    runs = {}
    for release in ("quintet", "weather", "snow"):
        tags = {"quintet.release": release}
        experiment = client.create_experiment(f"{release}-{time.time_ns()}", tags=tags)
        runs[release] = client.create_run(experiment, start_time=long_ago).info.run_id

    def deleted() -> set[str]:
        return {name for name in runs if client.get_run(runs[name]).info.lifecycle_stage == "deleted"}

    run_retention(mlflow_url, tmp_path)
    assert deleted() == {"quintet"}
    run_retention(mlflow_url, tmp_path, of=("--release=weather",))
    assert deleted() == {"quintet", "weather"}


def test_a_release_without_experiments_marks_none(mlflow_url: str, tmp_path: Path) -> None:
    client = MlflowClient(mlflow_url, mlflow_url)
    experiment = client.create_experiment(f"other-{time.time_ns()}", tags={"quintet.release": "other"})
    run = client.create_run(experiment, start_time=0).info.run_id
    assert "0 runs older" in run_retention(mlflow_url, tmp_path, of=("--release=none",))
    assert client.get_run(run).info.lifecycle_stage == "active"


def test_a_pipelines_own_release_looks_after_its_own_runs(tmp_path: Path) -> None:
    cron_job = named(own(), "CronJob", "mlflow-retention-weather")
    assert called(cron_job, tmp_path) == [
        [
            *("python", "/etc/mlflow/retention.py", "--days=90", "--decisions=/run/decisions"),
            "--release=weather",
        ]
    ]
    volumes = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
    (decisions,) = [volume["projected"]["sources"] for volume in volumes if volume["name"] == "decisions"]
    secret = {"name": "postgres-weather", "items": [{"key": "url", "path": "weather"}]}
    assert decisions == [{"secret": secret}]
    (scripts,) = [volume["configMap"]["name"] for volume in volumes if volume["name"] == "scripts"]
    assert "retention.py" in named(own(), "ConfigMap", scripts)["data"]
    assert not of_kind(own(mlflow={"retention": {"days": 0}}), "CronJob")


def retention_of(values: dict[str, Any]) -> list[str]:
    return [made["metadata"]["name"] for made in of_kind(render("quintet", values), "CronJob")]


def test_days_of_nought_or_null_keep_all() -> None:
    assert retention_of({}) == ["airflow-retention", "mlflow-retention"]
    for nothing in (0, None):
        kept = {"retention": {"days": nothing}}
        assert retention_of({"airflow": kept, "mlflow": kept}) == []
    with pytest.raises(ChartError, match="days"):
        render("quintet", {"airflow": {"retention": {"days": -1}}})


def test_a_prefix_of_nought_days_has_no_rule() -> None:
    given = {"buckets": {"data": {"expireDays": {"forest/raw/": 0, "excel/": 7}}}}
    setup = named(render("minio", given), "ConfigMap", "minio-setup")["data"]
    rules = yaml.safe_load(setup["lifecycle-data.json"])["Rules"]
    days = {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules}
    assert "forest/raw/" not in days
    assert days["excel/"] == 7
    assert not [prefix for prefix in days if prefix.endswith("decided/")]


def test_each_pipeline_that_promotes_has_its_decisions_read() -> None:
    release = render("mlflow")
    schemas = {name: pipeline.schemas[0] for name, pipeline in pipelines().items() if pipeline.promotes}
    assert schemas
    pod = named(release, "CronJob", "mlflow-retention")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (sources,) = [volume["projected"]["sources"] for volume in pod["volumes"] if "projected" in volume]
    assert {source["secret"]["name"]: source["secret"]["items"][0]["path"] for source in sources} == {
        f"postgres-{name}": schema for name, schema in schemas.items()
    }


def called(cron_job: Manifest, folder: Path, **environment: str) -> list[list[str]]:
    """The programs that a CronJob's container calls, each with its arguments."""
    calls = folder / "calls"
    for name in ("airflow", "python"):
        (folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {calls}\n')
        (folder / name).chmod(0o755)
    (container,) = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    given |= {"PATH": f"{folder}:{os.environ['PATH']}", "MLFLOW_BACKEND_STORE_URI": "postgresql://runs"}
    subprocess.run([*container["command"], *container["args"]], env=given | environment, check=True)
    return [line.split() for line in calls.read_text().splitlines()]


@pytest.mark.parametrize("dry_run", [{}, {"DRY_RUN": "true"}])
def test_airflow_is_told_the_day_before_which_rows_go(tmp_path: Path, dry_run: dict[str, str]) -> None:
    cron_job = named(render("airflow"), "CronJob", "airflow-retention")
    *before_it, call, expire = called(cron_job, tmp_path, **dry_run)
    assert before_it == ([] if dry_run else [["airflow", "db", "drop-archived", "--yes"]])
    assert call[:4] == ["airflow", "db", "clean", "--clean-before-timestamp"]
    before = datetime.fromisoformat(call[4])
    assert abs(datetime.now(UTC) - timedelta(days=90) - before) < timedelta(hours=1)
    given = ["--yes", "--skip-archive", "--error-on-cleanup-failure"]
    assert call[5:] == [*given, *(["--dry-run"] if dry_run else [])]
    # Last, as it looks at which runs are left.
    assert expire == [
        *("python", "-P", "-m", "pipeline_releases.retention", call[4]),
        *(["--dry-run"] if dry_run else []),
    ]


def test_without_releases_of_their_own_nothing_goes_from_their_bucket(tmp_path: Path) -> None:
    cron_job = named(render("airflow", {"releases": {"bucket": ""}}), "CronJob", "airflow-retention")
    assert "DAGS_SECRET_KEY" not in str(cron_job)
    assert {program for program, *_ in called(cron_job, tmp_path)} == {"airflow"}


def test_a_failed_clean_up_of_the_rows_leaves_the_versions(tmp_path: Path) -> None:
    cron_job = named(render("airflow"), "CronJob", "airflow-retention")
    (container,) = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    container["args"] = [container["args"][0].replace("airflow db clean", "false")]
    with pytest.raises(subprocess.CalledProcessError):
        called(cron_job, tmp_path)
    assert "python" not in (tmp_path / "calls").read_text()


def test_mlflow_removes_for_good_what_was_marked_days_ago_and_nothing_in_a_dry_run(tmp_path: Path) -> None:
    cron_job = named(render("mlflow"), "CronJob", "mlflow-retention")
    mark = ["python", "/etc/mlflow/retention.py", "--days=90", "--decisions=/run/decisions"]
    mark += ["--release=quintet", "--untagged"]
    on_backend = ["python", "/etc/mlflow/on_backend.py"]
    for name in ("at-once", "dry"):
        (tmp_path / name).mkdir()
    assert called(cron_job, tmp_path / "at-once") == [
        mark,
        [*on_backend, "gc", "--backend-store-uri", "MLFLOW_BACKEND_STORE_URI", "--older-than", "7d"],
    ]
    assert called(cron_job, tmp_path / "dry", DRY_RUN="true") == [[*mark, "--dry-run"]]
