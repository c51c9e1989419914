"""What a version of all pipelines' releases says, and that no two of them claim one name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

Claims = Mapping[str, list[str]]
"""What a pipeline alone may have: names by kind, such as DAG or variable, as charts/common says them."""

FILE = ".manifest.json"
"""A manifest's name where its releases are folders."""


class Refused(Exception):
    """A release that cannot be published; its text is the sentence for whoever publishes it."""


@dataclass(frozen=True)
class Release:
    """What a version says of one pipeline.

    Attributes:
        digest: sha256 of its files' object.
        claims: What it alone has.
    """

    digest: str
    claims: Claims


@dataclass(frozen=True)
class Manifest:
    """A version: the releases that hold together, by pipeline."""

    releases: Mapping[str, Release]

    @classmethod
    def parse(cls, body: bytes) -> Manifest:
        """Read a manifest that `body` wrote."""
        return cls({name: Release(**given) for name, given in json.loads(body)["releases"].items()})

    def body(self) -> bytes:
        """Return the manifest's bytes, which are the same for the same releases."""
        return as_bytes({"releases": {name: asdict(release) for name, release in self.releases.items()}})

    @property
    def version(self) -> str:
        """The version's name: the hash of its bytes."""
        return digest_of(self.body())

    def with_release(self, pipeline: str, release: Release, platform: Mapping[str, Claims]) -> Manifest:
        """Return the version in which a pipeline has another release.

        Args:
            pipeline: Its name.
            release: To take the place of the one that is there, or to be the first.
            platform: What the platform's own pipelines claim, by pipeline.

        Raises:
            Refused: A pipeline of the platform has its name, or another pipeline something that it claims.
        """
        if pipeline in platform:
            raise Refused(f"The platform has a pipeline {pipeline} of its own: give this one another name.")
        others = {name: each.claims for name, each in self.releases.items() if name != pipeline}
        for other, claims in (others | dict(platform)).items():
            for kind, names in release.claims.items():
                if taken := sorted(set(names) & set(claims.get(kind, ()))):
                    raise Refused(
                        f"The {kind} {taken[0]} is that of pipeline {other}:"
                        f" rename it in pipeline {pipeline}."
                    )
        return Manifest({**self.releases, pipeline: release})

    def without(self, pipeline: str) -> Manifest:
        """Return the version in which a pipeline is not."""
        return Manifest({name: each for name, each in self.releases.items() if name != pipeline})


def as_bytes(content: Any) -> bytes:
    """Write JSON in the one way that hashes of it rely on."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(body: bytes) -> str:
    """Return the sha256 of some bytes, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()
