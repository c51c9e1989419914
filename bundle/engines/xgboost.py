"""Gradient-boosted trees in XGBoost's own file. The library is imported only by a model that needs it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bundle.engines.arrays import BOOSTER, Arrays, Matrix
from bundle.engines.booster import check_booster
from bundle.errors import BundleError


class XGBoost:
    """A booster with the objective `binary:logistic` or `multi:softprob`, asked in place by one thread.

    Arrays: `model.ubj`, XGBoost's Universal Binary JSON as bytes. It holds trees and numbers, no code;
    `booster` checks all of it before XGBoost gets it.
    """

    def __init__(self, arrays: Arrays, parameters: Mapping[str, float], columns: int, classes: int) -> None:
        try:
            from xgboost import Booster
            from xgboost.core import XGBoostError
        except ImportError as error:
            raise BundleError("the engine xgboost needs the package xgboost-cpu, which is absent") from error
        if BOOSTER not in arrays:
            raise BundleError(f"the bundle has no {BOOSTER}, which its engine needs")
        content = arrays[BOOSTER].tobytes()
        check_booster(content, columns, classes)
        self._classes = classes
        self._booster = Booster()
        try:
            self._booster.load_model(bytearray(content))
        except (XGBoostError, ValueError) as error:
            raise BundleError(f"{BOOSTER} cannot be read: {str(error).splitlines()[0]}") from error
        # As many threads as cores, for one row, cost more than they save.
        self._booster.set_param({"nthread": 1})

    def predict_proba(self, matrix: Matrix) -> Matrix:
        """Returns the booster's probabilities; of two classes it gives the second's."""
        answer = self._booster.inplace_predict(matrix, validate_features=False).astype(np.float64)
        if self._classes == 2:
            return np.column_stack([1 - answer, answer])
        return answer.reshape(len(matrix), self._classes)  # of no rows it gives one axis only
