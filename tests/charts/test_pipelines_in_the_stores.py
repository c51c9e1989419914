"""What a pipeline has in Postgres, S3 and MLflow: charts derive it as `quintet.pipelines` does."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from quintet.pipelines import Pipeline, pipelines
from tests.charts.render import CHARTS, ChartError, Manifest, decoded, named, of_kind, render, sample_values

STORES = ("postgres", "minio", "mlflow")
WEATHER: dict[str, Any] = {
    "description": "Rain.",
    "owner": "weather",
    "dags": {"weather": {}},
    "steps": {"load": {}, "publish": {}},
    "schemas": ["rain", "sun"],
    "s3": {"prefixes": ["weather/", "stations/"], "lifecycle": True, "expireDays": {"stations/": 7}},
    "model": {
        "name": "rain-tomorrow",
        "experiment": "rain",
        "promotion": {"step": "publish"},
        "serving": {"inputUri": "s3://data/stations/latest/all.json"},
    },
}
VARIANTS = {
    "whole": WEATHER,
    "least": {key: WEATHER[key] for key in ("description", "owner", "dags", "steps")},
    "by hand": {**WEATHER, "s3": {}, "model": {"name": "rain-tomorrow", "experiment": "rain"}},
    "input in another bucket": {
        **WEATHER,
        "model": {**WEATHER["model"], "serving": {"inputUri": "s3://elsewhere/all.json"}},
    },
    "input at the root": {
        **WEATHER,
        "model": {**WEATHER["model"], "serving": {"inputUri": "s3://data/all.json"}},
    },
}
"""What a pipeline may say or leave out."""


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The charts of the stores beside a folder of pipelines that has one more, with a table."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("common", *STORES):
        shutil.copytree(CHARTS / name, root / "charts" / name, symlinks=True)
    folders = {name: pipeline.folder for name, pipeline in pipelines().items()}
    for name, folder in folders.items():
        shutil.copytree(folder / "migrations", root / "pipelines" / name / "migrations")
    tables = root / "pipelines" / "weather" / "migrations" / "0001_tables.sql"
    tables.parent.mkdir(parents=True)
    tables.write_text("CREATE TABLE rain.days (day date)")
    return root / "charts"


def derived(found: Pipeline) -> dict[str, Any]:
    """What `quintet.pipelines` says that the stores have of a pipeline."""
    copied = [f"minio-{found.name}", *(f"postgres-{role.replace('_', '-')}" for role in found.step_roles)]
    copied += [f"mlflow-{user}" for user in found.mlflow_users]
    roles = [*found.step_roles, *found.serving_roles]
    return {
        "roles": set(roles),
        "record": {found.schemas[0]} if found.promotes else set(),
        "schemas": set(found.schemas),
        "prefixes": set(found.prefixes),
        "lifecycle": found.given.get("s3", {}).get("lifecycle", False),
        "expire_days": found.expire_days,
        "served": set(found.served_prefixes),
        "mlflow_users": found.mlflow_users,
        "experiment": {found.given["model"]["experiment"]} if found.model else set(),
        "model": {found.model} if found.model else set(),
        "secrets of the platform": {*copied, *(f"postgres-{role}".replace("_", "-") for role in roles)},
        "secrets of steps": set(copied),
    }


def rendered(name: str, given: dict[str, Any], charts: Path) -> dict[str, Any]:
    """What the charts make of a pipeline, which they are given as the only one."""
    values = {"global": {"pipelines": {name: given}}}
    postgres, minio, mlflow = (render(str(charts / part), values, samples=False) for part in STORES)
    bare = [secret for part in STORES for secret in of_kind(render(part, samples=False), "Secret")]
    platforms = {secret["metadata"]["name"] for secret in bare}
    made = [secret for part in (postgres, minio, mlflow) for secret in of_kind(part, "Secret")]
    own = [secret for secret in made if secret["metadata"]["name"] not in platforms]
    script = named(postgres, "ConfigMap", "postgres-setup")["data"]["setup.sh"]
    schemas = dict.fromkeys(re.findall(rf"role={name} --set=schema=(\S+) --file=schema\.sql", script))
    assert [*schemas] == given.get("schemas", [])
    buckets = named(minio, "ConfigMap", "minio-setup")["data"]
    policy = json.loads(buckets[f"policy-{name}.json"])["Statement"]
    grants = json.loads(named(mlflow, "ConfigMap", "mlflow-users")["data"]["grants.json"])
    rules = json.loads(buckets.get("lifecycle-data.json", '{"Rules": []}'))["Rules"]
    return {
        "roles": {decoded(secret)["username"] for secret in own if "postgres-" in secret["metadata"]["name"]},
        "record": set(re.findall(rf"role={name}_promotion --set=schema=(\S+)", script)),
        "schemas": set(schemas),
        "prefixes": keys(policy),
        "lifecycle": "s3:GetLifecycleConfiguration" in policy[0]["Action"],
        "expire_days": {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules},
        "served": keys(json.loads(buckets["policy-serving.json"])["Statement"]),
        "mlflow_users": {user: rights for user, rights in grants["users"].items() if user != "serving"},
        "experiment": set(grants["experiments"]),
        "model": set(grants["models"]),
        "secrets of the platform": names(own, "quintet"),
        "secrets of steps": names(own, "quintet-tasks"),
    }


def keys(policy: list[Manifest]) -> set[str]:
    """First parts of the keys in the bucket `data` whose objects a policy opens."""
    objects = [each for each in policy if "s3:GetObject" in each["Action"]]
    return {
        resource.removeprefix("arn:aws:s3:::data/").removesuffix("*")
        for each in objects
        for resource in each["Resource"]
    }


def names(secrets: list[Manifest], namespace: str) -> set[str]:
    return {secret["metadata"]["name"] for secret in secrets if secret["metadata"]["namespace"] == namespace}


@pytest.mark.parametrize("name", sorted(pipelines()))
def test_the_charts_give_a_sample_what_its_file_says(name: str, charts: Path) -> None:
    given = sample_values()["global"]["pipelines"][name]
    assert rendered(name, given, charts) == derived(pipelines()[name])


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_charts_give_a_pipeline_of_ones_own_what_its_entry_says(variant: str, charts: Path) -> None:
    given = VARIANTS[variant]
    found = rendered("weather", given, charts)
    assert found == derived(Pipeline(Path("weather"), {"name": "weather", **given}))
    if variant == "whole":
        assert found["roles"] == {"weather", "weather_promotion", "weather_serving"}
        assert found["served"] == {"stations/latest/", "weather/latest_model.json"}
        assert {user: [*rights["models"].values()] for user, rights in found["mlflow_users"].items()} == {
            "weather": ["READ"],
            "weather-promotion": ["EDIT"],
        }


def test_its_tables_are_those_of_its_folder(charts: Path) -> None:
    release = render(str(charts / "postgres"), {"global": {"pipelines": {"weather": WEATHER}}})
    tables = named(release, "ConfigMap", "postgres-migrations")["data"]
    assert tables["pipelines.weather.migrations.0001_tables.sql"] == "CREATE TABLE rain.days (day date)"


@pytest.mark.parametrize("chart", STORES)
@pytest.mark.parametrize("name", sorted(pipelines()))
def test_a_sample_that_is_left_out_leaves_nothing(name: str, chart: str) -> None:
    left = {"global": {"pipelines": {name: {"enabled": False}}}}
    # What is its own and no other's: a schema may be called as a word of SQL is.
    found = pipelines()[name]
    words = {
        name,
        found.model,
        found.given.get("model", {}).get("experiment"),
        *found.schemas,
        *found.prefixes,
    }
    text = yaml.safe_dump_all(render(chart, left))
    assert not [word for word in words - {None} if re.search(rf"\b{re.escape(str(word))}", text)]


def test_a_bare_platform_has_the_users_of_its_parts_alone() -> None:
    secrets = [secret for part in STORES for secret in of_kind(render(part, samples=False), "Secret")]
    assert names(secrets, "quintet-tasks") == set()
    assert names(secrets, "quintet") == {
        *(f"postgres-{role}" for role in ("superuser", "owner", "airflow", "mlflow", "mlflow-auth")),
        *(
            f"minio-{user}"
            for user in ("root", "mlflow", "airflow", "dags-reader", "dags-publisher", "serving")
        ),
        *(f"mlflow-{user}" for user in ("admin", "flask", "serving")),
    }


@pytest.mark.parametrize(
    ("chart", "name", "values", "sentence"),
    [
        ("postgres", "airflow", {}, r"global\.pipelines\.airflow: Postgres has a role or a Secret"),
        ("postgres", "owner", {}, r"global\.pipelines\.owner: Postgres has a role or a Secret"),
        ("minio", "serving", {}, r"global\.pipelines\.serving: S3 has another user"),
        ("minio", "weather", {"users": {"weather": {"buckets": ["data"]}}}, "take it out of minio.users"),
        ("mlflow", "admin", {}, r"global\.pipelines\.admin: MLflow has another user admin"),
        (
            "mlflow",
            "weather",
            {"users": {"weather-promotion": {"experiments": "READ", "models": "READ"}}},
            "MLflow has another user weather-promotion",
        ),
    ],
)
def test_a_name_that_another_has_is_refused(
    chart: str, name: str, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ChartError, match=sentence):
        render(chart, {**values, "global": {"pipelines": {name: WEATHER}}})


@pytest.mark.parametrize("chart", STORES)
def test_a_promotion_without_a_place_for_its_record_is_refused(chart: str) -> None:
    given = {**WEATHER, "schemas": []}
    with pytest.raises(ChartError, match=r"pipelines\.weather\.model\.promotion needs a first schema"):
        render(chart, {"global": {"pipelines": {"weather": given}}})


def test_days_of_another_s_keys_are_refused() -> None:
    given = {**WEATHER, "s3": {"expireDays": {"forest/decided/": 1}}}
    with pytest.raises(ChartError, match=r"weather\.s3\.expireDays names forest/decided/"):
        render("minio", {"global": {"pipelines": {"weather": given}}})


def test_days_of_the_values_win_over_those_of_a_pipeline() -> None:
    values = {"buckets": {"data": {"expireDays": {"forest/raw/": 1, "excel/": 0}}}}
    rules = json.loads(
        named(render("minio", values), "ConfigMap", "minio-setup")["data"]["lifecycle-data.json"]
    )
    days = {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules["Rules"]}
    assert (days["forest/raw/"], days.get("excel/"), days["sipsa/raw/"]) == (1, None, 60)
