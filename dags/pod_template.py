"""What a step pod looks like: made in a run by Airflow, and for one step by `quintet step`.

Nothing here needs Airflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TEMPORARY = "/tmp"  # noqa: S108 - an empty volume of the pod, not the machine's shared directory
RESOURCES = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}

# What values say of pods, in the words of charts/common/pods.schema.json; Helm has refused what is the
# platform's own.
MAPS = ("nodeSelector", "podAnnotations", "podLabels", "extraEnv")
LISTS = (
    *("tolerations", "topologySpreadConstraints", "imagePullSecrets"),
    *("envFrom", "extraVolumes", "extraVolumeMounts"),
)
OF_THE_SPEC = (
    "nodeSelector",
    "tolerations",
    "affinity",
    "priorityClassName",
    "terminationGracePeriodSeconds",
)
ALIKE = [f"app.kubernetes.io/{key}" for key in ("name", "instance", "component")]


def settings_of(pods: Mapping[str, Any], pipeline: str, step: str) -> dict[str, Any]:
    """Merge what STEP_PODS_FILE says of all steps and of one; the latter wins."""
    layers = [pods, pods.get("steps", {}).get(f"{pipeline}-{step}", {})]
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= {key: value for key, value in layer.items() if value}
    for key in ("env", "secret_env", "config_env", "labels"):
        merged[key] = {name: value for layer in layers for name, value in layer.get(key, {}).items()}
    merged["pods"] = _merged([layer.get("pods", {}) for layer in layers])
    return merged


def environment(settings: Mapping[str, Any], own: Mapping[str, str]) -> list[dict[str, Any]]:
    """List the variables of a step's container; secrets enter by reference, so that no pod shows one."""
    plain: dict[str, str] = {**settings["env"], **own}
    references = {
        **{name: ("secretKeyRef", ref["secret"], ref["key"]) for name, ref in settings["secret_env"].items()},
        **{
            name: ("configMapKeyRef", ref["config_map"], ref["key"])
            for name, ref in settings["config_env"].items()
        },
    }
    return [
        *({"name": name, "value": value} for name, value in plain.items() if name not in references),
        *(
            {"name": name, "valueFrom": {kind: {"name": holder, "key": key}}}
            for name, (kind, holder, key) in references.items()
        ),
    ]


def pod_template(
    pods: Mapping[str, Any], pipeline: str, step: str, *, image: str, container: str, result_path: str
) -> dict[str, Any]:
    """Build the pod of a step, as Pod Security `restricted` with a read-only root demands it.

    Args:
        pods: What STEP_PODS_FILE says.
        pipeline: Name of the pipeline, such as `weather`.
        step: Name of the step in kebab-case, such as `train`.
        image: Full image reference.
        container: Name of the step's container.
        result_path: File to which the step writes its result.
    """
    settings = settings_of(pods, pipeline, step)
    files: dict[str, str] = settings.get("secret_files", {})
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": settings["namespace"],
            "labels": {**settings["labels"], "pipeline": pipeline, "step": f"{pipeline}-{step}"},
        },
        "spec": {
            "serviceAccountName": settings.get("service_account", "step"),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "imagePullSecrets": [{"name": name} for name in settings.get("image_pull_secrets", [])],
            "securityContext": settings["security_context"],
            "containers": [
                {
                    "name": container,
                    "image": image,
                    "imagePullPolicy": settings.get("image_pull_policy", "IfNotPresent"),
                    "env": environment(settings, {"IMAGE_REFERENCE": image, "RESULT_PATH": result_path}),
                    "resources": settings.get("resources", RESOURCES),
                    "securityContext": CONTAINER_SECURITY,
                    "volumeMounts": [
                        {"name": "tmp", "mountPath": TEMPORARY},
                        *({"name": _volume(path), "mountPath": path, "readOnly": True} for path in files),
                    ],
                }
            ],
            "volumes": [
                {"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}},
                *(
                    {"name": _volume(path), "secret": {"secretName": secret}}
                    for path, secret in files.items()
                ),
            ],
        },
    }
    _put(pod, settings["pods"])
    return pod


def _merged(levels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return levels, far ones first, as one: maps merge, lists are appended, the rest is the nearest's."""
    found: dict[str, Any] = {}
    for level in levels:
        for key, value in level.items():
            if key in MAPS or key == "serviceAccount":
                found[key] = {**found.get(key, {}), **value}
            elif key in LISTS:
                former = found.get(key, [])
                found[key] = [*former, *(item for item in value if item not in former)]
            else:
                found[key] = value
    return found


def _put(pod: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """Put settings into the pod of a step, which has one container."""
    metadata, spec = pod["metadata"], pod["spec"]
    (container,) = spec["containers"]
    metadata["labels"] = {**settings.get("podLabels", {}), **metadata["labels"]}
    if annotations := settings.get("podAnnotations"):
        metadata["annotations"] = dict(annotations)
    spec |= {key: settings[key] for key in OF_THE_SPEC if key in settings}
    alike = {key: metadata["labels"][key] for key in ALIKE if key in metadata["labels"]}
    if spread := settings.get("topologySpreadConstraints"):
        spec["topologySpreadConstraints"] = [
            {"labelSelector": {"matchLabels": alike}, **constraint} for constraint in spread
        ]
    for name in settings.get("imagePullSecrets", []):
        if {"name": name} not in spec["imagePullSecrets"]:
            spec["imagePullSecrets"].append({"name": name})
    if account := settings.get("serviceAccount", {}).get("name"):
        spec["serviceAccountName"] = account
    if size := settings.get("tmpSize"):
        spec["volumes"][0]["emptyDir"]["sizeLimit"] = size
    spec["volumes"] += settings.get("extraVolumes", [])
    container["volumeMounts"] += settings.get("extraVolumeMounts", [])
    container["env"] += [
        {"name": name, **(value if isinstance(value, Mapping) else {"value": value})}
        for name, value in settings.get("extraEnv", {}).items()
    ]
    if sources := settings.get("envFrom"):
        container["envFrom"] = sources


def _volume(path: str) -> str:
    """Name the volume of a folder: two may be of one Secret, whose name may have dots, as no volume's may."""
    return path.strip("/").replace("/", "-")
