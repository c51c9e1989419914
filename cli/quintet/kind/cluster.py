"""A kind cluster with a registry beside it: made, resumed, stopped, deleted."""

import base64
import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import yaml

from quintet.kind.airgap import registry_image
from quintet.kind.container import Container
from quintet.kind.images import push_images
from quintet.kind.machine import ImageSource, Machine, prepare
from quintet.kind.tools import Tools, ensure, ensure_tools
from quintet.paths import AIRGAP, PLATFORM, cache_dir
from quintet.progress import CommandError, Stage, UserError, output, stage, succeeds

KEPT_BYTES = 8 * 2**30
"""Images of some different states of the sources; one state is a quarter of it."""
READY_SECONDS = 180
KIND_NETWORK = "kind"
NAME = re.compile("[a-z0-9][a-z0-9-]{0,39}")
FINISHED = "/kind/quintet-finished"
"""A file in the node: its cluster was made to the end. Without it there is nothing in there to be missed."""
PENDING_CERTIFICATES = (
    '{{range .items}}{{if eq .spec.signerName "kubernetes.io/kubelet-serving"}}'
    "{{if not .status.conditions}}{{.metadata.name}} {{end}}{{end}}{{end}}"
)
NODES_NOT_READY = (
    '{{range .items}}{{range .status.conditions}}{{if and (eq .type "Ready") (ne .status "True")}}'
    "{{.message}}{{end}}{{end}}{{end}}"
)


@dataclass(frozen=True)
class Cluster:
    """A kind cluster by its name, and the registry that goes with it.

    Attributes:
        name: of the cluster; the registry, its volume and the kubeconfig are named after it.
        registry_port: where the registry listens on this machine's loopback.
        namespace: of the release.
    """

    name: str = "quintet"
    registry_port: int = 5001
    namespace: str = "quintet"

    @classmethod
    def chosen(cls) -> "Cluster":
        """Return the cluster of this user: that which QUINTET_CLUSTER names, as `name:port of its registry`.

        Raises:
            UserError: when it is set to something else.
        """
        name, _, port = os.environ.get("QUINTET_CLUSTER", "quintet:5001").partition(":")
        if not (NAME.fullmatch(name) and port.isdecimal()):
            raise UserError(
                "QUINTET_CLUSTER names a cluster and the port of its registry, such as quintet-2:5003."
            )
        return cls(name, int(port))

    @property
    def registry(self) -> str:
        """Registry and path that the images are pushed to, and pulled from inside the cluster."""
        return f"localhost:{self.registry_port}/quintet"

    @property
    def registry_name(self) -> str:
        """Name of the registry's container and of its volume."""
        return f"{self.name}-registry"

    @property
    def node_name(self) -> str:
        """Name that kind gives to the node's container."""
        return f"{self.name}-control-plane"

    @property
    def folder(self) -> Path:
        """Folder of the files that belong to this cluster."""
        return cache_dir("clusters", self.name)

    @property
    def kubeconfig(self) -> Path:
        """Its own kubeconfig; the user's is not touched."""
        return self.folder / "kubeconfig"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands that make or change this cluster out while the body runs.

        Raises:
            UserError: when one is at work.
        """
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(
                    f"Another command works on cluster {self.name}: try again after it."
                ) from error
            yield


@dataclass(frozen=True)
class Platform:
    """A cluster that runs, with what is needed to work on it.

    Attributes:
        images: image name -> full reference that the cluster can pull.
    """

    cluster: Cluster
    machine: Machine
    tools: Tools
    images: dict[str, str]

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run kubectl on this cluster and return its output."""
        return _kubectl(self.cluster, self.tools, *arguments, stdin=stdin)


def up(cluster: Cluster) -> Platform:
    """Make or resume a cluster, with every image in its registry; what is there already stays as it is."""
    with cluster.alone():
        return _up(cluster, prepare())


def _up(cluster: Cluster, machine: Machine) -> Platform:
    tools = ensure_tools(machine)
    registry = Container(machine.docker, cluster.registry_name)
    node = Container(machine.docker, cluster.node_name)
    with stage("registry", f"images for the cluster, at localhost:{cluster.registry_port}") as current:
        _start_registry(cluster, machine, registry, current)
    with stage("cluster", f"Kubernetes in container {node.name}") as current:
        _start_node(cluster, machine, tools, node, current)
        node.install_unit(PLATFORM / "manifests" / "service-addresses.service")
        registry.join(KIND_NETWORK)
        hosts = f'[host."http://{registry.name}:5000"]\n'
        node.write(f"/etc/containerd/certs.d/localhost:{cluster.registry_port}/hosts.toml", hosts)
        _wait_until_ready(cluster, tools, current)
        wiring = _manifest("registry.yaml", REGISTRY=f"localhost:{cluster.registry_port}")
        _kubectl(cluster, tools, "apply", "--filename", "-", stdin=wiring)
        node.run("touch", FINISHED)
        current.outcome = f"KUBECONFIG={cluster.kubeconfig}"
    platform = Platform(cluster, machine, tools, push_images(cluster.registry, machine=machine))
    with stage("metrics-server", "CPU and memory of pods, for the HPA and `kubectl top`"):
        _install_metrics_server(platform, node)
    return platform


def down(cluster: Cluster) -> None:
    """Stop a cluster and its registry; volumes, models and secrets stay, and ``up`` resumes."""
    machine = prepare()
    purpose = f"stop {cluster.name}; its data stay, and `make up` resumes"
    with cluster.alone(), stage("down", purpose) as current:
        for name in (cluster.node_name, cluster.registry_name):
            Container(machine.docker, name).stop(current)


def clean(cluster: Cluster, *, keep_images: bool = False) -> None:
    """Delete a cluster, its registry and all that they hold.

    Args:
        cluster: what goes.
        keep_images: leave what the registry holds for the next one of that name, which then gets only what
            has changed. It goes too once it is large, or where nobody can ask how large it is.
    """
    machine = prepare()
    kind = ensure(machine, "kind")
    purpose = f"delete {cluster.name} with its volumes, models, secrets and registry"
    with cluster.alone(), stage("clean", purpose) as current:
        registry = Container(machine.docker, cluster.registry_name)
        if Container(machine.docker, cluster.node_name).state:
            _delete_node(cluster, machine, kind, current)
        kept = keep_images and _registry_bytes(registry) < KEPT_BYTES
        if registry.state:
            current.run(machine.docker, "rm", "--force", registry.name)
        if not kept and succeeds(machine.docker, "volume", "inspect", registry.name):
            current.run(machine.docker, "volume", "rm", registry.name)
        for path in cluster.folder.iterdir():
            path.unlink()
        current.outcome = "all its data are gone; tools and built images are kept"


def _registry_bytes(registry: Container) -> float:
    """Return how much a registry holds: nothing without one, no bound where it does not answer."""
    if not registry.state:
        return 0
    try:
        return int(registry.run("du", "-sk", "/var/lib/registry").split()[0]) * 1024
    except CommandError:
        return float("inf")


def _start_registry(cluster: Cluster, machine: Machine, registry: Container, current: Stage) -> None:
    if registry.state:
        registry.start(current)
        return
    current.run(
        *(machine.docker, "run", "--detach", "--restart", "always", "--name", registry.name),
        *("--publish", f"127.0.0.1:{cluster.registry_port}:5000"),
        *("--volume", f"{registry.name}:/var/lib/registry"),
        registry_image(machine, current),
    )


def _start_node(cluster: Cluster, machine: Machine, tools: Tools, node: Container, current: Stage) -> None:
    if node.state and not node.has(FINISHED):
        current.note("its making was interrupted: starting over")
        _delete_node(cluster, machine, tools.kind, current)
    if node.state:
        node.start(current)
    else:
        _create_node(cluster, machine, tools, node, current)
    if not cluster.kubeconfig.exists():
        exported = ("export", "kubeconfig", "--name", cluster.name, "--kubeconfig", cluster.kubeconfig)
        current.run(tools.kind, *exported, env=machine.docker_first)


def _create_node(cluster: Cluster, machine: Machine, tools: Tools, node: Container, current: Stage) -> None:
    config: dict[str, Any] = yaml.safe_load((PLATFORM / "kind-config.yaml").read_text(encoding="utf-8"))
    if machine.source is ImageSource.AIRGAP:
        config["networking"]["disableDefaultCNI"] = True
    current.run(
        *(tools.kind, "create", "cluster", "--name", cluster.name, "--image", tools.node_image),
        *("--config", "-", "--kubeconfig", cluster.kubeconfig),
        stdin=yaml.safe_dump(config),
        env=machine.docker_first,
    )
    if machine.source is ImageSource.AIRGAP:
        network = AIRGAP / "10-ptp.conflist"
        node.write(f"/etc/cni/net.d/{network.name}", network.read_text(encoding="utf-8"))


def _wait_until_ready(cluster: Cluster, tools: Tools, current: Stage) -> None:
    """Wait until the node is Ready, and let its kubelet have the serving certificate that it asks for.

    Raises:
        UserError: when it is not Ready in time.
    """
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        missing = _missing(cluster, tools)
        if not missing:
            return
        current.say(f"waiting: {missing}")
        time.sleep(1)
    raise UserError(
        f"Cluster {cluster.name} is not ready after {READY_SECONDS} s: {missing}. Its data are still in it; "
        f"`docker logs {cluster.node_name}` says more, and `make clean` deletes it."
    )


def _missing(cluster: Cluster, tools: Tools) -> str:
    """Approve serving certificates that wait for it, and say what the node still lacks, or nothing."""
    try:
        template = f"go-template={PENDING_CERTIFICATES}"
        pending = _kubectl(cluster, tools, "get", "csr", "--output", template).split()
        if pending:
            _kubectl(cluster, tools, "certificate", "approve", *pending)
        not_ready = _kubectl(cluster, tools, "get", "nodes", "--output", f"go-template={NODES_NOT_READY}")
        if not not_ready:
            # Goes through the kubelet's own port, so it fails until its certificate is there.
            _kubectl(cluster, tools, "get", "--raw", f"/api/v1/nodes/{cluster.node_name}/proxy/healthz")
    except CommandError as error:
        return str(error)
    return not_ready


def _install_metrics_server(platform: Platform, node: Container) -> None:
    certificate, key = node.certificate("metrics-server.kube-system.svc")
    manifest = _manifest(
        "metrics-server.yaml",
        IMAGE=platform.images["metrics-server"],
        CERTIFICATE=base64.b64encode(certificate.encode()).decode(),
        KEY=base64.b64encode(key.encode()).decode(),
    )
    platform.kubectl("apply", "--filename", "-", stdin=manifest)


def _delete_node(cluster: Cluster, machine: Machine, kind: Path, current: Stage) -> None:
    Container(machine.docker, cluster.node_name).thaw()
    arguments = ("delete", "cluster", "--name", cluster.name, "--kubeconfig", cluster.kubeconfig)
    current.run(kind, *arguments, env=machine.docker_first)


def _kubectl(cluster: Cluster, tools: Tools, *arguments: str | Path, stdin: str | None = None) -> str:
    return output(tools.kubectl, "--kubeconfig", cluster.kubeconfig, *arguments, stdin=stdin)


def _manifest(name: str, **values: str) -> str:
    return Template((PLATFORM / "manifests" / name).read_text(encoding="utf-8")).substitute(values)
