"""The transforms that a contract can name: found by name, imported when they are asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import bundle.transforms
from bundle import BundleError
from bundle.transforms import MODULES, transform_named


def test_every_module_has_a_name() -> None:
    folder = Path(bundle.transforms.__file__).parent
    files = {f"bundle.transforms.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"}

    assert files == set(MODULES.values())
    assert {transform_named(name).__name__ for name in MODULES} == files


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        BundleError, match=re.escape("the transform 'candles'; this code knows bars, place, times")
    ):
        transform_named("candles")


def test_an_absent_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bundle.transforms.bars", raising=False)
    monkeypatch.setitem(sys.modules, "talib", None)

    with pytest.raises(BundleError, match=r"bars needs a package that is absent: .*talib"):
        transform_named("bars")


def test_the_list_of_transforms_imports_none_of_them() -> None:
    code = "import sys, bundle.transforms as t; print([m for m in t.MODULES.values() if m in sys.modules])"
    root = Path(bundle.transforms.__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"
