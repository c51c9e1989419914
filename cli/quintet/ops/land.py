"""``quintet land``: drop files into the landing zone of a pipeline, as a person would by MinIO's console."""

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

BUCKET, ENDING = "data", "landing_zone/"
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
            uri = f"s3://{BUCKET}/{landing_zone(pipeline)}{file.name}"
            _upload(client, file, uri)
            print(f"landed   {uri}")


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
    return next((each for each in pipelines().values() if landing_zone(each)), None)


def landing_zone(pipeline: Pipeline) -> str:
    """Return the first part of the keys of what a pipeline takes in; "" where it takes nothing in."""
    return next((prefix for prefix in pipeline.prefixes if prefix.endswith(ENDING)), "")


def refuse_absent(files: list[Path]) -> None:
    """Check that all files are there, before the first one lands.

    Raises:
        UserError: when one is not.
    """
    for file in files:
        if not file.is_file():
            raise UserError(f"{file} is not a file: name some that the pipeline takes in.")
        try:
            file.name.encode()
        except UnicodeEncodeError:
            raise UserError(f"{file}: its name is not UTF-8: rename it.") from None


def _taker() -> Pipeline:
    if pipeline := landing():
        return pipeline
    raise UserError(f"Nobody would take them in: no s3.prefixes of a pipeline.yaml end in {ENDING}.")


def _upload(client: Any, file: Path, uri: str) -> None:
    try:
        client.upload_file(str(file), *uri.removeprefix("s3://").split("/", 1))
    except (BotoCoreError, ClientError) as error:
        raise UserError(f"S3 does not take {file}: {error}") from error
