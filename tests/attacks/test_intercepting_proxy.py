"""A proxy that opens what is encrypted, as some companies have: a step trusts it by its authority alone."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from quintet.local.platform import python_path
from tests import services
from tests.certificates import authority
from tests.places import REPOSITORY
from tests.scripted_http import response, serving

SOURCE = "https://localhost/"
"""A name of the certificate's; nobody listens at its port."""
SECONDS = 240


def intercepting(folder: Path, requests: list[bytes]) -> Callable[[socket], None]:
    """Make a script of a proxy that ends TLS by its own certificate and answers in the source's place."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")

    def open_it(client: socket) -> None:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            with context.wrap_socket(client, server_side=True) as stream:
                requests.append(stream.recv(65536))
                stream.sendall(response(400, json.dumps({"detail": "no such group"})))
        except OSError:
            return  # the client hangs up on a certificate that it does not trust

    return open_it


@pytest.fixture
def extract(bucket: str, s3_server: services.S3Server) -> Callable[..., dict[str, Any]]:
    """Runs a step that asks the source, as a process, and gives its ending."""

    def run(**environment: str) -> dict[str, Any]:
        base = {"PATH": os.environ["PATH"], "PYTHONPATH": python_path(), "RUN_ID": "r"}
        words = ["--group-number=1", f"--source-url={SOURCE}", f"--bucket={bucket}"]
        done = subprocess.run(
            [sys.executable, "-m", "forest.extract", *words],
            env=base | s3_server.environment | {"NO_PROXY": "127.0.0.1"} | environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        ending: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        assert ending["exit_code"] == done.returncode
        return ending

    return run


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_its_authority_is_trusted_by_the_variable_and_by_nothing_else(
    extract: Callable[..., dict[str, Any]], tmp_path: Path, variable: str
) -> None:
    bundle, requests = authority(tmp_path), list[bytes]()
    with serving(intercepting(tmp_path, requests)) as proxy:
        refused = extract(HTTPS_PROXY=proxy.url)
        assert (refused["exit_code"], refused["code"]) == (2, "UNTRUSTED_CERTIFICATE")
        assert refused["message"].startswith(
            f"localhost is refused for its certificate (subject server of {tmp_path.name}; issuer ca of"
        )
        assert requests == []
        through = extract(HTTPS_PROXY=proxy.url, **{variable: str(bundle)})
    assert (through["exit_code"], through["code"]) == (2, "REQUEST_REFUSED")
    assert "no such group" in through["message"]
    (asked,) = requests
    assert asked.startswith(b"GET /data?group_number=1 HTTP/1.1\r\n")
    assert proxy.requests == ["localhost:443"] * 2
