"""Where passwords come from, and that they stand in Secrets alone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from quintet.pipelines import pipelines
from tests.charts.render import (
    NAMES,
    ChartError,
    Manifest,
    containers,
    decoded,
    default_values,
    named,
    of_kind,
    pod_templates,
    render,
)
from tests.secret_values import found_in

# Keys that hold no secret.
PUBLIC_KEYS = {"username", "access-key"}
CONNECTION = "postgresql://somebody:Kq7vLmZp2xRw%2Ft8Hd3YbNf5Gj@db.example:5432/prices"
"""In the values, where a person may write one."""


def secrets(release: tuple[Manifest, ...]) -> list[Manifest]:
    return of_kind(release, "Secret")


def all_existing() -> dict[str, str]:
    return {m["metadata"]["name"]: f"own-{m['metadata']['name']}" for m in secrets(render("quintet"))}


def test_every_secret_outlives_the_release() -> None:
    kept = {"helm.sh/resource-policy": "keep"}
    assert all(m["metadata"]["annotations"] == kept for m in secrets(render("quintet")))


def test_copies_of_a_secret_in_two_namespaces_are_equal() -> None:
    copies = defaultdict(list)
    for secret in secrets(render("quintet")):
        copies[secret["metadata"]["name"]].append(secret["data"])
    doubled = {name for name, data in copies.items() if len(data) == 2}
    of_pipelines = {f"{server}-{name}" for server in ("postgres", "minio") for name in pipelines()}
    of_promotion = {
        secret
        for name, pipeline in pipelines().items()
        if pipeline.promotes
        for secret in (f"postgres-{name}-promotion", f"mlflow-{name}", f"mlflow-{name}-promotion")
    }
    assert doubled == of_pipelines | of_promotion
    assert all(data == [data[0]] * len(data) for data in copies.values())


def test_every_password_is_random_and_long() -> None:
    first, second = (
        {m["metadata"]["name"]: decoded(m) for m in secrets(render("quintet", {"global": g}))}
        for g in ({}, {"tasks": {"namespace": ""}})
    )
    for name, data in first.items():
        for key in data.keys() - PUBLIC_KEYS:
            assert len(data[key]) >= 32
            assert data[key] != second[name][key]


def test_a_url_holds_the_password_of_its_own_secret() -> None:
    for secret in secrets(render("quintet")):
        data = decoded(secret)
        if "url" in data:
            assert f"://{data['username']}:{data['password']}@" in data["url"]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"global": {"tasks": {"namespace": ""}}},
        {"airflow": {"steps": {"operator": "stock"}, "connections": {"values": {"one": CONNECTION}}}},
    ],
)
def test_no_value_of_a_secret_stands_outside_the_secrets(values: dict[str, Any]) -> None:
    release = render("quintet", values)
    held = {v for m in secrets(release) for k, v in decoded(m).items() if k not in PUBLIC_KEYS}
    assert len(held) > 50
    assert (CONNECTION in held) == (CONNECTION in json.dumps(values))
    for manifest in release:
        if manifest["kind"] != "Secret":
            assert found_in(json.dumps(manifest), held) == set(), manifest["metadata"]["name"]


def test_a_secret_reaches_a_container_by_reference_alone() -> None:
    release = render("quintet")
    names = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY$|FERNET|DATABASE_U|_CONN$")
    for name, pod in pod_templates(release).items():
        for container in containers(pod):
            given = {each["name"]: each for each in container.get("env", []) if names.search(each["name"])}
            shown = {key: each["value"] for key, each in given.items() if each.get("value")}
            # A path, or what the kubelet puts together from variables that are references.
            assert not [
                key for key, value in shown.items() if not value.startswith("/") and "$(" not in value
            ], name


def test_no_word_of_a_command_holds_a_secret() -> None:
    """Whoever lists the processes of a node reads the words of each."""
    for name, pod in pod_templates(render("quintet")).items():
        for container in containers(pod):
            secret = {each["name"] for each in container.get("env", []) if "secretKeyRef" in str(each)}
            words = [*container.get("command", []), *container.get("args", [])]
            used = {variable for word in words for variable in re.findall(r"\$[({]?(\w+)", word)}
            assert used & secret == set(), name


def test_the_test_of_postgres_logs_in_by_what_its_secret_holds(database: str) -> None:
    (container,) = named(render("quintet"), "Pod", "test-postgres")["spec"]["containers"]
    python, *words = container["command"]
    assert python == "python3"
    (variable,) = [each["name"] for each in container["env"] if "secretKeyRef" in str(each)]
    environment = {**os.environ, variable: database}
    done = subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("postgres PostgreSQL "), done.stderr


@pytest.mark.parametrize("chart", NAMES)
def test_the_values_of_a_chart_hold_no_secret(chart: str) -> None:
    def texts(node: Any, path: str) -> Iterator[tuple[str, str]]:
        if isinstance(node, dict):
            for key, child in node.items():
                yield from texts(child, f"{path}.{key}")
        elif isinstance(node, list):
            for child in node:
                yield from texts(child, path)
        elif node not in ("", None):
            yield path, str(node)

    held = re.compile(r"(password|passwd|secretkey|accesskey|token|credential)[^.]*$", re.IGNORECASE)
    found = list(texts(default_values(chart), chart))
    assert found
    # A reference names a Secret and a key of it.
    assert [path for path, _ in found if held.search(path)] == []
    assert [text for _, text in found if re.search(r"://[^/@\s]*:[^/@\s]*@", text)] == []


def test_with_secrets_of_ones_own_none_is_made_and_two_renders_are_equal() -> None:
    own = {"generate": False, "existing": all_existing()}
    first = render("quintet", {"global": {"secrets": own}})
    # The same values, written differently, so that this is a render of its own.
    second = render("quintet", {"global": {"secrets": own, "images": {}}})
    assert first == second
    assert not secrets(first)


@cache
def makers() -> dict[str, str]:
    """The chart that makes each Secret, given what the umbrella gives it."""
    parts = [chart for chart in NAMES if chart != "quintet"]
    return {m["metadata"]["name"]: part for part in parts for m in secrets(render(part, handed_on(part)))}


def handed_on(chart: str) -> dict[str, Any]:
    """The values that the umbrella gives a chart."""
    return dict(default_values("quintet").get(chart, {}))


def test_the_umbrella_itself_makes_no_secret() -> None:
    assert makers().keys() == all_existing().keys()


def all_but(missing: str) -> dict[str, Any]:
    existing = {name: own for name, own in all_existing().items() if name != missing}
    return {"global": {"secrets": {"generate": False, "existing": existing}}}


@pytest.mark.parametrize("missing", sorted(makers()))
def test_without_generation_a_missing_secret_is_named(missing: str) -> None:
    # By the chart that makes it alone, as it is the umbrella's part: that takes Helm a fifth of the time.
    with pytest.raises(ChartError, match=rf"global\.secrets\.existing\.{missing}\."):
        render(makers()[missing], handed_on(makers()[missing]) | all_but(missing))


@pytest.mark.parametrize("chart", sorted(set(makers().values())))
def test_without_generation_the_umbrella_names_a_missing_secret_of_each_chart(chart: str) -> None:
    missing = next(name for name, maker in sorted(makers().items()) if maker == chart)
    with pytest.raises(ChartError, match=rf"global\.secrets\.existing\.{missing}\."):
        render("quintet", all_but(missing))


@pytest.mark.parametrize("chart", NAMES)
def test_a_secret_of_ones_own_is_what_pods_refer_to(chart: str) -> None:
    existing = {m["metadata"]["name"]: f"own-{m['metadata']['name']}" for m in secrets(render("quintet"))}
    text = json.dumps(render(chart, {"global": {"secrets": {"existing": existing}}}))
    assert not [name for name in existing if f'"{name}"' in text]
