"""From a fitted scikit-learn pipeline to a bundle.

For training only. scikit-learn is imported only when `export` is called, so that serving can import the
package without it.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bundle.claims import check
from bundle.contract import Contract, Engine, Feature, Label, Split, Transform
from bundle.engines import BOOSTER
from bundle.errors import BundleError, BundleRefused
from bundle.inputs import Inputs, lacking
from bundle.reader import ARRAYS, CONTRACT, DIGESTS, SMOKE, Bundle, columns_from_json, load
from bundle.transforms import RowTransform, made
from stepkit.text import normalise

if TYPE_CHECKING:
    from pandas import DataFrame
    from sklearn.pipeline import Pipeline

UNSEEN = "never seen in training"
_SMOKE_ROWS = 16


def export(
    pipeline: Pipeline,
    frame: DataFrame,
    path: Path,
    *,
    model: str,
    target: str,
    label_names: Mapping[int, str],
    metrics: Mapping[str, float],
    data_sha256: str,
    split: Split | None = None,
    transforms: Sequence[Transform] = (),
) -> str:
    """Writes a fitted pipeline as a bundle.

    The pipeline is a `ColumnTransformer` of imputers, scalers and one-hot encoders, then
    `LogisticRegression`, `RandomForestClassifier`, or `Nystroem` and `LinearSVC`. The same pipeline gives the
    same bytes.

    Args:
        pipeline: fitted, with whole numbers as classes.
        frame: the features it was fitted on, and what its transforms take; ranges and smoke rows come from
            here.
        path: a directory that does not exist yet.
        model: the registered model's name.
        target: the name of what is predicted, which answers give the label under.
        label_names: a name for each class.
        metrics: what was measured on rows that the pipeline was not fitted on.
        data_sha256: the hash of the snapshot it was fitted on.
        split: how the rows that it was not fitted on were put aside.
        transforms: those by which `with_made` made features of others.

    Returns:
        The bundle's digest.

    Raises:
        BundleRefused: a part of the pipeline has no form in a bundle, two categories look the same but for
            case and outer blanks, or a transform is not known or does not fit the features.
    """
    columns, *maps, classifier = (step for _, step in pipeline.steps)
    engine, arrays = engine_of(*maps, classifier)
    try:
        may_be_missing = lacking(transforms)
    except BundleError as error:
        raise BundleRefused(str(error)) from error
    contract = Contract(
        model=model,
        target=target,
        engine=engine,
        features=tuple(
            replace(feature, nullable=feature.nullable or feature.name in may_be_missing)
            for feature in _features(columns, frame)
        ),
        labels=tuple(Label(int(value), label_names[int(value)]) for value in classifier.classes_),
        metrics=dict(metrics),
        data_sha256=data_sha256,
        versions=versions(),
        transforms=tuple(transforms),
        split=split,
    )
    return write(path, contract, arrays, frame)


def write(path: Path, contract: Contract, arrays: Mapping[str, NDArray[Any]], frame: DataFrame) -> str:
    """Writes a bundle from its parts; the same parts give the same bytes.

    Args:
        path: a directory that does not exist yet.
        contract: what the model takes and gives; its categories are written as they look.
        arrays: the engine's, by name; `model.ubj` is XGBoost's own file, as bytes (uint8).
        frame: columns of the contract's features, and of what its transforms of rows take, from which the
            smoke rows are taken.

    Returns:
        The bundle's digest.

    Raises:
        BundleRefused: the contract states what cannot be used, or the transforms do not fit it.
        BundleError: the arrays do not fit the contract.
    """
    try:
        check(contract)
        contract = replace(contract, features=tuple(map(_as_it_looks, contract.features)))
        inputs = Inputs(contract)
    except BundleError as error:
        raise BundleRefused(str(error)) from error
    if absent := [field.name for field in inputs.fields if field.name not in frame]:
        raise BundleRefused(f"the smoke rows lack {', '.join(absent)}, which the transforms take")
    (path / ARRAYS).mkdir(parents=True)
    for name, array in arrays.items():
        if name == BOOSTER:
            (path / BOOSTER).write_bytes(array.tobytes())
        else:
            np.save(path / ARRAYS / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
    (path / CONTRACT).write_text(contract.to_json())
    (path / SMOKE).write_text(_smoke(Bundle.assemble(contract, arrays, smoke={}), frame))
    files = sorted(file for file in path.rglob("*") if file.is_file())
    digests = {str(file.relative_to(path)): _sha256(file) for file in files}
    (path / DIGESTS).write_text(json.dumps(digests, indent=1))
    return load(path).digest


def _as_it_looks(feature: Feature) -> Feature:
    """Returns a feature whose categories clients can write as they read them."""
    if feature.type == "number":
        return feature
    categories = tuple(map(normalise, feature.categories))
    return replace(feature, categories=categories, imputed=normalise(str(feature.imputed)))


def columns_of(frame: DataFrame) -> dict[str, NDArray[Any]]:
    """Returns a frame's columns as `Bundle.predict` takes them."""
    return {
        name: column.to_numpy(dtype=np.float64 if column.dtype.kind in "iufb" else object)
        for name, column in frame.items()
    }


def with_made(frame: DataFrame, transforms: Sequence[Transform]) -> DataFrame:
    """Returns a frame with the features that transforms make of its columns.

    Args:
        frame: has what the transforms of rows take; a column that one makes is replaced.
        transforms: as the model's contract will name them.

    Raises:
        BundleError: a transform is not known, or its parameters are not what it needs.
        UnusableInput: a value cannot be transformed; names its row.
    """
    columns = columns_of(frame)
    for each in transforms:
        transform = made(each.type, each.parameters)
        if isinstance(transform, RowTransform):
            frame = frame.assign(**transform.apply(columns))
    return frame


def _features(columns: Any, frame: DataFrame) -> Iterator[Feature]:
    for name, transformer, names in columns.transformers_:
        if name == "remainder" and transformer == "drop":
            continue
        parts = [step for _, step in getattr(transformer, "steps", [("", transformer)])]
        chain = {type(part).__name__: part for part in parts}
        match list(chain):
            case ["SimpleImputer"] | ["SimpleImputer", "StandardScaler"]:
                yield from _numbers(chain["SimpleImputer"], chain.get("StandardScaler"), names, frame)
            case ["SimpleImputer", "OneHotEncoder"]:
                yield from _categories(chain["SimpleImputer"], chain["OneHotEncoder"], names, frame)
            case kinds:
                raise BundleRefused(
                    f"the transformer {name!r} is {' > '.join(kinds)}: no bundle can hold that"
                )


def _numbers(imputer: Any, scaler: Any, names: list[str], frame: DataFrame) -> Iterator[Feature]:
    means = scaler.mean_ if scaler is not None else np.zeros(len(names))
    scales = scaler.scale_ if scaler is not None else np.ones(len(names))
    for name, imputed, mean, scale in zip(names, imputer.statistics_, means, scales, strict=True):
        seen = frame[name].dropna()
        yield Feature(
            name=name,
            type="number",
            imputed=float(imputed),
            range=(float(seen.min()), float(seen.max())) if len(seen) else None,
            mean=float(mean),
            scale=float(scale),
            nullable=len(seen) < len(frame),
        )


def _categories(imputer: Any, encoder: Any, names: list[str], frame: DataFrame) -> Iterator[Feature]:
    grouping = (encoder.drop, encoder.min_frequency, encoder.max_categories)
    if encoder.handle_unknown != "ignore" or grouping != (None, None, None):
        raise BundleRefused("OneHotEncoder must have handle_unknown='ignore' and drop or group no category")
    for name, imputed, categories in zip(names, imputer.statistics_, encoder.categories_, strict=True):
        yield Feature(
            name,
            "category",
            imputed=str(imputed),
            categories=tuple(map(str, categories)),
            nullable=bool(frame[name].isna().any()),
        )


def engine_of(*parts: Any) -> tuple[Engine, dict[str, NDArray[Any]]]:
    """Returns the engine that computes what fitted parts do, and its arrays.

    Args:
        parts: the feature maps, if any, then the classifier.

    Raises:
        BundleRefused: no engine does.
    """
    *maps, classifier = parts
    match [type(part).__name__ for part in parts]:
        case ["LogisticRegression"]:
            return Engine("linear", {}), _linear(classifier)
        case ["RandomForestClassifier"]:
            return Engine("forest", {}), _forest([tree.tree_ for tree in classifier.estimators_])
        case ["Nystroem", "LinearSVC"] if maps[0].kernel == "rbf" and maps[0].gamma is not None:
            landmarks = {"landmarks": maps[0].components_, "normalization": maps[0].normalization_}
            return Engine("kernel_map", {"gamma": float(maps[0].gamma)}), landmarks | _linear(classifier)
        case kinds:
            raise BundleRefused(f"no engine computes {' > '.join(kinds)} (Nystroem: rbf kernel, gamma given)")


def _linear(classifier: Any) -> dict[str, NDArray[Any]]:
    coefficients, intercepts = classifier.coef_, classifier.intercept_
    if len(coefficients) == 1:  # two classes have one score, the second's; the first's is 0
        coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros(1), intercepts])
    return {"coefficients": coefficients, "intercepts": intercepts}


def _forest(trees: list[Any]) -> dict[str, NDArray[Any]]:
    """Returns the arrays that `bundle.engines.Forest` describes.

    Grown trees repeat few distributions (most leaves are pure), so leaves point to the distinct ones: about
    17 bytes an inner node and next to nothing a leaf.
    """
    leaves = [tree.value[tree.children_left < 0, 0, :] for tree in trees]
    distributions = np.unique(np.concatenate([np.unique(values, axis=0) for values in leaves]), axis=0)
    rank = {values.tobytes(): at for at, values in enumerate(distributions)}
    roots, lefts, rights, features, thresholds = [], [], [], [], []
    first = 0
    for tree, values in zip(trees, leaves, strict=True):
        inner = tree.children_left >= 0
        child = np.empty(tree.node_count, dtype=np.int32)
        child[inner] = first + np.arange(inner.sum())
        child[~inner] = [~rank[value.tobytes()] for value in values]
        roots.append(child[0])
        lefts.append(child[tree.children_left[inner]])
        rights.append(child[tree.children_right[inner]])
        features.append(tree.feature[inner])
        thresholds.append(tree.threshold[inner])
        first += int(inner.sum())
    feature = np.concatenate(features)
    return {
        "roots": np.array(roots, dtype=np.int32),
        "left": np.concatenate(lefts),
        "right": np.concatenate(rights),
        "feature": feature.astype(np.min_scalar_type(feature.max(initial=0))),
        "threshold": np.concatenate(thresholds),
        "distributions": distributions,
    }


def _smoke(bundle: Bundle, frame: DataFrame) -> str:
    """Returns `smoke.json`: rows spread over the frame, one with all missing, one with new categories."""
    rows = frame.iloc[np.unique(np.linspace(0, len(frame) - 1, _SMOKE_ROWS).astype(int))]
    columns: dict[str, list[Any]] = {}
    for feature in bundle.contract.features:
        values = rows[feature.name].tolist()
        values += [None, UNSEEN if feature.type == "category" else values[0]]
        columns[feature.name] = _whole(values)
    answer = bundle.predict(columns_from_json(bundle.contract, columns))
    inputs = {field.name: _whole(rows[field.name].tolist()) for field in bundle.inputs.fields}
    return json.dumps(
        {
            # Of the first rows, what the transforms make their features of.
            **({"inputs": inputs} if inputs else {}),
            "columns": columns,
            "labels": answer.labels.tolist(),
            "probabilities": answer.probabilities.tolist(),
        },
        allow_nan=False,
    )


def _whole(values: list[Any]) -> list[Any]:
    """Returns values with None for NaN, which is not equal to itself."""
    return [None if value != value else value for value in values]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Returns the versions of what fits: for `Contract.versions`."""
    import sklearn

    return {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__}
