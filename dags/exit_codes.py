"""What the end of a step means in Airflow, the same whether the step was a pod or a process.

Exit code 99 is a skip; 1 (a bug) and 2 (invalid input) would end the same way again and are not tried
again; the rest may not: 75 (a dependency is unavailable), a kill, an eviction, a lost node.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

MESSAGE_LIMIT = 4096  # bytes of a termination message that the kubelet keeps; it cuts a longer one silently
# A DAG file imports nothing of the steps: these are `stepkit.exit_codes`, and a test holds them together.
BUG, INVALID_INPUT, NOTHING_TO_DO = 1, 2, 99


def options(arguments: Mapping[str, Any]) -> list[str]:
    """Turn `{"run_after": "x"}` into `["--run-after=x"]`, the spelling that also holds a value like `-1`."""
    return [f"--{name.replace('_', '-')}={value}" for name, value in arguments.items()]


def given(arguments: list[str]) -> list[str]:
    """Drop options that rendered to nothing.

    An option left out leaves the default to the step, so that a default stands in one place.
    """
    return [option for option in arguments if option.partition("=")[2]]


def result_of(message: str) -> dict[str, Any]:
    """Parse the result that a successful step left.

    Raises:
        AirflowFailException: The step left no result, one that was cut, or no JSON object.
    """
    if len(message.encode()) >= MESSAGE_LIMIT:
        raise AirflowFailException(
            f"The step's result is longer than {MESSAGE_LIMIT - 1} bytes and was cut: return a URI instead"
        )
    try:
        result = json.loads(message)
    except ValueError:
        result = None
    if not isinstance(result, dict):
        raise AirflowFailException(
            f"The step ended well but its result is not a JSON object: {message[:200]!r}"
        )
    return result


def returned(result: dict[str, Any], entry: str | None, ti: Any) -> Any:
    """Return what Airflow takes for a task's result.

    Args:
        result: Of the step.
        entry: Name of the entry, a list, that a later step is mapped over; the others become XComs of
            their own. None for a task whose result is taken as it is.
        ti: The task instance.

    Raises:
        AirflowFailException: There is no such entry, or it is not a list.
    """
    if entry is None:
        return result
    if not isinstance(result.get(entry), list):
        raise AirflowFailException(f"The step's result has no list {entry!r} to map over: {sorted(result)}")
    for name, value in result.items():
        if name != entry:
            ti.xcom_push(name, value)
    return result[entry]


def failure_of(name: str, exit_code: int, message: str, reason: str) -> AirflowException:
    """Return why a step failed, as the exception that makes Airflow skip, fail or try again.

    Args:
        name: Of the step, such as `weather-train`.
        exit_code: Not 0.
        message: What the step left as its result; may be empty.
        reason: What is known of the end when the step said nothing.
    """
    try:
        sentence = json.loads(message)["message"]
    except (ValueError, TypeError, KeyError):
        sentence = message or f"{reason}, its log says more"
    if exit_code == NOTHING_TO_DO:
        return AirflowSkipException(sentence)
    kind = AirflowFailException if exit_code in (BUG, INVALID_INPUT) else AirflowException
    return kind(f"{name} ended with exit code {exit_code}: {sentence}")
