"""What a pipeline's Helm release mounts: a folder with `release.json`, `steps.json` and the DAG files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pipeline_releases.manifest import Claims, Refused

RELEASE = "release.json"
STEPS = "steps.json"


@dataclass(frozen=True)
class Given:
    """A release to publish.

    Attributes:
        pipeline: Its name.
        claims: What it alone may have.
        files: DAG files and `steps.json`, by name.
    """

    pipeline: str
    claims: Claims
    files: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> Given:
        """Read the folder; what Kubernetes hides in it is not of the release."""
        told = json.loads((folder / RELEASE).read_text(encoding="utf-8"))
        paths = [path for path in sorted(folder.glob("*.py")) if path.is_file()] + [folder / STEPS]
        files = {path.name: path.read_text(encoding="utf-8") for path in paths}
        return cls(told["pipeline"], told["claims"], files)


def refuse_wrong_dags(given: Given, folder: Path) -> None:
    """Import the DAG files as Airflow does.

    Args:
        given: The release.
        folder: An empty one, into which the files are written.

    Raises:
        Refused: A file cannot be imported, or the DAGs are others than `pipeline.yaml` names.
    """
    # Takes seconds, which whoever only publishes need not spend.
    from airflow.dag_processing.dagbag import DagBag

    for name, text in given.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    bag = DagBag(dag_folder=str(folder))
    for file, trace in sorted(bag.import_errors.items()):
        reason = trace.strip().splitlines()[-1]
        raise Refused(f"{Path(file).name} of pipeline {given.pipeline} cannot be imported: {reason}")
    if set(bag.dags) != set(given.claims["DAG"]):
        made, named = (", ".join(sorted(ids)) or "none" for ids in (bag.dags, given.claims["DAG"]))
        raise Refused(
            f"The DAG files of pipeline {given.pipeline} make these DAGs: {made}. Its pipeline.yaml names in"
            f" `dags`: {named}. Both have to be the same."
        )
