"""The transforms that a contract can name: found by name, imported when they are asked for."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import packages_distributions
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
        BundleError,
        match=re.escape("the transform 'candles'; this code knows arithmetic, bars, place, times"),
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


@pytest.fixture(scope="module")
def distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


@pytest.mark.parametrize("name", MODULES)
def test_a_transform_stands_on_what_serving_has(name: str, distributions: Mapping[str, list[str]]) -> None:
    root = Path(bundle.transforms.__file__).parents[2]
    lock = set(re.findall(r"^([a-z0-9-]+)==", (root / "serving/requirements.lock").read_text(), re.MULTILINE))
    tree = ast.parse((root / f"{MODULES[name].replace('.', '/')}.py").read_text())
    imported = {each.module for each in ast.walk(tree) if isinstance(each, ast.ImportFrom)}
    imported |= {part.name for each in ast.walk(tree) if isinstance(each, ast.Import) for part in each.names}
    image = (root / "serving/Dockerfile").read_text()
    shared = {str(module) for module in imported if str(module).startswith("stepkit.")}
    assert all(f"{module.replace('.', '/')}.py" in image for module in shared)
    own = {"bundle", "stepkit"}
    tops = {str(module).partition(".")[0] for module in imported} - sys.stdlib_module_names - own
    assert "numpy" in tops
    packages = {top: {each.lower() for each in distributions[top]} for top in tops}
    assert {top: found & lock for top, found in packages.items()} == packages
