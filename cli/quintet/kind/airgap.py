"""The kind node, the local registry and Go programs, from Debian packages and Go modules alone.

Each is named by a hash of what it is made from, so that a finished one is found again and an interrupted one
is made again. The recipes are in ``airgap/``.
"""

import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path

from quintet.kind.debian import base_image, bootstrap
from quintet.kind.dockerfile import Dockerfile
from quintet.kind.machine import ImageSource, Machine
from quintet.paths import AIRGAP, cache_dir, versions
from quintet.progress import Stage, output, succeeds

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")


def registry_image(machine: Machine, current: Stage) -> str:
    """Return the image of the registry that stands beside a cluster."""
    if machine.source is ImageSource.REGISTRY:
        return str(versions()["registry"]["image"])
    return Recipe(machine, current).image("registry")


def node_image(machine: Machine, kind: Path, current: Stage) -> str:
    """Return the image of the kind node; in an airgap, kind makes it from our own build of Kubernetes."""
    if machine.source is ImageSource.REGISTRY:
        return str(versions()["node"]["image"])
    pins = versions()
    kubernetes = pins["kubernetes"]["version"]
    arguments = {
        "node-base": {"VERSION": pins["tools"]["kind"]["version"]},
        "local-path-provisioner": pins["local_path_provisioner"],
        **{target: {"VERSION": kubernetes} for target in ("node-programs", *CONTROL_PLANE)},
    }
    targets = {f"registry.k8s.io/{program}:{kubernetes}": program for program in CONTROL_PLANE}
    targets |= pins["node"]["images"]
    recipe = Recipe(machine, current)
    parts = [recipe.name(target, arguments.get(target)) for target in ("node-base", *targets.values())]
    node = f"quintet/node:{kubernetes}-{_digest(parts, list(targets))}"
    if succeeds(machine.docker, "image", "inspect", node):
        return node
    with tempfile.TemporaryDirectory(dir=cache_dir("airgap")) as folder:
        release = Path(folder, "kubernetes")
        programs = release / "server" / "bin"
        programs.mkdir(parents=True)
        (release / "version").write_text(kubernetes, encoding="ascii")
        recipe.export("node-programs", arguments["node-programs"], programs)
        for name, target in targets.items():
            output(machine.docker, "tag", recipe.image(target, arguments.get(target)), name)
        first, *others = CONTROL_PLANE
        for program in others:
            name = f"registry.k8s.io/{program}:{kubernetes}"
            current.run(machine.docker, "save", "--output", programs / f"{program}.tar", name)
        rest = [name for name, target in targets.items() if target not in others]
        _save_for_kind(machine, current, rest, programs / f"{first}.tar")
        archive = Path(folder, "server.tar.gz")
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            tar.add(release, arcname=release.name)
        base = recipe.image("node-base", arguments["node-base"])
        images = ("--base-image", base, "--image", node)
        command = (kind, "build", "node-image", "--type", "file", *images, archive)
        current.run(*command, env=machine.docker_first)
    return node


def install(machine: Machine, current: Stage, name: str, package: str, version: str) -> Path:
    """Return a Go program, built in a container (so that no Go is needed here) unless the cache has it."""
    program = cache_dir("tools", f"{name}-{version}") / name
    if not program.exists():
        with tempfile.TemporaryDirectory(dir=cache_dir("tools")) as folder:
            arguments = {"PACKAGE": package, "VERSION": version}
            Recipe(machine, current).export("program", arguments, Path(folder))
            (Path(folder) / name).rename(program)
    return program


class Recipe:
    """The targets of ``airgap/Dockerfile``, built on a machine's own base images."""

    def __init__(self, machine: Machine, current: Stage) -> None:
        self._machine = machine
        self._current = current
        self._dockerfile = Dockerfile.parse(AIRGAP / "Dockerfile")
        self._bases = {"BASE_IMAGE": base_image(machine, current)}
        if machine.source is ImageSource.AIRGAP:
            debian = versions()["debian"]
            node = bootstrap(machine, current, debian["node_suite"], debian["node_packages"])
            self._bases["NODE_BASE_IMAGE"] = node

    def name(self, target: str, arguments: dict[str, str] | None = None) -> str:
        """Return the name of a target's image, which follows its content."""
        content = self._dockerfile.digest(target, AIRGAP, self._bases | (arguments or {}))
        return f"quintet/{target}:{content}"

    def image(self, target: str, arguments: dict[str, str] | None = None) -> str:
        """Build a target's image unless it is there, and return its name."""
        name = self.name(target, arguments)
        if not succeeds(self._machine.docker, "image", "inspect", name):
            self._build(target, arguments, "--tag", name)
        return name

    def export(self, target: str, arguments: dict[str, str], folder: Path) -> None:
        """Build a target and copy its file system to a folder."""
        self._build(target, arguments, "--output", f"type=local,dest={folder}")

    def _build(self, target: str, arguments: dict[str, str] | None, *destination: str) -> None:
        self._current.note(f"building {target}")
        command = [*self._machine.build_command, "--target", target, *destination]
        for name, value in (self._bases | (arguments or {})).items():
            command += ["--build-arg", f"{name}={value}"]
        self._current.run(*command, AIRGAP)


def _save_for_kind(machine: Machine, current: Stage, images: list[str], archive: Path) -> None:
    """Save images in one archive that tells kind all their names.

    kind looks at the first metadata entry of an archive only, and of a `manifest.json` at its first image. A
    `repositories` entry in front lists every name, as kind spells it, and keeps it from pulling them.
    """
    saved = archive.with_suffix(".saved")
    current.run(machine.docker, "save", "--output", saved, *images)
    repositories: dict[str, dict[str, str]] = {}
    for image in images:
        repository, tag = image.rsplit(":", 1)
        identity = output(machine.docker, "image", "inspect", "--format", "{{.Id}}", image).strip()
        repositories.setdefault(repository, {})[tag] = identity
    text = json.dumps(repositories).encode()
    with tarfile.open(saved) as source, tarfile.open(archive, "w") as target:
        entry = tarfile.TarInfo("repositories")
        entry.size = len(text)
        target.addfile(entry, io.BytesIO(text))
        for member in source:
            if member.name != "repositories":
                target.addfile(member, source.extractfile(member) if member.isfile() else None)
    saved.unlink()


def _digest(*inputs: object) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]
