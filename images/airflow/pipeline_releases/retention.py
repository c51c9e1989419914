"""Deletes versions and releases that nothing needs any more.

Usage: python -m pipeline_releases.retention BEFORE [--dry-run]

Airflow keeps with each run which version it has, so whatever its database still names stays. It runs after
`airflow db clean` in the CronJob airflow-retention, on what is older than the rows that go there.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime

from pipeline_releases.manifest import Refused
from pipeline_releases.store import AWAY, INVALID, Away, Store


def versions_in_use() -> set[str]:
    """Return the versions that Airflow's database names: of runs, of DAGs, and the one read last."""
    from airflow.models.dag import DagModel
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    columns = (
        DagRun.bundle_version,
        DagVersion.bundle_version,
        DagModel.bundle_version,
        DagBundleModel.version,
    )
    with create_session() as session:
        return {version for column in columns for version in session.scalars(select(column)) if version}


def expire(store: Store, before: datetime, *, dry_run: bool) -> str:
    """Delete what is older than a moment and that no version in use needs, and say what that was.

    Raises:
        Refused: A version in use is damaged; nothing is deleted.
        Away: S3 does not answer.
    """
    # First the bucket: a run that begins meanwhile has a version that is current now, or that Airflow names.
    unused = store.unused(versions_in_use, before)
    for key in () if dry_run else unused:
        store.delete(key, before)
    kinds = [key.partition("/")[0] for key in unused]
    return (
        f"DAGs of pipelines in releases of their own: {kinds.count('versions')} versions and"
        f" {kinds.count('releases')} releases are older than {before:%Y-%m-%d}, and no row of Airflow's"
        " database needs them."
    )


def main(arguments: list[str]) -> int:
    """Delete them, or say how many they are, and return an exit code of steps."""
    parser = argparse.ArgumentParser(prog="pipeline_releases.retention")
    parser.add_argument("before", type=datetime.fromisoformat)
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(arguments)
    try:
        print(expire(Store.from_environment(), options.before, dry_run=options.dry_run))
    except (Refused, Away) as error:
        print(error, file=sys.stderr)
        return INVALID if isinstance(error, Refused) else AWAY
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
