"""kind, Helm, kubectl and the test tools: the user's own where they fit, else built as pinned, and cached."""

import operator
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from quintet.kind.airgap import install, node_image
from quintet.kind.machine import Machine
from quintet.paths import cache_dir, versions
from quintet.progress import CommandError, output, stage

_COMPARISONS: dict[str, Callable[[tuple[int, int], tuple[int, int]], bool]] = {
    ">=": operator.ge,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Tools:
    """The programs that work on a cluster, and the node image that goes with this kind."""

    kind: Path
    helm: Path
    kubectl: Path
    node_image: str


def ensure_tools(machine: Machine) -> Tools:
    """Provide kind, Helm and kubectl; what has to be built is built in containers, once."""
    kind = ensure(machine, "kind")
    with stage("node-image", "the Kubernetes node that kind starts") as current:
        node = node_image(machine, kind, current)
        current.outcome = node
    return Tools(kind, ensure(machine, "helm"), _kubectl(machine, node), node)


def ensure(machine: Machine, name: str) -> Path:
    """Return a program of ``versions.toml``: one on PATH that fits, else the pinned one, built if need be."""
    own = on_path(name)
    if own:
        return own
    if name == "kubectl":
        return ensure_tools(machine).kubectl
    pin = versions()["tools"][name]
    program = cache_dir("tools") / f"{name}-{pin['version']}" / name
    if program.exists():
        return program
    with stage(name, f"build {pin['version']} from its Go module") as current:
        return install(machine, current, name, pin["package"], pin["version"])


def on_path(name: str) -> Path | None:
    """Return the first program of a name on PATH whose version fits, or None."""
    pin = versions()["tools"][name]
    if "accepts" not in pin:
        return None
    for folder in os.get_exec_path():
        candidate = Path(folder) / name
        if os.access(candidate, os.X_OK) and fits(version_of(candidate, pin["asks"]), pin["accepts"]):
            return candidate
    return None


def version_of(program: Path, question: Iterable[str]) -> tuple[int, int] | None:
    """Return major and minor of the first version that a program prints, or None."""
    try:
        found = re.search(r"\bv(\d+)\.(\d+)", output(program, *question))
    except CommandError:
        return None
    return (int(found[1]), int(found[2])) if found else None


def fits(version: tuple[int, int] | None, conditions: Iterable[str]) -> bool:
    """Return whether a version meets conditions such as ``>=1.36`` and ``<1.39``."""
    if version is None:
        return False
    for condition in conditions:
        comparison, major, minor = re.fullmatch(r"(>=|<)(\d+)\.(\d+)", condition).groups()  # type: ignore[union-attr]
        if not _COMPARISONS[comparison](version, (int(major), int(minor))):
            return False
    return True


def _kubectl(machine: Machine, node: str) -> Path:
    """Return kubectl: the user's, or the one inside the node image."""
    own = on_path("kubectl")
    if own:
        return own
    program = cache_dir("tools", f"kubectl-{versions()['tools']['kubectl']['version']}") / "kubectl"
    if not program.exists():
        container = output(machine.docker, "create", node).strip()
        try:
            output(machine.docker, "cp", f"{container}:/usr/bin/kubectl", program.with_suffix(".new"))
        finally:
            output(machine.docker, "rm", "--volumes", container)
        program.with_suffix(".new").rename(program)
    return program
