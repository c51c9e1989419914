"""Which worker of pytest-xdist gets which tests: a file is one worker's, and the long ones begin first.

xdist's own `--dist loadgroup` does nothing with this pytest, which keeps no id of a test that can be changed.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = {
    "tests/local/test_faults.py": "a platform",
    "tests/local/test_notebooks.py": "a platform",
    "tests/local/test_runs.py": "a platform",
    "tests/local/test_step.py": "a platform",
    "tests/local/test_watch.py": "a platform",
    "pipelines/forest/tests/training/test_batch_predict.py": "forest's candidates",
    "pipelines/forest/tests/training/test_comparable_champion.py": "forest's candidates",
    "pipelines/forest/tests/training/test_decisions.py": "forest's candidates",
    "pipelines/forest/tests/training/test_deleted_champion.py": "forest's candidates",
    "pipelines/forest/tests/training/test_forged_evaluation.py": "forest's candidates",
    "pipelines/forest/tests/training/test_promotion.py": "forest's candidates",
    "pipelines/forest/tests/training/test_unusable_champion.py": "forest's candidates",
}
"""Files that share what takes long to make."""
APART = {
    "pipelines/bitcoin/tests/test_training.py",
    "pipelines/crime/tests/test_training.py",
    "pipelines/penguins/tests/test_steps.py",
    "pipelines/sipsa/tests/test_killed.py",
}
"""Long files whose tests share nothing."""
LONGEST = (
    "tests/local",
    "pipelines/excel/tests/test_load_disturbed.py",
    "pipelines/forest/tests/training",
    "pipelines/bitcoin/tests",
    "pipelines/crime/tests",
    "pipelines/sipsa/tests/test_killed.py",
    "tests/charts/test_mlflow_users.py",
    "pipelines/forest/tests/ingest",
    "tests/serving/test_mlflow.py",
)
"""What begins first, so that no worker is left with it at the end."""


class ByFile(LoadScopeScheduling):
    """Assigns a worker a whole file, or all of several, or one test of a file whose tests share nothing."""

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
