"""The model registry as serving needs it: the champion and its bundle, over MLflow's HTTP API."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from app.settings import Settings
from bundle import BundleError
from bundle.reader import DIGESTS, listed

ANSWER = httpx.Timeout(10, connect=3)
DOWNLOAD = httpx.Timeout(120, connect=3)  # MLflow fetches a whole file from S3 before it sends the first byte
MOST_ANSWER_BYTES = 1_048_576
DOWNLOAD_SECONDS = 1200
"""For a whole bundle: `DOWNLOAD` bounds each part, and one that drips would hold up all other looks."""
NO_SUCH_MODEL_OR_ALIAS = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class RegistryUnavailableError(Exception):
    """The registry did not answer, or refused to: for everybody to read, and so without its address."""


class DisagreementError(Exception):
    """The registry names another champion than the record of promotions: says nothing of its bundle."""


@dataclass(frozen=True)
class ModelVersion:
    """What identifies a model and leads to its bundle."""

    name: str
    version: str | None
    """None where a run was chosen without a registry."""
    run_id: str
    digest: str
    bundle_path: str = "bundle"

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.digest):
            raise BundleError(f"{self.digest!r}, said of {self.name} {self.version}, is not a sha256")

    def to_json(self) -> str:
        """Writes the version; `ModelVersion(**json.loads(text))` gives it back."""
        return json.dumps(asdict(self))


class Registry:
    """A client of one MLflow server. Safe to use from one thread at a time."""

    def __init__(
        self, settings: Settings, latest_run: Callable[[], ModelVersion | None] | None = None
    ) -> None:
        """Prepares a client; nothing is sent yet.

        Args:
            settings: Address, account, model and alias.
            latest_run: Names the model in place of the alias, where training uses no registry.
        """
        self._name, self._alias = settings.mlflow_model_name, settings.model_alias
        self._latest_run = latest_run
        self._max_bundle_bytes = settings.max_bundle_bytes
        self._http = httpx.Client(
            base_url=settings.mlflow_tracking_uri,
            auth=(settings.mlflow_tracking_username, settings.mlflow_tracking_password.get_secret_value()),
            timeout=ANSWER,
            headers={"Accept-Encoding": "identity"},  # no small answer that is a large one
        )

    def champion(self) -> ModelVersion | None:
        """Returns the version to serve, or None while there is none.

        Raises:
            BundleError: The champion says nothing of its bundle.
            RegistryUnavailableError: No answer, or not one of MLflow's.
        """
        if self._latest_run:
            return self._latest_run()
        response = self._get(
            "/api/2.0/mlflow/registered-models/alias", {"name": self._name, "alias": self._alias}
        )
        answer = _json(response)
        if response.is_client_error and answer.get("error_code") in NO_SUCH_MODEL_OR_ALIAS:
            return None
        _raise_for_status(response)
        try:
            found = answer["model_version"]
            version, run_id = str(found["version"]), str(found["run_id"])
            tags = {tag["key"]: tag["value"] for tag in found.get("tags", ())}
        except (KeyError, TypeError, AttributeError) as error:
            raise RegistryUnavailableError("The registry names no model version") from error
        if "bundle_digest" not in tags:
            raise BundleError(f"version {version} of {self._name} has no tag bundle_digest")
        return ModelVersion(
            self._name, version, run_id, tags["bundle_digest"], tags.get("bundle_path", "bundle")
        )

    def download(self, version: ModelVersion, folder: Path) -> None:
        """Puts the files of a version's bundle into a folder; what they hold is for `bundle.load` to check.

        Raises:
            BundleError: The bundle lists no files, or one that no bundle has, such as one outside of its
                folder; a file is absent; or all are larger than MAX_BUNDLE_BYTES.
            RegistryUnavailableError: The transfer did not end.
        """
        room = Room(self._max_bundle_bytes, time.monotonic() + DOWNLOAD_SECONDS)
        self._fetch(version, DIGESTS, folder, room)
        listing = (folder / DIGESTS).read_bytes()
        if hashlib.sha256(listing).hexdigest() != version.digest:
            raise BundleError(f"{DIGESTS} of run {version.run_id} is not the one that the registry names")
        for name in listed(folder):
            self._fetch(version, name, folder, room)

    def _fetch(self, version: ModelVersion, name: str, folder: Path, room: Room) -> None:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        parameters = {"run_uuid": version.run_id, "path": f"{version.bundle_path}/{name}"}
        try:
            with (
                self._http.stream("GET", "/get-artifact", params=parameters, timeout=DOWNLOAD) as response,
                target.open("wb") as file,
            ):
                if response.status_code == httpx.codes.NOT_FOUND:
                    raise BundleError(f"run {version.run_id} has no file {parameters['path']}")
                _raise_for_status(response)
                for chunk in response.iter_raw():
                    room.take(len(chunk))
                    file.write(chunk)
        except httpx.HTTPError as error:
            raise _unavailable(error) from error

    def _get(self, path: str, parameters: dict[str, str]) -> httpx.Response:
        try:
            with self._http.stream("GET", path, params=parameters) as response:
                room = Room(MOST_ANSWER_BYTES, time.monotonic() + DOWNLOAD_SECONDS)
                content = bytearray()
                for chunk in response.iter_raw():
                    room.take(len(chunk))
                    content += chunk
        except BundleError as error:
            raise RegistryUnavailableError("The registry's answer is too large") from error
        except httpx.HTTPError as error:
            raise _unavailable(error) from error
        return httpx.Response(response.status_code, content=bytes(content))


class Room:
    """What may still be received, and until when."""

    def __init__(self, most_bytes: int, until: float) -> None:
        self._most_bytes, self._left, self._until = most_bytes, most_bytes, until

    def take(self, count: int) -> None:
        """Takes some of it.

        Raises:
            BundleError: There is no more.
            RegistryUnavailableError: The time is over.
        """
        self._left -= count
        if self._left < 0:
            raise BundleError(f"it is larger than {self._most_bytes} bytes (MAX_BUNDLE_BYTES)")
        if time.monotonic() > self._until:
            raise RegistryUnavailableError(f"The registry has not sent it within {DOWNLOAD_SECONDS} seconds")


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise RegistryUnavailableError(f"The registry answered {response.status_code} without JSON")
    return answer


def _raise_for_status(response: httpx.Response) -> None:
    if not response.is_success:
        raise RegistryUnavailableError(f"The registry answered {response.status_code}")


def _unavailable(error: httpx.HTTPError) -> RegistryUnavailableError:
    return RegistryUnavailableError(f"The registry does not answer: {type(error).__name__}")
