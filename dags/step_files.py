"""The files by which a DAG's steps are run, which charts make.

STEP_PODS_FILE says where steps run (namespace, environment, secrets) and what the steps of the platform's
own pipelines have beside that, STEP_IMAGES_FILE what their images are. For a pipeline that is a release of
its own, `steps.json` beside its DAG file says both. The files are read when a pod is built, not when a DAG is
parsed: a new image or value then restarts nothing and makes no new version of a DAG.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowFailException


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


def pods_of(dag_file: str) -> dict[str, Any]:
    """Return what is said of the pods of all steps, and of each, for the DAGs of a file."""
    everywhere = read_json("STEP_PODS_FILE")
    return {**everywhere, "steps": (_beside(dag_file) or everywhere).get("steps", {})}


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
