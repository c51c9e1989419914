"""Opening a bundle and asking it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from tokenize import TokenError
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bundle.contract import Contract
from bundle.engines import BOOSTER, ENGINES, Arrays, Engine
from bundle.errors import BundleError
from bundle.inputs import Inputs
from bundle.preprocessing import Columns, Preprocessing

DIGESTS = "digests.json"
CONTRACT = "contract.json"
SMOKE = "smoke.json"
ARRAYS = "arrays"

_MOST_JSON_BYTES = 67_108_864
"""Of a file of JSON, which is read as a whole."""
_FILE_NAME = re.compile(r"(arrays/\w+\.npy|model\.ubj|contract\.json|smoke\.json)")
_SMOKE_TOLERANCE = 1e-9
# numpy reads an array's head as Python's literals, and asks for a map of the size that stands there.
_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    EOFError,
    ArithmeticError,
    MemoryError,
    RecursionError,
    TokenError,
)


class Prediction(NamedTuple):
    """Answers for some rows, in their order."""

    labels: NDArray[np.int64]
    """The most probable class's value, shape (rows,)."""
    probabilities: NDArray[np.float64]
    """Shape (rows, classes), in the order of the contract's labels."""
    unknown: dict[str, NDArray[np.bool_]]
    """For each category feature, which rows hold a category that training did not see."""


@dataclass(frozen=True)
class Bundle:
    """A model ready to answer. Safe to use from several threads."""

    contract: Contract
    digest: str
    smoke: dict[str, Any]
    inputs: Inputs
    preprocessing: Preprocessing
    engine: Engine

    @classmethod
    def assemble(cls, contract: Contract, arrays: Arrays, *, digest: str = "", smoke: dict[str, Any]) -> Self:
        """Puts a bundle together from its parts.

        Raises:
            BundleError: the arrays or the transforms do not fit the contract.
        """
        kind = contract.engine.type
        if kind not in ENGINES:
            raise BundleError(f"contract.json asks for the engine {kind!r}; known: {', '.join(ENGINES)}")
        inputs = Inputs(contract)
        columns = sum(feature.width for feature in contract.features)
        engine = ENGINES[kind](arrays, contract.engine.parameters, columns, len(contract.labels))
        return cls(contract, digest, smoke, inputs, Preprocessing(contract.features), engine)

    def predict_proba(self, columns: Columns) -> NDArray[np.float64]:
        """Returns probabilities of shape (rows, classes), classes in the order of the contract's labels.

        Raises:
            ValueError: a feature's column is absent, or the columns differ in length.
        """
        return self.predict(columns).probabilities

    def predict(self, columns: Columns) -> Prediction:
        """Returns each row's class, probabilities and unknown categories; raises as `predict_proba` does."""
        matrix, unknown = self.preprocessing.apply(columns)
        probabilities = self.probabilities(matrix)
        values = np.array([label.value for label in self.contract.labels], dtype=np.int64)
        return Prediction(values[probabilities.argmax(axis=1)], probabilities, unknown)

    def probabilities(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns what the engine says of a matrix of `preprocessing`, freed of the balance of training."""
        probabilities = self.engine.predict_proba(matrix)
        if self.contract.class_weights is not None:
            probabilities = probabilities * np.array(self.contract.class_weights)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities

    def check_smoke(self) -> None:
        """Asks the rows of `smoke.json` and compares, also what the transforms of rows make.

        Raises:
            BundleError: an answer or a feature differs from the one that training recorded.
        """
        try:
            if self.inputs.rows:
                self._check_made()
            columns = columns_from_json(self.contract, self.smoke["columns"])
            expected = np.array(self.smoke["probabilities"], dtype=np.float64)
            expected_labels = np.array(self.smoke["labels"])
            answer = self.predict(columns)
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise BundleError(f"smoke.json cannot be understood: {error!r}") from error
        if not len(answer.labels):
            raise BundleError("smoke.json asks nothing")
        if answer.probabilities.shape != expected.shape or answer.labels.shape != expected_labels.shape:
            raise BundleError("smoke.json has another number of answers than the model gives")
        close = np.isclose(answer.probabilities, expected, rtol=0, atol=_SMOKE_TOLERANCE).all(axis=1)
        wrong = np.flatnonzero(~close | (answer.labels != expected_labels))
        if wrong.size:
            raise BundleError(f"smoke.json: row {wrong[0]} gets another answer than training recorded")

    def _check_made(self) -> None:
        given = self.inputs.from_json(self.smoke["inputs"])
        rows = max(map(len, given.values()))
        if not rows:
            raise BundleError("smoke.json asks the transforms nothing")
        columns = columns_from_json(self.contract, self.smoke["columns"])
        had = {name: values[:rows] for name, values in columns.items()}
        if different := self.inputs.difference(given, had):
            row, name, made, recorded = different
            raise BundleError(
                f"smoke.json: row {row}: {self.inputs.maker(name)} makes {name} {made!r}, training had"
                f" {recorded!r}"
            )


def columns_from_json(contract: Contract, columns: Mapping[str, list[Any]]) -> Columns:
    """Returns lists of numbers or strings, None where missing, as the columns that a bundle takes."""
    kinds = {"number": np.float64, "category": object}
    return {
        feature.name: np.array(columns[feature.name], dtype=kinds[feature.type])
        for feature in contract.features
    }


def load(path: Path | str, *, expected_digest: str | None = None) -> Bundle:
    """Opens a bundle whose files are what their digests say; its arrays are memory-mapped, not read.

    Args:
        path: the bundle's directory.
        expected_digest: the digest that the bundle must have, as the registry or a decision record states it.

    Raises:
        BundleError: a file is absent, is not what its digest says, or does not fit the contract.
    """
    root = Path(path)
    digest = bundle_digest(root)
    if expected_digest is not None and digest != expected_digest:
        raise BundleError(f"the bundle has digest {digest}; expected {expected_digest}")
    names = _checked(root)
    contract = Contract.from_json(_content(root, CONTRACT))
    arrays = {Path(name).stem: _mapped(root / name) for name in names if name.startswith(f"{ARRAYS}/")}
    if BOOSTER in names:
        arrays[BOOSTER] = np.fromfile(root / BOOSTER, dtype=np.uint8)
    return Bundle.assemble(contract, arrays, digest=digest, smoke=_json(root, SMOKE))


def bundle_digest(path: Path) -> str:
    """Returns the digest of the bundle in a directory: the sha256 of its `digests.json`.

    Raises:
        BundleError: there is no such file.
    """
    return hashlib.sha256(_content(path, DIGESTS)).hexdigest()


def listed(root: Path) -> dict[str, str]:
    """Returns the sha256 of each file that the bundle in a directory lists, by its name below the directory.

    Raises:
        BundleError: the list is absent or is not JSON, lacks a file, or names one that no bundle has.
    """
    digests = _json(root, DIGESTS)
    if not isinstance(digests, dict) or not {CONTRACT, SMOKE} <= digests.keys():
        raise BundleError(f"{DIGESTS} must list {CONTRACT}, {SMOKE} and the arrays")
    for name in digests:
        if not _FILE_NAME.fullmatch(name):
            raise BundleError(f"{DIGESTS} lists {name!r}, which is not a file of a bundle")
    return digests


def _json(root: Path, name: str) -> Any:
    try:
        return json.loads(_content(root, name))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{name} is not JSON: {error}") from error


def _opened(root: Path, name: str) -> BufferedReader:
    """Opens a file of a bundle, and nothing else: a pipe would be waited for, a device read without end."""
    try:
        path = root / name
        if path.exists() and not path.is_file():
            raise BundleError(f"{name} is not a file")
        return path.open("rb")
    except OSError as error:
        raise BundleError(f"the bundle lacks {name}: {error.strerror}") from None


def _content(root: Path, name: str) -> bytes:
    with _opened(root, name) as file:
        content = file.read(_MOST_JSON_BYTES + 1)
    if len(content) > _MOST_JSON_BYTES:
        raise BundleError(f"{name} is larger than {_MOST_JSON_BYTES} bytes")
    return content


def _checked(root: Path) -> list[str]:
    """Returns the names of the bundle's files, each compared with its digest."""
    digests = listed(root)
    for name, expected in digests.items():
        with _opened(root, name) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise BundleError(f"{name} is damaged: its sha256 is {found}, {DIGESTS} says {expected}")
    return list(digests)


def _mapped(path: Path) -> NDArray[Any]:
    try:
        # A plain view of the map: numpy's memmap class makes every small operation slower.
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except _UNREADABLE as error:
        raise BundleError(f"{ARRAYS}/{path.name} cannot be read: {error}") from error
