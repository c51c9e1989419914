"""A model version that is being served."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import bundle
from app.answers import AnswerWriter
from app.bars import BarsSchema
from app.registry import ModelVersion
from app.responses import Predictions, predictions_of
from app.samples import SampleSchema


@dataclass(frozen=True)
class ServedModel:
    """One verified bundle with all that a request needs of it, so that a request never mixes two versions."""

    version: ModelVersion
    bundle: bundle.Bundle
    samples: SampleSchema | BarsSchema
    answer: type[Predictions[Any]]
    writer: AnswerWriter
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def load(cls, version: ModelVersion, folder: Path, max_samples: int) -> Self:
        """Opens a bundle and proves it: every file's sha256, and the answers that training recorded.

        Raises:
            bundle.BundleError: It is damaged, not the version's, or answers differently.
        """
        loaded = bundle.load(folder, expected_digest=version.digest)
        loaded.check_smoke()
        contract = loaded.contract
        return cls(
            version,
            loaded,
            _schema(contract, max_samples),
            predictions_of(contract.target),
            AnswerWriter(version, contract),
        )


def _schema(contract: bundle.Contract, max_samples: int) -> SampleSchema | BarsSchema:
    if contract.transform is None:
        return SampleSchema(contract, max_samples)
    if contract.transform.type == "bars":
        return BarsSchema(contract, max_samples)
    raise bundle.BundleError(
        f"contract.json asks for the transform {contract.transform.type!r}; this API knows bars"
    )
