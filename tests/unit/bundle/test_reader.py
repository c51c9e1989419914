"""What a bundle says of itself, and what is refused on the way in."""

from __future__ import annotations

import hashlib
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

import bundle
from bundle.reader import bundle_digest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def path(fitted: Pipeline, export: Callable[..., Path]) -> Path:
    return export(fitted)


def rewrite(path: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a JSON file of a bundle and its digest, as its maker could."""
    content = json.loads((path / name).read_text())
    change(content)
    (path / name).write_text(json.dumps(content))
    resign(path, name)


def resign(path: Path, name: str) -> None:
    digests = json.loads((path / "digests.json").read_text())
    digests[name] = hashlib.sha256((path / name).read_bytes()).hexdigest()
    (path / "digests.json").write_text(json.dumps(digests))


def test_the_contract_tells_what_serving_needs(path: Path) -> None:
    contract = bundle.load(path).contract
    assert [(each.name, each.type) for each in contract.features] == [
        ("elevation", "number"),
        ("slope", "number"),
        ("soil_type", "category"),
    ]
    elevation, _, soil = contract.features
    assert elevation.range is not None
    assert elevation.range[0] < elevation.imputed < elevation.range[1]
    assert soil.imputed in soil.categories
    assert contract.target == "cover_type"
    assert contract.labels[1] == bundle.Label(1, "class 1")
    assert contract.metrics == {"accuracy": 0.5, "f1_macro": 0.4}
    assert contract.data_sha256 == "d" * 64
    assert contract.versions.keys() == {"python", "numpy", "scikit-learn"}
    assert bundle.Contract.from_json(contract.to_json()) == contract


def test_a_contract_that_names_no_target_is_of_the_time_when_all_predicted_cover_types(path: Path) -> None:
    rewrite(path, "contract.json", lambda contract: contract.pop("target"))
    assert bundle.load(path).contract.target == "cover_type"


def test_a_target_that_cannot_name_a_field_is_refused(path: Path) -> None:
    rewrite(path, "contract.json", lambda contract: contract.update(target="_cover type"))
    with pytest.raises(bundle.BundleError, match="target '_cover type' cannot name a field"):
        bundle.load(path)


def test_the_same_pipeline_gives_the_same_digest(fitted: Pipeline, export: Callable[..., Path]) -> None:
    assert bundle_digest(export(fitted)) == bundle_digest(export(fitted, name="again"))


def test_a_prediction_flags_categories_that_training_did_not_see(path: Path) -> None:
    columns = {
        "elevation": np.array([2600.0, 2600.0, np.nan]),
        "slope": np.array([3.0, 3.0, 3.0]),
        "soil_type": np.array([" c7745 ", "C0000", None], dtype=object),
    }
    answer = bundle.load(path).predict(columns)
    assert answer.unknown["soil_type"].tolist() == [False, True, False]
    assert answer.probabilities.shape == (3, len(bundle.load(path).contract.labels))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("rawah", "Rawah"),
        (" RAWAH ", "Rawah"),
        ("Neota", "Neota"),
        ("Rocky", "Rocky"),
        ("Rawah\u200b\u00a0", "Rawah"),
        ("pen\u0303on", "Peñon"),
    ],
)
def test_categories_are_known_whatever_their_case_and_encoding(value: str, expected: str) -> None:
    assert bundle.normalise_category(value, ("Rawah", "Neota", "Peñon")) == expected


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"elevation": np.ones(2), "slope": np.ones(2)}, "the model also takes soil_type"),
        (
            {"elevation": np.ones(2), "slope": np.ones(3), "soil_type": np.array(["a", "b"])},
            "slope has 3 values, the first column has 2",
        ),
    ],
)
def test_columns_that_do_not_fit_are_named(path: Path, columns: bundle.Columns, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        bundle.load(path).predict(columns)


@pytest.mark.parametrize("name", ["contract.json", "smoke.json", "arrays/threshold.npy", "arrays/left.npy"])
def test_one_flipped_byte_is_found_and_named(path: Path, name: str) -> None:
    content = bytearray((path / name).read_bytes())
    content[-2] ^= 1
    (path / name).write_bytes(content)
    with pytest.raises(bundle.BundleError, match=f"{name} is damaged"):
        bundle.load(path)


def test_a_missing_file_is_named(path: Path) -> None:
    (path / "arrays/roots.npy").unlink()
    with pytest.raises(bundle.BundleError, match=r"lacks arrays/roots\.npy"):
        bundle.load(path)


def test_a_folder_without_digests_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(bundle.BundleError, match=r"lacks digests\.json"):
        bundle.load(tmp_path)


@pytest.mark.parametrize("name", ["digests.json", "smoke.json"])
def test_a_file_that_is_no_json_is_named(path: Path, name: str) -> None:
    (path / name).write_text("[1, ")
    if name == "smoke.json":
        resign(path, name)
    with pytest.raises(bundle.BundleError, match=rf"^{name} is not JSON: "):
        bundle.load(path)


def test_another_bundle_than_the_expected_one_is_refused(path: Path) -> None:
    bundle.load(path, expected_digest=bundle_digest(path))
    with pytest.raises(bundle.BundleError, match="expected 00"):
        bundle.load(path, expected_digest="00")


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("contract.json", lambda fields: fields.update(format=9), "format 9; this code reads 1 and 2"),
        ("contract.json", lambda fields: fields.pop("labels"), "cannot be understood: KeyError"),
        ("contract.json", lambda fields: fields["engine"].update(type="pickle"), "the engine 'pickle'"),
        ("contract.json", lambda fields: fields["labels"].pop(), r"arrays/distributions\.npy has shape"),
        ("contract.json", lambda fields: fields["features"][0].update(type="date"), "unknown type 'date'"),
        ("contract.json", lambda fields: fields["features"][2].update(imputed="x"), "no category 'x'"),
        ("digests.json", lambda fields: fields.update({"../../x": "00"}), "not a file of a bundle"),
        ("digests.json", lambda fields: fields.pop("contract.json"), "must list"),
    ],
)
def test_a_bundle_of_another_form_is_refused(
    path: Path, name: str, change: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    if name == "digests.json":
        digests = json.loads((path / name).read_text())
        change(digests)
        (path / name).write_text(json.dumps(digests))
    else:
        rewrite(path, name, change)
    with pytest.raises(bundle.BundleError, match=sentence):
        bundle.load(path)


@pytest.mark.parametrize(("name", "value"), [("left", 0), ("right", 10**6), ("roots", -(10**6))])
def test_trees_that_would_never_end_are_refused(path: Path, name: str, value: int) -> None:
    file = path / f"arrays/{name}.npy"
    array = np.load(file)
    array[-1] = value
    np.save(file, array)
    resign(path, f"arrays/{name}.npy")
    with pytest.raises(bundle.BundleError, match=f"arrays/{name}.npy does not describe trees"):
        bundle.load(path)


def test_arrays_that_hold_objects_are_not_unpickled(path: Path) -> None:
    np.save(path / "arrays/roots.npy", np.array([print], dtype=object), allow_pickle=True)
    resign(path, "arrays/roots.npy")
    with pytest.raises(bundle.BundleError, match=r"arrays/roots\.npy cannot be read"):
        bundle.load(path)


class Code:
    """Makes a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self._trace,)


def test_a_pickle_in_an_arrays_place_is_not_run(path: Path, tmp_path: Path) -> None:
    (path / "arrays/roots.npy").write_bytes(pickle.dumps(Code(tmp_path / "trace")))
    resign(path, "arrays/roots.npy")
    with pytest.raises(bundle.BundleError, match=r"arrays/roots\.npy cannot be read"):
        bundle.load(path)
    assert not (tmp_path / "trace").exists()


def test_smoke_answers_are_compared(path: Path) -> None:
    bundle.load(path).check_smoke()
    rewrite(path, "smoke.json", lambda fields: fields["probabilities"][2].reverse())
    with pytest.raises(bundle.BundleError, match="row 2 gets another answer"):
        bundle.load(path).check_smoke()


@pytest.mark.parametrize(("by", "close"), [(1e-10, True), (5e-9, False), (float("nan"), False)])
def test_a_smoke_answer_may_differ_by_rounding_alone(path: Path, by: float, close: bool) -> None:
    opened = bundle.load(path)
    opened.smoke["probabilities"][3][1] += by
    if close:
        opened.check_smoke()
    else:
        with pytest.raises(
            bundle.BundleError, match=r"^smoke\.json: row 3 gets another answer than training"
        ):
            opened.check_smoke()


SMOKES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda smoke: smoke["labels"].__setitem__(5, 99), "smoke.json: row 5 gets another answer than"),
    (lambda smoke: smoke["labels"].pop(), "smoke.json has another number of answers than the model gives"),
    (lambda smoke: smoke["probabilities"].pop(), "smoke.json has another number of answers than the model"),
    (lambda smoke: [each.pop() for each in smoke["probabilities"]], "smoke.json has another number of"),
    (lambda smoke: smoke.pop("columns"), "smoke.json cannot be understood: KeyError('columns')"),
    (lambda smoke: smoke["columns"].pop("slope"), "smoke.json cannot be understood: KeyError('slope')"),
    (lambda smoke: smoke["columns"]["slope"].pop(), "smoke.json cannot be understood: ValueError("),
    (lambda smoke: [each.clear() for each in smoke["columns"].values()], "smoke.json asks nothing"),
]


@pytest.mark.parametrize(("change", "sentence"), SMOKES)
def test_smoke_rows_that_prove_nothing_are_refused(
    path: Path, change: Callable[[dict[str, Any]], Any], sentence: str
) -> None:
    opened = bundle.load(path)
    change(opened.smoke)
    with pytest.raises(bundle.BundleError) as refused:
        opened.check_smoke()
    assert str(refused.value).startswith(sentence)


def test_reading_needs_numpy_alone(path: Path) -> None:
    program = (
        "import sys, bundle; bundle.load(sys.argv[1]).check_smoke();"
        "print(sorted({'sklearn', 'pandas', 'scipy', 'mlflow'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
