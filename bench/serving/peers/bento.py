"""A BentoML service: `python -m bentoml serve bench.serving.peers.bento:Forest`."""

from typing import Any

import bentoml

from bench.serving.peers.answering import load


@bentoml.service(workers=1)
class Forest:
    """Classifies rows."""

    def __init__(self) -> None:
        self.labels = load()

    @bentoml.api
    def predict(self, rows: list[dict[str, Any]]) -> list[int]:
        """Returns each row's label."""
        return self.labels(rows)
