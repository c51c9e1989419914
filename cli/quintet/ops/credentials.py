"""The Secrets of a platform: which there are, other values for them, and who reads them at its start."""

import base64
import secrets
import string
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from quintet.ops.kube import Kube

FORMER = "former-"
"""What a key begins with that holds a value from before, until nobody needs it."""
CHANGE_THEIR_OWN = ("postgres-superuser", "mlflow-admin")
"""Users that log in to change their own password, by the former one."""
LETTERS = string.ascii_letters + string.digits
LEAST = 32
"""Letters of a password that was shorter, as one that a person wrote by hand."""
SUFFIX = 8
"""Letters behind a user's name in an access key; the setup of MinIO knows its keys by them."""


@dataclass(frozen=True)
class Credential:
    """A Secret of the platform.

    Attributes:
        name: the platform's, such as ``postgres-airflow``.
        object_name: of the Secret; another where it is the user's own.
        namespaces: of its copies; none where it is the user's own, which nothing here writes to.
    """

    name: str
    object_name: str
    namespaces: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether the Secret is the user's own."""
        return not self.namespaces


def credentials_of(kube: Kube) -> dict[str, Credential]:
    """Return the Secrets of the release, and the user's own that stand in for some, by their names."""
    found: dict[str, Credential] = {}
    for manifest in yaml.safe_load_all(kube.release.get("manifest", "")):
        kept = manifest and (manifest["metadata"].get("annotations") or {}).get("helm.sh/resource-policy")
        if kept and manifest["kind"] == "Secret":
            name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
            before = found[name].namespaces if name in found else ()
            found[name] = Credential(name, name, (*before, namespace))
    for name, own in kube.existing_secrets.items():
        found[name] = Credential(name, own)
    return dict(sorted(found.items()))


def renewed(name: str, data: Mapping[str, str]) -> dict[str, str]:
    """Return other values for a Secret, of the same lengths or longer.

    The former access key and Fernet key are kept beside the new ones, and so is the password of who changes
    its own by it. A Secret whose change was not finished keeps its new values.

    Args:
        name: of the Secret.
        data: what it holds, by key.
    """
    if finished(data) != data:
        return dict(data)
    fresh = {key: _other(name, key, value) for key, value in data.items()}
    if "url" in data:
        fresh["url"] = _with_password(data["url"], fresh["password"])
    if name in CHANGE_THEIR_OWN:
        fresh[f"{FORMER}password"] = data["password"]
    if "access-key" in data:
        fresh[f"{FORMER}access-key"] = data["access-key"]
    return fresh


def finished(data: Mapping[str, str]) -> dict[str, str]:
    """Return what a Secret holds without the values from before."""
    left = {key: value for key, value in data.items() if not key.startswith(FORMER)}
    if "fernet-key" in left:
        left["fernet-key"] = left["fernet-key"].partition(",")[0]
    return left


def read(kube: Kube, credential: Credential) -> dict[str, str]:
    """Return what a Secret holds, by key."""
    namespace = credential.namespaces[0] if credential.namespaces else kube.namespace
    data = kube.core.read_namespaced_secret(credential.object_name, namespace).data
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def write(kube: Kube, credential: Credential, data: Mapping[str, str]) -> None:
    """Set all copies of a Secret to these values and no others."""
    for namespace in credential.namespaces:
        copy = kube.core.read_namespaced_secret(credential.object_name, namespace)
        copy.data = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        kube.core.replace_namespaced_secret(credential.object_name, namespace, copy)


def readers(workloads: Iterable[Any], changed: Collection[str]) -> list[str]:
    """Return the names of the workloads whose containers got a value of some Secrets when they began.

    A mounted file needs no restart, and a user's name stays.

    Args:
        workloads: Deployments and StatefulSets.
        changed: names of the Secrets.
    """

    def reads(workload: Any) -> bool:
        spec = workload.spec.template.spec
        boxes = [*(spec.init_containers or []), *spec.containers]
        sources = [entry.value_from for box in boxes for entry in box.env or [] if entry.value_from]
        references = [source.secret_key_ref for source in sources if source.secret_key_ref]
        return any(found.name in changed and found.key != "username" for found in references)

    return [workload.metadata.name for workload in workloads if reads(workload)]


def _other(name: str, key: str, value: str) -> str:
    if key in ("username", "url"):
        return value
    if key == "access-key":
        return f"{name.removeprefix('minio-')}-{_random(SUFFIX)}"
    if key == "fernet-key":
        # 32 letters of ASCII are 32 bytes, as the chart makes them.
        return f"{base64.urlsafe_b64encode(_random(32).encode()).decode()},{value}"
    return _random(max(len(value), LEAST))


def _with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    login, _, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{login.partition(':')[0]}:{password}@{place}").geturl()


def _random(length: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(length))
