"""The API serves whatever model it is told to, and knows no pipeline by name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import Settings
from bundle.transforms import MODULES

ROOT = Path(__file__).resolve().parents[2]
PIPELINES = sorted(path.name for path in (ROOT / "pipelines").iterdir() if path.is_dir())


@pytest.mark.parametrize("file", sorted((ROOT / "serving/app").rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_names_a_pipeline_or_a_transform(file: Path) -> None:
    assert {"bitcoin", "crime", "excel", "forest", "penguins", "sipsa"} <= set(PIPELINES)
    words = re.findall(r"[a-z]+", file.read_text().lower())
    named = {*PIPELINES, *(f"{name}s" for name in PIPELINES), "bars", "bar", "cover"}
    assert not named & set(words)
    assert not [module for module in MODULES.values() if module in file.read_text()]


def test_the_model_has_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        monkeypatch.delenv("MLFLOW_MODEL_NAME", raising=False)
        if value is not None:
            monkeypatch.setenv("MLFLOW_MODEL_NAME", value)
        with pytest.raises(ValidationError, match="mlflow_model_name"):
            Settings()  # type: ignore[call-arg]


def test_the_process_says_which_variable_it_lacks() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "app"],
        env={"PYTHONPATH": f"{ROOT / 'serving'}:{ROOT}", "POLL_SECONDS": "0"},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert ran.returncode == 1
    assert "MLFLOW_MODEL_NAME: Field required; POLL_SECONDS: Input should be greater than 0" in ran.stderr
    assert "Traceback" not in ran.stderr
