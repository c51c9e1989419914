import json
import re
import tarfile
from pathlib import Path

import pytest

from quintet.kind import airgap
from quintet.kind.machine import ImageSource, Machine
from quintet.paths import AIRGAP, versions
from quintet.progress import Stage

# Holds no image; saves the same archive for any, and a build leaves a program named tool.
FAKE_DOCKER = """\
#!/bin/sh
echo "$*" >> "{folder}/calls"
case "$*" in
  *--format*) echo sha256:abc ;;
  "image inspect"*) exit 1 ;;
  "save --output "*) cp "{folder}/saved.tar" "$3" ;;
  *--output\\ type=local,dest=*) touch "$(echo "$*" | sed 's/.*dest=\\([^ ]*\\).*/\\1/')/tool" ;;
esac
"""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    docker = tmp_path / "docker"
    docker.write_text(FAKE_DOCKER.format(folder=tmp_path))
    docker.chmod(0o755)
    return Machine(docker, ImageSource.REGISTRY, "for a test")


def calls(machine: Machine) -> str:
    return machine.docker.with_name("calls").read_text()


def test_where_a_registry_answers_nothing_is_made(machine: Machine) -> None:
    nothing = Stage("images")
    assert airgap.registry_image(machine, nothing) == versions()["registry"]["image"]
    assert airgap.node_image(machine, Path("kind"), nothing) == versions()["node"]["image"]


def test_a_go_program_is_built_once_and_cached(machine: Machine) -> None:
    for _ in range(2):
        program = airgap.install(machine, Stage("tool"), "tool", "example.org/some/tool", "v0.1.5")
    assert program.name == "tool"
    assert program.parent.name == "tool-v0.1.5"
    assert calls(machine).count("--build-arg PACKAGE=example.org/some/tool") == 1
    assert [path.name for path in program.parent.parent.iterdir()] == ["tool-v0.1.5"]


def test_an_image_is_built_under_a_name_of_its_content(machine: Machine) -> None:
    recipe = airgap.Recipe(machine, Stage("registry"))
    name = recipe.image("registry")
    assert name == recipe.name("registry")
    assert f"--target registry --tag {name}" in calls(machine)
    assert recipe.name("node-base", {"VERSION": "v1"}) != recipe.name("node-base", {"VERSION": "v2"})


def test_the_archive_for_kind_lists_every_name_first(machine: Machine, tmp_path: Path) -> None:
    for name in ("repositories", "manifest.json"):
        (tmp_path / name).write_text("[]")
    with tarfile.open(tmp_path / "saved.tar", "w") as tar:
        tar.add(tmp_path / "manifest.json", "manifest.json")
        tar.add(tmp_path / "repositories", "repositories")
    names = ["registry.k8s.io/etcd:3.6", "docker.io/kindest/kindnetd:1", "docker.io/kindest/kindnetd:2"]
    airgap._save_for_kind(machine, Stage("node"), names, tmp_path / "kube-apiserver.tar")
    with tarfile.open(tmp_path / "kube-apiserver.tar") as tar:
        assert tar.getnames() == ["repositories", "manifest.json"]
        entry = tar.extractfile("repositories")
        assert entry is not None
        assert json.load(entry) == {
            "registry.k8s.io/etcd": {"3.6": "sha256:abc"},
            "docker.io/kindest/kindnetd": {"1": "sha256:abc", "2": "sha256:abc"},
        }


def test_every_image_of_the_node_is_a_target_of_the_recipe() -> None:
    targets = {stage.name for stage in airgap.Dockerfile.parse(AIRGAP / "Dockerfile").stages}
    assert set(versions()["node"]["images"].values()) | set(airgap.CONTROL_PLANE) <= targets


def test_the_go_modules_are_pinned_to_the_same_kubernetes() -> None:
    pinned = versions()["kubernetes"]["version"]
    module = (AIRGAP / "go" / "kubernetes" / "go.mod").read_text()
    assert f"k8s.io/kubernetes {pinned}" in module
    assert f"k8s.io/api => k8s.io/api v0{pinned.removeprefix('v1')}" in module
    assert versions()["tools"]["kubectl"]["version"] == pinned


def test_the_published_node_is_of_the_same_minor_version_and_named_by_its_digest() -> None:
    minor = versions()["kubernetes"]["version"].rpartition(".")[0]
    assert re.fullmatch(
        rf"kindest/node:{re.escape(minor)}\.\d+@sha256:[0-9a-f]{{64}}", versions()["node"]["image"]
    )


@pytest.mark.parametrize("name", ["etcd", "coredns"])
def test_the_node_s_images_are_built_from_the_version_in_their_names(name: str) -> None:
    (image,) = [image for image in versions()["node"]["images"] if f"/{name}:" in image]
    version = image.rpartition(":")[2].removeprefix("v").partition("-")[0]
    assert re.search(rf"/{name}(?:/server/v3)? v{version}\b", (AIRGAP / "go" / name / "go.mod").read_text())
