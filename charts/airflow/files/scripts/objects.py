"""Bring pools, variables and connections in Airflow's database to the values of a chart, or take them away.

An object that is as the chart made it follows its value. One that a person has edited stays: what its
description says of the value no longer fits. Each variable and connection is a file (name = key, content =
value) in a mounted folder.
"""

import hmac
import json
import os
import sys
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


def mark(value: str) -> str:
    """Return the description of an object that has this value from the chart; it tells no secret."""
    key = os.environ["AIRFLOW__CORE__FERNET_KEY"].encode()
    return f"Made by the chart ({hmac.new(key, value.encode(), 'sha256').hexdigest()[:16]})"


def value_of(thing: Pool | Variable | Connection) -> str:
    """Return what an edit would change, as text."""
    if isinstance(thing, Pool):
        return str(thing.slots)
    if isinstance(thing, Variable):
        return str(thing.get_val())
    return thing.get_uri()


def follow(there: Pool | Variable | Connection, wanted: Pool | Variable | Connection) -> None:
    """Set an object to the value of another one of its kind."""
    if isinstance(there, Pool) and isinstance(wanted, Pool):
        there.slots = wanted.slots
    elif isinstance(there, Variable) and isinstance(wanted, Variable):
        there.set_val(wanted.get_val())
    elif isinstance(there, Connection) and isinstance(wanted, Connection):
        for field in ("conn_type", "host", "login", "schema", "port"):
            setattr(there, field, getattr(wanted, field))
        there.set_password(wanted.get_password())
        there.set_extra(wanted.extra)


def bring(folder: Path, slots: Mapping[str, int]) -> dict[str, list[str]]:
    """Bring pools, variables and connections to the chart's values.

    Args:
        folder: Holds the folders `variables` and `connections`.
        slots: Slots of each pool.

    Returns:
        Names, under "added", "changed" and "edited": these differ from the chart's value, and stay.
    """
    pools = {name: Pool(pool=name, slots=number, include_deferred=True) for name, number in slots.items()}
    variables = {name: Variable(name, value) for name, value in read_folder(folder / "variables").items()}
    connections = {
        name: connection(name, value) for name, value in read_folder(folder / "connections").items()
    }
    done: dict[str, list[str]] = {"added": [], "changed": [], "edited": []}
    with create_session() as session:
        for kind, column, wanted in (
            (Pool, Pool.pool, pools),
            (Variable, Variable.key, variables),
            (Connection, Connection.conn_id, connections),
        ):
            there = {getattr(thing, column.key): thing for thing in session.scalars(select(kind))}
            for name in sorted(wanted):
                new, old = wanted[name], there.get(name)
                if old is None:
                    new.description = mark(value_of(new))
                    session.add(new)
                    done["added"].append(name)
                elif value_of(old) == value_of(new):
                    # A rotation, or a person, has set it to the chart's value: it follows again.
                    old.description = mark(value_of(old))
                elif old.description == mark(value_of(old)):
                    follow(old, new)
                    old.description = mark(value_of(old))
                    done["changed"].append(name)
                else:
                    done["edited"].append(name)
    return done


def take_away(folder: Path) -> dict[str, list[str]]:
    """Delete variables and connections that are as the chart made them.

    Args:
        folder: As of `bring`.

    Returns:
        Names, under "deleted" and "edited": these stay.
    """
    done: dict[str, list[str]] = {"deleted": [], "edited": []}
    with create_session() as session:
        for kind, column, part in (
            (Variable, Variable.key, "variables"),
            (Connection, Connection.conn_id, "connections"),
        ):
            names = sorted(read_folder(folder / part))
            for thing in session.scalars(select(kind).where(column.in_(names)).order_by(column)):
                as_made = thing.description == mark(value_of(thing))
                done["deleted" if as_made else "edited"].append(getattr(thing, column.key))
                if as_made:
                    session.delete(thing)
    return done


def main(arguments: list[str]) -> None:
    """Bring the objects to their values, or take them away; a second call changes nothing."""
    folder = Path(os.environ["SETUP_FOLDER"])
    done = take_away(folder) if arguments == ["take-away"] else bring(folder, json.loads(os.environ["POOLS"]))
    for what, names in done.items():
        print(f"{what}:", ", ".join(names) or "nothing", flush=True)
    if done["edited"]:
        print("Edited ones stay; delete one, and upgrade, to have the chart's value again.", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
