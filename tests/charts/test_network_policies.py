"""Who may talk to whom, by the policies of a rendered release."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.charts.network import Endpoint, Network, selects
from tests.charts.render import Manifest, named, of_kind, plain_name, render
from tests.charts.test_own_release import own

PLATFORM, TASKS = "quintet", "quintet-tasks"

MODELS = ("bitcoin", "crime", "forest", "penguins")
# What each pod may reach in the platform, as its name and port; every other pair must be closed.
MAY_REACH: dict[str, set[tuple[str, int]]] = {
    "airflow-api-server": {
        ("postgres", 5432),
        ("minio", 9000),
        ("airflow-api-server", 8080),
        ("airflow-scheduler", 8793),
        ("airflow-triggerer", 8794),
    },
    "airflow-scheduler": {("postgres", 5432), ("minio", 9000), ("airflow-api-server", 8080)},
    "airflow-dag-processor": {("postgres", 5432), ("minio", 9000), ("airflow-api-server", 8080)},
    "airflow-triggerer": {("postgres", 5432), ("minio", 9000), ("airflow-api-server", 8080)},
    "airflow-migrate": {("postgres", 5432), ("minio", 9000), ("airflow-api-server", 8080)},
    "airflow-rollback": {("postgres", 5432), ("minio", 9000), ("airflow-api-server", 8080)},
    "airflow-retention": {("postgres", 5432), ("minio", 9000), ("airflow-api-server", 8080)},
    "job of a pipeline's own release": {("postgres", 5432), ("minio", 9000)},
    "mlflow": {("postgres", 5432), ("minio", 9000), ("mlflow", 5000)},
    "mlflow-rollback": {("postgres", 5432), ("minio", 9000), ("mlflow", 5000)},
    "mlflow-upgrade": {("postgres", 5432), ("minio", 9000), ("mlflow", 5000)},
    "mlflow-users": {("postgres", 5432), ("minio", 9000), ("mlflow", 5000)},
    "mlflow-retention": {("postgres", 5432), ("minio", 9000), ("mlflow", 5000)},
    "postgres": {("postgres", 5432)},
    "postgres-setup": {("postgres", 5432)},
    "minio": {("minio", 9000)},
    "minio-setup": {("minio", 9000)},
    "inference-bitcoin": {("mlflow", 5000), ("postgres", 5432), ("minio", 9000)},
    "inference-crime": {("mlflow", 5000), ("postgres", 5432)},
    "inference-forest": {("mlflow", 5000), ("postgres", 5432)},
    "inference-penguins": {("mlflow", 5000), ("postgres", 5432)},
    "api-data": set(),
    "step forest-extract": {("postgres", 5432), ("minio", 9000), ("mlflow", 5000), ("api-data", 8080)},
    "step forest-promote": {("postgres", 5432), ("minio", 9000), ("mlflow", 5000)},
    "step of another pipeline": {("postgres", 5432), ("minio", 9000), ("mlflow", 5000)},
    "client of inference": {(f"inference-{model}", port) for model in MODELS for port in (8000, 9090)},
    "client of mlflow": {("mlflow", 5000)},
    "client of airflow": {("airflow-api-server", 8080)},
    "unlabelled pod of the platform": set(),
    "unlabelled pod of the tasks": set(),
    "pod of another namespace": {*((f"inference-{model}", 8000) for model in MODELS), ("api-data", 8080)},
    "outside of the cluster": set(),
}
RELEASE_JOB = {
    "app.kubernetes.io/name": "airflow",
    "app.kubernetes.io/instance": "weather",
    "app.kubernetes.io/component": "release",
}
LAUNCHERS = {"airflow-scheduler", "airflow-triggerer"}
UNGOVERNED = {"pod of another namespace", "outside of the cluster"}
OUTSIDE = Endpoint(None, address="198.51.100.7")
KUBERNETES_API = Endpoint(None, address="172.18.0.2")
CLUSTER_DNS = Endpoint("kube-system", {"k8s-app": "kube-dns"})


def workloads(release: tuple[Manifest, ...]) -> dict[str, Endpoint]:
    """Return the pods that the release's workloads make, by name."""
    pods = {}
    for workload in of_kind(release, "Deployment", "StatefulSet", "Job", "CronJob"):
        spec = workload["spec"]
        template = (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]
        ports = {
            port["name"]: port["containerPort"]
            for container in template["spec"]["containers"]
            for port in container.get("ports", [])
        }
        namespace, labels = workload["metadata"]["namespace"], template["metadata"]["labels"]
        pods[plain_name(workload)] = Endpoint(namespace, labels, ports)
    return pods


def probe(release: tuple[Manifest, ...], name: str) -> Endpoint:
    """Return a pod of `helm test`."""
    metadata = named(release, "Pod", f"test-{name}")["metadata"]
    return Endpoint(metadata["namespace"], metadata["labels"])


def step_pod(release: tuple[Manifest, ...], pipeline: str, step: str) -> Endpoint:
    """Return a step pod as dags/pod_template.py labels it, by the chart's file."""
    pods = json.loads(named(release, "ConfigMap", "airflow-step-pods")["data"]["pods.json"])
    own = pods["steps"][f"{pipeline}-{step}"].get("labels", {})
    return Endpoint(
        pods["namespace"],
        {**pods["labels"], **own, "pipeline": pipeline, "step": f"{pipeline}-{step}"},
    )


def pods_of(release: tuple[Manifest, ...]) -> dict[str, Endpoint]:
    """Return every pod that the table names: those of the release, and some that are not its own."""
    return {
        **workloads(release),
        "step forest-extract": step_pod(release, "forest", "extract"),
        "step forest-promote": step_pod(release, "forest", "promote"),
        "step of another pipeline": step_pod(release, "penguins", "train"),
        "job of a pipeline's own release": Endpoint(PLATFORM, RELEASE_JOB),
        "client of inference": Endpoint(PLATFORM, {"quintet/client": "inference"}),
        "client of mlflow": Endpoint(PLATFORM, {"quintet/client": "mlflow"}),
        "client of airflow": Endpoint(PLATFORM, {"quintet/client": "airflow"}),
        "unlabelled pod of the platform": Endpoint(PLATFORM),
        "unlabelled pod of the tasks": Endpoint(TASKS),
        "pod of another namespace": Endpoint("elsewhere"),
        "outside of the cluster": OUTSIDE,
    }


@pytest.fixture(scope="module")
def release() -> tuple[Manifest, ...]:
    return render("quintet")


@pytest.fixture(scope="module")
def pods(release: tuple[Manifest, ...]) -> dict[str, Endpoint]:
    return pods_of(release)


def test_the_table_names_every_workload(release: tuple[Manifest, ...]) -> None:
    assert workloads(release).keys() <= MAY_REACH.keys()


@pytest.mark.parametrize("source", MAY_REACH)
def test_a_pod_reaches_what_the_table_says_and_nothing_else(
    source: str, release: tuple[Manifest, ...], pods: dict[str, Endpoint]
) -> None:
    network = Network(release)
    listening = {(name, port) for name, pod in pods.items() for port in pod.ports.values()}
    reached = {(name, port) for name, port in listening if network.allows(pods[source], pods[name], port)}
    assert reached == MAY_REACH[source]


@pytest.mark.parametrize("name", [name for name in MAY_REACH if name not in UNGOVERNED])
def test_every_pod_resolves_names_and_only_the_launchers_reach_the_kubernetes_api(
    name: str, release: tuple[Manifest, ...], pods: dict[str, Endpoint]
) -> None:
    network = Network(release)
    assert network.allows(pods[name], CLUSTER_DNS, 53, "UDP")
    assert network.allows(pods[name], KUBERNETES_API, 6443) == (name in LAUNCHERS)


@pytest.mark.parametrize("name", ["step forest-extract", "inference-forest", "mlflow", "api-data"])
def test_no_pod_with_data_reaches_the_internet(
    name: str, release: tuple[Manifest, ...], pods: dict[str, Endpoint]
) -> None:
    assert not Network(release).allows(pods[name], OUTSIDE, 443)


def test_the_retention_of_a_pipelines_own_release_reaches_the_record_and_mlflow(
    release: tuple[Manifest, ...], pods: dict[str, Endpoint]
) -> None:
    own_release = own()
    retention = workloads(own_release)["mlflow-retention-weather"]
    network = Network((*release, *own_release))
    ports = {"postgres": 5432, "mlflow": 5000, "minio": 9000, "airflow-api-server": 8080}
    reached = {name for name, port in ports.items() if network.allows(retention, pods[name], port)}
    assert reached == {"postgres", "mlflow"}
    assert not network.allows(retention, OUTSIDE, 5432)
    outside = own(postgres={"external": {"enabled": True, "host": "pg", "port": 5432}})
    assert Network((*release, *outside)).allows(retention, OUTSIDE, 5432)


def test_clients_of_predictions_are_narrowed_by_value() -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}
    release = render("quintet", {"inference": {"clients": [peer]}})
    network, api = Network(release), pods_of(release)["inference-forest"]
    assert network.allows(Endpoint("shop"), api, 8000)
    assert not network.allows(Endpoint("elsewhere"), api, 8000)


@pytest.mark.parametrize(
    ("chart", "pod", "port"),
    [("airflow", "airflow-api-server", 8080), ("mlflow", "mlflow", 5000), ("minio", "minio", 9001)],
)
def test_an_ingress_opens_its_own_port_to_its_controller(chart: str, pod: str, port: int) -> None:
    controller = Endpoint("ingress")
    closed = render("quintet")
    opened = render("quintet", {chart: {"ingress": {"enabled": True, "host": "ui.example.org"}}})
    assert not Network(closed).allows(controller, pods_of(closed)[pod], port)
    assert Network(opened).allows(controller, pods_of(opened)[pod], port)


def test_an_outside_service_is_opened_by_value() -> None:
    rule = {"to": [{"ipBlock": {"cidr": "198.51.100.7/32"}}], "ports": [{"port": 5432}]}
    opened = {"egress": [rule]}
    airflow = {**opened, "steps": opened}
    release = render("quintet", {"airflow": airflow, "mlflow": opened, "inference": opened})
    network, pods = Network(release), pods_of(release)
    for name in ("airflow-scheduler", "mlflow", "step forest-extract", "inference-forest"):
        assert network.allows(pods[name], OUTSIDE, 5432)


@pytest.mark.parametrize("peers", [[], [{"ipBlock": {"cidr": "198.51.100.0/24"}}]])
def test_setup_probe_and_inference_reach_an_outside_postgres_by_themselves(peers: list[Any]) -> None:
    external = {"enabled": True, "host": "db.example.com", "port": 6432, "peers": peers}
    own = {"secrets": {"existing": {"postgres-superuser": "mine"}}}
    inference = {"models": {"penguins": {"record": "registry"}}}
    release = render("quintet", {"global": own, "postgres": {"external": external}, "inference": inference})
    network, pods = Network(release), workloads(release)
    for pod in (pods["postgres-setup"], probe(release, "postgres"), pods["inference-forest"]):
        assert network.allows(pod, OUTSIDE, 6432)
        assert not network.allows(pod, OUTSIDE, 443)
        assert network.allows(pod, Endpoint(None, address="203.0.113.7"), 6432) == (not peers)
    for pod in (probe(release, "mlflow"), pods["inference-penguins"]):
        assert not network.allows(pod, OUTSIDE, 6432)


def test_a_model_that_asks_no_record_does_not_reach_it() -> None:
    release = render("quintet", {"inference": {"models": {"forest": {"record": "registry"}}}})
    network, pods = Network(release), pods_of(release)
    assert not network.allows(pods["inference-forest"], pods["postgres"], 5432)
    assert network.allows(pods["inference-crime"], pods["postgres"], 5432)


def test_a_model_without_registry_reaches_s3() -> None:
    run = {"models": {"forest": {"runUri": "s3://data/forest/latest_model.json"}}}
    given = {"pipelines": {"forest": {"env": {"MLFLOW_ENABLE_MODEL_REGISTRY": "false"}}}}
    release = render("quintet", {"global": given, "inference": run})
    pods = pods_of(release)
    assert Network(release).allows(pods["inference-forest"], pods["minio"], 9000)
    assert not Network(release).allows(pods["inference-penguins"], pods["minio"], 9000)


def test_switched_off_there_is_no_policy() -> None:
    release = render("quintet", {"global": {"networkPolicy": {"enabled": False}}})
    assert not Network(release).policies


def policy(**spec: Any) -> dict[str, Any]:
    """Return a policy for all pods of the namespace `a`."""
    metadata = {"name": "p", "namespace": "a"}
    return {"kind": "NetworkPolicy", "metadata": metadata, "spec": {"podSelector": {}, **spec}}


WEB = Endpoint("a", {"app": "web"}, {"http": 8080})
INGRESS_BY_NAME = policy(ingress=[{"from": [{"podSelector": {}}], "ports": [{"port": "http"}]}])
EGRESS_BLOCK = policy(
    policyTypes=["Egress"],
    egress=[{"to": [{"ipBlock": {"cidr": "198.51.100.0/24", "except": ["198.51.100.7/32"]}}]}],
)
EGRESS_RANGE = policy(policyTypes=["Egress"], egress=[{"ports": [{"port": 8000, "endPort": 8100}]}])


@pytest.mark.parametrize(
    ("policies", "source", "target", "port", "allowed"),
    [
        pytest.param([], WEB, OUTSIDE, 1, True, id="no policy closes nothing"),
        pytest.param([policy()], Endpoint("b"), WEB, 8080, False, id="no rule closes ingress"),
        pytest.param([policy()], WEB, Endpoint("b"), 80, True, id="ingress alone leaves egress open"),
        pytest.param([policy(egress=[])], WEB, Endpoint("b"), 80, False, id="egress is implied by its rules"),
        pytest.param([INGRESS_BY_NAME], Endpoint("a"), WEB, 8080, True, id="a port by name"),
        pytest.param([INGRESS_BY_NAME], Endpoint("a"), WEB, 9090, False, id="another port"),
        pytest.param([INGRESS_BY_NAME], Endpoint("b"), WEB, 8080, False, id="a peer of another namespace"),
        pytest.param([policy(), INGRESS_BY_NAME], Endpoint("a"), WEB, 8080, True, id="policies add up"),
        pytest.param([EGRESS_BLOCK], WEB, Endpoint(None, address="198.51.100.8"), 1, True, id="in a block"),
        pytest.param([EGRESS_BLOCK], WEB, OUTSIDE, 1, False, id="excepted from a block"),
        pytest.param([EGRESS_RANGE], WEB, OUTSIDE, 8100, True, id="in a range of ports"),
        pytest.param([EGRESS_RANGE], WEB, OUTSIDE, 8101, False, id="beyond a range of ports"),
    ],
)
def test_policies_are_read_as_kubernetes_reads_them(
    policies: list[dict[str, Any]], source: Endpoint, target: Endpoint, port: int, allowed: bool
) -> None:
    assert Network(policies).allows(source, target, port) == allowed


@pytest.mark.parametrize(
    ("operator", "values", "matches"),
    [
        ("In", ["web"], True),
        ("In", ["db"], False),
        ("NotIn", ["db"], True),
        ("NotIn", ["web"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
    ],
)
def test_expressions_of_a_selector(operator: str, values: list[str], matches: bool) -> None:
    expression = {"key": "app", "operator": operator, "values": values}
    assert selects({"matchExpressions": [expression]}, {"app": "web"}) == matches
