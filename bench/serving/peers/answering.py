"""What a service that a user writes does with rows: scikit-learn over a frame, or our own engine."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]


def load() -> Callable[[Rows], list[int]]:
    """Returns a function from rows to labels, of the model in the folder MODEL_FOLDER."""
    folder = Path(os.environ["MODEL_FOLDER"])
    if os.environ["ENGINE"] == "quintet":
        import bundle

        opened = bundle.load(folder / "bundle")
        values = [label.value for label in opened.contract.labels]

        def by_bundle(rows: Rows) -> list[int]:
            matrix, _ = opened.preprocessing.apply_to_samples(rows)
            return [values[rank] for rank in opened.probabilities(matrix).argmax(axis=1)]

        return by_bundle
    import joblib
    import pandas as pd

    pipeline = joblib.load(folder / "pipeline.joblib")

    def by_pipeline(rows: Rows) -> list[int]:
        labels: list[int] = pipeline.predict(pd.DataFrame(rows)).tolist()
        return labels

    return by_pipeline
