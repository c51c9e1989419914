import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from quintet.kind import images
from quintet.kind.images import Artifact, Plan
from quintet.kind.machine import ImageSource, Machine
from quintet.paths import PLATFORM
from quintet.progress import UserError

SKAFFOLD = """\
build:
  artifacts:
    - image: light
      requires: [{image: base, alias: BASE_IMAGE}]
      docker: {dockerfile: app/Dockerfile, target: light}
    - image: heavy
      requires: [{image: base, alias: BASE_IMAGE}]
      docker: {dockerfile: app/Dockerfile, target: heavy, buildArgs: {SIZE: big}}
    - image: base
      docker: {dockerfile: base/Dockerfile, buildArgs: {BASE_IMAGE: '{{.DEBIAN_IMAGE}}'}}
"""
APP = """\
ARG BASE_IMAGE
FROM $BASE_IMAGE AS light
COPY app/light.py /
FROM light AS heavy
COPY app/heavy.py /
"""
MACHINE = Machine(Path("docker"), ImageSource.REGISTRY, "for a test")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for folder in ("app", "base"):
        (tmp_path / folder).mkdir()
    (tmp_path / "skaffold.yaml").write_text(SKAFFOLD)
    (tmp_path / "app" / "Dockerfile").write_text(APP)
    (tmp_path / "app" / "light.py").write_text("1")
    (tmp_path / "app" / "heavy.py").write_text("2")
    (tmp_path / "base" / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM $BASE_IMAGE\n")
    return tmp_path


def tags(repository: Path, base: str = "debian") -> dict[str, str]:
    return images.plan({"BASE_IMAGE": base}, context=repository).tags


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_an_image_is_planned_after_the_one_it_stands_on(repository: Path) -> None:
    planned = images.plan({"BASE_IMAGE": "debian"}, ["heavy"], repository)
    assert [artifact.name for artifact in planned.artifacts] == ["base", "heavy"]
    assert planned.arguments["base"] == {"BASE_IMAGE": "debian"}
    assert planned.arguments["heavy"] == {"BASE_IMAGE": planned.local("base"), "SIZE": "big"}


def test_an_edit_changes_the_tags_of_the_images_made_from_it_alone(repository: Path) -> None:
    before = tags(repository)
    (repository / "app" / "heavy.py").write_text("3")
    assert changed(before, tags(repository)) == {"heavy"}


def test_another_base_changes_every_tag(repository: Path) -> None:
    assert changed(tags(repository), tags(repository, "debian:other")) == {"base", "light", "heavy"}


def test_an_unknown_image_is_refused(repository: Path) -> None:
    with pytest.raises(UserError, match=r"has no image tiny; it has light, heavy, base\."):
        images.plan({"BASE_IMAGE": "debian"}, ["tiny"], repository)


def test_an_image_waits_for_its_base_and_nothing_is_built_after_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = Artifact("base", Path("Dockerfile"), None, {}, {})
    above = [
        Artifact(name, Path("Dockerfile"), None, {}, {"BASE_IMAGE": "base"}) for name in ("light", "heavy")
    ]
    built: list[str] = []

    def build(machine: Machine, planned: Plan, artifact: Artifact) -> None:
        built.append(artifact.name)
        if broken:
            raise UserError(f"{artifact.name} is broken")

    monkeypatch.setattr(images, "build_one", build)
    monkeypatch.setattr(images, "_in_engine", lambda machine, planned, name: name == "there")
    broken = False
    there = Artifact("there", Path("Dockerfile"), None, {}, {})
    images._build_missing(MACHINE, Plan(PLATFORM, [], {}, {}), [there, base, *above])
    assert built[0] == "base"
    assert set(built) == {"base", "light", "heavy"}

    built.clear()
    broken = True
    with pytest.raises(UserError, match="base is broken"):
        images._build_missing(MACHINE, Plan(PLATFORM, [], {}, {}), [base, *above])
    assert built == ["base"]


class Registry(BaseHTTPRequestHandler):
    """Holds one image, and those that are pushed."""

    pushed: ClassVar[set[str]] = set()

    def do_HEAD(self) -> None:
        name, tag = self.path.removeprefix("/v2/quintet/").split("/manifests/")
        held = tag == "abc" or name in self.pushed
        self.send_response(200 if held else 404)
        if held:
            self.send_header("Docker-Content-Digest", f"sha256:{name}")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"localhost:{server.server_port}/quintet"
    server.shutdown()
    server.server_close()


def test_only_what_the_registry_lacks_is_pushed(
    monkeypatch: pytest.MonkeyPatch, repository: Path, registry: str
) -> None:
    planned = images.plan({"BASE_IMAGE": "debian"}, context=repository)
    planned.tags["base"] = "abc"
    pushed: list[str] = []
    kept: set[str] = set()

    def push(machine: Machine, current: object, local: str, reference: str) -> None:
        pushed.append(reference)
        Registry.pushed.add(reference.removeprefix(f"{registry}/").partition(":")[0])

    monkeypatch.setattr(images, "prune", lambda machine, used: kept.update(used))
    monkeypatch.setattr(images, "_planned", lambda machine, names, context: planned)
    monkeypatch.setattr(images, "_in_engine", lambda machine, planned, name: True)
    monkeypatch.setattr(images, "_push", push)
    references = images.push_images(registry, machine=MACHINE)
    assert references["base"] == f"{registry}/base:abc@sha256:base"
    tagged = {name: reference.partition("@")[0] for name, reference in references.items()}
    assert sorted(pushed) == sorted(tagged[name] for name in ("light", "heavy"))
    assert kept == {*tagged.values(), *(planned.local(name) for name in references)}


def test_a_registry_that_is_down_is_named() -> None:
    with pytest.raises(
        UserError, match=r"The registry at localhost:1 does not answer \(.*\): `make up` starts it\."
    ):
        images.held("localhost:1/quintet/base:abc")


def test_a_package_that_the_archive_has_dropped_is_told_with_what_takes_today_s(
    monkeypatch: pytest.MonkeyPatch, repository: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'E: Failed to fetch http://d/python3.deb  404  Not Found'\nexit 100\n")
    docker.chmod(0o755)
    planned = images.plan({"BASE_IMAGE": "debian"}, context=repository)
    machine = Machine(docker, ImageSource.AIRGAP, "for a test")
    with pytest.raises(UserError, match=r"python3.deb[^`]*(.|\n)*`make bump` takes today's"):
        images.build_one(machine, planned, planned.artifacts[0])
