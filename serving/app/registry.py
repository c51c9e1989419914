"""The model registry as serving needs it: the champion and its bundle, over MLflow's HTTP API."""

import hashlib
import json
import re
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
NO_SUCH_MODEL_OR_ALIAS = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


class RegistryUnavailableError(Exception):
    """The registry did not answer, or refused to."""


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
            raise BundleError(f"{self.digest!r}, said of {self.name} {self.version}, is no sha256")

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
        self._http = httpx.Client(
            base_url=settings.mlflow_tracking_uri,
            auth=(settings.mlflow_tracking_username, settings.mlflow_tracking_password.get_secret_value()),
            timeout=ANSWER,
        )

    def champion(self) -> ModelVersion | None:
        """Gives the version to serve, or None while there is none.

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
            raise RegistryUnavailableError(f"{_address(response)} names no model version") from error
        if "bundle_digest" not in tags:
            raise BundleError(f"version {version} of {self._name} has no tag bundle_digest")
        return ModelVersion(
            self._name, version, run_id, tags["bundle_digest"], tags.get("bundle_path", "bundle")
        )

    def download(self, version: ModelVersion, folder: Path) -> None:
        """Puts the files of a version's bundle into a folder; what they hold is for `bundle.load` to check.

        Raises:
            BundleError: The bundle lists no files, or one that no bundle has, such as one outside of its
                folder; or a file is absent.
            RegistryUnavailableError: The transfer did not end.
        """
        self._fetch(version, DIGESTS, folder)
        listing = (folder / DIGESTS).read_bytes()
        if hashlib.sha256(listing).hexdigest() != version.digest:
            raise BundleError(f"{DIGESTS} of run {version.run_id} is not the one that the registry names")
        for name in listed(folder):
            self._fetch(version, name, folder)

    def _fetch(self, version: ModelVersion, name: str, folder: Path) -> None:
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
                for chunk in response.iter_bytes(1 << 20):
                    file.write(chunk)
        except httpx.HTTPError as error:
            raise _unavailable(self._http.base_url, error) from error

    def _get(self, path: str, parameters: dict[str, str]) -> httpx.Response:
        try:
            return self._http.get(path, params=parameters)
        except httpx.HTTPError as error:
            raise _unavailable(self._http.base_url, error) from error


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise RegistryUnavailableError(f"{_address(response)} answered {response.status_code} without JSON")
    return answer


def _raise_for_status(response: httpx.Response) -> None:
    if not response.is_success:
        raise RegistryUnavailableError(f"{_address(response)} answered {response.status_code}")


def _address(response: httpx.Response) -> httpx.URL:
    return response.url.copy_with(query=None)


def _unavailable(url: httpx.URL, error: httpx.HTTPError) -> RegistryUnavailableError:
    return RegistryUnavailableError(f"{url} does not answer: {type(error).__name__}: {error}")
