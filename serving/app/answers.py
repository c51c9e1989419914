"""The answers of one model version as JSON, most of it written when the model is loaded."""

from collections.abc import Mapping, Sequence

from pydantic_core import to_json

from app.registry import ModelVersion
from bundle import Contract


class AnswerWriter:
    """Writes the answers that `responses.predictions_of` describes."""

    def __init__(self, version: ModelVersion, contract: Contract) -> None:
        """Writes all that does not depend on a request.

        Args:
            version: What every answer names.
            contract: The labels, in the order of the probabilities.
        """
        self._names = [label.name for label in contract.labels]
        named = {"model": version.name, "version": version.version, "digest": version.digest}
        self._start = _open(named) + b',"predictions":['
        self._label = [
            _open({contract.target: label.value, "class_name": label.name}) for label in contract.labels
        ]
        self._usual = [label + _end([], [], None) for label in self._label]

    def write(
        self,
        ranks: Sequence[int],
        unknown: Mapping[str, Sequence[int]],
        unknown_fields: Mapping[int, Sequence[str]],
        probabilities: Sequence[Sequence[float]] | None,
    ) -> bytes:
        """Returns the answer to a request.

        Args:
            ranks: The place of each sample's label among the contract's.
            unknown: The samples, by position, that hold a category new to a feature, by its name.
            unknown_fields: The names of a sample's fields that are not features, by its position.
            probabilities: Each sample's, in the order of the labels, or None where they were not asked for.
        """
        if not unknown and not unknown_fields and probabilities is None:
            predictions = [self._usual[rank] for rank in ranks]
        else:
            new: list[list[str]] = [[] for _ in ranks]
            for feature, rows in unknown.items():
                for row in rows:
                    new[row].append(feature)
            shares = (
                [dict(zip(self._names, row, strict=True)) for row in probabilities]
                if probabilities is not None
                else [None] * len(ranks)
            )
            predictions = [
                self._label[rank] + _end(features, unknown_fields.get(at, ()), named)
                for at, (rank, features, named) in enumerate(zip(ranks, new, shares, strict=True))
            ]
        return self._start + b",".join(predictions) + b"]}"


def _open(fields: Mapping[str, object]) -> bytes:
    return to_json(fields)[:-1]


def _end(categories: Sequence[str], fields: Sequence[str], shares: Mapping[str, float] | None) -> bytes:
    named = {"unknown_categories": categories, "unknown_fields": fields, "probabilities": shares}
    return b"," + to_json(named)[1:]
