"""Pods that ask for Secrets of the steps, and what the API server says, on a cluster and without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]
ASKS = "asks for a Secret"
BY_KEY = "key by key"
AS_VARIABLES = "a volume is not for them"
NOTHING_ELSE = "has no lifecycle, probe or workingDir"
OWN_VOLUMES = "mounts volumes of its own"
OWN_PROCESSES = "No container shares the processes"
NOT_FOR_A_LOOK = "added to a step for a look"


@dataclass(frozen=True)
class Pod:
    """A pod of a step's image that asks for a Secret.

    Attributes:
        title: of the case.
        step: whose image, such as ``forest-train``.
        secret: of the tasks namespace.
        refused: what the API server says, in part; "" where it takes the pod.
        container: what the container has beside its image and its variable.
        spec: what the pod has beside its container.
        variable: the container gets the Secret as a variable.
    """

    title: str
    step: str
    secret: str
    refused: str
    container: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    variable: bool = True

    def expects(self, said: str) -> bool:
        """Return whether this is the answer: what an API server says, or "" where it takes the pod."""
        return self.refused in said and bool(self.refused) == bool(said)

    def manifest(self, images: Mapping[str, str]) -> Manifest:
        """Return the pod as Pod Security `restricted` takes it.

        Args:
            images: of the steps.
        """
        container: Manifest = {**_container("step", images[self.step]), **self.container}
        if self.variable:
            container["env"] = [_variable(self.secret)]
        security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
        spec: Manifest = {"securityContext": security, "serviceAccountName": "step", **self.spec}
        spec["containers"] = [container, *spec.get("containers", [])]
        return {"metadata": {"name": "asks"}, "spec": spec}


def of_values(pods: Mapping[str, Any], steps: Iterable[str]) -> Iterator[Pod]:
    """Yield a pod for each step and each Secret, with the program of its image and with another one.

    Args:
        pods: what the ConfigMap airflow-step-pods says.
        steps: by pipeline and step, such as ``forest-train``.
    """
    given = {step: _given(pods, step) for step in steps}
    holders = Counter(secret for own in given.values() for secret in own)
    # What one step alone is given, as promotion's, is for its program alone.
    guarded = {secret for secret, steps_with_it in holders.items() if steps_with_it == 1}
    for step, own in given.items():
        for secret in sorted(set().union(*given.values())):
            for command in ([], ["python"]):
                allowed = secret in own and not (command and secret in guarded)
                title = f"{step} {'another program' if command else 'its program'} {secret}"
                yield Pod(title, step, secret, "" if allowed else ASKS, {"command": command})


def brief(pods: Iterable[Pod]) -> list[Pod]:
    """Return the first pod for each Secret, program and answer: a cluster takes its time for each."""
    kinds = {(pod.secret, bool(pod.container["command"]), pod.refused): pod for pod in reversed(list(pods))}
    return list(kinds.values())


def by_other_ways(images: Mapping[str, str], step: str, secret: str, other: str) -> list[Pod]:
    """Return pods that would get a Secret in another way than as a variable of its step's program.

    Args:
        images: of the steps.
        step: whose program alone gets the Secret.
        secret: of that step.
        other: a step that is not given it.
    """
    hook = {"exec": {"command": ["env"]}}
    second = _container("second", images[other])
    asking = {**second, "env": [_variable(secret)]}
    annotations = {
        "downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.annotations"}}]}
    }
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    volume = {"name": "v", "emptyDir": {}}
    projected = {"projected": {"sources": [{"secret": {"name": secret}}]}}
    return [
        Pod("its program", step, secret, ""),
        Pod("no command at all", step, secret, "", {"command": []}),
        Pod("a folder of its own", step, secret, "", mounts, {"volumes": [volume]}),
        Pod("a stranger beside it", step, secret, "", spec={"containers": [second]}),
        Pod("a Secret that no step is given", other, "of-somebody", ""),
        Pod("a second container asks", step, secret, ASKS, spec={"containers": [asking]}, variable=False),
        Pod(
            "a container asks that runs first",
            other,
            secret,
            ASKS,
            spec={"initContainers": [asking]},
            variable=False,
        ),
        Pod("envFrom", step, secret, BY_KEY, {"envFrom": [{"secretRef": {"name": secret}}]}, variable=False),
        Pod("a volume", step, secret, AS_VARIABLES, spec={"volumes": [_of(secret)]}, variable=False),
        Pod(
            "a projected volume",
            step,
            secret,
            AS_VARIABLES,
            spec={"volumes": [{"name": "v", **projected}]},
            variable=False,
        ),
        Pod("a hook after the start", step, secret, NOTHING_ELSE, {"lifecycle": {"postStart": hook}}),
        Pod("a hook before the end", step, secret, NOTHING_ELSE, {"lifecycle": {"preStop": hook}}),
        *(
            Pod(probe, step, secret, NOTHING_ELSE, {probe: hook})
            for probe in ("livenessProbe", "readinessProbe", "startupProbe")
        ),
        Pod("another folder to import from", step, secret, NOTHING_ELSE, {"workingDir": "/tmp"}),  # noqa: S108 - the pod's
        Pod(
            "code from annotations",
            step,
            secret,
            OWN_VOLUMES,
            mounts,
            {"volumes": [{"name": "v", **annotations}]},
        ),
        Pod(
            "code from a ConfigMap",
            step,
            secret,
            OWN_VOLUMES,
            mounts,
            {"volumes": [{"name": "v", "configMap": {"name": "c"}}]},
        ),
        Pod(
            "code from a stranger",
            step,
            secret,
            OWN_VOLUMES,
            mounts,
            {"volumes": [volume], "containers": [{**second, **mounts}]},
        ),
        Pod(
            "code from a stranger that runs first",
            step,
            secret,
            OWN_VOLUMES,
            mounts,
            {"volumes": [volume], "initContainers": [{**second, **mounts}]},
        ),
        Pod(
            "a stranger reads its memory",
            step,
            secret,
            OWN_PROCESSES,
            spec={"shareProcessNamespace": True, "containers": [second]},
        ),
    ]


def _given(pods: Mapping[str, Any], step: str) -> set[str]:
    layers = [pods, pods["steps"][step]]
    references = {name: ref for layer in layers for name, ref in layer.get("secret_env", {}).items()}
    return {reference["secret"] for reference in references.values()}


def _container(name: str, image: str) -> Manifest:
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {"name": name, "image": image, "securityContext": security}


def _variable(secret: str) -> Manifest:
    return {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": secret, "key": "password"}}}


def _of(secret: str) -> Manifest:
    return {"name": "v", "secret": {"secretName": secret}}
