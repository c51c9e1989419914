"""The echo, and the engine on one row a request. Nothing is read, checked, counted or written."""

import json
import os
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

import bundle
from bench.serving.peers.echo import app as echo

folder = Path(os.environ["MODEL_FOLDER"])
opened = bundle.load(folder / "bundle")
matrix, _ = opened.preprocessing.apply_to_samples(json.loads((folder / "rows.json").read_text()))
rows = cycle([np.ascontiguousarray(matrix[at : at + 1]) for at in range(len(matrix))])
predict = opened.engine.predict_proba


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers as the echo does."""
    if scope["type"] == "http":
        predict(next(rows))
    await echo(scope, receive, send)
