"""The cluster as the command line sees it: workloads, passwords, and Services as ports of this machine.

The client of Kubernetes is imported where it is used: it takes a second, which local commands do without.
"""

import base64
import contextlib
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from quintet.kind.cluster import Cluster
from quintet.progress import UserError

OWN_CHART = "pipeline"
"""The chart of one pipeline as a release of its own."""


class Kube:
    """A namespace of a cluster that a platform is installed in.

    Args:
        namespace: of the release.
        kubeconfig: the file; None for the user's own.
        context: of the kubeconfig; None for its current one.
        cluster: of this machine, when it is one.

    Raises:
        UserError: when there is no such kubeconfig or context.
    """

    def __init__(
        self,
        namespace: str,
        kubeconfig: Path | None = None,
        context: str | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        self.namespace = namespace
        self.cluster = cluster
        self._kubeconfig = str(kubeconfig) if kubeconfig else None
        self._context = context
        from kubernetes.client import AppsV1Api, BatchV1Api, CoreV1Api

        client = self._client()
        self.core = CoreV1Api(client)
        self.apps = AppsV1Api(client)
        self.batch = BatchV1Api(client)

    @classmethod
    def of(cls, namespace: str, context: str | None) -> "Kube":
        """Return the platform meant: of the named context, else of `make up`, else of the current context."""
        own = Cluster.chosen()
        if context or not own.kubeconfig.exists():
            return cls(namespace, context=context)
        return cls(namespace, own.kubeconfig, cluster=own)

    @cached_property
    def releases(self) -> dict[str, dict[str, Any]]:
        """The latest revision of each Helm release of the namespace by name, from where Helm keeps it."""
        latest: dict[str, Any] = {}
        for secret in self.core.list_namespaced_secret(self.namespace, label_selector="owner=helm").items:
            labels = secret.metadata.labels
            held = latest.setdefault(labels["name"], secret)
            if int(labels["version"]) > int(held.metadata.labels["version"]):
                latest[labels["name"]] = secret
        return {name: _unpacked(secret.data["release"]) for name, secret in sorted(latest.items())}

    @property
    def release(self) -> dict[str, Any]:
        """The platform's own release; empty without one."""
        return next((each for each in self.releases.values() if _chart(each) != OWN_CHART), {})

    @property
    def own_releases(self) -> dict[str, dict[str, Any]]:
        """The pipelines that are releases of their own, by name."""
        return {name: each for name, each in self.releases.items() if _chart(each) == OWN_CHART}

    @property
    def tasks_namespace(self) -> str:
        """Where the release's steps run."""
        return str(self._global("tasks").get("namespace") or f"{self.namespace}-tasks")

    @property
    def pipelines(self) -> dict[str, Any]:
        """What values say of pipelines, by name: those of the platform's release, and those of their own."""
        own = [_values(each).get("global", {}).get("pipelines", {}) for each in self.own_releases.values()]
        return {name: given for found in (self._global("pipelines"), *own) for name, given in found.items()}

    @property
    def values(self) -> dict[str, Any]:
        """The values that the platform's release was given."""
        return _values(self.release)

    @property
    def helm_flags(self) -> list[str]:
        """What leads Helm to the same namespace of the same cluster."""
        flags = {
            "--namespace": self.namespace,
            "--kubeconfig": self._kubeconfig,
            "--kube-context": self._context,
        }
        return [word for flag, value in flags.items() if value for word in (flag, value)]

    @property
    def existing_secrets(self) -> dict[str, str]:
        """The user's own Secrets, by the platform's name for each."""
        return dict(self._global("secrets").get("existing") or {})

    def secret_name(self, name: str) -> str:
        """Return what a Secret of the platform is called here: the user's own may stand in its place."""
        return self.existing_secrets.get(name, name)

    def secret(self, name: str, key: str) -> str:
        """Return one value of a Secret, by the platform's name for it."""
        data = self.core.read_namespaced_secret(self.secret_name(name), self.namespace).data
        return base64.b64decode(data[key]).decode()

    def workloads(self, name: str = "") -> list[Any]:
        """Return the Deployments and StatefulSets of a name, or of a family (``airflow``), or all.

        Raises:
            UserError: when there is none.
        """
        found = [
            *self.apps.list_namespaced_deployment(self.namespace).items,
            *self.apps.list_namespaced_stateful_set(self.namespace).items,
        ]
        names = sorted(item.metadata.name for item in found)
        wanted = [item for item in found if f"{item.metadata.name}-".startswith(f"{name}-" if name else "")]
        if not wanted:
            have = (
                f"it has {', '.join(names)}" if names else "nothing is installed there: `make up` installs it"
            )
            raise UserError(f"Namespace {self.namespace} has no service {name or 'at all'}; {have}.")
        return wanted

    def pods(self, selector: dict[str, str]) -> list[Any]:
        """Return the pods that carry some labels."""
        labels = ",".join(f"{key}={value}" for key, value in selector.items())
        return list(self.core.list_namespaced_pod(self.namespace, label_selector=labels).items)

    def log(self, pod: str, container: str) -> str:
        """Return the log of a container; a pod of several has none without its name."""
        # Unasked, the client would take a log that is JSON for an object and return how Python spells it.
        answer = self.core.read_namespaced_pod_log(
            pod, self.namespace, container=container, _preload_content=False
        )
        return str(answer.data.decode(errors="replace")).strip()

    @contextlib.contextmanager
    def forward(self, service: str, port: int, local_port: int = 0) -> Iterator[int]:
        """Forward a loopback port to a Service and yield its number, until the block ends.

        Each connection looks for a ready pod again: a restarted pod breaks only those that it had.

        Args:
            service: name of the Service.
            port: of the Service.
            local_port: wanted on this machine; 0 takes a free one.

        Raises:
            UserError: when the local port is taken.
        """
        try:
            listener = socket.create_server(("127.0.0.1", local_port), reuse_port=False)
        except OSError as error:
            raise UserError(
                f"Port {local_port} of this machine is taken ({error.strerror}): choose another."
            ) from error
        with listener:
            accept = threading.Thread(target=self._accept, args=(listener, service, port), daemon=True)
            accept.start()
            yield listener.getsockname()[1]
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)

    @property
    def s3_checksums(self) -> str:
        """What clients of S3 are told of checksums by the release's values; "" where nothing."""
        return str(self._global("s3").get("checksums", ""))

    def _global(self, key: str) -> dict[str, Any]:
        return dict(self.values.get("global", {}).get(key) or {})

    def _accept(self, listener: socket.socket, service: str, port: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve, args=(connection, service, port), daemon=True).start()

    def _serve(self, connection: socket.socket, service: str, port: int) -> None:
        from kubernetes.client import ApiException, CoreV1Api
        from kubernetes.stream import portforward

        # The websocket call replaces a method of its client while it connects: each has its own client.
        core = CoreV1Api(self._client())
        with connection, contextlib.suppress(ApiException, OSError, UserError):
            pod, target = self._ready_pod(service, port)
            tunnel = portforward(
                core.connect_get_namespaced_pod_portforward, pod, self.namespace, ports=str(target)
            )
            remote = tunnel.socket(target)
            back = threading.Thread(target=_copy, args=(remote, connection), daemon=True)
            back.start()
            _copy(connection, remote)
            back.join()
            remote.close()

    def _ready_pod(self, service: str, port: int) -> tuple[str, int]:
        """Return a ready pod behind a Service and the port of its container."""
        spec = self.core.read_namespaced_service(service, self.namespace).spec
        target = next(entry.target_port for entry in spec.ports if entry.port == port)
        for pod in self.pods(spec.selector):
            if not is_ready(pod):
                continue
            ports = {
                entry.name: entry.container_port for box in pod.spec.containers for entry in box.ports or []
            }
            return pod.metadata.name, int(ports.get(target, target))
        raise UserError(f"No pod of service {service} is ready: `quintet status` says why.")

    def _client(self) -> Any:
        from kubernetes import config

        try:
            return config.new_client_from_config(config_file=self._kubeconfig, context=self._context)
        except config.ConfigException as error:
            raise UserError(
                f"No cluster to talk to ({error}): `make up` makes one, or name one with --context."
            ) from error


def _unpacked(release: str) -> dict[str, Any]:
    return dict(json.loads(gzip.decompress(base64.b64decode(base64.b64decode(release)))))


def _chart(release: dict[str, Any]) -> str:
    return str(release.get("chart", {}).get("metadata", {}).get("name", ""))


def _values(release: dict[str, Any]) -> dict[str, Any]:
    return dict(release.get("config") or {})


def refusal(error: Exception) -> str:
    """Return, as a sentence, what Kubernetes answered or that it does not; "" for any other error."""
    import urllib3
    from kubernetes.client import ApiException

    if isinstance(error, urllib3.exceptions.HTTPError):
        return "The cluster does not answer: `make up` starts it."
    if not isinstance(error, ApiException):
        return ""
    try:
        message = json.loads(error.body)["message"]
    except (KeyError, TypeError, ValueError):
        message = error.body
    return f"Kubernetes answered {error.status} {error.reason}: {message}"


def is_ready(pod: Any) -> bool:
    """Return whether a pod is Ready and stays."""
    conditions = pod.status.conditions or []
    return pod.metadata.deletion_timestamp is None and any(
        c.type == "Ready" and c.status == "True" for c in conditions
    )


def own_container(workload: Any) -> str:
    """Return the name of the container of a workload's template; a mesh may add others to its pods."""
    return str(workload.spec.template.spec.containers[0].name)


def exit_code_of(pod: Any, container: str) -> int | None:
    """Return how a container of a pod ended, whatever others in it still run; None while it has not."""
    for status in pod.status.container_statuses or []:
        if status.name == container and status.state.terminated:
            return int(status.state.terminated.exit_code)
    # Kubernetes may take a pod away before its containers begin, or say no more of it than its phase.
    return {"Succeeded": 0, "Failed": 1}.get(pod.status.phase)


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Copy one direction of a connection until its end, and pass the end on."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
