"""Every test row through the API and through scikit-learn: `python -m bench.serving.agreement`.

Prints, for each model, the share of equal labels and the largest difference between two probabilities.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import httpx
import joblib
import numpy as np

from bench.serving.contest import started
from bench.serving.models import Model, trained
from bench.serving.servers import QUINTET, SERVERS
from forest.snapshot import FEATURES, TARGET

ROWS_A_BODY = 1000


def main() -> None:
    """Compares and prints; ends with 1 when one label differs."""
    print("| model | test rows | equal labels | largest difference of a probability |\n|---|---:|---:|---:|")
    equal = True
    for model in trained():
        with tempfile.TemporaryDirectory(prefix="quintet-bench-") as folder:
            labels, probabilities = _answers(model, Path(folder))
        pipeline = joblib.load(model.folder / "pipeline.joblib")
        rows = model.test[list(FEATURES)]
        same = labels == pipeline.predict(rows)
        difference = np.abs(probabilities - pipeline.predict_proba(rows)).max()
        print(f"| {model.name} | {len(rows):,} | {same.mean():.4%} | {difference:.2g} |", flush=True)
        equal = equal and bool(same.all())
    if not equal:
        sys.exit(1)


def _answers(model: Model, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    labels, probabilities = [], []
    server = next(server for server in SERVERS if server.name == QUINTET)
    with started(server, model, folder) as running, httpx.Client(trust_env=False, timeout=60) as client:
        url = f"http://127.0.0.1:{running.port}{server.address}?probabilities=true"
        for at in range(0, len(model.samples), ROWS_A_BODY):
            answer = client.post(url, json={"samples": model.samples[at : at + ROWS_A_BODY]})
            answer.raise_for_status()
            for each in answer.json()["predictions"]:
                labels.append(each[TARGET])
                probabilities.append(list(each["probabilities"].values()))
    return np.array(labels), np.array(probabilities)


if __name__ == "__main__":
    main()
