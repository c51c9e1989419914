"""Renders charts as `helm template` does, once a run per chart and values, whichever worker asks first."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import yaml

from quintet.paths import cache_dir, versions
from quintet.testing.shared_servers import alone

CHARTS = Path(__file__).resolve().parents[2] / "charts"
REGISTRY = "registry.example.com/quintet"
"""Of the images, where the values of a test name none."""
BESIDE = ("common", "pipeline")
"""Charts that are no part of the platform's release: the library, and a pipeline as a release of its own."""
NAMES = sorted(path.parent.name for path in CHARTS.glob("*/Chart.yaml") if path.parent.name not in BESIDE)

SELDOM_COLLECTING = {"GOGC": "400"}
"""What takes a third of the umbrella's time from Helm, and costs it 25 MB for less than a second."""

Manifest = dict[str, Any]


class ChartError(Exception):
    """Helm refused; the text is what it says about the reason."""


@cache
def helm() -> str:
    """The path of Helm: $HELM, else the tool that `make` provides, else the one on PATH."""
    own = cache_dir("tools") / f"helm-{versions()['tools']['helm']['version']}" / "helm"
    found = os.environ.get("HELM") or (str(own) if own.exists() else shutil.which("helm"))
    if not found:
        raise FileNotFoundError("Helm is needed: run `make test`, which provides it, or name one in $HELM.")
    return found


def render(
    chart: str,
    values: Mapping[str, Any] | None = None,
    *,
    registry: str = REGISTRY,
    cluster: str = "",
    upgrade: bool = False,
    samples: bool = True,
    release: str = "quintet",
) -> tuple[Manifest, ...]:
    """Every object of the chart, hooks too, in namespace quintet; treat them as constants: they are cached.

    Args:
        chart: its folder.
        values: beside its own.
        registry: of the images, where the values name none.
        cluster: URL of the API server that templates look objects up in; without one they find none.
        upgrade: render as for a release that is there.
        samples: with the sample pipelines, as values-samples.yaml has them; False: the bare platform.
        release: its name.

    Raises:
        ChartError: Helm refuses the values.
    """
    version = versions()["kubernetes"]["version"]
    # Another cluster may have the same port a moment later.
    of_them = _helm_template if cluster else _render
    given = json.dumps(values or {}, sort_keys=True)
    return of_them(chart, given, registry, version, cluster, upgrade, samples, release)


def render_for(chart: str, version: str) -> tuple[Manifest, ...]:
    """Every object of the chart with its own values, as a cluster of a Kubernetes version gets them.

    Raises:
        ChartError: Helm refuses the version.
    """
    return _render(chart, "{}", REGISTRY, version, "", False, True, "quintet")


@cache
def _render(chart: str, *arguments: Any) -> tuple[Manifest, ...]:
    if Path(chart).is_absolute():
        # A test's own, whose files another worker may have under the same name a moment later.
        return _helm_template(chart, *arguments)
    name = f"render-{hashlib.sha256(json.dumps([chart, *arguments]).encode()).hexdigest()}"
    with alone(name) as run:
        kept = run / name
        if not kept.exists():
            kept.write_bytes(pickle.dumps(_helm_template(chart, *arguments)))
        made: tuple[Manifest, ...] = pickle.loads(kept.read_bytes())  # noqa: S301 - this run wrote it
    return made


def _helm_template(
    chart: str,
    values: str,
    registry: str,
    version: str,
    cluster: str,
    upgrade: bool,
    samples: bool,
    release: str,
) -> tuple[Manifest, ...]:
    command = [helm(), "template", release, str(CHARTS / chart), "--namespace", "quintet"]
    # Without a cluster Helm renders for the version that it was built with: one from its Go module, for 1.20.
    command += ["--kube-version", version]
    if cluster:
        command += ["--dry-run=server", "--kube-apiserver", cluster, "--kubeconfig", os.devnull]
        command += ["--disable-openapi-validation"]
    if upgrade:
        command += ["--is-upgrade"]
    with NamedTemporaryFile("w", suffix=".yaml") as base:
        brought = sample_values() if samples else {"global": {}}
        if Path(chart).name != "quintet":
            # A part knows no value of another.
            brought = {"global": brought["global"]}
        json.dump({**brought, "global": {**brought["global"], "image": {"registry": registry}}}, base)
        base.flush()
        command += ["--values", base.name, "--values", "-"]
        result = subprocess.run(
            command,
            input=values,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | SELDOM_COLLECTING,
        )
    if result.returncode:
        # Helm tells of each symlink, before anything else.
        lines = [line for line in result.stderr.splitlines() if "found symbolic link" not in line]
        raise ChartError("\n".join(lines))
    return tuple(manifest for manifest in yaml.load_all(result.stdout, yaml.CSafeLoader) if manifest)


@cache
def sample_values() -> dict[str, Any]:
    """The values that bring the sample pipelines."""
    return dict(yaml.safe_load((CHARTS / "quintet" / "values-samples.yaml").read_text(encoding="utf-8")))


def of_kind(manifests: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    """The objects of some kinds."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def named(manifests: Iterable[Manifest], kind: str, name: str) -> Manifest:
    """The one object of a kind and a name; a Job is named without its hash."""
    (found,) = [m for m in of_kind(manifests, kind) if plain_name(m) == name]
    return found


def plain_name(manifest: Manifest) -> str:
    """An object's name, a Job's without its hash."""
    name: str = manifest["metadata"]["name"]
    return name.rpartition("-")[0] if manifest["kind"] == "Job" else name


def decoded(secret: Manifest) -> dict[str, str]:
    """What a Secret holds."""
    encoded = secret.get("data", {})
    return {key: base64.b64decode(value).decode() for key, value in encoded.items()} | secret.get(
        "stringData", {}
    )


def pod_templates(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """Every pod that the objects make, by "<kind> <name>"."""
    workloads = of_kind(manifests, "Deployment", "StatefulSet", "Job")
    pods = {f"{m['kind']} {plain_name(m)}": m["spec"]["template"] for m in workloads}
    for made in of_kind(manifests, "CronJob"):
        pods[f"CronJob {plain_name(made)}"] = made["spec"]["jobTemplate"]["spec"]["template"]
    return pods | {f"Pod {m['metadata']['name']}": m for m in of_kind(manifests, "Pod")}


def containers(pod: Manifest) -> list[Manifest]:
    """Containers and init containers of a pod."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def default_values(chart: str) -> dict[str, Any]:
    """The chart's own values.yaml; the umbrella's with a registry, without which it would be refused."""
    values: dict[str, Any] = yaml.safe_load((CHARTS / chart / "values.yaml").read_text(encoding="utf-8"))
    if "global" in values:
        values["global"]["image"]["registry"] = REGISTRY
    return values
