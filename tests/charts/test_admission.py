"""Which image may ask for which Secret, as the policy of the tasks namespace tells the API server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.charts.render import Manifest, named, of_kind, render

POLICY = "quintet-tasks-secrets"


def variables(release: tuple[Manifest, ...]) -> dict[str, Any]:
    """The policy's lists."""
    spec = named(release, "ValidatingAdmissionPolicy", POLICY)["spec"]
    found = {entry["name"]: entry["expression"] for entry in spec["variables"]}
    return {name: json.loads(found[name]) for name in ("allowed", "known", "guarded")}


def config(release: tuple[Manifest, ...], name: str) -> Any:
    (text,) = named(release, "ConfigMap", name)["data"].values()
    return json.loads(text)


@pytest.mark.parametrize("own", [{}, {"mlflow-forest-promotion": "ours"}])
def test_an_image_may_ask_for_what_its_step_is_given(own: dict[str, str]) -> None:
    release = render("airflow", {"global": {"secrets": {"existing": own}}})
    pods, images = config(release, "airflow-step-pods"), config(release, "airflow-step-images")
    given: dict[str, set[str]] = {}
    for step, image in images.items():
        references = pods["secret_env"] | pods["steps"][step]["secret_env"]
        given[image.rpartition(":")[0]] = {ref["secret"] for ref in references.values()}
    policy = variables(release)
    assert {image: set(secrets) for image, secrets in policy["allowed"].items()} == given
    assert set(policy["known"]) == set().union(*given.values())
    promoting = ("bitcoin-promote", "crime-promote", "forest-promote", "penguins-publish")
    guarded = {"postgres-excel"}
    for step in promoting:
        pipeline = step.partition("-")[0]
        names = {f"{server}-{pipeline}-promotion" for server in ("mlflow", "postgres")}
        secrets = {own.get(name, name) for name in names}
        (image,) = (image for image in given if image.endswith(f"/{step}"))
        assert {asking for asking in given if secrets & given[asking]} == {image}
        assert secrets <= given[image]
        assert not {f"postgres-{pipeline}", f"mlflow-{pipeline}"} & given[image]
        guarded |= secrets
    assert set(policy["guarded"]) == guarded


def test_the_secrets_of_serving_are_not_in_the_tasks_namespace() -> None:
    release = render("quintet")
    assert not [secret for secret in variables(release)["known"] if "serving" in secret]
    tasks = [m for m in of_kind(release, "Secret") if m["metadata"]["namespace"] == "quintet-tasks"]
    assert tasks
    assert not [m for m in tasks if "serving" in m["metadata"]["name"]]


@pytest.mark.parametrize(
    "reference", ["registry.example.com:5000/q/promote:1", "registry.example.com:5000/q/promote@sha256:ab"]
)
def test_an_image_is_known_without_its_tag(reference: str) -> None:
    allowed = variables(render("airflow", {"global": {"images": {"forest-promote": reference}}}))["allowed"]
    assert "mlflow-forest-promotion" in allowed["registry.example.com:5000/q/promote"]


def test_it_refuses_in_the_tasks_namespace_alone_and_can_be_left_out() -> None:
    release = render("airflow")
    policy = named(release, "ValidatingAdmissionPolicy", POLICY)["spec"]
    assert policy["failurePolicy"] == "Fail"
    assert policy["matchConstraints"]["namespaceSelector"] == {
        "matchLabels": {"kubernetes.io/metadata.name": "quintet-tasks"}
    }
    binding = named(release, "ValidatingAdmissionPolicyBinding", POLICY)["spec"]
    assert binding == {"policyName": POLICY, "validationActions": ["Deny"]}
    without = render("airflow", {"steps": {"admission": False}})
    assert not of_kind(without, "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
