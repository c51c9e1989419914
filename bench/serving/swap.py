"""The API's memory at rest and while a new champion takes over: `python -m bench.serving.swap`.

Both champions are the forest, as bundles with different digests; single rows are asked for all the time.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from bench.serving import load
from bench.serving.contest import megabytes, process_of
from bench.serving.models import trained
from bench.serving.servers import QUINTET, SERVERS
from bundle.reader import CONTRACT, DIGESTS
from tests.serving.registry_server import Registry, serve

REST_SECONDS = 5
SECONDS = 60
EACH_SECOND = 200


def main() -> None:
    """Promotes and prints."""
    model = trained()[0]
    server = next(server for server in SERVERS if server.name == QUINTET)
    first = model.folder / "bundle"
    size = sum(path.stat().st_size for path in first.rglob("*") if path.is_file()) / 1e6
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as name, serve(Registry()) as registry:
        folder = Path(name)
        (folder / "registry").write_text(registry.url)
        second = _another(first, folder / "second")
        registry.promote(1, first)
        with process_of(server, model, folder) as running:
            bodies = [json.dumps({"samples": [sample]}).encode() for sample in model.samples[:1000]]
            load.write_requests(folder / "requests", server.address, bodies)
            client = load.start(running.port, 2, SECONDS, folder / "requests", EACH_SECOND)
            threading.Event().wait(REST_SECONDS)
            rest = megabytes(running.pid)
            registry.promote(2, second)
            begun = time.perf_counter()
            seen = [(0.0, rest, "1")]
            while seen[-1][0] < SECONDS - REST_SECONDS - 1:
                seen.append((time.perf_counter() - begun, megabytes(running.pid), _version(running.port)))
                threading.Event().wait(0.1)
            answers = load.finish(client)
    over = [at for at, used, _ in seen if used > rest + size / 2]
    seconds = over[-1] - over[0] if over else 0
    _, last, version = seen[-1]
    print(f"bundle {size:.0f} MB; at rest {rest:.0f} MB, {rest - 1.5 * size:.0f} MB + 1.5 x the bundle")
    print(
        f"swap: {max(used for _, used, _ in seen):.0f} MB at most; more than half a bundle above rest for "
        f"{seconds:.1f} s; version {version} serves; at the end {last:.0f} MB"
    )
    print(f"meanwhile {answers.answers:,} answers, {answers.statuses}, p99 {answers.p99_ms:.2f} ms")


def _another(bundle: Path, path: Path) -> Path:
    """Copies a bundle with another metric, and so with another digest."""
    shutil.copytree(bundle, path)
    contract = json.loads((path / CONTRACT).read_bytes())
    contract["metrics"] = {"copied": 1.0}
    (path / CONTRACT).write_text(json.dumps(contract))
    digests = json.loads((path / DIGESTS).read_bytes())
    digests[CONTRACT] = hashlib.sha256((path / CONTRACT).read_bytes()).hexdigest()
    (path / DIGESTS).write_text(json.dumps(digests))
    return path


def _version(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metadata") as answer:
        return str(json.load(answer)["version"])


if __name__ == "__main__":
    main()
