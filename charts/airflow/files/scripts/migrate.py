"""Bring Airflow's database to this image's schema, then add the pools, variables and connections it lacks.

What is there already stays: the UI edits these objects, and an edit holds. Each variable and connection
is a file (name = key, content = value) in a mounted folder.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from airflow.models.connection import Connection
from airflow.models.pool import Pool
from airflow.models.variable import Variable
from airflow.utils.session import create_session
from sqlalchemy import select


def read_folder(folder: Path) -> dict[str, str]:
    """Read a mounted folder as key and value; one that is absent holds none."""
    files = (path for path in folder.glob("*") if path.is_file() and not path.name.startswith("."))
    return {path.name: path.read_text() for path in files}


def connection(name: str, value: str) -> Connection:
    """Make a connection from its URI or its JSON object."""
    if value.lstrip().startswith("{"):
        return Connection.from_json(value, conn_id=name)
    return Connection(conn_id=name, uri=value.strip())


def add_absent(folder: Path, slots: Mapping[str, int]) -> list[str]:
    """Add the pools, variables and connections that the database lacks, and return their names.

    Args:
        folder: Holds the folders `variables` and `connections`.
        slots: Slots of each pool.
    """
    pools = {
        name: Pool(pool=name, slots=number, description="Made by the chart", include_deferred=True)
        for name, number in slots.items()
    }
    variables = {name: Variable(name, value) for name, value in read_folder(folder / "variables").items()}
    connections = {
        name: connection(name, value) for name, value in read_folder(folder / "connections").items()
    }
    added = []
    with create_session() as session:
        for column, wanted in (
            (Pool.pool, pools),
            (Variable.key, variables),
            (Connection.conn_id, connections),
        ):
            for name in sorted(wanted.keys() - set(session.scalars(select(column)))):
                session.add(wanted[name])
                added.append(name)
    return added


def main() -> None:
    """Migrate, then add what is absent; a second call changes nothing."""
    subprocess.run(["airflow", "db", "migrate"], check=True)
    added = add_absent(Path(os.environ["SETUP_FOLDER"]), json.loads(os.environ["POOLS"]))
    print("added:", ", ".join(added) or "nothing", flush=True)


if __name__ == "__main__":
    main()
