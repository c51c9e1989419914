"""Evaluates rendered NetworkPolicies: may this pod open a connection to that one on this port?

The kernels that the tests run on cannot enforce policies, so they are judged by the rules of the
Kubernetes API: a pod that no policy selects for a direction is open in it; one that is selected may do
what any selecting policy allows; a connection needs the source's egress and the target's ingress.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Manifest = Mapping[str, Any]
POD_ADDRESS = "10.244.0.9"


@dataclass(frozen=True)
class Endpoint:
    """A pod, or an address outside of the cluster.

    Args:
        namespace: The pod's namespace; None for an address that is not a pod.
        labels: The pod's labels.
        ports: Its container ports by name.
        address: What an ipBlock is compared with.
    """

    namespace: str | None
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    address: str = POD_ADDRESS


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether a label selector matches; an empty one matches everything."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_fulfils(labels, **expression) for expression in selector.get("matchExpressions", []))


def _fulfils(labels: Mapping[str, str], key: str, operator: str, values: Iterable[str] = ()) -> bool:
    match operator:
        case "In":
            return labels.get(key) in list(values)
        case "NotIn":
            return labels.get(key) not in list(values)
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f"{operator} is not an operator of a label selector")


def _is_peer(peer: Manifest, home: str, other: Endpoint) -> bool:
    """Return whether `other` is meant by a peer of a policy that stands in the namespace `home`."""
    if block := peer.get("ipBlock"):
        address = ipaddress.ip_address(other.address)
        excluded = any(address in ipaddress.ip_network(cidr) for cidr in block.get("except", []))
        return address in ipaddress.ip_network(block["cidr"]) and not excluded
    if other.namespace is None:
        return False
    namespaces = peer.get("namespaceSelector")
    if namespaces is None:
        in_namespace = other.namespace == home
    else:
        in_namespace = selects(namespaces, {"kubernetes.io/metadata.name": other.namespace})
    return in_namespace and selects(peer.get("podSelector") or {}, other.labels)


def _is_port(allowed: Manifest, target: Endpoint, port: int, protocol: str) -> bool:
    """Return whether one entry of `ports` means this port of the target; a name is the target's own."""
    if allowed.get("protocol", "TCP") != protocol:
        return False
    first: int | str = allowed.get("port", port)
    if isinstance(first, str):
        return target.ports.get(first) == port
    last: int = allowed.get("endPort", first)
    return first <= port <= last


def _permits(
    rule: Manifest, peers: str, home: str, other: Endpoint, target: Endpoint, wanted: tuple[int, str]
) -> bool:
    """Return whether a rule allows it; a rule without peers, or without ports, allows all of them."""
    if rule.get(peers) and not any(_is_peer(peer, home, other) for peer in rule[peers]):
        return False
    return not rule.get("ports") or any(_is_port(port, target, *wanted) for port in rule["ports"])


class Network:
    """The NetworkPolicies of a rendered release.

    Args:
        manifests: All objects of the release.
    """

    def __init__(self, manifests: Iterable[Manifest]) -> None:
        self.policies = [manifest for manifest in manifests if manifest["kind"] == "NetworkPolicy"]

    def allows(self, source: Endpoint, target: Endpoint, port: int, protocol: str = "TCP") -> bool:
        """Return whether `source` may open a connection to this port of `target`."""
        wanted = (port, protocol)
        return self._direction("Egress", source, target, target, wanted) and self._direction(
            "Ingress", target, source, target, wanted
        )

    def _direction(
        self, direction: str, subject: Endpoint, other: Endpoint, target: Endpoint, wanted: tuple[int, str]
    ) -> bool:
        field_name, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
        selecting = [policy for policy in self.policies if self._governs(policy, direction, subject)]
        return not selecting or any(
            _permits(rule, peers, policy["metadata"]["namespace"], other, target, wanted)
            for policy in selecting
            for rule in policy["spec"].get(field_name) or []
        )

    @staticmethod
    def _governs(policy: Manifest, direction: str, subject: Endpoint) -> bool:
        spec = policy["spec"]
        implied = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
        return (
            direction in spec.get("policyTypes", implied)
            and policy["metadata"]["namespace"] == subject.namespace
            and selects(spec["podSelector"], subject.labels)
        )
