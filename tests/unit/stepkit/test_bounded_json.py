"""JSON of a source: what it says is read as it is, and what it must not hold is named."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepkit.bounded_json import MOST_DEPTH, parse_json

MANY = 1_000_000
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=40)
@given(document=DOCUMENTS, ascii_only=st.booleans())
def test_a_document_is_read_as_it_was_written(document: Any, ascii_only: bool) -> None:
    assert parse_json(json.dumps(document, ensure_ascii=ascii_only).encode(), MANY) == document


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[0,{"a":', b"}]")])
def test_levels_are_counted_of_lists_and_objects(opening: bytes, closing: bytes) -> None:
    levels = MOST_DEPTH // (1 + opening.startswith(b"[0"))
    allowed = opening * levels + b"1" + closing * levels
    assert parse_json(allowed, MANY) == json.loads(allowed)
    with pytest.raises(ValueError, match=r"^it is deeper than 16 levels$"):
        parse_json(opening * (levels + 1) + b"[]" + closing * (levels + 1), MANY)


def test_what_pythons_parser_finds_too_deep_is_too_deep() -> None:
    with pytest.raises(ValueError, match=r"^it is deeper than 16 levels$"):
        parse_json(b"[" * 100_000, MANY)


@pytest.mark.parametrize(("body", "values"), [(b"[1,2,[]]", 4), (b'{"a": {}, "b": [1]}', 4), (b"1", 0)])
def test_a_document_may_hold_so_many_values_and_no_more(body: bytes, values: int) -> None:
    assert parse_json(body, values) == json.loads(body)
    if values:
        with pytest.raises(ValueError, match=f"^it holds {values} values, more than {values - 1}$"):
            parse_json(body, values - 1)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"1e400", "1e400 is too large a number"),
        (b"[-1" + b"0" * 30 + b"e400]", "-1000000000000000000 is too large a number"),
        (b"[NaN]", "NaN is not a number"),
        (b"-Infinity", "-Infinity is not a number"),
        (rb'"\ud83d"', "a text in it holds half a character (a lone surrogate)"),
        (rb'{"\uDE00": 1}', "a text in it holds half a character (a lone surrogate)"),
    ],
)
def test_what_json_must_not_hold_is_named(body: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        parse_json(body, MANY)
