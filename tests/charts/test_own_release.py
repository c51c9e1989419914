"""One pipeline as a release of its own: what it makes, from which definitions, and what it cannot name."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from tests.charts.render import (
    CHARTS,
    ChartError,
    Manifest,
    containers,
    named,
    of_kind,
    plain_name,
    pod_templates,
    render,
)

WEATHER: dict[str, Any] = {
    "description": "Rain.",
    "owner": "weather",
    "dags": {"weather_observations": {}},
    "steps": {"observe": {"source": True, "database": False}, "load": {}, "publish": {}},
    "variables": {"weather_days": "7"},
    "schemas": ["weather", "weather_more"],
    "s3": {"expireDays": {"weather/raw/": 7}},
    "source": {"url": "https://api.example.com"},
    "model": {
        "name": "weather-rain",
        "experiment": "weather",
        "promotion": {"step": "publish"},
        "serving": {"inputUri": "s3://data/weather/latest/all.json"},
    },
}
FILES = {"dags": {"weather.py": "dag = 1"}, "migrations": {"0001_tables.sql": "SELECT 1"}}
LEAST = {key: WEATHER[key] for key in ("description", "owner", "dags", "steps")} | {"steps": {"load": {}}}


def own(given: dict[str, Any] = WEATHER, name: str = "weather", **values: Any) -> tuple[Manifest, ...]:
    """The objects of a release of its own."""
    brought = {"global": {"pipelines": {name: given}}, "files": FILES, **values}
    return render("pipeline", brought, samples=False, release=name)


def sample(given: dict[str, Any] = WEATHER) -> tuple[Manifest, ...]:
    """The objects of the platform's release with the same pipeline; its migrations are not in the chart."""
    return render(
        "quintet",
        {"global": {"pipelines": {"weather": given}}, "postgres": {"enabled": False}},
        samples=False,
    )


def identity(manifest: Manifest) -> tuple[str, str, str]:
    """Kind, namespace and name; that of a Job without its hash, which a hook's has not."""
    metadata = manifest["metadata"]
    hook = "helm.sh/hook" in metadata.get("annotations", {})
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"] if hook else plain_name(manifest)


def changed(**keys: Any) -> dict[str, Any]:
    """The pipeline with some keys changed."""
    return {**copy.deepcopy(WEATHER), **keys}


def test_it_makes_what_a_pipeline_has_and_nothing_else() -> None:
    here, tasks = "quintet", "quintet-tasks"
    stores = ("minio-setup", "postgres-setup", "mlflow-users")
    expected = {
        *(("ConfigMap", here, f"{name}-weather") for name in (*stores, "postgres-migrations")),
        ("ConfigMap", tasks, "sources-weather"),
        *(("Job", here, f"{name}-weather") for name in stores),
        ("CronJob", here, "mlflow-retention-weather"),
        ("NetworkPolicy", here, "mlflow-retention-weather"),
        *(
            ("Secret", here, f"{store}-weather{user}")
            for store in ("minio", "postgres", "mlflow")
            for user in ("", "-serving")
        ),
        *(("Secret", here, f"{store}-weather-promotion") for store in ("postgres", "mlflow")),
        *(("Secret", tasks, f"{store}-weather") for store in ("minio", "postgres", "mlflow")),
        *(("Secret", tasks, f"{store}-weather-promotion") for store in ("postgres", "mlflow")),
        ("Secret", here, "inference-admin-weather"),
        *(
            (kind, here, "inference-weather-rain")
            for kind in ("Deployment", "Service", "HorizontalPodAutoscaler", "NetworkPolicy")
        ),
        ("NetworkPolicy", here, "inference-of-weather"),
        ("NetworkPolicy", tasks, "source-weather"),
        ("ValidatingAdmissionPolicy", "", "quintet-tasks-secrets-weather"),
        ("ValidatingAdmissionPolicyBinding", "", "quintet-tasks-secrets-weather"),
    }
    hooks = {m["metadata"]["name"] for m in own() if "helm.sh/hook" in m["metadata"].get("annotations", {})}
    made = {identity(m) for m in own() if m["metadata"]["name"] not in hooks}
    assert made - _of_dags(made) == expected
    assert {name for name in hooks if "dags" not in name} == {
        *(
            "pipeline-check-weather",
            "postgres-removal-weather",
            "minio-removal-weather",
            "mlflow-removal-weather",
        )
    }


def test_the_check_is_told_what_a_pipelines_roles_may_open() -> None:
    def environment(release: tuple[Manifest, ...]) -> dict[str, str | None]:
        (check,) = [m for m in release if m["metadata"]["name"] == "pipeline-check-weather"]
        (container,) = containers(check["spec"]["template"])
        return {each["name"]: each.get("value") for each in container["env"]}

    for given, sessions in ((WEATHER, "17"), ({**LEAST, "schemas": ["weather"]}, "10")):
        told = environment(own(given))
        assert (told["SESSIONS"], told["RESERVED"]) == (sessions, "10")
    outside = own(postgres={"external": {"enabled": True, "host": "pg"}})
    assert "SESSIONS" not in environment(outside)


def _of_dags(made: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Those by which its DAGs travel."""
    return {each for each in made if "dags" in each[2]}


def test_no_object_has_the_name_of_one_of_the_platforms() -> None:
    assert not {identity(m) for m in own()} & {identity(m) for m in render("quintet")}
    others = own(
        changed(
            dags={"snow": {}},
            schemas=["snow"],
            variables={},
            s3={},
            model={"name": "snow", "experiment": "snow"},
        ),
        "snow",
    )
    assert not {identity(m) for m in own()} & {identity(m) for m in others}


def test_least_has_no_api_no_user_of_mlflow_and_no_role() -> None:
    names = {plain_name(m) for m in own(LEAST)}
    assert not [name for name in names if name.startswith(("inference", "mlflow", "postgres", "source"))]
    assert "minio-setup-weather" in names


def test_the_secrets_of_steps_are_those_that_the_platform_makes_of_a_sample() -> None:
    def keys(release: tuple[Manifest, ...]) -> dict[tuple[str, str, str], set[str]]:
        return {
            identity(m): set(m["data"])
            for m in of_kind(release, "Secret")
            if m["metadata"]["namespace"] == "quintet-tasks" and not plain_name(m).startswith("postgres")
        }

    assert keys(own()) == keys(sample())


def test_policies_and_rights_are_those_of_a_sample() -> None:
    mine, theirs = (
        named(own(), "ConfigMap", "minio-setup-weather"),
        named(sample(), "ConfigMap", "minio-setup"),
    )
    assert mine["data"]["policy-weather.json"] == theirs["data"]["policy-weather.json"]
    grants = [
        json.loads(named(release, "ConfigMap", name)["data"]["grants.json"])
        for release, name in ((own(), "mlflow-users-weather"), (sample(), "mlflow-users"))
    ]
    for user in ("weather", "weather-promotion"):
        assert grants[0]["users"][user] == grants[1]["users"][user]
    assert set(grants[0]["users"]) == {"weather", "weather-promotion", "weather-serving"}
    spec = [named(release, "NetworkPolicy", "source-weather")["spec"] for release in (own(), sample())]
    assert spec[0] == spec[1]


def test_its_users_reach_its_own_alone() -> None:
    setup = named(own(), "ConfigMap", "minio-setup-weather")["data"]
    policies = {name: json.loads(text) for name, text in setup.items() if name.startswith("policy-")}
    assert set(policies) == {"policy-weather.json", "policy-weather-serving.json"}
    for policy in policies.values():
        objects = [each for part in policy["Statement"] for each in part["Resource"] if "/" in each]
        assert objects
        assert all(each.startswith("arn:aws:s3:::data/weather/") for each in objects)
    grants = json.loads(named(own(), "ConfigMap", "mlflow-users-weather")["data"]["grants.json"])
    assert (grants["experiments"], grants["models"]) == (["weather"], ["weather-rain"])


def test_the_rules_of_its_objects_are_known_by_their_names() -> None:
    rules = json.loads(named(own(), "ConfigMap", "minio-setup-weather")["data"]["lifecycle-data.json"])[
        "Rules"
    ]
    assert [(rule["ID"], rule["Filter"]["Prefix"]) for rule in rules] == [
        ("own-weather-weather-raw", "weather/raw/")
    ]


def test_its_policy_of_admission_speaks_of_its_own_secrets_alone() -> None:
    (policy,) = of_kind(own(), "ValidatingAdmissionPolicy")
    values = {v["name"]: v["expression"] for v in policy["spec"]["variables"]}
    known, allowed = json.loads(values["known"]), json.loads(values["allowed"])
    assert known
    assert all(re.fullmatch(r"(postgres|minio|mlflow)-weather(-promotion)?", name) for name in known)
    assert {image.rpartition("/")[2] for image in allowed} == {
        "weather-observe",
        "weather-load",
        "weather-publish",
    }
    (platform,) = of_kind(render("quintet"), "ValidatingAdmissionPolicy")
    theirs = {v["name"]: v["expression"] for v in platform["spec"]["variables"]}
    assert not set(json.loads(theirs["known"])) & set(known)


def test_secrets_go_with_the_release_as_their_users_do() -> None:
    assert not [m for m in of_kind(own(), "Secret") if m["metadata"].get("annotations")]


def test_the_api_reads_by_users_of_its_own() -> None:
    (deployment,) = of_kind(own(), "Deployment")
    (container,) = containers(deployment["spec"]["template"])
    secrets = {e["valueFrom"]["secretKeyRef"]["name"] for e in container["env"] if "valueFrom" in e}
    assert secrets == {
        *(
            "mlflow-weather-serving",
            "minio-weather-serving",
            "postgres-weather-serving",
            "inference-admin-weather",
        )
    }


def test_its_jobs_have_a_way_to_their_server_by_a_policy_of_the_platform() -> None:
    ways = {m["metadata"]["name"] for m in of_kind(render("quintet"), "NetworkPolicy")}
    jobs = {
        name: pod["metadata"]["labels"]
        for name, pod in pod_templates(own()).items()
        if name.startswith("Job")
    }
    for name, labels in jobs.items():
        assert f"client-{labels['quintet/client']}" in ways, name


@pytest.mark.parametrize("data", [False, True])
def test_what_goes_at_its_removal_changes_no_other_object(data: bool) -> None:
    release = own(**{"global": {"pipelines": {"weather": WEATHER}, "removeData": data}})
    for name in ("postgres-removal-weather", "minio-removal-weather"):
        (job,) = [m for m in of_kind(release, "Job") if m["metadata"]["name"] == name]
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert {"name": "REMOVE_DATA", "value": str(data).lower()} in container["env"]
    plain = {m["metadata"]["name"] for m in own() if m["kind"] == "Job"}
    assert {m["metadata"]["name"] for m in release if m["kind"] == "Job"} == plain


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (changed(schemas=["rain"]), r"weather\.schemas names rain, which may be another's"),
        (changed(schemas=["weatherx"]), r"weather\.schemas names weatherx"),
        (changed(dags={"forest_training_pipeline": {}}), r"weather\.dags names forest_training_pipeline"),
        (changed(variables={"forest_trees": "1"}), r"weather\.variables names forest_trees"),
        (
            changed(connections={"postgres_x": {"secret": "postgres-weather", "key": "url"}}),
            "names postgres_x",
        ),
        (
            changed(connections={"weather_x": {"secret": "postgres-forest", "key": "url"}}),
            r"names postgres-forest, which may be another's",
        ),
        (changed(s3={"prefixes": ["weather/", "forest/"]}), r"s3\.prefixes names forest/"),
        (changed(s3={"prefixes": ["weather"]}), "prefixes"),
        (changed(model={"name": "rain", "experiment": "weather"}), r"weather\.model names rain"),
        (
            changed(model={"name": "weather", "experiment": "forest-cover-experiment"}),
            "names forest-cover-experiment",
        ),
        (
            changed(model={"name": "weather", "experiment": "weather", "serving": {"pipeline": "forest"}}),
            "false schema",
        ),
        (
            changed(
                model={
                    "name": "weather",
                    "experiment": "weather",
                    "serving": {"clientKeysSecret": "postgres-superuser"},
                }
            ),
            "names postgres-superuser",
        ),
        (
            changed(
                model={
                    "name": "weather",
                    "experiment": "weather",
                    "serving": {"inputUri": "s3://data/forest/x.json"},
                }
            ),
            "names s3://data/forest/x.json",
        ),
        (changed(secretEnv={"X": {"secret": "mlflow-admin", "key": "password"}}), "names mlflow-admin"),
        (
            changed(steps={"load": {"secretEnv": {"X": {"secret": "minio-forest", "key": "secret-key"}}}}),
            "names minio-forest",
        ),
        (
            changed(source={"server": {"service": "api-data", "program": "forest_api"}}),
            "a part of the platform's release",
        ),
        (changed(enabled=False), r"weather\.enabled is for the platform's own release"),
    ],
)
def test_what_may_be_another_s_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ChartError, match=sentence):
        own(given)


@pytest.mark.parametrize("names", [(), ("weather", "snow")])
def test_it_is_exactly_one(names: tuple[str, ...]) -> None:
    values = {"global": {"pipelines": dict.fromkeys(names, WEATHER)}, "files": FILES}
    with pytest.raises(ChartError, match=f"names {len(names)} pipelines .* name exactly one"):
        render("pipeline", values, samples=False, release="weather")


def test_its_release_has_its_name() -> None:
    with pytest.raises(
        ChartError, match="The release is called rain, and its pipeline weather: call it weather too"
    ):
        render(
            "pipeline",
            {"global": {"pipelines": {"weather": WEATHER}}, "files": FILES},
            samples=False,
            release="rain",
        )


@pytest.mark.parametrize("name", ["postgres", "serving", "quintet"])
def test_a_name_of_the_platform_is_no_pipelines(name: str) -> None:
    with pytest.raises(ChartError, match=f"No pipeline can be called {name}|another part|another user"):
        own({**LEAST, "dags": {name: {}}}, name)


def test_without_files_it_is_refused() -> None:
    with pytest.raises(ChartError, match=r"files\.dags has no file"):
        own(LEAST, files={})
    with pytest.raises(ChartError, match=r"schemas have no tables"):
        own(files={"dags": FILES["dags"]})


def test_values_of_another_pipeline_change_nothing() -> None:
    """Of the platform's values, with which it is installed, none that is about others makes an object."""
    theirs = {
        "inference": {"models": {"forest": {}}},
        "minio": {"users": {"etl": {"buckets": ["data"]}}},
        "mlflow": {
            "users": {"etl": {"experiments": "EDIT", "models": "READ"}},
            "experiments": ["x"],
            "models": ["x"],
        },
    }
    assert {identity(m) for m in own(**theirs)} == {identity(m) for m in own()}


def test_the_platform_says_what_its_pipelines_have() -> None:
    claims = json.loads(named(render("quintet"), "ConfigMap", "pipelines")["data"]["claims.json"])
    assert claims["crime"] == {
        "schema": ["crime"],
        "prefix": ["0-raw-data/", "1-enriched-data/", "2-processed-data/", "crime/"],
        "DAG": ["etl_with_taskflow"],
        "variable": [],
        "connection": [],
        "model": ["crime"],
        "experiment": ["crime-experiment"],
    }


def test_parts_are_the_platforms_own_definitions() -> None:
    """Each definition and default is a symlink to that of the platform's chart: there is no second copy."""
    for part in (CHARTS / "pipeline" / "charts").iterdir():
        files = (
            [part] if part.is_symlink() else [p for p in part.rglob("*") if not p.is_dir() or p.is_symlink()]
        )
        for file in files:
            if not any(parent.is_symlink() for parent in file.parents):
                assert file.is_symlink(), file
                assert file.resolve().is_relative_to(CHARTS / part.name) or part.name != "x", file
