"""What the engine alone takes for one row: `python -m bench.serving.engine FOLDER`, in serving's environment.

Prints the mean microseconds of a second of different rows in turn, matrices ready.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import cycle
from pathlib import Path

import numpy as np

import bundle

SECONDS = 1.0


def main() -> None:
    """Measures and prints."""
    folder = Path(sys.argv[1])
    opened = bundle.load(folder / "bundle")
    samples = json.loads((folder / "rows.json").read_text())
    matrix, _ = opened.preprocessing.apply_to_samples(samples)
    rows = cycle([np.ascontiguousarray(matrix[at : at + 1]) for at in range(len(matrix))])
    predict = opened.engine.predict_proba
    count, begun = 0, time.perf_counter()
    while (took := time.perf_counter() - begun) < SECONDS:
        for _ in range(100):
            predict(next(rows))
        count += 100
    print(took / count * 1e6)


if __name__ == "__main__":
    main()
