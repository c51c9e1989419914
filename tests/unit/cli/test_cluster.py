from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from quintet.kind import cluster
from quintet.kind.cluster import Cluster
from quintet.kind.tools import Tools
from quintet.paths import PLATFORM
from quintet.progress import CommandError, Stage, UserError

TOOLS = Tools(Path("kind"), Path("helm"), Path("kubectl"), "node")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_two_clusters_share_nothing() -> None:
    first, second = Cluster(), Cluster("quintet-e2e", 5002)
    for name in ("registry", "registry_name", "node_name", "folder", "kubeconfig"):
        assert getattr(first, name) != getattr(second, name), name


def test_another_cluster_may_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Cluster.chosen() == Cluster()
    monkeypatch.setenv("QUINTET_CLUSTER", "quintet-2:5003")
    assert Cluster.chosen() == Cluster("quintet-2", 5003)


@pytest.mark.parametrize("value", ["", "quintet-2", "quintet-2:", ":5003", "Quintet:5003", "../x:5003"])
def test_a_choice_that_is_not_a_cluster_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("QUINTET_CLUSTER", value)
    with pytest.raises(UserError, match="QUINTET_CLUSTER names a cluster and the port of its registry"):
        Cluster.chosen()


def test_one_command_at_a_time_works_on_a_cluster() -> None:
    with Cluster().alone():
        with pytest.raises(UserError, match="Another command works on cluster quintet"), Cluster().alone():
            pass
        with Cluster("quintet-e2e", 5002).alone():
            pass
    with Cluster().alone():
        pass


DOCKER = """\
#!/bin/sh
echo "$*" >> "{calls}"
case "$*" in
  "container inspect"*registry) echo running ;;
  "container inspect"*) exit 1 ;;
  "exec "*du*) {size} ;;
esac
"""


@pytest.mark.parametrize(
    ("keep_images", "size", "goes"),
    [
        pytest.param(False, "echo 1000 /", True, id="not asked for"),
        pytest.param(True, "echo 1000 /", False, id="few"),
        pytest.param(True, "echo 9000000 /", True, id="9 GB"),
        pytest.param(True, "exit 1", True, id="no answer"),
    ],
)
def test_a_deleted_cluster_may_leave_its_images(
    keep_images: bool, size: str, goes: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    docker, calls = tmp_path / "docker", tmp_path / "calls"
    docker.write_text(DOCKER.format(calls=calls, size=size))
    docker.chmod(0o755)
    monkeypatch.setattr(cluster, "prepare", lambda: SimpleNamespace(docker=docker))
    monkeypatch.setattr(cluster, "ensure", lambda *_: Path("kind"))
    cluster.clean(Cluster(), keep_images=keep_images)
    called = calls.read_text().splitlines()
    assert "rm --force quintet-registry" in called
    assert ("volume rm quintet-registry" in called) == goes


def test_the_manifests_have_no_gaps() -> None:
    wiring = yaml.safe_load(cluster._manifest("registry.yaml", REGISTRY="localhost:5001"))
    assert wiring["data"]["localRegistryHosting.v1"] == "host: localhost:5001\n"
    values = {"IMAGE": "registry/metrics-server:1", "CERTIFICATE": "Y2VydA==", "KEY": "a2V5"}
    documents = list(yaml.safe_load_all(cluster._manifest("metrics-server.yaml", **values)))
    service = next(document for document in documents if document["kind"] == "APIService")
    assert service["spec"]["caBundle"] == "Y2VydA=="
    assert "insecureSkipTLSVerify" not in service["spec"]


def test_the_ports_of_the_cluster_are_on_loopback_alone() -> None:
    config = yaml.safe_load((PLATFORM / "kind-config.yaml").read_text())
    assert config["networking"]["apiServerAddress"] == "127.0.0.1"
    mapped = [port for node in config["nodes"] for port in node.get("extraPortMappings", [])]
    assert all(port["listenAddress"] == "127.0.0.1" for port in mapped)


def test_a_node_starts_on_a_host_with_cgroup_v1() -> None:
    patches = yaml.safe_load((PLATFORM / "kind-config.yaml").read_text())["kubeadmConfigPatches"]
    (kubelet,) = [patch for patch in map(yaml.safe_load, patches) if patch["kind"] == "KubeletConfiguration"]
    assert kubelet["failCgroupV1"] is False


def test_no_address_of_a_service_leaves_the_node() -> None:
    subnet = yaml.safe_load((PLATFORM / "kind-config.yaml").read_text())["networking"]["serviceSubnet"]
    unit = (PLATFORM / "manifests" / "service-addresses.service").read_text()
    rules = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    assert [rule.split(" --insert ")[1].split()[0] for rule in rules] == ["OUTPUT", "FORWARD"]
    assert all(f"--destination {subnet} " in rule for rule in rules)


def test_the_serving_certificate_is_approved_before_the_node_counts_as_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = {"csr": ["", "csr-1", ""], "nodes": ["no network", "", ""]}
    asked: list[tuple[str, ...]] = []

    def kubectl(_: Cluster, __: Tools, *arguments: str, **___: Any) -> str:
        asked.append(arguments)
        return answers[arguments[1]].pop(0) if arguments[1] in answers else ""

    monkeypatch.setattr(cluster, "_kubectl", kubectl)
    monkeypatch.setattr(cluster.time, "sleep", lambda _: None)
    cluster._wait_until_ready(Cluster(), TOOLS, Stage("cluster"))
    assert ("certificate", "approve", "csr-1") in asked
    assert asked[-1][:2] == ("get", "--raw")


def test_a_node_that_stays_away_is_explained_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise CommandError("connection refused")

    monkeypatch.setattr(cluster, "_kubectl", refuse)
    monkeypatch.setattr(cluster, "READY_SECONDS", 0.01)
    monkeypatch.setattr(cluster.time, "sleep", lambda _: None)
    with pytest.raises(
        UserError, match=r"connection refused\. Its data are still in it; .*`make clean` deletes it"
    ):
        cluster._wait_until_ready(Cluster(), TOOLS, Stage("cluster"))
