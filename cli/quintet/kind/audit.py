"""``quintet audit``: ask OSV which packages of the images have known vulnerabilities."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from quintet.progress import UserError

OSV = "https://api.osv.dev"
BATCH = 1000
"""The most queries that OSV answers at once."""
SECONDS = 60
PARALLEL = 8


class NotChecked(UserError):
    """The source of vulnerabilities did not answer for every package: nothing is known of them."""

    code = 2


class Vulnerable(UserError):
    """A package of an image has a vulnerability that a newer version of it does not have."""


@dataclass(frozen=True)
class Package:
    """A package as OSV names it.

    Attributes:
        ecosystem: such as ``Debian:13``, ``PyPI`` or ``Go``.
        name: in it; of Debian the source package's.
        version: in it.
    """

    ecosystem: str
    name: str
    version: str


@dataclass(frozen=True)
class Finding:
    """A vulnerability of a package.

    Attributes:
        fixed: the versions of the package that do not have it, as far as OSV knows any.
    """

    identity: str
    package: Package
    fixed: tuple[str, ...]


def audit(files: Iterable[Path], source: str | None = None) -> list[str]:
    """Look up all packages of bills of materials.

    Args:
        files: `<image>.cdx.json` each.
        source: address of the OSV API; by default the public one.

    Returns:
        What was checked, and each vulnerability that has no fix yet, a line each.

    Raises:
        NotChecked: when the source does not answer.
        Vulnerable: when a newer version would end a vulnerability; the message names both.
    """
    source = source or OSV
    images: dict[Package, set[str]] = defaultdict(set)
    for file in files:
        bill = json.loads(file.read_text(encoding="utf-8"))
        for package in packages(bill):
            images[package].add(bill["metadata"]["component"]["name"])
    wanted = list(images)
    try:
        found = _findings(source, wanted)
    except (requests.RequestException, KeyError, ValueError) as error:
        names = len(set().union(*images.values()))
        raise NotChecked(
            f"Not checked: {len(wanted)} packages of {names} images. {source} does not answer as it should "
            f"({type(error).__name__}: {error}). Run this where it is reached; the bills of materials in "
            "dist/sbom/ can be taken there."
        ) from error
    lines = {each: _line(each, images[each.package]) for each in found}
    fixable = [lines[each] for each in found if each.fixed]
    waiting = [lines[each] for each in found if not each.fixed]
    summary = (
        f"{len(wanted)} packages checked against {source}; {len(waiting)} vulnerabilities have no fix yet."
    )
    if fixable:
        raise Vulnerable("\n".join([*waiting, summary, f"{len(fixable)} have a fix:", *fixable]))
    return [*waiting, summary]


def packages(bill: dict[str, Any]) -> Iterator[Package]:
    """Return the packages of a bill of materials as OSV names them."""
    for component in bill["components"]:
        kind = component["purl"].removeprefix("pkg:").partition("/")[0]
        properties = {each["name"]: each["value"] for each in component.get("properties", [])}
        if kind == "deb":
            release = properties["quintet:debian:release"]
            source, version = (
                properties[f"quintet:debian:{field}"] for field in ("source", "source-version")
            )
            yield Package(f"Debian:{release}", source, version)
        elif kind == "pypi":
            yield Package("PyPI", component["name"], component["version"])
        else:
            yield Package("Go", component["name"], component["version"].removeprefix("v"))


def _findings(source: str, wanted: list[Package]) -> list[Finding]:
    with requests.Session() as session:
        hits: dict[str, set[Package]] = defaultdict(set)
        for start in range(0, len(wanted), BATCH):
            for package, identity in _hits(session, source, wanted[start : start + BATCH]):
                hits[identity].add(package)
        with ThreadPoolExecutor(PARALLEL) as pool:
            texts = pool.map(lambda identity: _get(session, f"{source}/v1/vulns/{identity}"), sorted(hits))
            return [
                Finding(identity, package, fixes(text, package))
                for identity, text in zip(sorted(hits), texts, strict=True)
                for package in sorted(hits[identity], key=str)
            ]


def _hits(session: requests.Session, source: str, wanted: list[Package]) -> Iterator[tuple[Package, str]]:
    """Ask for packages, and again for those whose answer goes on."""
    waiting = [(package, "") for package in wanted]
    while waiting:
        queries = [
            {
                "package": {"name": package.name, "ecosystem": package.ecosystem},
                "version": package.version,
                **({"page_token": page} if page else {}),
            }
            for package, page in waiting
        ]
        answer = session.post(f"{source}/v1/querybatch", json={"queries": queries}, timeout=SECONDS)
        answer.raise_for_status()
        results = answer.json()["results"]
        if len(results) != len(waiting):
            raise ValueError(f"{len(results)} results for {len(waiting)} queries")
        for (package, _), result in zip(waiting, results, strict=True):
            for vulnerability in result.get("vulns", []):
                yield package, vulnerability["id"]
        waiting = [
            (package, result["next_page_token"])
            for (package, _), result in zip(waiting, results, strict=True)
            if result.get("next_page_token")
        ]


def _get(session: requests.Session, url: str) -> dict[str, Any]:
    answer = session.get(url, timeout=SECONDS)
    answer.raise_for_status()
    text: dict[str, Any] = answer.json()
    return text


def fixes(vulnerability: dict[str, Any], package: Package) -> tuple[str, ...]:
    """Return the versions of a package that end a vulnerability, in the order in which OSV has them."""
    found = (
        event["fixed"]
        for affected in vulnerability.get("affected", [])
        if (affected["package"]["ecosystem"], affected["package"]["name"].lower())
        == (package.ecosystem, package.name.lower())
        for span in affected.get("ranges", [])
        if span["type"] != "GIT"
        for event in span["events"]
        if "fixed" in event
    )
    return tuple(dict.fromkeys(found))


def _line(finding: Finding, images: set[str]) -> str:
    package = finding.package
    shown = sorted(images)
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    fixed = f", fixed in {' or '.join(finding.fixed)}" if finding.fixed else ", no fix yet"
    return (
        f"{finding.identity}: {package.ecosystem} {package.name} {package.version}{fixed}; "
        f"in {', '.join(shown[:3])}{more}"
    )
