"""Base images, the kind node, the local registry and Go programs, from Debian packages and Go modules alone.

Each is named by a hash of what it is made from, so that a finished one is found again and an interrupted one
is made anew. The recipes are in ``airgap/``.
"""

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from quintet.machine import ImageSource, Machine
from quintet.paths import AIRGAP, cache_dir, versions
from quintet.progress import Stage, output, succeeds

BASE_PACKAGES = ("ca-certificates",)
NODE_PACKAGES = (
    *(
        "bash",
        "ca-certificates",
        "conntrack",
        "containernetworking-plugins",
        "curl",
        "dbus",
        "e2fsprogs",
        "ethtool",
    ),
    *(
        "iproute2",
        "iptables",
        "jq",
        "kmod",
        "libseccomp2",
        "mount",
        "nftables",
        "pigz",
        "procps",
        "runc",
        "socat",
    ),
    *("systemd", "util-linux"),
)
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")


def base_image(machine: Machine, current: Stage) -> str:
    """Return the image that ours stand on: Debian's own, or one made from the same packages."""
    suite = versions()["debian"]["suite"]
    if machine.source is ImageSource.REGISTRY:
        return f"debian:{suite}-slim"
    return _bootstrap(machine, current, suite, BASE_PACKAGES)


def registry_image(machine: Machine, current: Stage) -> str:
    """Return the image of the registry that stands beside a cluster."""
    if machine.source is ImageSource.REGISTRY:
        return str(versions()["registry"]["image"])
    return _image(machine, current, "registry", {})


def node_image(machine: Machine, kind: Path, current: Stage) -> str:
    """Return the image of the kind node; in an airgap, kind makes it from our own build of Kubernetes."""
    if machine.source is ImageSource.REGISTRY:
        return str(versions()["node"]["image"])
    kubernetes = versions()["kubernetes"]["version"]
    pins = {
        key: versions()[key] for key in ("debian", "kubernetes", "node", "local_path_provisioner", "tools")
    }
    node = f"quintet/node:{kubernetes}-{_digest(pins, NODE_PACKAGES, _recipe())}"
    if succeeds(machine.docker, "image", "inspect", node):
        return node
    base = _image(machine, current, "node-base", {"VERSION": versions()["tools"]["kind"]["version"]})
    kubernetes_version = {"VERSION": kubernetes}
    local_path = versions()["local_path_provisioner"]
    arguments = {
        "local-path-provisioner": {"PACKAGE": local_path["package"], "VERSION": local_path["version"]}
    }
    with tempfile.TemporaryDirectory(dir=cache_dir("airgap")) as folder:
        server = Path(folder, "kubernetes", "server", "bin")
        server.mkdir(parents=True)
        Path(folder, "kubernetes", "version").write_text(kubernetes, encoding="ascii")
        _export(machine, current, "node-programs", kubernetes_version, server)
        for program in CONTROL_PLANE:
            name = f"registry.k8s.io/{program}:{kubernetes}"
            _build(machine, current, program, kubernetes_version, name)
            current.run(machine.docker, "save", "--output", server / f"{program}.tar", name)
        names = list(versions()["node"]["images"])
        for name, target in versions()["node"]["images"].items():
            _build(machine, current, target, arguments.get(target, {}), name)
        apiserver = f"registry.k8s.io/kube-apiserver:{kubernetes}"
        _save_for_kind(machine, current, [apiserver, *names], server / "kube-apiserver.tar")
        archive = Path(folder, "server.tar.gz")
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            tar.add(Path(folder, "kubernetes"), arcname="kubernetes")
        current.run(
            kind,
            "build",
            "node-image",
            "--type",
            "file",
            "--base-image",
            base,
            "--image",
            node,
            archive,
            env=machine.docker_first,
        )
    return node


def install(machine: Machine, current: Stage, name: str, package: str, version: str) -> Path:
    """Return a Go program, built in a container (so that no Go is needed here) unless the cache has it."""
    program = cache_dir("tools", f"{name}-{version}") / name
    if not program.exists():
        with tempfile.TemporaryDirectory(dir=cache_dir("tools")) as folder:
            _export(machine, current, "program", {"PACKAGE": package, "VERSION": version}, Path(folder))
            (Path(folder) / name).rename(program)
    return program


def _bootstrap(machine: Machine, current: Stage, suite: str, packages: tuple[str, ...]) -> str:
    """Make a Debian root file system of a suite from its packages and import it as an image."""
    image = f"quintet/debian:{suite}-slim-{_digest(suite, packages)}"
    if succeeds(machine.docker, "image", "inspect", image):
        return image
    with tempfile.TemporaryDirectory(dir=cache_dir("airgap")) as folder:
        archive = Path(folder, "root.tar")
        current.run("mmdebstrap", "--variant=minbase", f"--include={','.join(packages)}", suite, archive)
        current.run(machine.docker, "import", archive, image)
    return image


def _image(machine: Machine, current: Stage, target: str, arguments: Mapping[str, str]) -> str:
    """Build a target of ``airgap/Dockerfile`` under a name of its content, unless there is one."""
    content = _digest(dict(arguments), versions()["debian"], BASE_PACKAGES, NODE_PACKAGES, _recipe())
    name = f"quintet/{target}:{content}"
    if not succeeds(machine.docker, "image", "inspect", name):
        _build(machine, current, target, arguments, name)
    return name


def _build(machine: Machine, current: Stage, target: str, arguments: Mapping[str, str], name: str) -> None:
    current.run(
        *_recipe_command(machine, current, target, arguments),
        "--tag",
        name,
        AIRGAP,
    )


def _export(
    machine: Machine, current: Stage, target: str, arguments: Mapping[str, str], folder: Path
) -> None:
    """Build a target and copy its file system to a folder."""
    destination = ("--output", f"type=local,dest={folder}")
    current.run(
        *_recipe_command(machine, current, target, arguments),
        *destination,
        AIRGAP,
    )


def _recipe_command(
    machine: Machine, current: Stage, target: str, arguments: Mapping[str, str]
) -> list[str | Path]:
    images = {"BASE_IMAGE": base_image(machine, current)}
    if machine.source is ImageSource.AIRGAP:
        images["NODE_BASE_IMAGE"] = _bootstrap(
            machine, current, versions()["debian"]["node_suite"], NODE_PACKAGES
        )
    command = [*machine.build_command, "--target", target]
    for name, value in {**images, **arguments}.items():
        command += ["--build-arg", f"{name}={value}"]
    return command


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
        repositories.setdefault(repository, {})[tag] = output(
            machine.docker, "image", "inspect", "--format", "{{.Id}}", image
        ).strip()
    text = json.dumps(repositories).encode()
    with tarfile.open(saved) as source, tarfile.open(archive, "w") as target:
        entry = tarfile.TarInfo("repositories")
        entry.size = len(text)
        target.addfile(entry, io.BytesIO(text))
        for member in source:
            if member.name != "repositories":
                target.addfile(member, source.extractfile(member) if member.isfile() else None)
    saved.unlink()


def _recipe() -> str:
    return hashlib.sha256(
        b"".join(path.read_bytes() for path in sorted(AIRGAP.rglob("*")) if path.is_file())
    ).hexdigest()


def _digest(*inputs: object) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]
