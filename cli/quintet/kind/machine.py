"""What this machine has and what is provided: an engine, and images from a registry or packages."""

import os
import platform
import shutil
import subprocess
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import requests

from quintet.paths import AIRGAP, cache_dir
from quintet.progress import Stage, UserError, output, stage, succeeds

REGISTRY_PROBE = "https://registry-1.docker.io/v2/"
"""Docker Hub's version check: it answers 401 to a stranger, and that is enough."""
ENGINE_SECONDS = 60
CAP_SYS_RESOURCE = 24
NO_BUILDKIT = "No Docker CLI on PATH can use BuildKit: install Docker's buildx plugin and try again."
CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class MachineError(UserError):
    """This machine lacks something that cannot be provided; the message says what to install."""


class ImageSource(StrEnum):
    """Where images that are not ours come from."""

    REGISTRY = "registry"
    AIRGAP = "airgap"


@dataclass(frozen=True)
class Machine:
    """A machine that can build and run the platform.

    Attributes:
        docker: a Docker CLI that can use BuildKit (the first on PATH may lack its plugin).
        source: where the base image, the kind node and the registry come from.
        reason: why it is that source, as a sentence.
    """

    docker: Path
    source: ImageSource
    reason: str

    @property
    def docker_first(self) -> dict[str, str]:
        """The environment in which kind finds this Docker CLI before any other."""
        return {"PATH": f"{self.docker.parent}{os.pathsep}{os.environ['PATH']}"}

    @property
    def build_command(self) -> list[str | Path]:
        """The start of a `docker build`; its secret ``ca`` is this machine's CA bundle."""
        bundle = ca_bundle()
        secret = ["--secret", f"id=ca,src={bundle}"] if bundle else []
        return ["env", "DOCKER_BUILDKIT=1", self.docker, "build", "--progress", "plain", *secret]


def prepare() -> Machine:
    """Find out what the machine has, start what is missing, and say which way the images come and why.

    Raises:
        MachineError: when something cannot be provided.
    """
    with stage("machine", "looking for a Docker engine and an image registry") as current:
        docker = ensure_engine(current)
        source, reason = image_source()
        if source is ImageSource.AIRGAP:
            ensure_bootstrap(current)
        current.outcome = reason
    return Machine(docker, source, reason)


def ensure_engine(current: Stage) -> Path:
    """Return a Docker CLI whose engine answers; on Debian as root, the engine is installed and started."""
    docker = buildkit_cli()
    if docker is None and engine_answers(Path("docker")):
        raise MachineError(NO_BUILDKIT)
    if not (docker and engine_answers(docker)) and not shutil.which("dockerd"):
        _install(current, "docker.io", "iptables", "jq", why="Docker is not installed")
        docker = buildkit_cli()
    if docker is None:
        raise MachineError(NO_BUILDKIT)
    if not engine_answers(docker):
        if os.geteuid() != 0:
            raise MachineError("The Docker engine does not answer: start it and try again.")
        start_engine(current, docker)
    return docker


def buildkit_cli() -> Path | None:
    """Return the first Docker CLI on PATH that can use BuildKit: older than 23, or with its buildx plugin."""
    for folder in os.get_exec_path():
        candidate = Path(folder) / "docker"
        if not os.access(candidate, os.X_OK):
            continue
        version = output(candidate, "--version").removeprefix("Docker version ")
        major = version.split(".")[0]
        if (major.isdigit() and int(major) < 23) or succeeds(candidate, "buildx", "version"):
            return candidate
    return None


def engine_answers(docker: Path) -> bool:
    """Return whether the engine behind a CLI answers."""
    return succeeds(docker, "version", "--format", "{{.Server.Version}}")


def start_engine(current: Stage, docker: Path) -> None:
    """Start the Docker engine, by systemd or else as a process of its own session, and wait for its answer.

    Raises:
        MachineError: with the path of its log, when it does not answer in time.
    """
    if Path("/run/systemd/system").is_dir():
        current.run("systemctl", "start", "docker")
        return
    for pidfile in (Path("/run/docker.pid"), Path("/run/docker/containerd/containerd.pid")):
        forget_stale_pid(pidfile)
    command = ["dockerd"]
    if not may_raise_limits():
        # Docker gives privileged containers every capability, and runc fails on one that root itself lacks.
        # The engine outlives this checkout, so it gets a copy of its own.
        runtime = shutil.copy(AIRGAP / "capped-runc", cache_dir("docker"))
        command += ["--add-runtime", f"capped={runtime}", "--default-runtime", "capped"]
        if not shutil.which("jq"):
            _install(current, "jq", why="the container runtime here needs jq")
    log = cache_dir("logs") / "dockerd.log"
    current.say(f"starting {' '.join(command)}, log {log}")
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
    deadline = time.monotonic() + ENGINE_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if engine_answers(docker):
            return
        time.sleep(0.5)
    raise MachineError(f"The Docker engine did not start; the end of {log} says why.")


def forget_stale_pid(pidfile: Path, proc: Path = Path("/proc")) -> None:
    """Remove a pid file whose process is gone or is another program by now: the engine would not start."""
    try:
        pid = pidfile.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return
    try:
        program = (proc / pid / "comm").read_text(encoding="utf-8").strip()
    except OSError:
        program = ""
    if program not in ("dockerd", "containerd"):
        pidfile.unlink()


def may_raise_limits(status: Path = Path("/proc/self/status")) -> bool:
    """Return whether CAP_SYS_RESOURCE is in this process's bounding set."""
    for line in status.read_text(encoding="ascii").splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1)
    return True


def image_source() -> tuple[ImageSource, str]:
    """Decide where images come from: ``QUINTET_IMAGES`` if it is set, else whether Docker Hub answers.

    Raises:
        MachineError: when ``QUINTET_IMAGES`` is neither ``registry`` nor ``airgap``.
    """
    wanted = os.environ.get("QUINTET_IMAGES", "")
    if wanted:
        if wanted not in tuple(ImageSource):
            raise MachineError(
                f"QUINTET_IMAGES is {wanted!r}: set it to registry or airgap, or leave it unset."
            )
        return ImageSource(wanted), f"images from {wanted}, as QUINTET_IMAGES asks"
    try:
        status = requests.get(REGISTRY_PROBE, timeout=5).status_code
    except requests.RequestException as error:
        why = type(error).__name__
    else:
        if status in (200, 401):
            return ImageSource.REGISTRY, "images from their registries: Docker Hub answers"
        why = f"HTTP {status}"
    return (
        ImageSource.AIRGAP,
        f"images made from Debian packages and Go modules: Docker Hub does not answer ({why})",
    )


def ensure_bootstrap(current: Stage) -> None:
    """Provide mmdebstrap, which makes the base images where none can be pulled."""
    if not shutil.which("mmdebstrap"):
        _install(
            current,
            "mmdebstrap",
            why="no image registry is reached and base images must be made from Debian packages",
        )


def ca_bundle() -> Path | None:
    """Return the host's CA bundle, which may know a proxy: ``SSL_CERT_FILE``, or where it usually is."""
    for name in (os.environ.get("SSL_CERT_FILE", ""), *CA_BUNDLES):
        if name and Path(name).is_file():
            return Path(name)
    return None


def _install(current: Stage, *packages: str, why: str) -> None:
    names = " ".join(packages)
    if not _is_debian() or os.geteuid() != 0:
        raise MachineError(
            f"On this machine {why}: install {names} (on Debian as root, this is done for you) and try again."
        )
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    current.run("apt-get", "update", "-q", env=environment)
    current.run("apt-get", "install", "-y", "-q", "--no-install-recommends", *packages, env=environment)


def _is_debian() -> bool:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return False
    return "debian" in (release["ID"], *release.get("ID_LIKE", "").split())
