"""A platform on a cluster of its own, a table of what each stage took, and the evidence when one fails."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from urllib3.exceptions import HTTPError

from bench.platform import MEBIBYTE, working_sets
from quintet.kind import cluster
from quintet.kind.cluster import Cluster, Platform
from quintet.ops import release
from quintet.ops.kube import Kube
from quintet.paths import cache_dir
from quintet.progress import CommandError, output

E2E = Cluster("quintet-e2e", 5002)
VALUES = Path(__file__).with_name("values.yaml")
FILES = [
    "test_platform",
    "test_pipelines",
    "test_by_hand",
    "test_own_repository",
    "test_rotation",
    "test_why",
]
STAGES = pytest.StashKey[list[tuple[str, float, str]]]()


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """A cluster with all images; what a killed run left behind goes first, and KEEP=1 leaves this one."""
    cluster.clean(E2E, keep_images=True)
    started = cluster.up(E2E)
    yield started
    if os.environ.get("KEEP") != "1":
        cluster.clean(E2E, keep_images=True)


@pytest.fixture(scope="session")
def kube(platform: Platform) -> Kube:
    return Kube(E2E.namespace, E2E.kubeconfig)


def install(platform: Platform) -> None:
    """Install or upgrade the release with the values of these tests."""
    release.install(platform, VALUES)


def helm_command(platform: Platform, *arguments: str) -> list[str | Path]:
    """Helm on the namespace of the platform, as words of a command."""
    where = ("--kubeconfig", E2E.kubeconfig, "--namespace", E2E.namespace)
    return [platform.tools.helm, *where, *arguments]


def helm(platform: Platform, *arguments: str) -> str:
    """Run Helm on the namespace of the platform and return its output."""
    return output(*helm_command(platform, *arguments))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STAGES] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files as they build on each other; uninstall last, whichever file it is in."""
    items.sort(key=lambda item: (item.name.startswith("test_uninstall"), FILES.index(item.path.stem)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    platform: Platform | None = getattr(item, "funcargs", {}).get("platform")
    if platform and report.when == "call":
        item.config.stash[STAGES].append((item.name.removeprefix("test_"), call.duration, _memory()))
    if platform and report.failed:
        folder = collect(platform, item.name)
        report.sections.append(("cluster", f"Pods, events and logs are in {folder}"))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.section("stages")
    terminalreporter.write_line(f"{'stage':56} {'seconds':>8} {'MiB':>6}")
    for name, seconds, memory in config.stash[STAGES]:
        terminalreporter.write_line(f"{name:56} {seconds:8.1f} {memory:>6}")


def collect(platform: Platform, stage: str) -> Path:
    """Write what tells why a stage failed to a folder and return it; the cluster may be half gone."""
    folder = cache_dir("e2e", stage)
    questions = {
        "pods.txt": ("get", "pods", "--all-namespaces", "--output", "wide"),
        "describe.txt": ("describe", "pods", "--all-namespaces"),
        "events.txt": ("get", "events", "--all-namespaces", "--sort-by", ".lastTimestamp"),
    }
    for namespace in (E2E.namespace, f"{E2E.namespace}-tasks"):
        with contextlib.suppress(CommandError):
            for pod in platform.kubectl("get", "pods", "-n", namespace, "-o", "name").split():
                name = pod.removeprefix("pod/")
                questions[f"{name}.log"] = ("logs", "-n", namespace, pod, "--all-containers", "--prefix")
                questions[f"{name}.previous.log"] = (*questions[f"{name}.log"], "--previous")
    for file, question in questions.items():
        with contextlib.suppress(CommandError):
            (folder / file).write_text(platform.kubectl(*question), encoding="utf-8")
    return folder


def _memory() -> str:
    """Return the working set of the platform's pods in MiB; nothing when the cluster does not answer."""
    try:
        sizes = working_sets(Kube(E2E.namespace, E2E.kubeconfig))
    except HTTPError:
        return ""
    total = sum(size for (namespace, _), size in sizes.items() if namespace.startswith(E2E.namespace))
    return f"{total / MEBIBYTE:.0f}"
