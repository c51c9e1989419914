"""Wait until Airflow's database answers (`reachable`) or has the schema of this image (`migrated`).

`airflow db check-migrations` tells the same, but imports Airflow for 3 s of CPU in each pod that waits.
"""

import os
import re
import sys
import sysconfig
import time
from pathlib import Path

import psycopg2

MIGRATIONS = Path(sysconfig.get_path("purelib"), "airflow/migrations/versions")


def newest_revision(folder: Path) -> str:
    """Return the migration of `folder` that no other one follows."""
    text = "\n".join(path.read_text() for path in sorted(folder.glob("*.py")))
    revisions = set(re.findall(r"^revision\b.*?[\"'](\w+)[\"']", text, re.MULTILINE))
    followed = set(re.findall(r"^down_revision\b.*?[\"'](\w+)[\"']", text, re.MULTILINE))
    newest: str
    (newest,) = revisions - followed
    return newest


def lacking(goal: str) -> str | None:
    """Say what is still lacking for `goal`, or return None when it is reached."""
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "", 1)
    try:
        with psycopg2.connect(url, connect_timeout=5) as connection, connection.cursor() as cursor:
            if goal == "reachable":
                return None
            cursor.execute("select version_num from alembic_version")
            found = cursor.fetchone()
    except psycopg2.Error as error:
        return f"the database does not answer yet: {str(error).strip()}"
    needed = newest_revision(MIGRATIONS)
    if found == (needed,):
        return None
    return f"the database has schema {found and found[0]}, this image needs {needed}: see Job airflow-migrate"


def main(goal: str) -> None:
    """Return once `goal` is reached; print what is lacking whenever that changes."""
    said = None
    while reason := lacking(goal):
        if reason != said:
            print(reason, flush=True)
        said = reason
        time.sleep(1)


if __name__ == "__main__":
    main(sys.argv[1])
