"""A container of the Docker engine that stands for a machine: the node of a cluster, or its registry."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from quintet.progress import CommandError, Stage, UserError, output, succeeds

STOP_SECONDS = 30
SYSTEMD_SECONDS = 60
FREEZER = Path("/sys/fs/cgroup/freezer")


@dataclass(frozen=True)
class Container:
    """A container by its name, whether it exists or not."""

    docker: Path
    name: str

    @property
    def state(self) -> str:
        """Its state in Docker's words (running, exited, …), or nothing when there is no such container."""
        try:
            return output(
                self.docker, "container", "inspect", "--format", "{{.State.Status}}", self.name
            ).strip()
        except CommandError:
            return ""

    def start(self, current: Stage) -> None:
        """Start it unless it runs; one that was killed at a bad moment is called running and yet is dead."""
        if self.state != "running" or not succeeds(self.docker, "exec", self.name, "true"):
            self.thaw()
            current.run(self.docker, "restart", "--time", "10", self.name)

    def thaw(self, freezer: Path = FREEZER) -> None:
        """Resume frozen processes inside, to their end.

        On cgroup v1, runc freezes a container for a moment while it starts it. A node that is killed in that
        moment holds a process that no signal reaches, and Docker waits for the node's end in vain.
        """
        identity = output(self.docker, "container", "inspect", "--format", "{{.Id}}", self.name).strip()
        for state in freezer.glob(f"docker/{identity}/**/freezer.state"):
            if os.access(state, os.W_OK) and state.read_text(encoding="ascii").strip() != "THAWED":
                state.write_text("THAWED", encoding="ascii")

    def stop(self, current: Stage) -> None:
        """Stop it if it runs, and give its processes time to end well."""
        if self.state == "running":
            current.run(self.docker, "stop", "--time", str(STOP_SECONDS), self.name)

    def run(self, *command: str, stdin: str | None = None) -> str:
        """Run a command inside and return its output."""
        interactive = ["--interactive"] if stdin is not None else []
        return output(self.docker, "exec", *interactive, self.name, *command, stdin=stdin)

    def has(self, path: str) -> bool:
        """Return whether a file is in there; the container need not run."""
        return succeeds(self.docker, "cp", f"{self.name}:{path}", "-")

    def write(self, path: str, text: str) -> None:
        """Write a file inside, and the folders above it."""
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1"', "write", path, stdin=text)

    def install_unit(self, unit: Path) -> None:
        """Make its systemd run a unit now and at each of its starts.

        Raises:
            UserError: when its systemd does not come up.
        """
        self.write(f"/etc/systemd/system/{unit.name}", unit.read_text(encoding="utf-8"))
        # A container that was started a moment ago runs commands before its systemd takes any.
        deadline = time.monotonic() + SYSTEMD_SECONDS
        while not succeeds(self.docker, "exec", self.name, "systemctl", "show", "--property=Version"):
            if time.monotonic() > deadline:
                raise UserError(
                    f"Container {self.name} has not started after {SYSTEMD_SECONDS} s: "
                    f"`docker logs {self.name}` says why."
                )
            time.sleep(0.2)
        self.run("systemctl", "enable", "--now", unit.name)

    def certificate(self, host: str) -> tuple[str, str]:
        """Return a self-signed serving certificate for a host and its key, made once and kept inside."""
        path = f"/etc/kubernetes/pki/{host}"
        if not self.has(f"{path}.crt"):
            self.run(
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-noenc", "-days", "3650", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"),
                *("-keyout", f"{path}.key", "-out", f"{path}.crt"),
            )
        return self.run("cat", f"{path}.crt"), self.run("cat", f"{path}.key")

    def join(self, network: str) -> None:
        """Connect it to a network unless it is there already."""
        attached = output(self.docker, "inspect", "--format", "{{json .NetworkSettings.Networks}}", self.name)
        if f'"{network}"' not in attached:
            output(self.docker, "network", "connect", network, self.name)
