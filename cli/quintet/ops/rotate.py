"""``quintet rotate``: another password, key or token: in its Secret, on its server and in pods that use it.

The Secrets are written first; Jobs of the charts then bring the servers to what the Secrets hold. A command
that was killed is therefore finished by the same command. Pods that run hold former values: a server of S3
knows both for a while, the connections to Postgres that are open stay, predictions need no password, and a
step that is refused is tried again by Airflow.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from quintet.ops import services
from quintet.ops.airflow_api import AirflowApi
from quintet.ops.credentials import Credential, credentials_of, finished, read, readers, renewed, write
from quintet.ops.kube import Kube
from quintet.progress import Stage, UserError, stage

ALL = "all"
SCHEDULER = "airflow-scheduler"
SETUPS = {"postgres": "postgres-setup", "minio": "minio-setup", "mlflow": "mlflow-users"}
"""The Job that brings a server to what the Secrets hold, by the first word of their names."""
NO_SERVER_KNOWS = ("mlflow-flask",)
JOB_SECONDS = 300
STOP_SECONDS = 120
OF_THE_COPIED_POD = ("controller-uid", "job-name", "batch.kubernetes.io/")


def main(kube: Kube, secret: str, minutes: float) -> None:
    """Change one Secret, or all that are not the user's own, and everything that goes by them.

    The user's own Secret is not written to: what it holds now is brought to its server and to the pods.

    Args:
        kube: the platform.
        secret: the name of one, or `all`.
        minutes: to wait for steps that began with a former key of S3, before it is taken away.

    Raises:
        UserError: when there is no such Secret, or a part does not become ready in time.
    """
    wanted = chosen(credentials_of(kube), secret)
    names = [credential.object_name for credential in wanted.values()]
    to_restart = readers(kube.workloads(), names)
    began = datetime.now(UTC)
    with stage("rotate", ", ".join(wanted)) as current, _scheduler_stopped(kube, to_restart, current):
        for credential in wanted.values():
            if not credential.is_own:
                write(kube, credential, renewed(credential.name, read(kube, credential)))
        # MinIO takes its root user from the Secret when it starts, and its setup logs in as that.
        services.restart_each(kube, [name for name in to_restart if name == "minio"], current)
        setups = [SETUPS[first] for first in SETUPS if _told_to_a_server(wanted, first)]
        _run_again(kube, [job for job in setups if job != SETUPS["mlflow"]], current)
        services.restart_each(kube, [name for name in to_restart if name == "mlflow"], current)
        _run_again(kube, [job for job in setups if job == SETUPS["mlflow"]], current)
        services.restart_each(
            kube, [name for name in to_restart if name not in ("minio", "mlflow", SCHEDULER)], current
        )
    _finish(kube, wanted, began, minutes)
    print(f"changed  {', '.join(wanted)}")


def chosen(known: Mapping[str, Credential], asked: str) -> dict[str, Credential]:
    """Return the Secrets to change.

    Args:
        known: all that there are, by name.
        asked: the name of one, or `all`.

    Raises:
        UserError: when there is no such Secret.
    """
    if asked == ALL:
        own = [name for name, credential in known.items() if credential.is_own]
        if own:
            print(f"yours    {', '.join(own)}: change each in your own Secret, then rotate it by name")
        return {name: credential for name, credential in known.items() if name not in own}
    if asked not in known:
        have = ", ".join(known) or "none: nothing is installed there"
        raise UserError(
            f"{asked or 'No Secret'} cannot be changed: name one with SECRET=…, or {ALL}. There are {have}."
        )
    return {asked: known[asked]}


@contextlib.contextmanager
def _scheduler_stopped(kube: Kube, to_restart: Collection[str], current: Stage) -> Iterator[None]:
    """Keep tasks from starting while the block runs, if the scheduler has to be started again at all.

    Those that run end or defer first: their tokens are signed by the former key.
    """
    if SCHEDULER not in to_restart:
        yield
        return

    def scale(replicas: int) -> None:
        kube.apps.patch_namespaced_deployment_scale(
            SCHEDULER, kube.namespace, {"spec": {"replicas": replicas}}
        )

    selector = kube.workloads(SCHEDULER)[0].spec.selector.match_labels
    try:
        scale(0)
        _await(lambda: [pod.metadata.name for pod in kube.pods(selector)], STOP_SECONDS, "end", current)
        yield
    finally:
        scale(1)
    services.await_settled(kube, [SCHEDULER], current)


def _told_to_a_server(wanted: Collection[str], first: str) -> bool:
    return any(name.startswith(f"{first}-") and name not in NO_SERVER_KNOWS for name in wanted)


def _run_again(kube: Kube, names: Sequence[str], current: Stage) -> None:
    """Run copies of Jobs of the release, side by side, and wait for their ends.

    Raises:
        UserError: when one is not there, fails, or does not end in time.
    """
    made = [
        kube.batch.create_namespaced_job(kube.namespace, _copy(kube, name)).metadata.name for name in names
    ]

    def pending() -> list[str]:
        states = [kube.batch.read_namespaced_job_status(name, kube.namespace) for name in made]
        for job in states:
            if any(condition.type == "Failed" for condition in job.status.conditions or []):
                raise UserError(
                    f"The Job {job.metadata.name} failed: `kubectl -n {kube.namespace} logs "
                    f"job/{job.metadata.name}` says why. The same command again goes on from here."
                )
        return [job.metadata.name for job in states if not job.status.succeeded]

    _await(pending, JOB_SECONDS, "end", current)
    for name in made:
        kube.batch.delete_namespaced_job(name, kube.namespace, propagation_policy="Background")


def _copy(kube: Kube, name: str) -> dict[str, Any]:
    template = kube.batch.api_client.sanitize_for_serialization(_job(kube, name).spec.template)
    labels = template["metadata"]["labels"]
    template["metadata"]["labels"] = {
        key: value for key, value in labels.items() if not key.startswith(OF_THE_COPIED_POD)
    }
    # The pod of a Job that failed stays, with its log.
    template["spec"]["restartPolicy"] = "Never"
    return {
        "metadata": {"generateName": f"{name}-again-"},
        "spec": {"backoffLimit": 3, "ttlSecondsAfterFinished": 3600, "template": template},
    }


def _job(kube: Kube, name: str) -> Any:
    """Return the newest Job of the release of a name, which a hash follows."""
    jobs = kube.batch.list_namespaced_job(kube.namespace).items
    found = [job for job in jobs if job.metadata.name.rpartition("-")[0] == name]
    if not found:
        raise UserError(
            f"Namespace {kube.namespace} has no Job {name}, which tells the server: `helm upgrade` makes it; "
            "then the same command again."
        )
    return max(found, key=lambda job: job.metadata.creation_timestamp)


def _finish(kube: Kube, wanted: Mapping[str, Credential], began: datetime, minutes: float) -> None:
    """Bring what is stored to the new values, and take the former ones away once nothing uses them."""
    if "airflow-keys" in wanted and "," in read(kube, wanted["airflow-keys"])["fernet-key"]:
        services.airflow_cli(kube, ["rotate-fernet-key"])
    _update_connections(kube, wanted)
    left = {name: read(kube, wanted[name]) for name in wanted if not wanted[name].is_own}
    left = {name: data for name, data in left.items() if finished(data) != data}
    if not left:
        return
    with stage("former", f"{', '.join(left)}: take former values away") as current:
        if _told_to_a_server(left, "minio"):
            with contextlib.suppress(UserError):
                _await(lambda: _steps_from_before(kube, began), minutes * 60, "end", current)
        for name, data in left.items():
            write(kube, wanted[name], finished(data))
        # Airflow's objects are marked as the chart's by the Fernet key.
        setups = {
            SETUPS["minio"]: _told_to_a_server(left, "minio"),
            "airflow-migrate": "airflow-keys" in left,
        }
        _run_again(kube, [name for name, needed in setups.items() if needed], current)


def _steps_from_before(kube: Kube, began: datetime) -> list[str]:
    pods = kube.core.list_namespaced_pod(
        kube.tasks_namespace, label_selector="app.kubernetes.io/component=step"
    ).items
    return [
        pod.metadata.name
        for pod in pods
        if pod.status.phase in ("Pending", "Running") and pod.metadata.creation_timestamp < began
    ]


def _update_connections(kube: Kube, wanted: Mapping[str, Credential]) -> None:
    """Set the passwords of Airflow's connections that belong to some Secrets, unless they lead elsewhere."""
    names = {credential.object_name: credential for credential in wanted.values()}
    volumes = [
        volume
        for job in kube.batch.list_namespaced_job(kube.namespace).items
        if job.metadata.name.startswith("airflow-migrate-")
        for volume in job.spec.template.spec.volumes
    ]
    connections = [
        (item.path, read(kube, names[source.secret.name])[item.key])
        for volume in volumes
        if volume.name == "connections" and volume.projected
        for source in volume.projected.sources or []
        if source.secret and source.secret.name in names
        for item in source.secret.items or []
    ]
    if connections:
        with AirflowApi.connect(kube) as airflow:
            for name, url in connections:
                airflow.set_connection_password(name, urlsplit(url))


def _await(ask: Callable[[], Sequence[str]], seconds: float, what: str, current: Stage) -> None:
    """Ask until there is nothing left to wait for.

    Raises:
        UserError: when it takes too long.
    """
    deadline = time.monotonic() + seconds
    while waiting := ask():
        if time.monotonic() > deadline:
            raise UserError(
                f"{', '.join(waiting)} did not {what} within {seconds:.0f} s: `quintet status` says why. "
                "The same command again goes on from here."
            )
        current.say(f"waiting for {', '.join(waiting)} to {what}")
        time.sleep(1)
