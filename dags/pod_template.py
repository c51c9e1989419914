"""What a step pod looks like, from the files that charts make.

STEP_PODS_FILE says where steps run (namespace, environment, secrets) and what the steps of the platform's
own pipelines have beside that, STEP_IMAGES_FILE what their images are. For a pipeline that is a release of
its own, `steps.json` beside its DAG file says both. The files are read when a pod is built, not when a DAG is
parsed: a new image or value then restarts nothing and makes no new version of a DAG.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowFailException
from pod_report import CONTAINER

TEMPORARY = "/tmp"  # noqa: S108 - an empty volume of the pod, not the machine's shared directory
RESOURCES = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "512Mi"}}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def read_json(variable: str) -> dict[str, Any]:
    """Read the JSON file that an environment variable names.

    Raises:
        AirflowFailException: The variable is unset, or its file is missing or no JSON.
    """
    path = os.environ.get(variable)
    if not path:
        raise AirflowFailException(f"{variable} is not set: it must name the file that describes step pods")
    return _json(Path(path), f"{variable}={path}")


def images_of(dag_file: str) -> dict[str, str]:
    """Return the images of steps by name, for the DAGs of a file."""
    images: dict[str, str] = (_beside(dag_file) or {"images": read_json("STEP_IMAGES_FILE")})["images"]
    return images


def settings_of(pipeline: str, step: str, dag_file: str) -> dict[str, Any]:
    """Merge what STEP_PODS_FILE says of all steps and what is said of one; the latter wins."""
    everywhere = read_json("STEP_PODS_FILE")
    steps = (_beside(dag_file) or everywhere).get("steps", {})
    layers = [everywhere, steps.get(f"{pipeline}-{step}", {})]
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= {key: value for key, value in layer.items() if value}
    for key in ("env", "secret_env", "config_env", "labels"):
        merged[key] = {name: value for layer in layers for name, value in layer.get(key, {}).items()}
    return merged


def _beside(dag_file: str) -> dict[str, Any] | None:
    """Read the `steps.json` of a pipeline that is a release of its own; None for the platform's."""
    path = Path(dag_file).with_name("steps.json")
    return _json(path, str(path)) if path.exists() else None


def _json(path: Path, name: str) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise AirflowFailException(f"{name} cannot be read as JSON: {error}") from error
    return content


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


def pod_template(pipeline: str, step: str, dag_file: str, image: str, result_path: str) -> dict[str, Any]:
    """Build the pod of a step, as Pod Security `restricted` with a read-only root demands it.

    Args:
        pipeline: Name of the pipeline, such as `weather`.
        step: Name of the step in kebab-case, such as `train`.
        dag_file: Path of the DAG's file.
        image: Full image reference.
        result_path: File to which the step writes its result.
    """
    settings = settings_of(pipeline, step, dag_file)
    files: dict[str, str] = settings.get("secret_files", {})
    return {
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
                    "name": CONTAINER,
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


def _volume(path: str) -> str:
    """Name the volume of a folder: two may be of one Secret, whose name may have dots, as no volume's may."""
    return path.strip("/").replace("/", "-")
