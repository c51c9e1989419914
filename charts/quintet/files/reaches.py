"""Resolve names and open connections under the policies of this pod; usage: reaches.py NAME:PORT ..."""

import socket
import sys
import time

TRIES = 10
"""A new pod may run before its policies apply."""
TIMEOUT_SECONDS = 3


def refusal(target: str) -> str | None:
    """Return why a target is not reached, with the value that opens the way; None when it is reached."""
    name, _, port = target.rpartition(":")
    try:
        socket.getaddrinfo(name, int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        return (
            f"{name} is not resolved ({error}): global.networkPolicy.dns must name what resolves names in "
            "this cluster; charts/quintet/presets has examples."
        )
    try:
        socket.create_connection((name, int(port)), TIMEOUT_SECONDS).close()
    except OSError as error:
        way = (
            "global.networkPolicy.kubernetesApi" if name.startswith("kubernetes.") else "the `egress` values"
        )
        return f"{target} is not reached ({error}): {way} must open the way to it, unless it is down."
    return None


def main(targets: list[str]) -> None:
    """Ask each target until it is reached, and end with what is wrong about those that are not."""
    for _ in range(TRIES):
        wrong = [why for target in targets if (why := refusal(target))]
        if not wrong:
            print("reached:", ", ".join(targets))
            return
        time.sleep(1)
    sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
