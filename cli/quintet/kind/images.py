"""The images of skaffold.yaml: their content tags, and those that have to be built or pushed now."""

import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import requests
import yaml

from quintet import loopback
from quintet.imports import StepError, needed
from quintet.kind.debian import base_arguments
from quintet.kind.dockerfile import Dockerfile
from quintet.kind.machine import Machine, prepare
from quintet.kind.prune import prune
from quintet.paths import PLATFORM
from quintet.progress import CommandError, Stage, UserError, output, stage, succeeds

STEP = Path("images/step/Dockerfile")
PICKS = Path("cli/quintet/imports.py")
"""What picks a step's code in that Dockerfile."""
PARALLEL_BUILDS = 2
GONE = "404  Not Found"
TAKE_TODAYS = (
    "Debian's archive no longer has a package of the state that the images are built from: `make bump` takes "
    "today's, and then every image is built from it."
)
MANIFEST_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
)


@dataclass(frozen=True)
class Artifact:
    """One image of skaffold.yaml.

    Attributes:
        name: the image's name, without registry and tag.
        dockerfile: its Dockerfile, relative to the repository.
        target: the Dockerfile's stage, or None for the last one.
        arguments: build arguments of its own.
        bases: build argument -> the image of skaffold.yaml that it names.
    """

    name: str
    dockerfile: Path
    target: str | None
    arguments: dict[str, str]
    bases: dict[str, str]


@dataclass(frozen=True)
class Plan:
    """All images in the order of their builds, each with its build arguments and its content tag.

    Attributes:
        context: the folder that they are built from.
    """

    context: Path
    artifacts: list[Artifact]
    arguments: dict[str, dict[str, str]]
    tags: dict[str, str]

    def local(self, name: str) -> str:
        """Return an image's reference in the Docker engine."""
        return f"quintet/{name}:{self.tags[name]}"


def read_artifacts(path: Path = PLATFORM / "skaffold.yaml") -> dict[str, Artifact]:
    """Return the images that skaffold.yaml lists, by name."""
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["build"]["artifacts"]
    artifacts = {}
    for entry in found:
        docker = entry.get("docker", {})
        artifacts[entry["image"]] = Artifact(
            entry["image"],
            Path(docker.get("dockerfile", "Dockerfile")),
            docker.get("target"),
            docker.get("buildArgs", {}),
            {required["alias"]: required["image"] for required in entry.get("requires", [])},
        )
    return artifacts


def plan(base: Mapping[str, str], names: Collection[str] | None = None, context: Path = PLATFORM) -> Plan:
    """Work out the content tags of images and of those that they stand on.

    Args:
        base: build arguments of an image that stands on none of ours: its Debian image, and of which date.
        names: the images wanted; all by default.
        context: the repository.

    Raises:
        UserError: when a name is not an image of skaffold.yaml.
    """
    artifacts = read_artifacts(context / "skaffold.yaml")
    wanted, waiting = set[str](), list(artifacts if names is None else names)
    while waiting:
        name = waiting.pop()
        if name not in artifacts:
            raise UserError(f"skaffold.yaml has no image {name}; it has {', '.join(artifacts)}.")
        wanted.add(name)
        waiting += artifacts[name].bases.values()
    order = TopologicalSorter(
        {name: artifacts[name].bases.values() for name in artifacts if name in wanted}
    ).static_order()
    result = Plan(context, [], {}, {})
    for artifact in (artifacts[name] for name in order):
        bases = {alias: result.local(image) for alias, image in artifact.bases.items()}
        arguments = {**artifact.arguments, **(bases or base)}
        dockerfile = Dockerfile.parse(context / artifact.dockerfile)
        result.artifacts.append(artifact)
        result.arguments[artifact.name] = arguments
        only = _parts_of_step(artifact, context) if artifact.dockerfile == STEP else None
        result.tags[artifact.name] = dockerfile.digest(artifact.target, context, arguments, only)
    return result


def build_images(names: Collection[str] | None = None, machine: Machine | None = None) -> dict[str, str]:
    """Build the images that the Docker engine does not hold yet.

    Args:
        names: the images wanted; all by default.
        machine: a machine that was prepared before.

    Returns:
        The wanted images' references in the engine, by name.
    """
    machine = machine or prepare()
    planned = _planned(machine, names)
    _build_missing(machine, planned, planned.artifacts)
    return {name: planned.local(name) for name in planned.tags if names is None or name in names}


def push_images(
    registry: str,
    names: Collection[str] | None = None,
    machine: Machine | None = None,
    context: Path = PLATFORM,
) -> dict[str, str]:
    """Build what is missing and push it to a registry, each image under its content tag.

    Args:
        registry: host, port and path, such as ``localhost:5001/quintet``; Docker must be logged in there.
        names: the images wanted; all by default.
        machine: a machine that was prepared before.
        context: the folder that they are built from, with a skaffold.yaml.

    Returns:
        Each image's full reference with its digest, by name.
    """
    machine = machine or prepare()
    planned = _planned(machine, names, context)
    wanted = [artifact for artifact in planned.artifacts if names is None or artifact.name in names]
    references = {
        artifact.name: f"{registry}/{artifact.name}:{planned.tags[artifact.name]}" for artifact in wanted
    }
    missing = [artifact for artifact in wanted if not held(references[artifact.name])]
    if missing:
        _build_missing(machine, planned, _with_bases(planned, missing))
        purpose = f"{len(missing)} of {len(wanted)} images to {registry}"
        with stage("push", purpose) as current, ThreadPoolExecutor(PARALLEL_BUILDS) as pool:
            pushes = [
                pool.submit(_push, machine, current, planned.local(artifact.name), references[artifact.name])
                for artifact in missing
            ]
            for push in pushes:
                push.result()
            if removed := prune(machine, {*map(planned.local, planned.tags), *references.values()}):
                current.outcome = f"{removed} old images removed"
    return {
        name: f"{reference}@{held(reference) or _pushed(machine, reference)}"
        for name, reference in references.items()
    }


def _parts_of_step(artifact: Artifact, context: Path) -> set[Path]:
    """Return the files that a step's image is made from, among those that its Dockerfile copies.

    Raises:
        UserError: when one is not there, or is not Python.
    """
    given = artifact.arguments
    pipeline = given["PIPELINE"]
    try:
        code = needed(context, pipeline, given["STEP"], given.get("FILES", "").split())
    except StepError as error:
        raise UserError(f"Image {artifact.name}: {error}") from error
    return {context / "pipelines" / pipeline / given["LOCK"], context / PICKS, *code}


def _planned(machine: Machine, names: Collection[str] | None, context: Path = PLATFORM) -> Plan:
    with stage("image-tags", "which images the files here make") as current:
        planned = plan(base_arguments(machine, current), names, context)
        current.outcome = f"{len(planned.tags)} images"
    return planned


def _with_bases(planned: Plan, artifacts: list[Artifact]) -> list[Artifact]:
    """Return images and all that they stand on, in the order of their builds."""
    names = {artifact.name for artifact in artifacts}
    for artifact in reversed(planned.artifacts):
        if artifact.name in names:
            names.update(artifact.bases.values())
    return [artifact for artifact in planned.artifacts if artifact.name in names]


def _build_missing(machine: Machine, planned: Plan, artifacts: list[Artifact]) -> None:
    """Build what the engine lacks, two at a time, each as soon as those below it are there."""
    missing = [artifact for artifact in artifacts if not _in_engine(machine, planned, artifact.name)]
    done = {artifact.name: threading.Event() for artifact in missing}
    failed = threading.Event()

    def build(artifact: Artifact) -> None:
        for image in artifact.bases.values():
            if image in done:
                done[image].wait()
        try:
            if not failed.is_set():
                build_one(machine, planned, artifact)
        except BaseException:
            failed.set()
            raise
        finally:
            done[artifact.name].set()

    with ThreadPoolExecutor(PARALLEL_BUILDS) as pool:
        for finished in [pool.submit(build, artifact) for artifact in missing]:
            finished.result()


def build_one(machine: Machine, planned: Plan, artifact: Artifact, *tags: str) -> None:
    """Build an image; what it stands on is there.

    Args:
        machine: that builds.
        planned: which has its tag and arguments.
        artifact: the image.
        tags: more references of it.

    Raises:
        UserError: when Docker cannot; with the end of what it said.
    """
    command = [*machine.build_command, "--file", planned.context / artifact.dockerfile]
    for tag in (planned.local(artifact.name), *tags):
        command += ["--tag", tag]
    if artifact.target:
        command += ["--target", artifact.target]
    for name, value in planned.arguments[artifact.name].items():
        command += ["--build-arg", f"{name}={value}"]
    with stage(f"image {artifact.name}", f"build from {artifact.dockerfile}") as current:
        try:
            current.run(*command, planned.context)
        except CommandError as error:
            if GONE in str(error):
                raise UserError(f"{error}\n{TAKE_TODAYS}") from error
            raise


def _push(machine: Machine, current: Stage, local: str, reference: str) -> None:
    output(machine.docker, "tag", local, reference)
    current.run(machine.docker, "push", reference)


def _in_engine(machine: Machine, planned: Plan, name: str) -> bool:
    return succeeds(machine.docker, "image", "inspect", planned.local(name))


def held(reference: str) -> str:
    """Return the digest of an image that a registry on this machine holds; "" of any other."""
    host, _, rest = reference.partition("/")
    if host.partition(":")[0] != "localhost":
        return ""
    repository, _, tag = rest.rpartition(":")
    url = f"http://{host}/v2/{repository}/manifests/{tag}"
    try:
        answer = loopback.session().head(url, headers={"Accept": MANIFEST_TYPES}, timeout=10)
    except requests.RequestException as error:
        why = type(error).__name__
        raise UserError(f"The registry at {host} does not answer ({why}): `make up` starts it.") from error
    return answer.headers["Docker-Content-Digest"] if answer.ok else ""


def _pushed(machine: Machine, reference: str) -> str:
    """Return the digest that a registry gave to an image when it was pushed."""
    repository = reference.rpartition(":")[0]
    known = output(machine.docker, "image", "inspect", "--format", '{{join .RepoDigests " "}}', reference)
    digests = dict(digest.split("@") for digest in known.split())
    return digests[repository]
