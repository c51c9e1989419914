"""Liveness of a component that serves no HTTP: its job has written a heartbeat to the database lately.

`airflow jobs check` tells the same for 2 s of CPU a call. A database that does not answer counts as
alive: a restart would not bring it back.
"""

import os
import sys

import psycopg2

LIMIT_SECONDS = 120
QUERY = """
    select coalesce(max(latest_heartbeat) > now() - make_interval(secs => %s), false)
    from job where job_type = %s and hostname = %s and state = 'running'
"""


def alive(job_type: str) -> bool:
    """Return whether the newest job of this type in this pod has a fresh heartbeat."""
    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "", 1)
    try:
        with psycopg2.connect(url, connect_timeout=5) as connection, connection.cursor() as cursor:
            cursor.execute(QUERY, (LIMIT_SECONDS, job_type, os.environ["POD_IP"]))
            fresh: bool = cursor.fetchone()[0]
            return fresh
    except psycopg2.OperationalError:
        return True


if __name__ == "__main__":
    if not alive(sys.argv[1]):
        sys.exit(f"{sys.argv[1]} has written no heartbeat for {LIMIT_SECONDS} s")
