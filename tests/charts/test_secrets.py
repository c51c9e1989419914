"""Where passwords come from, and that they stand in Secrets alone."""

from __future__ import annotations

import base64
import json
from collections import defaultdict

import pytest

from quintet.pipelines import pipelines
from tests.charts.render import NAMES, ChartError, Manifest, decoded, of_kind, render

# Keys that hold no secret.
PUBLIC_KEYS = {"username", "access-key"}


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


def test_no_generated_value_stands_outside_the_secrets() -> None:
    release = render("quintet")
    rest = json.dumps([m for m in release if m["kind"] != "Secret"])
    generated = {v for m in secrets(release) for k, v in decoded(m).items() if k not in PUBLIC_KEYS}
    assert not [value for value in generated if value in rest]
    assert not [v for v in generated if base64.b64encode(v.encode()).decode() in rest]


def test_with_secrets_of_ones_own_none_is_made_and_two_renders_are_equal() -> None:
    own = {"generate": False, "existing": all_existing()}
    first = render("quintet", {"global": {"secrets": own}})
    # The same values, written differently, so that this is a render of its own.
    second = render("quintet", {"global": {"secrets": own, "images": {}}})
    assert first == second
    assert not secrets(first)


@pytest.mark.parametrize("missing", sorted(all_existing()))
def test_without_generation_a_missing_secret_is_named(missing: str) -> None:
    existing = {name: own for name, own in all_existing().items() if name != missing}
    with pytest.raises(ChartError, match=rf"global\.secrets\.existing\.{missing}"):
        render("quintet", {"global": {"secrets": {"generate": False, "existing": existing}}})


@pytest.mark.parametrize("chart", NAMES)
def test_a_secret_of_ones_own_is_what_pods_refer_to(chart: str) -> None:
    existing = {m["metadata"]["name"]: f"own-{m['metadata']['name']}" for m in secrets(render("quintet"))}
    text = json.dumps(render(chart, {"global": {"secrets": {"existing": existing}}}))
    assert not [name for name in existing if f'"{name}"' in text]
