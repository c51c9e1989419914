"""What the local platform takes from the charts: databases, buckets, users, and the environment of steps."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from quintet.paths import REPOSITORY

CHARTS = REPOSITORY / "charts"
SQL = CHARTS / "postgres" / "files"


@cache
def values(chart: str) -> dict[str, Any]:
    """Return a chart's values, with those that the umbrella gives it."""
    own = _read(CHARTS / chart / "values.yaml")
    return _merged(own, _read(CHARTS / "quintet" / "values.yaml").get(chart, {}))


def step_settings(pipeline: str, step: str) -> dict[str, dict[str, Any]]:
    """Return the environment of a step as the chart has it: of all steps, its pipeline's, its own.

    Returns:
        ``env`` (values), ``secretEnv`` and ``configEnv`` (references), each by variable.
    """
    steps = values("airflow")["steps"]
    layers = [steps, steps["pipelines"][pipeline], steps["overrides"].get(f"{pipeline}-{step}", {})]
    return {
        kind: {name: value for layer in layers for name, value in layer.get(kind, {}).items()}
        for kind in ("env", "secretEnv", "configEnv")
    }


def steps() -> dict[str, list[str]]:
    """Return the steps of each pipeline."""
    return {name: given["steps"] for name, given in values("airflow")["steps"]["pipelines"].items()}


def simulators() -> dict[str, dict[str, Any]]:
    """Return the simulator of each pipeline whose source is outside: its name, and its settings on kind."""
    kind = _read(CHARTS / "quintet" / "values-kind.yaml").get("sources", {})
    sources = _merged(values("sources"), kind)
    return {
        pipeline: source["simulator"]
        for pipeline, source in sources.items()
        if isinstance(source, dict) and "simulator" in source
    }


def models() -> list[str]:
    """Return the models that are served; each has the name of its pipeline."""
    return list(values("inference")["models"])


def pipeline_of(dag: str) -> str | None:
    """Return the pipeline of a DAG: the name of the file that has its id; None for an unknown one."""
    for file in sorted((REPOSITORY / "dags").glob("*.py")):
        if f'dag_id="{dag}"' in file.read_text(encoding="utf-8"):
            return file.stem
    return None


def _read(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def _merged(own: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    merged = dict(own)
    for key, value in given.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
