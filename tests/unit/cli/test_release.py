from pathlib import Path
from typing import Any

import pytest

from quintet import release

RUNNING = {"running": {}}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"phase": "Succeeded"}, ""),
        ({"phase": "Running", "containerStatuses": [{"name": "api", "ready": True, "state": RUNNING}]}, ""),
        (
            {"phase": "Running", "containerStatuses": [{"name": "api", "ready": False, "state": RUNNING}]},
            "api is starting",
        ),
        (
            {
                "phase": "Pending",
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
                ],
            },
            "0/1 nodes are available",
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [{"name": "wait", "state": RUNNING}],
                "containerStatuses": [
                    {"name": "api", "ready": False, "state": {"waiting": {"reason": "PodInitializing"}}}
                ],
            },
            "init wait",
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [
                    {
                        "name": "wait",
                        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
                        "lastState": {"terminated": {"exitCode": 1, "message": "a later release\n"}},
                    }
                ],
            },
            "init wait failed: a later release",
        ),
        (
            {
                "phase": "Pending",
                "containerStatuses": [
                    {
                        "name": "api",
                        "ready": False,
                        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}},
                    }
                ],
            },
            "ImagePullBackOff: not found",
        ),
        ({"phase": "Pending"}, "Pending"),
    ],
)
def test_a_pod_says_what_it_waits_for(status: dict[str, Any], reason: str) -> None:
    assert release._reason(status) == reason


def test_what_is_awaited_fits_a_line() -> None:
    assert release.summary([]) == ""
    assert release.summary(["mlflow (Pending)"]) == "1 to go: mlflow (Pending)"
    assert release.summary(["a", "b", "c", "d"]) == "4 to go: a; b; c …"


def test_a_machine_without_git_knows_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert release.revision() == ""
