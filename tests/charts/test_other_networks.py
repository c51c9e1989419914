"""Clusters that resolve names, serve the Kubernetes API or let requests in otherwise than kind does."""

from __future__ import annotations

import importlib.util
import socket
from typing import Any

import pytest
import yaml

from tests.charts.network import Endpoint, Network
from tests.charts.render import CHARTS, named, of_kind, render
from tests.charts.test_network_policies import CLUSTER_DNS, KUBERNETES_API, PLATFORM, pods_of, probe

PRESETS = CHARTS / "quintet/presets"
INGRESS = {"enabled": True, "host": "ui.example.org"}
NODE_CACHE = Endpoint(None, address="169.254.20.10")
DNS_OF_OPENSHIFT = Endpoint("openshift-dns", {"dns.operator.openshift.io/daemonset-dns": "default"})
IPV6_API = Endpoint(None, address="fd00:10::1")


def preset(name: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((PRESETS / f"{name}.yaml").read_text("utf-8"))
    return values


@pytest.mark.parametrize(
    ("name", "resolver", "port"),
    [
        pytest.param("node-local-dns", NODE_CACHE, 53, id="node-local-dns"),
        pytest.param("node-local-dns", CLUSTER_DNS, 53, id="node-local-dns, without a cache"),
        pytest.param("openshift", DNS_OF_OPENSHIFT, 5353, id="openshift"),
    ],
)
def test_with_its_preset_names_are_resolved(name: str, resolver: Endpoint, port: int) -> None:
    release = render("quintet", preset(name))
    network, pods = Network(release), pods_of(release)
    for pod in (pods["mlflow"], pods["step forest-extract"], probe(release, "network")):
        assert network.allows(pod, resolver, port, "UDP")
        assert network.allows(pod, resolver, port, "TCP")
    assert (
        not Network(render("quintet")).allows(pods["mlflow"], resolver, port, "UDP")
        or resolver is CLUSTER_DNS
    )


@pytest.mark.parametrize(
    ("name", "address"), [("aws-alb", "10.0.7.7"), ("host-network-ingress", "192.168.7.7")]
)
def test_with_its_preset_an_ingress_without_a_pod_reaches_what_it_serves(name: str, address: str) -> None:
    values = {chart: {"ingress": INGRESS} for chart in ("airflow", "mlflow", "minio", "api-data")}
    values["inference"] = {"models": {"forest": {"ingress": INGRESS}}, "clients": []}
    release = render("quintet", {**values, **preset(name)})
    network, pods = Network(release), pods_of(release)
    opened = {
        pod
        for pod, port in (
            ("airflow-api-server", 8080),
            ("mlflow", 5000),
            ("minio", 9001),
            ("api-data", 8080),
            ("inference-forest", 8000),
        )
        if network.allows(Endpoint(None, address=address), pods[pod], port)
    }
    assert opened == {"airflow-api-server", "mlflow", "minio", "api-data", "inference-forest"}
    assert not network.allows(Endpoint(None, address=address), pods["minio"], 9000)
    assert not network.allows(Endpoint("elsewhere"), pods["mlflow"], 5000)


def test_cilium_gets_the_kubernetes_api_as_the_entity_that_it_knows() -> None:
    release = render("quintet", preset("cilium"))
    policies = {m["metadata"]["name"]: m["spec"] for m in of_kind(release, "CiliumNetworkPolicy")}
    assert policies.keys() == {"airflow-launcher", "client-kubernetes-api"}
    for name, spec in policies.items():
        assert spec["egress"] == [{"toEntities": ["kube-apiserver"]}]
        assert spec["endpointSelector"] == named(release, "NetworkPolicy", name)["spec"]["podSelector"]
    assert not of_kind(render("quintet"), "CiliumNetworkPolicy")


def test_peers_are_replaced_by_value_and_an_empty_list_is_nobody() -> None:
    nobody = {"dns": {"peers": []}, "kubernetesApi": {"peers": []}, "ingress": {"peers": []}}
    release = render("quintet", {"global": {"networkPolicy": nobody}, "mlflow": {"ingress": INGRESS}})
    network, pods = Network(release), pods_of(release)
    assert not network.allows(pods["mlflow"], CLUSTER_DNS, 53, "UDP")
    assert not network.allows(pods["airflow-scheduler"], KUBERNETES_API, 6443)
    assert not network.allows(Endpoint("ingress"), pods["mlflow"], 5000)
    api = {"kubernetesApi": {"peers": [{"ipBlock": {"cidr": "fd00:10::1/128"}}], "ports": [8443]}}
    release = render("quintet", {"global": {"networkPolicy": api}})
    scheduler = pods_of(release)["airflow-scheduler"]
    assert Network(release).allows(scheduler, IPV6_API, 8443)
    assert not Network(release).allows(scheduler, KUBERNETES_API, 8443)


@pytest.mark.parametrize("chart", ["airflow", "inference", "minio", "mlflow", "postgres"])
def test_a_chart_alone_resolves_names(chart: str) -> None:
    # The default for both namespaces is the umbrella's.
    release = render(chart)
    for policy in of_kind(release, "NetworkPolicy"):
        pod = Endpoint(policy["metadata"]["namespace"], policy["spec"]["podSelector"].get("matchLabels", {}))
        assert Network(release).allows(pod, CLUSTER_DNS, 53, "UDP")


def test_helm_test_looks_from_where_the_launchers_and_the_steps_are() -> None:
    release = render("quintet")
    network, pods = Network(release), pods_of(release)
    assert network.allows(probe(release, "network"), KUBERNETES_API, 6443)
    assert network.allows(probe(release, "network"), IPV6_API, 6443)
    step = probe(release, "network-of-steps")
    for name, port in (("postgres", 5432), ("minio", 9000), ("mlflow", 5000)):
        assert network.allows(step, pods[name], port)
    pod = named(release, "Pod", "test-network-of-steps")
    assert pod["spec"]["containers"][0]["command"][3:] == [
        f"{host}.{PLATFORM}.svc:{port}"
        for host, port in (("postgres", 5432), ("minio", 9000), ("mlflow", 5000))
    ]


def reaches() -> Any:
    spec = importlib.util.spec_from_file_location("reaches", CHARTS / "quintet/files/reaches.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_check_of_the_network_names_the_value_that_keeps_a_way_shut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check = reaches()
    monkeypatch.setattr(check, "TRIES", 1)
    monkeypatch.setattr(check.time, "sleep", lambda seconds: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check.main([f"127.0.0.1:{port}"])
    with pytest.raises(SystemExit, match=f"127.0.0.1:{port} is not reached .*`egress` values"):
        check.main([f"127.0.0.1:{port}"])

    def resolve(*_: object, **__: object) -> Any:
        raise socket.gaierror("Temporary failure in name resolution")

    monkeypatch.setattr(check.socket, "getaddrinfo", resolve)
    with pytest.raises(
        SystemExit, match=r"kubernetes\.default\.svc is not resolved .*networkPolicy\.dns must"
    ):
        check.main(["kubernetes.default.svc:443"])
