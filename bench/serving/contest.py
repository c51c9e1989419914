"""Starting the servers side by side, proving their answers, and loading them in turn."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.serving import load
from bench.serving.load import Load
from bench.serving.models import ROOT, ROWS, Model
from bench.serving.servers import QUINTET, SERVERS, Server
from quintet.progress import UserError
from run_in import environment
from tests import services
from tests.serving.registry_server import Registry, serve

CONNECTIONS = 16
BODIES = (1, 100)
PROVED = 60
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
BATCHES_EACH_SECOND, BATCH_CONNECTIONS = 20, 2


@dataclass
class Running:
    """A server that answers, and what was measured of it."""

    server: Server
    port: int
    pid: int
    start_seconds: float
    requests: dict[int, Path] = field(default_factory=dict)
    """By the number of rows in a body."""
    loads: dict[int, list[Load]] = field(default_factory=dict)
    megabytes: float = 0

    def start_load(
        self, rows: int, seconds: float, connections: int = CONNECTIONS, each_second: float = 0
    ) -> subprocess.Popen[bytes]:
        """Starts a client that sends bodies of so many rows."""
        return load.start(self.port, connections, seconds, self.requests[rows], each_second)


@dataclass
class Contest:
    """All that was measured with one model."""

    model: Model
    running: list[Running]
    absent: dict[str, str]
    """Servers that could not be had, with the reason."""
    engine_microseconds: list[float]
    alone_p99_ms: list[float]
    """Of our single rows, and beside batches."""
    beside_batches_p99_ms: list[float]

    def of(self, name: str) -> Running | None:
        """Returns a server's results."""
        return next((each for each in self.running if each.server.name == name), None)


def contest(model: Model, rounds: int, seconds: float, only: list[str], folder: Path) -> Contest:
    """Starts all servers, and loads one after the other, round after round, in an order that turns.

    Args:
        model: what they serve.
        rounds: how often each is loaded.
        seconds: how long each time.
        only: names of servers; empty for all.
        folder: for their files.
    """
    with ExitStack() as stack:
        result = Contest(model, [], {}, [], [], [])
        expected = model.expected(max(BODIES))
        for server in SERVERS:
            if only and server.name not in only:
                continue
            try:
                running = stack.enter_context(started(server, model, folder))
                _prepare(running, model, expected, _own(server, folder))
                result.running.append(running)
                print(f"  {server.name} answers after {running.start_seconds:.1f} s", flush=True)
            except (UserError, SystemExit, ValueError, OSError) as error:
                result.absent[server.name] = " ".join(str(error).split())[:300]
                print(f"  {server.name} cannot be had: {result.absent[server.name]}", flush=True)
        for turn in range(rounds):
            result.engine_microseconds.append(_engine(model))
            for running in result.running if turn % 2 == 0 else reversed(result.running):
                for rows in BODIES:
                    each = load.finish(running.start_load(rows, seconds))
                    _refuse_errors(running, each)
                    running.loads.setdefault(rows, []).append(each)
            if ours := result.of(QUINTET):
                result.alone_p99_ms.append(load.finish(ours.start_load(1, seconds)).p99_ms)
                batches = ours.start_load(100, seconds, BATCH_CONNECTIONS, BATCHES_EACH_SECOND)
                result.beside_batches_p99_ms.append(load.finish(ours.start_load(1, seconds)).p99_ms)
                load.finish(batches)
        for running in result.running:
            running.megabytes = megabytes(running.pid)
    return result


def _own(server: Server, folder: Path) -> Path:
    return folder / re.sub(r"\W+", "-", server.name)


@contextmanager
def started(server: Server, model: Model, folder: Path) -> Iterator[Running]:
    """Runs a server until the block ends; ours finds its bundle on disk."""
    own = _own(server, folder)
    own.mkdir()
    with ExitStack() as stack:
        if server.name == QUINTET:
            registry = stack.enter_context(serve(Registry()))
            registry.promote(1, model.folder / "bundle")
            (own / "registry").write_text(registry.url)
            with process_of(server, model, own):
                pass  # the first start fetches the bundle; the second one finds it on disk
        yield stack.enter_context(process_of(server, model, own))


@contextmanager
def process_of(server: Server, model: Model, folder: Path) -> Iterator[Running]:
    """Runs a server until the block ends, once it has answered; `started` sees to what it needs."""
    ports = services.free_ports(3)
    start = server.start(model, ports, folder)
    command = [str(start.python), *start.arguments]
    body = json.dumps(server.body(model.samples[:1])).encode()
    begun = time.perf_counter()
    with services.process(
        command,
        folder / "log",
        {**ONE_THREAD, "HOME": str(folder), **start.variables},
        ready=lambda: _ask(ports[0], server.address, body) is not None,
        cwd=ROOT,
    ) as child:
        yield Running(server, ports[0], child.pid, time.perf_counter() - begun)


def _prepare(running: Running, model: Model, expected: list[int], folder: Path) -> None:
    """Proves the answers and writes the requests of a load."""
    server = running.server
    for rows in BODIES:
        bodies = [
            json.dumps(server.body(model.samples[at : at + rows])).encode()
            for at in range(0, ROWS * min(rows, 10), rows)
        ]
        for at in range(0, PROVED if rows == 1 else 1):
            labels = server.labels(_ask(running.port, server.address, bodies[at]))
            if server.check and labels != expected[at * rows : (at + 1) * rows]:
                raise ValueError(
                    f"{server.name} answers {labels}; scikit-learn {expected[at * rows :][:rows]}"
                )
        path = folder / f"{rows}.requests"
        load.write_requests(path, server.address, bodies)
        running.requests[rows] = path


def _ask(port: int, address: str, body: bytes) -> Any:
    """Returns an answer, or None where there is none with status 200."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{address}", body)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError):
        return None


def _refuse_errors(running: Running, each: Load) -> None:
    if each.statuses.keys() != {"200"}:
        raise ValueError(f"{running.server.name} answered {each.statuses}: only good answers are compared")


def _engine(model: Model) -> float:
    python = environment("serving") / "bin" / "python"
    command = [str(python), "-m", "bench.serving.engine", str(model.folder)]
    variables = {**ONE_THREAD, "PYTHONPATH": str(ROOT), "HOME": str(Path.home())}
    return float(subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, check=True).stdout)


def megabytes(pid: int) -> float:
    """Returns the memory of a process and its children; what they share counts once."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(each.memory_full_info().pss for each in family) / 1e6
