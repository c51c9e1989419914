"""``quintet land``: drop workbooks into the landing zone, as a person would by MinIO's console."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from quintet import loopback
from quintet.local.state import State
from quintet.ops.kube import Kube
from quintet.pipelines import Pipeline, pipelines
from quintet.progress import UserError

BUCKET, PREFIX = "data", "landing_zone/"
LANDING_FOLDER = "landing_zone"


def main(kube: Kube, files: list[Path]) -> None:
    """Upload the files to the platform's S3.

    Raises:
        UserError: when one cannot be read, no pipeline takes it in, or S3 does not take it.
    """
    refuse_absent(files)
    pipeline = _taker()
    with kube.forward("minio", 9000) as port:
        keys = (kube.secret(f"minio-{pipeline.name}", key) for key in ("access-key", "secret-key"))
        client = loopback.s3(port, *keys)
        for file in files:
            _upload(client, file)
            print(f"landed   s3://{BUCKET}/{PREFIX}{file.name}")


def on_machine(state: State, files: list[Path]) -> None:
    """Copy the files to the local platform's landing folder, whose files the next run takes.

    Raises:
        UserError: when one cannot be read, or no pipeline takes it in.
    """
    refuse_absent(files)
    _taker()
    folder = state.path(LANDING_FOLDER)
    for file in files:
        # `scan` passes over hidden files, and over those that were written to just now.
        descriptor, hidden = tempfile.mkstemp(prefix=".", dir=folder)
        os.close(descriptor)
        shutil.copy2(file, hidden)
        os.replace(hidden, folder / file.name)
        print(f"landed   {folder / file.name}")


def landing() -> Pipeline | None:
    """Return the pipeline that takes in what lands, if there is one."""
    return next((each for each in pipelines().values() if PREFIX in each.prefixes), None)


def refuse_absent(files: list[Path]) -> None:
    """Check that all files are there, before the first one lands.

    Raises:
        UserError: when one is not.
    """
    for file in files:
        if not file.is_file():
            raise UserError(f"{file} is not a file: name workbooks, .xls or .xlsx.")
        try:
            file.name.encode()
        except UnicodeEncodeError:
            raise UserError(f"{file}: its name is not UTF-8: rename it.") from None


def _taker() -> Pipeline:
    if pipeline := landing():
        return pipeline
    raise UserError(f"Nobody would take them in: no pipeline.yaml has {PREFIX} in its s3.prefixes.")


def _upload(client: Any, file: Path) -> None:
    try:
        client.upload_file(str(file), BUCKET, f"{PREFIX}{file.name}")
    except (BotoCoreError, ClientError) as error:
        raise UserError(f"S3 does not take {file}: {error}") from error
