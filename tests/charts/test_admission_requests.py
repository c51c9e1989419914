"""What the policy of the tasks namespace says to pods, evaluated by the API server's own library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import pod_requests
from tests.charts.render import Manifest, named, render
from tests.go_programs import asked, built
from tests.pod_requests import Pod

POLICY = "quintet-tasks-secrets"
STEP, SECRET, OTHER = "forest-promote", "postgres-forest-promotion", "forest-train"
"""A step, the Secret that is for its program alone, and another step."""


@pytest.fixture(scope="session")
def judge() -> Path:
    """The API server's own library."""
    return built(Path(__file__).with_name("admission"))


def config(release: tuple[Manifest, ...], name: str) -> Any:
    (text,) = named(release, "ConfigMap", name)["data"].values()
    return json.loads(text)


def refusals(judge: Path, requests: list[Manifest], **steps: Any) -> list[str]:
    """Why the policy refuses each request; "" where it does not."""
    release = render("quintet", {"airflow": {"steps": steps}})
    policy = named(release, "ValidatingAdmissionPolicy", POLICY)
    found: list[str] = asked(judge, {"policy": policy, "requests": requests})
    return found


def wrong(judge: Path, pods: list[Pod], images: dict[str, str], /, **steps: Any) -> dict[str, str]:
    """What the policy says to pods, by their titles, where that is not what the table has."""
    said = refusals(judge, [{"pod": pod.manifest(images)} for pod in pods], **steps)
    answers = zip(pods, said, strict=True)
    return {pod.title: what for pod, what in answers if not pod.expects(what)}


IMAGES = config(render("quintet"), "airflow-step-images")
PODS = list(pod_requests.of_values(config(render("quintet"), "airflow-step-pods"), IMAGES))


def test_each_step_gets_the_secrets_that_the_values_give_it_and_no_others(judge: Path) -> None:
    assert {bool(pod.refused) for pod in PODS} == {True, False}
    assert wrong(judge, PODS, IMAGES) == {}
    assert wrong(judge, pod_requests.brief(PODS), IMAGES) == {}


def test_a_secret_of_one_program_gets_out_in_no_other_way(judge: Path) -> None:
    pods = pod_requests.by_other_ways(IMAGES, STEP, SECRET, OTHER)
    assert wrong(judge, pods, IMAGES) == {}


def test_the_operator_of_the_provider_may_share_a_folder_with_its_sidecar(judge: Path) -> None:
    (shared,) = (
        pod
        for pod in pod_requests.by_other_ways(IMAGES, STEP, SECRET, OTHER)
        if pod.title == "code from a stranger"
    )
    request = {"pod": shared.manifest(IMAGES)}
    assert pod_requests.OWN_VOLUMES in refusals(judge, [request])[0]
    assert refusals(judge, [request], operator="stock") == [""]


def test_a_secret_of_every_step_gets_into_a_pod_as_a_variable_alone(judge: Path) -> None:
    name = "proxy-login"
    other_ways = (pod_requests.BY_KEY, pod_requests.AS_VARIABLES)
    every = pod_requests.by_other_ways(IMAGES, OTHER, name, STEP)
    pods = [pod for pod in every if pod.refused in other_ways]
    assert len(pods) == 3
    given = {"secretEnv": {"HTTPS_PROXY": {"secret": name, "key": "url"}}}
    assert wrong(judge, [*pods, Pod("a variable", OTHER, name, "")], IMAGES, **given) == {}


@pytest.mark.parametrize(
    ("image", "refused"),
    [
        ("{}/forest-promote:anything", ""),
        ("{}/forest-promote@sha256:" + "a" * 64, ""),
        ("{}/forest-promote:1@sha256:" + "a" * 64, ""),
        ("{}/forest-promote/copy:1", pod_requests.ASKS),
        ("evil.example/quintet/forest-promote:1", pod_requests.ASKS),
        ("{}/forest-promote-copy:1", pod_requests.ASKS),
        ("forest-promote", pod_requests.ASKS),
        ("{}/nothing-of-ours:1", pod_requests.ASKS),
        ("", "cannot be evaluated"),
    ],
)
def test_an_image_is_known_by_its_repository(judge: Path, image: str, refused: str) -> None:
    registry = IMAGES[STEP].rpartition("/")[0]
    pod = Pod(image, STEP, SECRET, refused)
    assert wrong(judge, [pod], {STEP: image.format(registry)}) == {}


def updated(former: Manifest, **changes: Any) -> Manifest:
    return {"former": former, "pod": {**former, "spec": {**former["spec"], **changes}}}


def test_a_change_of_a_running_pod_is_judged_again(judge: Path) -> None:
    own = Pod("", STEP, SECRET, "").manifest(IMAGES)
    (container,) = own["spec"]["containers"]
    other = updated(own, containers=[{**container, "image": IMAGES[OTHER]}])
    labelled = {
        "former": other["pod"],
        "pod": {**other["pod"], "metadata": {"name": "asks", "labels": {"a": "b"}}},
    }
    told = refusals(judge, [updated(own), other, labelled])
    assert told[0] == told[2] == ""
    assert told[1].startswith(
        "Container step asks for a Secret that the values of airflow.steps do not give to"
    )
    assert IMAGES[OTHER] in told[1]


@pytest.mark.parametrize(
    ("step", "own", "refused"),
    [
        (OTHER, {}, ""),
        (OTHER, {"env": [{"name": "A", "value": "b"}]}, ""),
        (
            OTHER,
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "any", "key": "k"}}}]},
            pod_requests.NOT_FOR_A_LOOK,
        ),
        (OTHER, {"envFrom": [{"secretRef": {"name": "any"}}]}, pod_requests.NOT_FOR_A_LOOK),
        (STEP, {"targetContainerName": "step"}, pod_requests.OWN_PROCESSES),
        (STEP, {}, pod_requests.OWN_PROCESSES),
    ],
)
def test_a_container_added_for_a_look_gets_no_secret(
    judge: Path, step: str, own: Manifest, refused: str
) -> None:
    secret = SECRET if step == STEP else "postgres-forest"
    running = Pod("", step, secret, "").manifest(IMAGES)
    added = {"name": "look", "image": "busybox", **own}
    request = updated(running, ephemeralContainers=[added]) | {"subresource": "ephemeralcontainers"}
    (said,) = refusals(judge, [request])
    assert bool(said) == bool(refused)
    assert refused in said


@pytest.mark.parametrize(
    ("volume", "refused"),
    [
        ({"configMap": {"name": "authorities"}}, ""),
        ({"configMap": {"name": "mine"}}, pod_requests.OWN_VOLUMES),
        ({"persistentVolumeClaim": {"claimName": "authorities"}}, pod_requests.OWN_VOLUMES),
    ],
)
def test_a_guarded_step_mounts_the_config_maps_of_the_values_and_no_others(
    judge: Path, volume: Manifest, refused: str
) -> None:
    given = {"pods": {"extraVolumes": [{"name": "more", "configMap": {"name": "authorities"}}]}}
    container = {"volumeMounts": [{"name": "more", "mountPath": "/etc/more"}]}
    pod = Pod("a volume", STEP, SECRET, refused, container, {"volumes": [{"name": "more", **volume}]})
    (said,) = refusals(judge, [{"pod": pod.manifest(IMAGES)}], **given)
    assert pod.expects(said), said
