"""Waits until the database answers; with --migrated, until its schema is the one that this image works on."""

import importlib.util
import os
import sys
import time
from pathlib import Path

import psycopg2


def head() -> str:
    """The newest of the image's migrations, by their files alone: importing MLflow would take seconds."""
    from alembic.script import ScriptDirectory

    spec = importlib.util.find_spec("mlflow")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("MLflow is not installed: this script is for the image mlflow.")
    migrations = Path(spec.origin).parent / "store" / "db_migrations"
    return str(ScriptDirectory(str(migrations)).get_current_head())


def main() -> None:
    """Returns once the wait is over; Kubernetes shows the wait as an init container that runs."""
    url = os.environ["MLFLOW_BACKEND_STORE_URI"].replace("+psycopg2", "", 1)
    query, wanted = "SELECT 1", 1
    if "--migrated" in sys.argv:
        query, wanted = "SELECT version_num FROM alembic_version", head()
    while True:
        try:
            with psycopg2.connect(url, connect_timeout=5) as connection, connection.cursor() as cursor:
                cursor.execute(query)
                row = cursor.fetchone()
            connection.close()
            if row == (wanted,):
                return
            print(f"the schema is at {row}, waiting for {wanted}", flush=True)
        except psycopg2.Error as error:
            print(f"waiting: {error}".strip(), flush=True)
        time.sleep(1)


if __name__ == "__main__":
    main()
