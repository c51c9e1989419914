"""What values say of pods reaches every pod, by levels, and overrides nothing of the platform's own."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from dags.pod_template import TEMPORARY, pod_template
from tests.charts.render import ChartError, Manifest, containers, named, of_kind, pod_templates, render
from tests.charts.test_own_release import FILES, WEATHER

TOLERATION = {"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}
SPREAD = {
    "maxSkew": 2,
    "topologyKey": "topology.kubernetes.io/zone",
    "whenUnsatisfiable": "ScheduleAnyway",
}
AFFINITY = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
VOLUME = {"name": "more", "configMap": {"name": "more"}}
MOUNT = {"name": "more", "mountPath": "/etc/more", "readOnly": True}
SOURCE = {"configMapRef": {"name": "more"}}
ALL: dict[str, Any] = {
    "nodeSelector": {"pool": "platform"},
    "tolerations": [TOLERATION],
    "affinity": AFFINITY,
    "topologySpreadConstraints": [SPREAD],
    "priorityClassName": "platform",
    "podAnnotations": {"example.com/scraped": "no"},
    "podLabels": {"example.com/team": "data"},
    "imagePullSecrets": ["login"],
    "serviceAccount": {"create": True, "annotations": {"example.com/role": "reader"}},
    "terminationGracePeriodSeconds": 77,
    "tmpSize": "9Gi",
    "extraEnv": {"EXTRA": "1", "HOST": {"valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}},
    "envFrom": [SOURCE],
    "extraVolumes": [VOLUME],
    "extraVolumeMounts": [MOUNT],
}
"""Every word once."""
PROXY = {"url": "http://proxy.example.com:3128", "peers": [{"ipBlock": {"cidr": "198.51.100.7/32"}}]}
GLOBAL = {"pods": ALL, "proxy": PROXY}


def step_pods(release: tuple[Manifest, ...]) -> dict[str, Manifest]:
    """The pod of every step, as Airflow builds it, by image."""
    pods = json.loads(named(release, "ConfigMap", "airflow-step-pods")["data"]["pods.json"])
    return {
        image: pod_template(pods, *image.split("-", 1), image=image, container="step", result_path="r")
        for image in pods["steps"]
    }


RELEASE = render("quintet", {"global": GLOBAL})
OWN = render(
    "pipeline",
    {"global": {**GLOBAL, "pipelines": {"weather": WEATHER}}, "files": FILES},
    samples=False,
    release="weather",
)
STEPS = step_pods(RELEASE)
PODS = {**pod_templates(RELEASE), **pod_templates(OWN), **STEPS}
"""Of the platform, of a pipeline's own release, of steps."""
WITHOUT_ACCOUNT = ("Pod ", "Job pipeline-check")
"""Of no part: they have the account of the namespace."""


def tmp_sizes(pod: Manifest) -> set[str]:
    on_disk = [v["emptyDir"] for v in pod["spec"].get("volumes", []) if v["name"] == "tmp"]
    return {volume["sizeLimit"] for volume in on_disk if volume.get("medium") != "Memory"}


def spread(pod: Manifest) -> bool:
    labels = pod["metadata"]["labels"]
    alike = {f"app.kubernetes.io/{key}" for key in ("name", "instance", "component")}
    own = {"labelSelector": {"matchLabels": {key: labels[key] for key in alike}}}
    return {**SPREAD, **own} in pod["spec"]["topologySpreadConstraints"]


REACHED: dict[str, Callable[[Manifest], bool]] = {
    "nodeSelector": lambda pod: pod["spec"]["nodeSelector"] == ALL["nodeSelector"],
    "tolerations": lambda pod: pod["spec"]["tolerations"] == [TOLERATION],
    "affinity": lambda pod: pod["spec"]["affinity"] == AFFINITY,
    "topologySpreadConstraints": spread,
    "priorityClassName": lambda pod: pod["spec"]["priorityClassName"] == "platform",
    "podAnnotations": lambda pod: pod["metadata"]["annotations"].items() >= ALL["podAnnotations"].items(),
    "podLabels": lambda pod: pod["metadata"]["labels"].items() >= ALL["podLabels"].items(),
    "imagePullSecrets": lambda pod: pod["spec"]["imagePullSecrets"] == [{"name": "login"}],
    "terminationGracePeriodSeconds": lambda pod: pod["spec"]["terminationGracePeriodSeconds"] == 77,
    "tmpSize": lambda pod: tmp_sizes(pod) <= {"9Gi"},
    "extraEnv": lambda pod: all(
        {"name": "EXTRA", "value": "1"} in c["env"]
        and {"name": "HOST", **ALL["extraEnv"]["HOST"]} in c["env"]
        for c in containers(pod)
    ),
    # The last one wins: the platform's stand behind it.
    "envFrom": lambda pod: all(c["envFrom"][0] == SOURCE for c in containers(pod)),
    "extraVolumes": lambda pod: VOLUME in pod["spec"]["volumes"],
    "extraVolumeMounts": lambda pod: all(MOUNT in c["volumeMounts"] for c in containers(pod)),
}


@pytest.mark.parametrize("word", REACHED)
def test_what_is_said_once_for_all_reaches_every_pod(word: str) -> None:
    assert [name for name, pod in PODS.items() if not REACHED[word](pod)] == []


def test_every_word_is_tried_and_there_are_pods_of_each_kind() -> None:
    assert REACHED.keys() | {"serviceAccount"} == ALL.keys()
    kinds = {name.partition(" ")[0] for name in PODS if " " in name}
    assert kinds == {"Deployment", "StatefulSet", "Job", "CronJob", "Pod"}
    assert sum(bool(tmp_sizes(pod)) for pod in PODS.values()) > len(STEPS)


def test_each_part_has_an_account_and_all_are_annotated() -> None:
    accounts = of_kind(RELEASE, "ServiceAccount")
    annotations = ALL["serviceAccount"]["annotations"]
    assert [m for m in accounts if m["metadata"].get("annotations") != annotations] == []
    names = {m["metadata"]["name"] for m in accounts}
    for name, pod in PODS.items():
        account = pod["spec"].get("serviceAccountName")
        assert account is None if name.startswith(WITHOUT_ACCOUNT) else account in names, name
    assert not of_kind(OWN, "ServiceAccount")


def test_selectors_know_nothing_of_the_values() -> None:
    for workload in of_kind(RELEASE, "Deployment", "StatefulSet"):
        assert not ALL["podLabels"].keys() & workload["spec"]["selector"]["matchLabels"].keys()


def test_a_job_whose_pod_is_another_has_another_name() -> None:
    def jobs(release: tuple[Manifest, ...]) -> set[str]:
        made = [m for m in of_kind(release, "Job") if "annotations" not in m["metadata"]]
        return {m["metadata"]["name"] for m in made}

    assert len(jobs(RELEASE)) == 5
    assert not jobs(RELEASE) & jobs(render("quintet"))


def test_a_proxy_reaches_every_container_and_leaves_the_cluster_alone() -> None:
    for name, pod in PODS.items():
        for container in containers(pod):
            env = {variable["name"]: variable.get("value") for variable in container["env"]}
            assert env["HTTP_PROXY"] == env["HTTPS_PROXY"] == PROXY["url"], name
            inside = env["NO_PROXY"].split(",")
            assert {"localhost", "127.0.0.1", ".svc", ".cluster.local"} <= set(inside), name
            assert ("$(KUBERNETES_SERVICE_HOST)" in inside) == (name not in STEPS), name
    services = {m["metadata"]["name"] for m in of_kind(RELEASE, "Service")}
    asked = {name for name in services if not name.endswith("-source")}
    assert asked <= set(inside_of("Deployment airflow-scheduler"))


def inside_of(pod: str) -> list[str]:
    """What a pod asks without the proxy."""
    env = {v["name"]: v.get("value") for c in containers(PODS[pod]) for v in c["env"]}
    return str(env["NO_PROXY"]).split(",")


def test_the_way_to_the_proxy_is_open_to_every_pod() -> None:
    rule = {"to": PROXY["peers"], "ports": [{"port": 3128}]}
    policies = [m for m in of_kind(RELEASE, "NetworkPolicy") if m["metadata"]["name"] == "default-deny"]
    assert len(policies) == 2
    assert all(rule in policy["spec"]["egress"] for policy in policies)
    with pytest.raises(ChartError, match=r"say in global\.proxy\.peers where it is"):
        render("quintet", {"global": {"proxy": {"url": PROXY["url"]}}})


def at(level: str) -> dict[str, Any]:
    """A level that names itself, and tolerates a taint of its own."""
    return {
        "nodeSelector": {"nearest": level, level: "yes"},
        "tolerations": [{"key": level}],
        "priorityClassName": level,
    }


LEVELS = {
    "global": {
        "pods": at("global"),
        "pipelines": {
            "forest": {
                "pods": at("pipeline"),
                "steps": {"train": {"pods": at("step")}},
                "model": {"serving": {"pods": at("serving")}},
            }
        },
    },
    "postgres": {"pods": at("part")},
    "airflow": {"pods": at("part"), "steps": {"pods": at("steps")}},
    "inference": {
        "pods": at("part"),
        "defaults": {"pods": at("defaults")},
        "models": {"forest": {"pods": at("model")}},
    },
}


def test_the_nearer_level_wins_and_lists_are_appended() -> None:
    release = render("quintet", LEVELS)
    pods = pod_templates(release) | step_pods(release)
    expected = {
        "Deployment mlflow": ["global"],
        "StatefulSet postgres": ["global", "part"],
        "Job postgres-setup": ["global", "part"],
        "CronJob airflow-retention": ["global", "part"],
        "Deployment inference-crime": ["global", "part", "defaults"],
        "Deployment inference-forest": ["global", "part", "defaults", "serving", "model"],
        "Pod test-network": ["global"],
        "Pod test-network-of-steps": ["global", "steps"],
        "crime-train": ["global", "steps"],
        "forest-extract": ["global", "steps", "pipeline"],
        "forest-train": ["global", "steps", "pipeline", "step"],
    }
    for name, levels in expected.items():
        spec = pods[name]["spec"]
        nearest = levels[-1]
        assert spec["nodeSelector"] == {"nearest": nearest, **dict.fromkeys(levels, "yes")}, name
        assert spec["tolerations"] == [{"key": level} for level in levels], name
        assert spec["priorityClassName"] == nearest, name


def test_a_step_has_an_account_of_its_own_and_the_rest_share_one() -> None:
    account = {"create": True, "name": "forest-reader", "annotations": {"example.com/role": "forest"}}
    values = {"forest": {"steps": {"train": {"pods": {"serviceAccount": account}}}}}
    release = render("airflow", {"global": {"pipelines": values}})
    made = named(release, "ServiceAccount", "forest-reader")
    assert made["metadata"]["namespace"] == "quintet-tasks"
    assert made["metadata"]["annotations"] == account["annotations"]
    names = {image: pod["spec"]["serviceAccountName"] for image, pod in step_pods(release).items()}
    assert {image for image, name in names.items() if name != "step"} == {"forest-train"}
    assert names["forest-train"] == "forest-reader"


def test_a_step_asks_for_a_gpu() -> None:
    resources = {"limits": {"memory": "4Gi", "nvidia.com/gpu": "1"}}
    release = render(
        "quintet", {"global": {"pipelines": {"forest": {"steps": {"train": {"resources": resources}}}}}}
    )
    (container,) = step_pods(release)["forest-train"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


CLAIM = {"name": "shared", "persistentVolumeClaim": {"claimName": "shared"}}


@pytest.mark.parametrize(
    ("chart", "pods", "sentence"),
    [
        (
            "minio",
            {"podLabels": {"quintet/client": "postgres"}},
            "podLabels: quintet/client is the platform's",
        ),
        ("minio", {"podLabels": {"app.kubernetes.io/name": "mine"}}, "podLabels: app.kubernetes.io/name is"),
        ("minio", {"podAnnotations": {"checksum/config": "0"}}, "podAnnotations: checksum/config is"),
        (
            "minio",
            {"extraEnv": {"MC_CONFIG_DIR": "/x"}},
            "extraEnv: MC_CONFIG_DIR is .* in global.pods, minio.p",
        ),
        ("minio", {"extraVolumes": [{**VOLUME, "name": "tmp"}]}, "extraVolumes: tmp is the platform's own"),
        ("minio", {"extraVolumeMounts": [MOUNT]}, "names the volume more, which extraVolumes .* has not"),
        (
            "minio",
            {"extraVolumes": [VOLUME], "extraVolumeMounts": [{**MOUNT, "mountPath": TEMPORARY}]},
            "extraVolumeMounts: /tmp is the platform's own",
        ),
        (
            "airflow",
            {"serviceAccount": {"name": "mine"}},
            "serviceAccount.name: airflow.* is the platform's own",
        ),
    ],
)
def test_what_the_platform_sets_itself_is_refused(chart: str, pods: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ChartError, match=sentence):
        render(chart, {"pods": pods})


@pytest.mark.parametrize(
    ("pods", "sentence"),
    [
        (
            {"podLabels": {"step": "forest-train"}},
            "podLabels: step is the platform's own in the pods of the step",
        ),
        (
            {"extraEnv": {"RESULT_PATH": "/x"}},
            "extraEnv: RESULT_PATH is .* in global.pods, airflow.steps.pods",
        ),
        ({"extraEnv": {"DATABASE_URL": "x"}}, "extraEnv: DATABASE_URL is the platform's own"),
        ({"extraVolumes": [{**VOLUME, "name": "tmp"}]}, "extraVolumes: tmp is the platform's own"),
        (
            {"extraVolumes": [CLAIM]},
            "shared is a claim, and reaches the step .* whose Secrets are for its program",
        ),
        ({"serviceAccount": {"name": "mine"}}, "the account of every step is `step`"),
    ],
)
def test_steps_cannot_have_what_the_platform_sets_either(pods: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ChartError, match=sentence):
        render("airflow", {"steps": {"pods": pods}})


def test_one_name_cannot_be_the_account_of_every_part() -> None:
    with pytest.raises(ChartError, match=r"each part has an account of its own: name it in <part>\.pods"):
        render("minio", {"global": {"pods": {"serviceAccount": {"name": "all"}}}})


@pytest.mark.parametrize(
    "pods",
    [
        {"serviceAccount": {"name": "forest"}},
        {"extraEnv": {"KEY": {"valueFrom": {"secretKeyRef": {"name": "minio-forest", "key": "k"}}}}},
        {"envFrom": [{"secretRef": {"name": "minio-forest"}}]},
        {"extraVolumes": [{"name": "v", "secret": {"secretName": "minio-forest"}}]},
        {"extraVolumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "forest"}}]},
    ],
)
def test_a_pipeline_of_its_own_takes_nothing_of_anothers(pods: dict[str, Any]) -> None:
    given = copy.deepcopy(WEATHER) | {"pods": pods}
    values = {"global": {"pipelines": {"weather": given}}, "files": FILES}
    with pytest.raises(ChartError, match="which may be another's"):
        render("pipeline", values, samples=False, release="weather")
