"""What an engine is made from: arrays, parameters and XGBoost's binary form, each at its bounds."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from bundle import BundleError
from bundle.engines import Forest, KernelMap, Linear, ubjson
from bundle.engines.arrays import checked, length_of
from bundle.engines.native import file_name
from tests.unit.bundle.booster_files import content


def refusal(make: Any, *given: Any) -> str:
    with pytest.raises(BundleError) as refused:
        make(*given)
    return str(refused.value)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numbers_are_floats_of_their_shape(kind: Any) -> None:
    array = np.array([[1e30, -1e30], [0, 1]], kind)
    assert checked({"a": array}, "a", (2, 2)) is array
    assert refusal(checked, {"a": array}, "a", (2, 3)) == (
        "arrays/a.npy has shape (2, 2); the contract asks for (2, 3)"
    )
    assert refusal(checked, {"a": array}, "b", (2, 2)) == (
        "the bundle has no arrays/b.npy, which its engine needs"
    )
    assert refusal(checked, {"a": array}, "a", (2, 2), "indices") == (
        f"arrays/a.npy holds {array.dtype}; its engine needs"
        " int8 or int16 or int32 or int64 or uint8 or uint16 or uint32 or uint64"
    )


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_indices_are_integers_of_any_width(kind: str) -> None:
    array = np.array([0, 1], kind)
    assert checked({"a": array}, "a", (2,), "indices") is array
    assert refusal(checked, {"a": array}, "a", (2,)) == (
        f"arrays/a.npy holds {array.dtype}; its engine needs float32 or float64"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.1e100, -1.1e100])
def test_a_number_beyond_the_largest_is_refused(value: float) -> None:
    bounds = {"a": np.array([-1e100, 1e100])}
    assert checked(bounds, "a", (2,)) is bounds["a"]
    assert checked({"a": np.zeros(0)}, "a", (0,)).size == 0
    found = refusal(checked, {"a": np.array([0, value])}, "a", (2,))
    assert found == "arrays/a.npy holds what is not finite, or is beyond 1e+100"


def test_an_array_without_an_axis_has_no_length() -> None:
    arrays = {"none": np.array(3.0), "some": np.zeros((4, 2))}
    assert [length_of(arrays, name) for name in ("none", "some", "absent")] == [0, 4, 0]


def kernel(**parameters: float) -> KernelMap:
    arrays = {"landmarks": np.array([[0.0, 1.0], [1.0, 0.0]]), "normalization": np.array([[2.0, 0], [1, 1]])}
    arrays |= {"coefficients": np.array([[1.0, 0], [0, 1], [1, 1]]), "intercepts": np.array([0.0, 0.5, 1.0])}
    return KernelMap(arrays, parameters, 2, 3)


@pytest.mark.parametrize("parameters", [{}, {"gamma": 0.0}, {"gamma": -1.0}, {"gamma": 1e101}])
def test_a_kernel_without_a_width_is_refused(parameters: dict[str, float]) -> None:
    assert refusal(lambda: kernel(**parameters)) == (
        "contract.json: the engine kernel_map needs its parameter gamma, above 0"
    )


@pytest.mark.parametrize("gamma", [1e-100, 0.7, 1e100])
def test_a_kernel_map_is_computed_as_it_is_defined(gamma: float) -> None:
    rows = np.array([[0.0, 1.0], [3.0, -2.0], [0.5, 0.5]])
    squares = ((rows[:, None] - np.array([[0.0, 1.0], [1.0, 0.0]])) ** 2).sum(axis=2)
    mapped = np.exp(-gamma * squares) @ np.array([[2.0, 0], [1, 1]]).T
    scores = mapped @ np.array([[1.0, 0], [0, 1], [1, 1]]).T + [0.0, 0.5, 1.0]
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(kernel(gamma=gamma).predict_proba(rows), shares, atol=1e-12)


def test_linear_scores_may_be_large_and_of_float32() -> None:
    arrays = {"coefficients": np.array([[1, 0], [0, 1000]], np.float32), "intercepts": np.array([0.0, -1.0])}
    rows = np.array([[0.0, 0.001], [0.0, 5.0], [900.0, 0.0]])
    shares = Linear(arrays, {}, 2, 2).predict_proba(rows)
    np.testing.assert_allclose(shares, [[0.5, 0.5], [0, 1], [1, 0]], atol=1e-7)
    assert shares.dtype == np.float64
    assert refusal(Linear, arrays, {}, 2, 3).startswith("arrays/coefficients.npy has shape (2, 2)")
    short = {**arrays, "intercepts": np.zeros(3)}
    assert (
        refusal(Linear, short, {}, 2, 2) == "arrays/intercepts.npy has shape (3,); the contract asks for (2,)"
    )


LEAVES: dict[str, Any] = {
    "roots": np.array([-1, -2, 0], np.int8),
    "left": np.array([1, -1], np.int16),
    "right": np.array([-2, -1], np.int64),
    "feature": np.array([1, 0], np.uint8),
    "threshold": np.array([0.5, -0.5], np.float32),
    "distributions": np.array([[0.25, 0.75], [1.0, 0.0]]),
}


def test_a_forest_is_the_mean_of_its_trees_in_short_calls_and_long_ones() -> None:
    forest = Forest(LEAVES, {}, 2, 2)
    row = np.array([[0.0, 0.5], [0.0, np.nextafter(0.5, 1)], [0.0, 0.5000001]])
    wanted = [[0.5, 0.5], [0.5, 0.5], [0.75, 0.25]]
    assert forest.predict_proba(row).tolist() == wanted
    many = forest.predict_proba(np.tile(row, (30_000, 1)))
    assert (many.reshape(30_000, 6) == np.ravel(wanted)).all()
    frozen = np.asfortranarray(row)
    frozen.flags.writeable = False
    assert forest.predict_proba(frozen).tolist() == wanted
    assert forest.predict_proba(row.astype(np.float32)).tolist() == [[0.5, 0.5], [0.5, 0.5], [0.75, 0.25]]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"distributions": [[0.25, 0.75 + 2e-6], [1.0, 0.0]]},
            "the shares of a leaf are not 0 or more, 1 in all",
        ),
        ({"distributions": [[1.25, -0.25], [1.0, 0.0]]}, "the shares of a leaf are not 0 or more, 1 in all"),
        ({"left": [1, -3]}, "arrays/left.npy does not describe trees: a child is out of place"),
        ({"left": [2, -1]}, "arrays/left.npy does not describe trees: a child is out of place"),
        ({"right": [-2, 1]}, "arrays/right.npy does not describe trees: a child is out of place"),
        ({"right": [0, -1]}, "arrays/right.npy does not describe trees: a child is out of place"),
        ({"roots": [-1, 2]}, "arrays/roots.npy does not describe trees: a child is out of place"),
        ({"roots": [-1, -3]}, "arrays/roots.npy does not describe trees: a child is out of place"),
        ({"feature": [2, 0]}, "arrays/feature.npy names a column that the model does not have"),
        ({"feature": [-1, 0]}, "arrays/feature.npy names a column that the model does not have"),
        ({"threshold": [0.5]}, "arrays/threshold.npy has shape (1,); the contract asks for (2,)"),
        ({"roots": []}, f"arrays/roots.npy names no tree, or there are more than {2**31 - 1} nodes"),
    ],
)
def test_a_forest_beyond_a_bound_is_refused(change: dict[str, Any], sentence: str) -> None:
    kinds = {name: np.int32 if name in ("left", "right", "roots", "feature") else float for name in change}
    arrays = {**LEAVES, **{name: np.array(value, kinds[name]) for name, value in change.items()}}
    assert refusal(Forest, arrays, {}, 2, 2).endswith(sentence)
    close = {**LEAVES, "distributions": np.array([[0.25, 0.75 + 5e-7], [1.0, 0.0]])}
    assert Forest(close, {}, 2, 2).predict_proba(np.zeros((1, 2))).shape == (1, 2)


def length(count: int) -> bytes:
    return b"L" + struct.pack(">q", count)


def test_each_kind_of_value_is_read() -> None:
    numbers = {b"i": (">i1", -3), b"U": (">u1", 250), b"I": (">i2", -300), b"l": (">i4", 1 << 20)}
    for mark, (kind, value) in {**numbers, b"L": (">i8", -(1 << 40))}.items():
        raw = np.array([value], kind).tobytes()
        assert ubjson.read(mark + raw, "file") == value
        assert ubjson.read(b"[$" + mark + b"#" + length(2) + raw * 2, "file").tolist() == [value] * 2
    for mark, kind in ((b"d", ">f4"), (b"D", ">f8")):
        raw = np.array([0.5, -2.0], kind).tobytes()
        assert ubjson.read(b"[$" + mark + b"#" + length(2) + raw, "file").tolist() == [0.5, -2.0]
    nested = {"é": [1, "", {"b": []}], "c": {}}
    assert ubjson.read(content(nested), "file") == nested


def deep(levels: int) -> bytes:
    return b"[#" + length(1) + deep(levels - 1) if levels else length(7)


CUT = "it is cut off"
BROKEN = [
    (b"", f"{CUT} (byte 0 of 0)"),
    (b"l\0\0\0", f"{CUT} (byte 1 of 4)"),
    (length(1) + b"x", "ends before the file does (byte 9 of 10)"),
    (b"T", "the mark b'T' is not one of a model's (byte 1 of 1)"),
    (b"SL", f"{CUT} (byte 2 of 2)"),
    (b"S" + length(3) + b"ab", f"{CUT} (byte 10 of 12)"),
    (b"S" + length(1) + b"\xff", "a string is not UTF-8 (byte 11 of 11)"),
    (b"S" + length(-1), "a length is negative (byte 10 of 10)"),
    (b"Sl\0\0\0\1a", "a length is not 64 bits wide (byte 2 of 7)"),
    (b"{" + length(1) + b"a" + length(1) + length(1) + b"a" + length(2) + b"}", "the field 'a' stands twice"),
    (b"{" + length(1) + b"a" + length(1), f"{CUT} (byte 20 of 20)"),
    (b"[$S#" + length(1), "an array is of a type that is not one of a model's (byte 4 of 13)"),
    (b"[1", "an array does not say its length (byte 2 of 2)"),
    (b"[$l$", "an array does not say its length (byte 4 of 4)"),
    (b"[#" + length(2) + b"T", f"{CUT} (byte 11 of 12)"),
    (b"[#" + length(1) + b"T", "the mark b'T' is not one of a model's (byte 12 of 12)"),
    (b"[$l#" + length(2) + b"\0" * 7, f"{CUT} (byte 13 of 20)"),
    (deep(17), "it is nested more than 16 deep (byte 188 of 196)"),
]


@pytest.mark.parametrize(("raw", "sentence"), BROKEN)
def test_what_is_not_of_the_form_is_refused_with_its_place(raw: bytes, sentence: str) -> None:
    assert refusal(ubjson.read, raw, "model.ubj").startswith(f"model.ubj cannot be read: {sentence}")
    assert ubjson.read(deep(16), "file") != ubjson.read(deep(15), "file")


def test_a_library_is_named_by_its_source(tmp_path: Any) -> None:
    source = tmp_path / "walk.c"
    source.write_bytes(b"abc")
    assert file_name(source) == "walk-ba7816bf8f01.so"
