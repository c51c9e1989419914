"""From the model's matrix to class probabilities, over plain arrays.

Each engine is made from its arrays and parameters, checks that they fit together, and then only computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bundle.engines.arrays import BOOSTER, Arrays, Matrix
from bundle.engines.forest import Forest
from bundle.engines.kernel_map import KernelMap
from bundle.engines.linear import Linear
from bundle.engines.xgboost import XGBoost

__all__ = ["BOOSTER", "ENGINES", "Arrays", "Engine", "Forest", "KernelMap", "Linear", "Matrix", "XGBoost"]


class Engine(Protocol):
    """What `Bundle` asks of an engine."""

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Returns probabilities of shape (rows, classes) for a matrix of shape (rows, columns)."""
        ...


ENGINES: Mapping[str, type[Linear] | type[KernelMap] | type[Forest] | type[XGBoost]] = {
    "linear": Linear,
    "kernel_map": KernelMap,
    "forest": Forest,
    "xgboost": XGBoost,
}
