"""MLflow's server as a process, on loopback, for whoever is on this machine."""

from collections.abc import Mapping
from pathlib import Path

from quintet.paths import PLATFORM

PROGRAM = PLATFORM / "images/mlflow/one_process.py"
"""Takes the words that `mlflow` takes."""


def command(python: Path, port: int, artifacts: str) -> list[str | Path]:
    """Return the command of the server.

    Args:
        python: of an environment with MLflow.
        port: of 127.0.0.1.
        artifacts: URI or folder that they go to, through the server.
    """
    return [
        *(python, PROGRAM, "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--artifacts-destination", artifacts),
    ]


def environment(database: str, s3: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of the server.

    Args:
        database: URL of the backend store; here, because every user can read a command.
        s3: how to reach the bucket of the artifacts, in boto3's words; None where they go to a folder.
    """
    return {
        "MLFLOW_BACKEND_STORE_URI": database,
        # Seven more processes of 100 MB, for features that Quintet has no use for.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **(s3 or {}),
    }


def upgrade_command(python: Path, database: str) -> list[str | Path]:
    """Return the command that brings a database to this MLflow's schema.

    Args:
        python: of an environment with MLflow.
        database: its URL without the password, which libpq finds in PGPASSWORD.
    """
    return [python, "-m", "mlflow", "db", "upgrade", database]
