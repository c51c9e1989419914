"""The sources chart: where each pipeline's source is, and which pods reach it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.network import Endpoint, Network
from tests.charts.render import ChartError, Manifest, named, of_kind, render

PLATFORM, TASKS = "quintet", "quintet-tasks"
PORTAL = {"url": "https://data.example.org", "server": {"service": "portal", "program": "portal"}}
OWN = {"server": {"service": "counts", "program": "counts"}}
OUTSIDE = Endpoint(None, address="198.51.100.7")
OWN_SERVER = Endpoint(PLATFORM, {"app.kubernetes.io/name": "counts"}, {"http": 8080})


def rendered(values: dict[str, Any] | None = None, **sources: Any) -> tuple[Manifest, ...]:
    """The chart with some pipelines, each with a source."""
    pipelines = {
        name: {"steps": {"extract": {"source": True}}, "source": given} for name, given in sources.items()
    }
    return render("sources", {"global": {"pipelines": pipelines}, **(values or {})}, samples=False)


def addresses(release: tuple[Manifest, ...]) -> dict[str, str]:
    """What steps read, by pipeline."""
    data: dict[str, str] = named(release, "ConfigMap", "sources")["data"]
    return data


def step(pipeline: str, **labels: str) -> Endpoint:
    """A step pod that asks its pipeline's source."""
    own = {"app.kubernetes.io/component": "step", "pipeline": pipeline, "quintet/source": pipeline}
    return Endpoint(TASKS, {**own, **labels})


def simulator(release: tuple[Manifest, ...], name: str) -> Endpoint:
    """The pod of a simulator."""
    template = named(release, "Deployment", name)["spec"]["template"]
    return Endpoint(PLATFORM, template["metadata"]["labels"], {"http": 8080})


def test_a_source_outside_is_any_public_address_at_443_for_the_pods_that_ask_it() -> None:
    release = rendered(prices=PORTAL)
    network = Network(release)
    assert addresses(release) == {"prices": "https://data.example.org"}
    assert network.allows(step("prices"), OUTSIDE, 443)
    assert not network.allows(step("prices"), OUTSIDE, 80)
    assert not network.allows(step("prices"), Endpoint(None, address="10.1.2.3"), 443)
    (policy,) = of_kind(release, "NetworkPolicy")
    assert policy["spec"]["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/component": "step",
        "quintet/source": "prices",
    }
    assert not of_kind(release, "Deployment", "Service")


def test_a_release_moves_a_source_and_the_way_to_it() -> None:
    rule = {"to": [{"ipBlock": {"cidr": "198.51.100.0/24"}}], "ports": [{"port": 8443}]}
    moved = {"url": "http://proxy.{{ .Release.Namespace }}.svc:8443", "egress": [rule]}
    release = render("sources", {"global": {"pipelines": {"crime": {"source": moved}}}})
    assert addresses(release)["crime"] == "http://proxy.quintet.svc:8443"
    assert Network(release).allows(step("crime"), OUTSIDE, 8443)
    assert not Network(release).allows(step("crime"), OUTSIDE, 443)
    assert Network(release).allows(step("bitcoin"), OUTSIDE, 443)


def test_a_source_without_a_url_is_the_platforms_own_service() -> None:
    release = rendered(counts=OWN)
    assert addresses(release) == {"counts": "http://counts.quintet.svc"}
    assert Network(release).allows(step("counts"), OWN_SERVER, 8080)
    assert not Network(release).allows(step("counts"), OUTSIDE, 443)
    assert not of_kind(release, "Deployment")


def test_a_url_of_the_release_takes_the_place_of_the_platforms_own_service() -> None:
    release = rendered(counts={**OWN, "url": "https://counts.example.org"})
    assert addresses(release) == {"counts": "https://counts.example.org"}
    assert not Network(release).allows(step("counts"), OWN_SERVER, 8080)


def test_simulators_take_the_place_of_sources_outside_where_they_are_on() -> None:
    given = {**PORTAL, "server": {**PORTAL["server"], "env": {"ROWS": "10", "OF": "{{ .Release.Name }}"}}}
    release = rendered(
        {"simulators": True}, prices=given, counts=OWN, bare={"url": "https://bare.example.org"}
    )
    assert addresses(release) == {
        "bare": "https://bare.example.org",
        "counts": "http://counts.quintet.svc",
        "prices": "http://portal.quintet.svc",
    }
    network, portal = Network(release), simulator(release, "portal")
    assert network.allows(step("prices"), portal, 8080)
    assert not network.allows(step("counts"), portal, 8080)
    assert not network.allows(step("prices"), OUTSIDE, 443)
    assert not network.allows(portal, OUTSIDE, 443)
    (deployment,) = of_kind(release, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    env = {variable["name"]: variable["value"] for variable in container["env"]}
    assert env == {"ROWS": "10", "OF": "quintet", "PORT": "8080"}


@pytest.mark.parametrize("simulators", [True, False])
def test_a_pipeline_chooses_its_simulator_whatever_the_others_do(simulators: bool) -> None:
    values = {"simulators": simulators}
    release = rendered(values, prices={**PORTAL, "simulate": not simulators}, rates=PORTAL)
    simulated = {name for name, url in addresses(release).items() if url == "http://portal.quintet.svc"}
    assert simulated == ({"rates"} if simulators else {"prices"})


def test_pipelines_of_one_source_share_its_simulator() -> None:
    release = rendered({"simulators": True}, prices=PORTAL, rates=PORTAL)
    assert [m["metadata"]["name"] for m in of_kind(release, "Deployment")] == ["portal"]
    for pipeline in ("prices", "rates"):
        assert Network(release).allows(step(pipeline), simulator(release, "portal"), 8080)


def test_without_a_source_there_is_nothing() -> None:
    assert not render("sources", samples=False)
    assert not rendered(prices={})


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        pytest.param({"egress": []}, "prices.source has neither url nor server", id="nobody to ask"),
        pytest.param(
            {"url": "http://data.example.org"},
            r"url is http://data\.example\.org, .* name global\.pipelines\.prices\.source\.egress too",
            id="another port than the way's",
        ),
        pytest.param(
            {"url": "https://data.example.org", "simulate": True},
            r"simulate is true, and no server of ours .*prices\.source\.server",
            id="no simulator",
        ),
        pytest.param({"url": "data.example.org"}, r"source/url.*does not match pattern", id="no scheme"),
        pytest.param({"url": "https://a.org", "egress": [{"to": []}]}, "minItems", id="a way to everybody"),
        pytest.param({"url": "https://a.org", "simulate": "yes"}, "source/simulate", id="not true or false"),
    ],
)
def test_a_source_that_no_step_could_ask_is_refused(source: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ChartError, match=sentence):
        rendered(prices=source)


def test_one_simulator_cannot_be_set_in_two_ways() -> None:
    other = {**PORTAL, "server": {**PORTAL["server"], "env": {"ROWS": "10"}}}
    with pytest.raises(ChartError, match=r"prices and global\.pipelines\.rates share the simulator portal"):
        rendered({"simulators": True}, prices=PORTAL, rates=other)
