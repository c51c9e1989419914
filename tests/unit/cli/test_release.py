from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quintet.ops import release

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


def test_a_release_of_this_machine_has_the_samples_and_what_the_user_says_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helm, words = tmp_path / "helm", tmp_path / "words"
    helm.write_text(f'#!/bin/sh\ncase "$*" in *" status "*) exit 1;; esac\nprintf "%s\\n" "$@" > {words}\n')
    helm.chmod(0o700)
    (tmp_path / "values.local.yaml").write_text("")
    monkeypatch.setattr(release, "PLATFORM", tmp_path)
    cluster = SimpleNamespace(folder=tmp_path, kubeconfig=tmp_path / "kubeconfig", namespace="quintet")
    platform: Any = SimpleNamespace(
        cluster=cluster,
        images={},
        tools=SimpleNamespace(helm=helm),
        kubectl=lambda *_: '{"items": []}',
    )
    release.install(platform, tmp_path / "more.yaml")
    given = [word for flag, word in pairwise(words.read_text().splitlines()) if flag == "--values"]
    assert [Path(path).name for path in given] == [
        "values-samples.yaml",
        "values-kind.yaml",
        "values.local.yaml",
        "more.yaml",
        "images.yaml",
    ]
    assert all(Path(path).exists() for path in given[:2])
