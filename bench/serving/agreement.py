"""Every test row through the API and through the pipeline: `python -m bench.serving.agreement`.

Every candidate of each pipeline's last training on the local platform, which `./quintet --on local run-all`
makes, and the two models of `bench.serving`, trained on the whole covertype file. Prints for each
the share of equal labels and the largest difference between two probabilities: for bodies of 1,000 rows, and
for single rows on 16 connections, which the API answers together as they come.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import joblib
import numpy as np
from numpy.typing import NDArray

from bench.serving import servers
from bench.serving.candidates import Candidate, of_platform
from bench.serving.models import ROOT, trained
from forest.snapshot import FEATURES
from quintet.local.state import State
from quintet.progress import UserError
from run_in import environment
from tests import services
from tests.serving.registry_server import Registry, serve

ROWS_A_BODY, CONNECTIONS = 1000, 16
SINGLE_ROWS = 20_000


def main() -> None:
    """Compares and prints; ends with 1 when one label differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").replace("`", ""))
    parser.add_argument("--state", help="folder of the local platform (default: as quintet's)")
    state = State.of(parser.parse_args().state)
    figures = "equal labels | largest difference of a probability"
    print(f"| model | test rows | {ROWS_A_BODY:,} a body: {figures} | one a body: {figures} |")
    print("|---|---:|---:|---:|---:|---:|")
    agree = True
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as name:
        folder = Path(name)
        try:
            for candidate in chain(of_platform(state, folder), _whole_file()):
                agree &= _compared(candidate, folder)
        except UserError as error:
            sys.exit(str(error))
    if not agree:
        sys.exit("Not every label is equal.")


def _whole_file() -> Iterator[Candidate]:
    for model in trained():
        pipeline = joblib.load(model.folder / "pipeline.joblib")
        rows = model.test[list(FEATURES)]
        yield Candidate(
            f"forest, {model.name}, whole file", pipeline, model.folder / "bundle", rows, model.samples
        )


def _compared(candidate: Candidate, folder: Path) -> bool:
    """Prints the line of a candidate, and says whether all labels are equal."""
    labels = candidate.pipeline.predict(candidate.rows)
    # A support vector classifier has none.
    proba = getattr(candidate.pipeline, "predict_proba", None)
    probabilities = proba(candidate.rows) if proba else None
    items: dict[int, list[Any]] = {ROWS_A_BODY: candidate.items, 1: candidate.items[:SINGLE_ROWS]}
    if isinstance(candidate.items[0], list):
        items = {ROWS_A_BODY: [], 1: candidate.items}  # the bars of one row are a body
    cells, agree = [candidate.name, f"{len(labels):,}"], True
    with _served(candidate.bundle, folder) as url:
        for size, some in items.items():
            if not some:
                cells += ["", ""]
                continue
            found, shares = _read(asyncio.run(_answers(url, _bodies(some, size))))
            if len(found) != len(some):
                raise UserError(f"{candidate.name}: {len(some):,} rows got {len(found):,} predictions")
            same = found == labels[: len(found)]
            agree = agree and bool(same.all())
            cells.append(f"{same.mean():.4%} of {len(found):,}")
            difference = None if probabilities is None else np.abs(shares - probabilities[: len(found)]).max()
            cells.append("none" if difference is None else f"{difference:.2g}")
    print(f"| {' | '.join(cells)} |", flush=True)
    return agree


@contextmanager
def _served(bundle: Path, folder: Path) -> Iterator[str]:
    """Runs the API with a bundle as champion and gives the URL that answers with probabilities."""
    with serve(Registry()) as registry, tempfile.TemporaryDirectory(dir=folder) as own:
        registry.promote(1, bundle)
        variables = servers.our_variables(registry.url, services.free_ports(2), Path(own))
        url = f"http://127.0.0.1:{variables['PORT']}"
        command = [str(environment("serving") / "bin" / "python"), "-m", "app"]
        with services.process(
            command, Path(own, "log"), variables, ready=lambda: services.answers(f"{url}/ready"), cwd=ROOT
        ):
            yield f"{url}/predict?probabilities=true"


def _bodies(items: Sequence[Any], size: int) -> list[bytes]:
    if isinstance(items[0], list):
        return [json.dumps({"bars": bars}).encode() for bars in items]
    return [json.dumps({"samples": items[at : at + size]}).encode() for at in range(0, len(items), size)]


async def _answers(url: str, bodies: list[bytes]) -> list[dict[str, Any]]:
    """Sends all bodies on some connections; gives the answers in their order."""
    answers: list[dict[str, Any]] = [{}] * len(bodies)
    waiting = iter(enumerate(bodies))

    async def send(client: httpx.AsyncClient) -> None:
        for at, body in waiting:
            answer = await client.post(url, content=body, headers={"Content-Type": "application/json"})
            if answer.status_code != httpx.codes.OK:
                raise UserError(f"body {at} is refused with {answer.status_code}: {answer.text[:500]}")
            answers[at] = answer.json()

    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        await asyncio.gather(*(send(client) for _ in range(CONNECTIONS)))
    return answers


def _read(answers: list[dict[str, Any]]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Returns all labels and probabilities; the label is the first field of a prediction."""
    predictions = [each for answer in answers for each in answer["predictions"]]
    labels = [next(iter(each.values())) for each in predictions]
    return np.array(labels), np.array([list(each["probabilities"].values()) for each in predictions])


if __name__ == "__main__":
    main()
