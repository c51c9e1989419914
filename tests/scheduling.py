"""Which worker of pytest-xdist gets which tests: a file is one worker's, and the long ones begin first.

xdist's own `--dist loadgroup` does nothing with this pytest, which keeps no id of a test that can be changed.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = {
    "tests/local/test_faults.py": "a platform",
    "tests/local/test_runs.py": "a platform",
    "tests/local/test_step.py": "a platform",
    "tests/unit/forest_training/test_comparable_champion.py": "forest's candidates",
    "tests/unit/forest_training/test_decisions.py": "forest's candidates",
    "tests/unit/forest_training/test_forged_evaluation.py": "forest's candidates",
    "tests/unit/forest_training/test_promotion.py": "forest's candidates",
    "tests/unit/forest_training/test_unusable_champion.py": "forest's candidates",
}
"""Files that share what takes long to make."""
APART = {
    "tests/unit/bitcoin/test_training.py",
    "tests/unit/crime/test_training.py",
    "tests/unit/penguins/test_steps.py",
    "tests/unit/sipsa/test_killed.py",
}
"""Long files whose tests share nothing."""
LONGEST = (
    "tests/local",
    "tests/unit/test_add_a_pipeline.py",
    "tests/unit/excel/test_load_disturbed.py",
    "tests/unit/forest_training",
    "tests/unit/bitcoin",
    "tests/unit/crime",
    "tests/unit/sipsa/test_killed.py",
    "tests/charts/test_mlflow_users.py",
    "tests/unit/forest_ingest",
    "tests/serving/test_mlflow.py",
)
"""What begins first, so that no worker is left with it at the end."""


class ByFile(LoadScopeScheduling):
    """Gives a worker a whole file, or all of several, or one test of a file whose tests share nothing."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if file in APART else TOGETHER.get(file, file)


def longest_first(items: list[pytest.Item]) -> None:
    """Sort tests so that those of `LONGEST` begin."""
    items.sort(key=lambda item: _place(PurePosixPath(item.nodeid.partition("::")[0])))


def _place(file: PurePosixPath) -> int:
    for place, path in enumerate(LONGEST):
        if file.is_relative_to(path):
            return place
    return len(LONGEST)
