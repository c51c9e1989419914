"""Rows of answers that are damaged in some of them, or written otherwise than usual."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipsa import records
from sipsa.merge import Merged
from sipsa.stage import Staged
from sipsa.tests.answers import CITY, NAMESPACE, SOAP, answer, city_row
from stepkit.errors import Code, InvalidInput, InvalidRow

FEW, MANY = 3, 2000
"""Rows of answers within one piece that is read at once, and of many."""


def read(path: Path, body: bytes) -> list[Any]:
    path.write_bytes(gzip.compress(body))
    return [str(row) if isinstance(row, InvalidRow) else row for row in records.rows(path, "answer")]


def spoiled(count: int, at: int | set[int], value: bytes) -> bytes:
    """Returns an answer in some of whose rows other bytes stand for the name of the product."""
    chosen = {at} if isinstance(at, int) else at
    body = answer([city_row(n, **({"producto": "HERE"} if n in chosen else {})) for n in range(count)])
    return body.replace(b"HERE", value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"Papa&#x1F;", "xmlParseCharRef: invalid xmlChar value 31"),
        (b"Papa&#0;", "xmlParseCharRef: invalid xmlChar value 0"),
        (b"Papa&#xD800;", "invalid xmlChar value 55296"),
        (b"Papa\x1f", "PCDATA invalid Char value 31"),
        (b"Pi\xf1a", "Invalid bytes in character encoding"),
        (b"Papa & yuca", "xmlParseEntityRef: no name"),
        (b"Papa&nbsp;negra", "Entity 'nbsp' not defined"),
        (b"Papa < 1 kg", "StartTag: invalid element name"),
        (b"Papa</product>", "Opening and ending tag mismatch"),
    ],
)
@pytest.mark.parametrize(("count", "at"), [(FEW, 0), (FEW, 1), (FEW, 2), (MANY, 1700)])
def test_a_malformed_row_costs_itself_alone(
    value: bytes, reason: str, count: int, at: int, tmp_path: Path
) -> None:
    found = read(tmp_path / "answer", spoiled(count, at, value))
    assert found[at].startswith("is malformed XML: ")
    assert reason in found[at]
    assert "column" not in found[at]
    assert found[:at] + found[at + 1 :] == [city_row(n) for n in range(count) if n != at]


def test_a_row_that_does_not_end_costs_itself_alone(tmp_path: Path) -> None:
    body = answer([city_row(n) for n in range(3)]).replace(b"</return>", b"", 1)
    assert read(tmp_path / "answer", body) == [
        "is malformed XML: Premature end of data in tag return line 1",
        city_row(1),
        city_row(2),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"</S:Body>", b""),
        (b"</S:Body>", b"</S:Corpse>"),
        (b"<S:Body>", b"<S:Body>&#x1F;"),
        (b"<S:Body>", b"<S:Body><a>"),
        (b"</return></ns2", b"</ns2"),
    ],
)
def test_an_answer_that_is_malformed_around_its_rows_is_refused(
    old: bytes, new: bytes, tmp_path: Path
) -> None:
    body = answer([city_row(n) for n in range(FEW)])
    assert body.count(old) == 1
    with pytest.raises(InvalidInput, match=r"answer: after row \d the XML is malformed: ") as refusal:
        read(tmp_path / "answer", body.replace(old, new))
    assert refusal.value.code == Code.UNREADABLE_INPUT


def test_what_is_damaged_all_over_is_not_read_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = answer([city_row(n, producto="HERE") for n in range(FEW)]).replace(b"HERE", b"&#x1F;")
    assert len(read(tmp_path / "answer", body)) == FEW
    monkeypatch.setattr("sipsa.records._MOST_MALFORMED", FEW - 1)
    with pytest.raises(InvalidInput, match="answer: after row 0 the XML is malformed"):
        read(tmp_path / "answer", body)


@given(st.sets(st.integers(0, 19)), st.sampled_from([b"&#x1F;", b"&", b"\xff", b"<", b"]]>"]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bad_rows_among_others_are_the_ones_that_are_refused(
    tmp_path: Path, bad: set[int], value: bytes
) -> None:
    rows = [city_row(n, **({"producto": "HERE"} if n in bad else {})) for n in range(20)]
    found = read(tmp_path / "answer", answer(rows).replace(b"HERE", value))
    assert {at for at, row in enumerate(found) if isinstance(row, str)} == bad
    assert [row for row in found if not isinstance(row, str)] == [
        city_row(n) for n in range(20) if n not in bad
    ]


@pytest.mark.parametrize("spoil", ["", "&#x1F;"])
def test_elements_may_have_a_namespace(spoil: str, tmp_path: Path) -> None:
    text = answer([city_row(n) for n in range(FEW)]).decode()
    text = re.sub(r"<(/?)(return|[a-z]+[A-Z]\w+|ciudad|enviado|producto)>", r"<\1ns2:\2>", text)
    assert text.count("<ns2:return>") == FEW
    body = text.replace("</ns2:return>", f"{spoil}</ns2:return>", 1).encode()
    expected = [city_row(n) for n in range(FEW)]
    assert read(tmp_path / "answer", body)[bool(spoil) :] == expected[bool(spoil) :]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<item><ciudad>A</ciudad></item>", "but item: the service has changed"),
        ("<b/><a/><b/>", "but a, b: the service has changed"),
        ("<Return/>", "but Return: the service has changed"),
        (None, "but an empty body: the service has changed"),
    ],
)
def test_an_answer_of_other_elements_is_no_empty_one(content: str | None, said: str, tmp_path: Path) -> None:
    held = f'<n:{CITY}Response xmlns:n="{NAMESPACE}">{content}</n:{CITY}Response>' if content else ""
    body = f'<S:Envelope xmlns:S="{SOAP}"><S:Header/><S:Body>{held}</S:Body></S:Envelope>'
    with pytest.raises(InvalidInput, match=said) as refusal:
        read(tmp_path / "answer", body.encode())
    assert refusal.value.code == Code.SCHEMA_CHANGED


def test_an_answer_without_rows_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path / "answer", answer([])) == []


def test_a_bad_row_is_left_out_and_told_of_and_too_many_refuse_the_answer(
    run_stage: Callable[..., Staged], run_merge: Callable[..., Merged], query: Callable[[str], list[Any]]
) -> None:
    body = gzip.compress(spoiled(300, 100, b"Papa&#x1F;"))
    assert run_stage("r1", body) == Staged(CITY, 300, 299, 0, 1)
    assert run_merge("r1").rows_new == 299
    assert query("SELECT rows_refused, refusals FROM sipsa_data.ingest_audit") == [
        (1, ["row 101 is malformed XML: xmlParseCharRef: invalid xmlChar value 31"])
    ]
    more = gzip.compress(spoiled(301, {100, 200}, b"Papa&#x1F;"))
    with pytest.raises(InvalidInput, match=r"2 of 301 rows are refused, .*; the first: row 101 is malformed"):
        run_stage("r2", more, max_refused_share=0.001)
