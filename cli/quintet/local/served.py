"""What the local inference API serves, and its predictions."""

import time
from typing import Any

import requests

from quintet import loopback
from quintet.local.platform import Platform
from quintet.progress import UserError

CHAMPION_SECONDS = 60


def champion(platform: Platform, service: str) -> dict[str, Any]:
    """Return what `--json` says of the model that a service serves."""
    model = service.removeprefix("inference-")
    try:
        served = metadata(platform, service)
    except UserError as error:
        return {"model": model, "version": None, "state": f"unknown, {error}"}
    if served["model"] is None:
        return {"model": model, "version": None, "state": "none yet, its training DAG makes one"}
    return {"model": served["model"], "version": served["version"], "state": "served"}


def await_champion(platform: Platform, service: str) -> dict[str, Any]:
    """Wait until a champion is served and return what the API says of it.

    Raises:
        UserError: when none is served in time.
    """
    deadline = time.monotonic() + CHAMPION_SECONDS
    while (served := metadata(platform, service))["model"] is None:
        if time.monotonic() > deadline:
            log = platform.state.log(service)
            raise UserError(
                f"The API serves no model {CHAMPION_SECONDS} s after its training: {log} says why."
            )
        time.sleep(0.1)
    return served


def predict(platform: Platform, service: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the API's answer, with its predictions.

    Args:
        platform: where the API is.
        service: the API.
        asked: the request, such as a pipeline's example.

    Raises:
        UserError: with the API's own sentence, when it refuses.
    """
    try:
        url = f"{platform.url(service)}/predict"
        answer = loopback.session().post(url, json=asked, timeout=30)
    except requests.RequestException as error:
        raise UserError("the API does not answer") from error
    if not answer.ok:
        raise UserError(f"The API answered {answer.status_code}: {answer.text[:500]}")
    return dict(answer.json())


def metadata(platform: Platform, service: str) -> dict[str, Any]:
    """Return what the API says of itself and its model.

    Raises:
        UserError: when it does not answer.
    """
    try:
        answer = loopback.session().get(f"{platform.url(service)}/metadata", timeout=30)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise UserError("the API does not answer") from error
    return dict(answer.json())
