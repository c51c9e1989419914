"""How bitcoin models are judged: by roc_auc on the held-out bars, once the naive guesses are beaten."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bitcoin import backtest, models
from bitcoin.backtest import LAST_MOVE, Contrast
from bitcoin.features import SCHEMA
from bitcoin.snapshot import OPEN_TIME, TARGET, TEST_SHARE, fetch, split_of
from bundle import Contract, Prediction, Split
from bundle.exporter import columns_of
from bundle.transforms.bars import FEATURES
from stepkit.errors import Code, InvalidInput
from stepkit.promotion.metrics import Labels, RocAuc
from stepkit.promotion.policy import Policy, TestRows
from stepkit.promotion.scoring import Evaluation


@dataclass(frozen=True)
class Veto:
    """What the walk through the held-out bars has found of a way to train, whatever its model."""

    contrast: Contrast
    net: float
    """What trading on it would have earned after costs, as a share of the stake."""
    cost_bps: float
    require_profit: bool
    """Whether a loss stands against a model."""

    def objection(self, rows: TestRows, answers: Prediction) -> str | None:
        """Returns the sentence that stands against a challenger, if there is one."""
        if not self.contrast.beaten:
            return self.contrast.sentence("in the walk through the held-out bars")
        of_model = backtest.contrast(rows.labels, answers.probabilities[:, 1], rows.columns[LAST_MOVE])
        if not of_model.beaten:
            return of_model.sentence("on the held-out bars")
        if self.require_profit and self.net <= 0:
            return (
                f"trading on the model earns {self.net:+.1%} after costs of {self.cost_bps:g} hundredths of a"
                " percent a trade, and a profit is required"
            )
        return None

    def policy(self) -> Policy:
        """Returns the policy in which this veto stands before every challenger."""
        stated = {**vars(self), "contrast": vars(self.contrast)}
        return replace(_POLICY, objection=self.objection, stated=stated)

    @classmethod
    def of(cls, evaluation: Evaluation) -> Veto:
        """Returns the veto that an evaluation was made with.

        Raises:
            InvalidInput: the evaluation states none.
        """
        try:
            fields = dict(evaluation.stated)
            return cls(contrast=Contrast(**fields.pop("contrast")), **fields)
        except (KeyError, TypeError) as error:
            raise InvalidInput(
                f"the evaluation states no veto: {error!r}; run evaluate again", Code.UNREADABLE_INPUT
            ) from error


def without_veto() -> Policy:
    """Returns the policy for what needs no challenger: the return to an older version."""
    return _POLICY


def _scores(true: Labels, answers: Prediction) -> dict[str, float]:
    return models.scores(true, answers.probabilities[:, 1])


def _test_rows(snapshot_uri: str, folder: Path, sha256: str) -> TestRows:
    snapshot = fetch(snapshot_uri, folder, sha256)
    test = snapshot.test
    return TestRows(
        columns_of(test[list(FEATURES)]),
        test[TARGET].to_numpy(),
        snapshot.parameters_sha256,
        test[OPEN_TIME].to_numpy(),
    )


def _unstated_split(contract: Contract) -> Split | None:
    """Returns the split of a bundle from before they said so, by what its transform says of its bars."""
    said = contract.transforms[0].parameters if contract.transforms else {}
    until, horizon, interval_ms = (said.get(name) for name in ("trained_until", "horizon", "interval_ms"))
    if isinstance(until, int) and isinstance(horizon, int) and isinstance(interval_ms, int):
        # Of a split by time the share plays no part in a comparison.
        return split_of(until, horizon, interval_ms, TEST_SHARE)
    return None


_POLICY = Policy("bitcoin", SCHEMA, RocAuc(), _scores, _test_rows, unstated_split=_unstated_split)
