"""A model version that is being served."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import bundle
from app.answers import AnswerWriter
from app.latest_input import LatestInput
from app.registry import ModelVersion
from app.responses import Predictions, predictions_of
from app.samples import SampleSchema
from app.series import SeriesModel


@dataclass(frozen=True)
class ServedModel:
    """One verified bundle with all that a request needs of it, so that a request never mixes two versions."""

    version: ModelVersion
    bundle: bundle.Bundle
    samples: SampleSchema
    answer: type[Predictions[Any]]
    writer: AnswerWriter
    series: SeriesModel | None = None
    """Set where a request holds a series in place of samples."""
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @classmethod
    def load(
        cls, version: ModelVersion, folder: Path, max_samples: int, latest: LatestInput | None = None
    ) -> Self:
        """Opens a bundle and proves it: every file's sha256, and the answers that training recorded.

        Args:
            version: What the registry says of it.
            folder: Holds the bundle.
            max_samples: The most samples that one request may hold.
            latest: What a model of a series answers with when it is given none.

        Raises:
            bundle.BundleError: It is damaged, not the version's, or answers differently.
        """
        loaded = bundle.load(folder, expected_digest=version.digest)
        loaded.check_smoke()
        contract, transform = loaded.contract, loaded.inputs.series
        series = SeriesModel(version, loaded, transform, latest) if transform else None
        return cls(
            version,
            loaded,
            SampleSchema(loaded.inputs, max_samples),
            series.form if series else predictions_of(contract.target),
            AnswerWriter(version, contract),
            series,
        )
