"""``quintet models``: what MLflow has registered, and which version of each model is champion."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import requests

from quintet import loopback
from quintet.local.platform import Platform
from quintet.local.state import State
from quintet.ops.kube import Kube
from quintet.progress import UserError

ALIAS = "champion"
PAGE = 200
SECONDS = 30


def main(kube: Kube) -> list[dict[str, Any]]:
    """Print the models of a platform on a cluster, and return what `--json` says of them.

    Raises:
        UserError: when MLflow does not answer.
    """
    with kube.forward("mlflow", 5000) as port:
        login = tuple(kube.secret("mlflow-admin", key) for key in ("username", "password"))
        return show(f"http://127.0.0.1:{port}", login)


def on_machine(state: State) -> list[dict[str, Any]]:
    """Print the models of the local platform, and return what `--json` says of them.

    Raises:
        UserError: when there is no such platform, or MLflow does not answer.
    """
    if not state.ports():
        raise UserError(f"There is no local platform in {state.folder}: `quintet up` makes one.")
    return show(Platform(state).url("mlflow"))


def show(url: str, login: Any = None) -> list[dict[str, Any]]:
    """Print what an MLflow has registered, and return what `--json` says of it.

    Args:
        url: of the server.
        login: user name and password; None where it asks for none.

    Raises:
        UserError: when it does not answer, or refuses.
    """
    mlflow = _Mlflow(url, login)
    versions: dict[str, list[dict[str, Any]]] = {}
    for version in mlflow.all("model-versions"):
        versions.setdefault(version["name"], []).append(_version(mlflow, version))
    models = [_model(each, versions.get(each["name"], [])) for each in mlflow.all("registered-models")]
    for model in models:
        print(f"model    {model['name']}")
        for version in model["versions"]:
            mark = ALIAS if version["version"] == model["champion"] else ""
            print(
                f"  {version['version']:>6} {mark:8} {version['since'][:19]} {version['algorithm'] or '':20} "
                f"{(version['bundle_digest'] or '')[:12]}"
            )
            if mark:
                figures = (f"{name} {value:.4g}" for name, value in version["metrics"].items())
                print(f"         {'  '.join(figures)}")
    if not models:
        print("No model is registered: the first promotion of a training DAG makes one.")
    return models


class _Mlflow:
    """MLflow's REST API."""

    def __init__(self, url: str, login: Any) -> None:
        self._url = url
        self._session = loopback.session()
        self._session.auth = login

    def all(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield all entries of a kind, page by page."""
        page: dict[str, Any] = {}
        while True:
            found = self.get(f"{kind}/search", {"max_results": PAGE, **page})
            yield from found.get(kind.replace("-", "_"), [])
            if not found.get("next_page_token"):
                return
            page = {"page_token": found["next_page_token"]}

    def get(self, path: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a question; an empty one where there is no such thing.

        Raises:
            UserError: when MLflow does not answer, or refuses.
        """
        try:
            answer = self._session.get(f"{self._url}/api/2.0/mlflow/{path}", params=asked, timeout=SECONDS)
        except requests.RequestException as error:
            raise UserError("MLflow does not answer: `quintet status` says why.") from error
        if answer.status_code == requests.codes.not_found:
            return {}
        if not answer.ok:
            raise UserError(f"MLflow answered {answer.status_code}: {answer.text[:500]}")
        return dict(answer.json())


def _model(registered: dict[str, Any], versions: list[dict[str, Any]]) -> dict[str, Any]:
    aliases = {each["alias"]: int(each["version"]) for each in registered.get("aliases", [])}
    latest_first = sorted(versions, key=lambda version: -int(version["version"]))
    return {"name": registered["name"], "champion": aliases.get(ALIAS), "versions": latest_first}


def _version(mlflow: _Mlflow, version: dict[str, Any]) -> dict[str, Any]:
    tags = {tag["key"]: tag["value"] for tag in version.get("tags", [])}
    run = mlflow.get("runs/get", {"run_id": version["run_id"]}).get("run", {})
    metrics = {each["key"]: each["value"] for each in run.get("data", {}).get("metrics", [])}
    since = datetime.fromtimestamp(version["creation_timestamp"] / 1000, UTC)
    return {
        "version": int(version["version"]),
        "since": since.isoformat(timespec="seconds"),
        "algorithm": tags.get("algorithm"),
        "bundle_digest": tags.get("bundle_digest"),
        "run": version["run_id"],
        "metrics": dict(sorted(metrics.items())),
    }
