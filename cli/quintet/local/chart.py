"""What the local platform takes from the charts: databases, buckets, users, and the settings of every step.

What is a pipeline's comes from its own file: see `quintet.pipelines`.
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from quintet.paths import PLATFORM
from quintet.pipelines import Step

CHARTS = PLATFORM / "charts"
SQL = CHARTS / "postgres" / "files"


@cache
def values(chart: str) -> dict[str, Any]:
    """Return a chart's values, with those that the umbrella gives it."""
    own = _read(CHARTS / chart / "values.yaml")
    return _merged(own, _read(CHARTS / "quintet" / "values.yaml").get(chart, {}))


def step_settings(step: Step) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """Return the environment of a step as the chart has it: of all steps, its pipeline's, its own.

    Returns:
        Its variables, and those from Secrets: variable -> Secret and key.
    """
    every = values("airflow")["steps"]
    override = every["overrides"].get(step.image, {})
    plain = {**every["env"], **step.env, **override.get("env", {})}
    secret = {**keys(every["secretEnv"]), **step.secret_env, **keys(override.get("secretEnv", {}))}
    return plain, secret


def keys(references: dict[str, dict[str, str]]) -> dict[str, tuple[str, str]]:
    """Return each name with its Secret and key."""
    return {name: (reference["secret"], reference["key"]) for name, reference in references.items()}


def _read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def _merged(own: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    merged = dict(own)
    for key, value in given.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
