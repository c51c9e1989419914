"""Marks old runs as deleted that nothing names: no version of a registered model, no decision on a promotion.

They can be restored until `mlflow gc` removes what was marked. It runs as the CronJob mlflow-retention, with
the admin's rights at the server that MLFLOW_TRACKING_URI names.

Usage: retention.py --days=90 --decisions=FOLDER --release=NAME [--untagged] [--dry-run]

Each file of the folder is named by a schema with a table promotion_decisions, and holds its database's URL.
A release knows its own pipelines' decisions alone, so it looks only at the experiments whose tag says that
they are its own; that of the platform also at those without a tag, which people have made.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from psycopg2 import sql

PAGE = 1000
DAY_MS = 86_400_000
MIB = 1 << 20
RELEASE_TAG = "quintet.release"
"""Of an experiment: which release has it."""


def named_by_decisions(url: str, schema: str) -> set[str]:
    """Return the ids of the runs that a record of decisions names, as challenger or as champion.

    Raises:
        SystemExit: with a sentence, when it cannot be read.
    """
    table = sql.Identifier(schema, "promotion_decisions")
    try:
        connection = psycopg2.connect(url, connect_timeout=10)
    except psycopg2.Error as error:  # its text may quote a part of the password
        raise SystemExit(
            f"The record of decisions in the schema {schema} cannot be read ({type(error).__name__}): see"
            " whether the url of the pipeline's Secret opens it."
        ) from None
    try:
        with connection, connection.cursor() as rows:
            rows.execute(
                sql.SQL(
                    "SELECT challenger_mlflow_run_id FROM {table}"
                    " UNION SELECT champion_mlflow_run_id FROM {table}"
                ).format(table=table)
            )
            return {run_id for (run_id,) in rows.fetchall() if run_id}
    finally:
        connection.close()


def named_by_registry(client: MlflowClient) -> set[str]:
    """Return the ids of the runs that versions of registered models were made from."""
    versions = pages(lambda token: client.search_model_versions(max_results=PAGE, page_token=token))
    return {version.run_id for version in versions if version.run_id}


def experiments_of(client: MlflowClient, releases: set[str]) -> list[str]:
    """Return the ids of the experiments that releases have; "" stands for those without a tag."""
    found = pages(lambda token: client.search_experiments(ViewType.ALL, PAGE, page_token=token))
    return [each.experiment_id for each in found if each.tags.get(RELEASE_TAG, "") in releases]


def runs(client: MlflowClient, experiments: list[str], condition: str, view: int) -> Iterator[Run]:
    """Yield the runs of experiments that a condition holds for."""
    if not experiments:  # MLflow would take it for all
        return
    yield from pages(lambda token: client.search_runs(experiments, condition, view, PAGE, page_token=token))


def pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield what all pages of an answer hold."""
    token = None
    while True:
        page = ask(token)
        yield from page
        if not (token := page.token):
            return


def size(client: MlflowClient, run_id: str, folder: str | None = None) -> int:
    """Return the bytes of a run's artifacts."""
    found = client.list_artifacts(run_id, folder)
    return sum(size(client, run_id, each.path) if each.is_dir else each.file_size or 0 for each in found)


def delete(client: MlflowClient, run: Run) -> None:
    """Mark a run and the models that it logged as deleted."""
    logged = client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run.info.run_id}'")
    for model in logged:
        client.delete_logged_model(model.model_id)
    client.delete_run(run.info.run_id)


def main() -> None:
    """Mark them, or say which they are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--decisions", type=Path, required=True)
    parser.add_argument("--release", required=True)
    parser.add_argument("--untagged", action="store_true")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    client = MlflowClient()
    named = named_by_registry(client)
    # Kubernetes mounts each file as a link, beside folders of its own that begin with dots.
    for file in sorted(path for path in options.decisions.iterdir() if not path.name.startswith(".")):
        named |= named_by_decisions(file.read_text(), file.name)
    experiments = experiments_of(client, {options.release, *([""] if options.untagged else [])})
    before = int(time.time() * 1000) - options.days * DAY_MS
    old = list(runs(client, experiments, f"attributes.start_time < {before}", ViewType.ACTIVE_ONLY))
    unnamed = [run for run in old if run.info.run_id not in named]
    held = sum(size(client, run.info.run_id) for run in unnamed)
    print(
        f"MLflow: {len(unnamed)} runs older than {options.days} days that nothing names,"
        f" {held / MIB:.1f} MiB; {len(old) - len(unnamed)} older ones are named by a decision or a version"
        " and stay."
    )
    marked = sum(1 for _ in runs(client, experiments, "", ViewType.DELETED_ONLY))
    print(f"MLflow: {marked} runs were marked as deleted before, and go for good after the days of grace.")
    if not options.dry_run:
        for run in unnamed:
            delete(client, run)


if __name__ == "__main__":
    main()
