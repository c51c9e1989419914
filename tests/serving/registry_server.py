"""A server that speaks the part of MLflow's HTTP API that serving uses."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from bundle.reader import bundle_digest

GONE = (503, b"<html>Service Unavailable</html>")
"""What a proxy answers whose server is gone."""


@dataclass
class Registry:
    """What the server answers; tests change it while it runs."""

    folders: dict[str, Path] = field(default_factory=dict)
    """The bundle of each run."""
    champion: dict[str, object] | None = None
    broken: tuple[int, bytes] | None = None
    """Answer everything with this status and body."""
    url: str = ""

    def promote(self, version: int, bundle: Path, **tags: str) -> None:
        """Makes a bundle version `version` and champion, all at once."""
        run = f"run{version}"
        self.folders[run] = bundle
        known = {"bundle_digest": bundle_digest(bundle), "bundle_path": "bundle"} | tags
        self.champion = {
            "name": "forest",
            "version": str(version),
            "run_id": run,
            "tags": [{"key": key, "value": value} for key, value in known.items()],
        }

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        """Returns status and body."""
        if self.broken:
            return self.broken
        if path == "/api/2.0/mlflow/registered-models/alias":
            if (query["name"], query["alias"]) != ("forest", "champion") or self.champion is None:
                return 404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "not found"}'
            return 200, json.dumps({"model_version": self.champion}).encode()
        if path == "/get-artifact":
            file = self.folders[query["run_uuid"]] / query["path"].removeprefix("bundle/")
            return (200, file.read_bytes()) if file.is_file() else (404, b"{}")
        return 404, b"{}"


@contextmanager
def serve(registry: Registry, port: int = 0) -> Iterator[Registry]:
    """Runs the server until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            status, body = registry.answer(
                url.path, {name: values[0] for name, values in parse_qs(url.query).items()}
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        registry.url = f"http://127.0.0.1:{server.server_port}"
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield registry
        server.shutdown()
