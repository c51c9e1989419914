"""The preprocessing of the features and the model. Frames in, pipelines and numbers out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from penguins.schema import CATEGORIES, FEATURES, NUMBERS, TARGET


def preprocessing() -> ColumnTransformer:
    """Returns the unfitted preprocessing: numbers imputed and scaled, categories imputed and one-hot."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return ColumnTransformer(
        [("numbers", numbers, list(NUMBERS)), ("categories", categories, list(CATEGORIES))],
        verbose_feature_names_out=False,
    )


def preprocessed(train: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Returns the columns that the model sees of `rows`, by preprocessing that is fitted on `train` alone."""
    fitted = preprocessing().fit(train[list(FEATURES)])
    names = [name.lower() for name in fitted.get_feature_names_out()]
    return pd.DataFrame(fitted.transform(rows[list(FEATURES)]), columns=names, index=rows.index)


def fit(train: pd.DataFrame, *, seed: int, n_estimators: int) -> Pipeline:
    """Fits the random forest; the same rows and arguments give the same forest."""
    forest = RandomForestClassifier(n_estimators, random_state=seed, n_jobs=1)
    return make_pipeline(preprocessing(), forest).fit(train[list(FEATURES)], train[TARGET])


def scores(true: NDArray[np.int64], predicted: NDArray[np.int64]) -> dict[str, float]:
    """Returns the share of right labels, and the unweighted mean of the classes' f1."""
    return {
        "accuracy": float(accuracy_score(true, predicted)),
        "f1_macro": float(f1_score(true, predicted, average="macro", zero_division=0)),
    }


def cross_validated(train: pd.DataFrame, *, seed: int, n_estimators: int) -> dict[str, float]:
    """Returns the mean accuracy over five folds of the train rows; it varies less than on few test rows."""
    model = make_pipeline(preprocessing(), RandomForestClassifier(n_estimators, random_state=seed, n_jobs=1))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    accuracies = cross_val_score(model, train[list(FEATURES)], train[TARGET], cv=folds)
    return {"cross_validated_accuracy": float(accuracies.mean())}


def baseline(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """Returns the accuracy of always naming the commonest species of the train rows."""
    commonest = train[TARGET].mode().iloc[0]
    return {"baseline_accuracy": float((test[TARGET] == commonest).mean())}
