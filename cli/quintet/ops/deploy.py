"""``quintet deploy`` and ``undeploy``: the workspace's pipeline as a release of its own beside a platform."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import yaml

from quintet.kind import images, machine, tools
from quintet.kind.step_context import step_context
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.first_runs import await_dags
from quintet.ops.kube import OWN_CHART, Kube
from quintet.paths import PLATFORM
from quintet.pipelines import Pipeline, pipelines
from quintet.progress import CommandError, Stage, UserError, stage
from quintet.revision import revision

CHART = PLATFORM / "charts" / OWN_CHART
TIMEOUT = "5m"
SERVERS = ("airflow", "inference", "minio", "mlflow", "postgres")
"""The platform's images that a release of its own runs."""
SHARED = {
    "postgres": (
        *("enabled", "external", "pipelineRole", "promotionRole", "servingRole", "databases"),
        *("reservedConnections", "pods"),
    ),
    "minio": ("enabled", "pods"),
    "mlflow": ("enabled", "retention", "pods"),
    "airflow": ("enabled", "logs", "releases", "steps", "pods"),
    "inference": (
        "enabled",
        "defaults",
        "mlflowTrackingUri",
        "s3",
        "clients",
        "adminClients",
        "egress",
        "pods",
    ),
    "sources": ("enabled", "pods"),
}
"""Of the platform's values: what a pipeline's release has to know of its servers."""
OF_SAMPLES = ("overrides", "quota", "defaultLimits", "defaultRequests", "createNamespace")
"""Of `airflow.steps`: what is the platform's own affair."""


def main(kube: Kube, name: str = "", registry: str = "", values: Sequence[Path] = ()) -> None:
    """Build and push a pipeline's images, install or upgrade its release, and wait until it is Ready.

    Args:
        kube: the platform.
        name: of the pipeline; empty for the only one of the workspace.
        registry: host and path that its images are pushed to; empty for the platform's.
        values: files of more values of charts/pipeline.

    Raises:
        UserError: without a platform or a pipeline, for a name that is another's, or when it is not Ready.
    """
    pipeline = chosen(name)
    refuse_without_platform(kube)
    if pipeline.name in (kube.values.get("global", {}).get("pipelines") or {}):
        raise UserError(
            f"The platform's own release {kube.release['name']} has a pipeline {pipeline.name}: take another "
            "name, or take it out of the values of that release."
        )
    prepared = machine.prepare()
    helm = tools.ensure(prepared, "helm")
    registry = registry or registry_of(kube)
    with step_context(pipeline) as context:
        names = [step.image for step in pipeline.steps.values()]
        references = images.push_images(registry, names, prepared, context)
    with values_file(values_of(pipeline, kube, references)) as file:
        command: list[str | Path] = [helm, "upgrade", "--install", pipeline.name, CHART, *kube.helm_flags]
        command += ["--values", file, *(word for more in values for word in ("--values", more))]
        command += ["--wait", "--wait-for-jobs", "--timeout", TIMEOUT]
        with stage("release", f"pipeline {pipeline.name} in namespace {kube.namespace}") as current:
            _install(kube, pipeline.name, helm, command, current)
    if _airflow_enabled(kube):
        with AirflowApi.connect(kube) as airflow, stage("dags", "wait until Airflow has read the DAG files"):
            await_dags(airflow, pipeline.dags)
            # Later, one that a person has paused stays so.
            for dag in () if pipeline.name in kube.own_releases else pipeline.dags:
                airflow.unpause(dag)
    model = f", then quintet predict {pipeline.model}" if pipeline.model else ""
    print(f"Next: quintet --on cluster run {pipeline.last_dag}{model}")


def undeploy(kube: Kube, name: str = "", *, with_data: bool = False) -> None:
    """Take a pipeline's own release away.

    Args:
        kube: the platform.
        name: of the pipeline; empty for the only one of the workspace.
        with_data: whether its tables, objects, runs, experiment and model go too, for good.

    Raises:
        UserError: when there is no such release, or Helm fails.
    """
    name = name or chosen("").name
    if name not in kube.own_releases:
        have = ", ".join(kube.own_releases) or "none"
        raise UserError(
            f"Namespace {kube.namespace} has no release {name} of a pipeline of its own; there are: {have}."
        )
    given = kube.own_releases[name]["config"]["global"]["pipelines"][name]
    helm = tools.ensure(machine.prepare(), "helm")
    data = "with all its data" if with_data else "its data stay"
    with stage("undeploy", f"pipeline {name} of namespace {kube.namespace}; {data}") as current:
        if with_data:
            # What the hooks take away is a value of the release; they do not run now.
            flags = ["--reuse-values", "--set", "global.removeData=true", "--no-hooks"]
            current.run(helm, "upgrade", name, CHART, *kube.helm_flags, *flags)
        # Its API has ended before its roles and users go: pods on their way out still answer.
        waiting = ["--wait", "--cascade", "foreground", "--timeout", TIMEOUT]
        current.run(helm, "uninstall", name, *kube.helm_flags, *waiting)
        if with_data and _airflow_enabled(kube):
            with AirflowApi.connect(kube) as airflow:
                for dag in {dag["dag_id"] for dag in airflow.dags()} & given["dags"].keys():
                    airflow.delete(dag)
    print("Next: quintet deploy brings it again" + ("." if with_data else ", with the data that are there."))


def chosen(name: str) -> Pipeline:
    """Return the pipeline of the workspace that is meant.

    Args:
        name: its name; "" means the only one.

    Raises:
        UserError: when there is no such one, or more than one and no name.
    """
    found = pipelines()
    if name in found:
        return found[name]
    if not name and len(found) == 1:
        return next(iter(found.values()))
    have = f"it has {', '.join(found)}" if found else "it has none: `quintet new NAME` makes one"
    raise UserError(f"Which pipeline of this folder? {have if not name else f'It has no {name}; {have}'}.")


def refuse_without_platform(kube: Kube) -> None:
    """Raise UserError where the namespace has no platform's release that is deployed."""
    if kube.release.get("info", {}).get("status") != "deployed":
        raise UserError(
            f"Namespace {kube.namespace} has no platform of Quintet that is deployed: `make up` makes one, "
            "--namespace and --context name yours."
        )


def registry_of(kube: Kube) -> str:
    """Return the registry and path that the platform's own images come from.

    Raises:
        UserError: when its values do not say.
    """
    of_all = kube.values.get("global", {})
    reference = str(of_all.get("images", {}).get("postgres", ""))
    found = reference.partition("@")[0].rpartition("/")[0] or str(of_all.get("image", {}).get("registry", ""))
    if not found:
        raise UserError("The platform's values name no registry: say where the images go with --registry.")
    return found


def values_of(pipeline: Pipeline, kube: Kube, references: dict[str, str]) -> dict[str, Any]:
    """Return the values of a pipeline's own release.

    Args:
        pipeline: the pipeline.
        kube: the platform, whose values say how its servers are reached.
        references: image -> full reference, of the steps.
    """
    platform = kube.values
    of_all = {
        key: value for key, value in platform.get("global", {}).items() if key not in ("pipelines", "images")
    }
    held = platform.get("global", {}).get("images") or {}
    servers = {name: held[name] for name in SERVERS if name in held}
    parts = {
        part: {key: platform[part][key] for key in keys if key in platform.get(part, {})}
        for part, keys in SHARED.items()
        if platform.get(part)
    }
    steps = {
        key: value
        for key, value in parts.get("airflow", {}).get("steps", {}).items()
        if key not in OF_SAMPLES
    }
    steps["env"] = {**steps.get("env", {}), "GIT_REVISION": revision()}
    return {
        "global": {
            **of_all,
            "images": {**servers, **references},
            "pipelines": {
                pipeline.name: {key: value for key, value in pipeline.given.items() if key != "name"}
            },
        },
        "files": {
            "dags": {file.name: file.read_text(encoding="utf-8") for file in pipeline.dag_files},
            "migrations": {
                file.name: file.read_text(encoding="utf-8")
                for file in sorted((pipeline.folder / "migrations").glob("*.sql"))
            },
        },
        **parts,
        "airflow": {**parts.get("airflow", {}), "steps": steps},
    }


@contextlib.contextmanager
def values_file(values: dict[str, Any]) -> Iterator[str]:
    """Write values to a file that this user alone reads, and yield its path until the block ends."""
    with NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump(values, file, sort_keys=False, allow_unicode=True)
        file.flush()
        yield file.name


def _install(kube: Kube, name: str, helm: Path, command: list[str | Path], current: Stage) -> None:
    """Run Helm; a refusal is the check's sentence, and leaves no release where there was none."""
    was_there = name in kube.own_releases
    try:
        current.run(*command)
    except CommandError as error:
        reason = _refusal(kube, name)
        if reason:
            checks = f"app.kubernetes.io/instance={name},app.kubernetes.io/component=check"
            kube.batch.delete_collection_namespaced_job(
                kube.namespace, label_selector=checks, propagation_policy="Background"
            )
        if reason and not was_there:
            current.run(helm, "uninstall", name, *kube.helm_flags, "--no-hooks")
        raise UserError(reason) if reason else error from None


def _refusal(kube: Kube, name: str) -> str:
    """Return what the check before the release said; "" where it did not refuse."""
    for pod in kube.pods({"app.kubernetes.io/instance": name, "app.kubernetes.io/component": "check"}):
        for container in pod.status.container_statuses or []:
            if (ended := container.state.terminated) and ended.exit_code:
                return str(ended.message or "").strip()
    return ""


def _airflow_enabled(kube: Kube) -> bool:
    return bool(kube.values.get("airflow", {}).get("enabled", True))
