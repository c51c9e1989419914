"""CSV files as people and their programs save them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from stepkit.csv_files import lines
from stepkit.errors import Code, InvalidInput

HEADER = ("name", "mass")


def read(path: Path, body: bytes) -> list[tuple[int, list[str]]]:
    path.write_bytes(body)
    return list(lines(path, HEADER))


@pytest.mark.parametrize(
    "body",
    [
        b"name,mass\na,1\n",
        b"\xef\xbb\xbfname,mass\r\na,1\r\n",
        b"name,mass\na,1",
        b"name,mass\na,1\n\n\n",
        b"name,mass\ra,1\r",
        "name,\u200bmass\u00a0\na,1\n".encode(),
        b'"name","mass"\n"a","1"\n',
    ],
    ids=["plain", "of Excel", "no last line end", "blank last lines", "of an old Mac", "unseen", "quoted"],
)
def test_what_a_program_adds_is_passed_over(body: bytes, tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", body) == [(2, ["a", "1"])]
    assert read(tmp_path / "a.csv.gz", gzip.compress(body)) == [(2, ["a", "1"])]


def test_a_line_keeps_its_number_behind_blank_ones(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", b'name,mass\n\n"a\nb",1\n\nc,2\n') == [
        (4, ["a\nb", "1"]),
        (6, ["c", "2"]),
    ]


@pytest.mark.parametrize(
    ("body", "code", "sentence"),
    [
        (b"", Code.EMPTY_INPUT, "a.csv is empty: its first line must be name,mass"),
        (b"\xef\xbb\xbf\n\n", Code.EMPTY_INPUT, "a.csv is empty"),
        (b"mass,name\n", Code.SCHEMA_CHANGED, "a.csv: line 1 is 'mass,name', not the header name,mass"),
        (b"name;mass\na;1,5\n", Code.SCHEMA_CHANGED, "are separated by ';': save it with commas"),
        (b"name\tmass\n", Code.SCHEMA_CHANGED, r"are separated by '\\t': save it with commas"),
        (b"name,mass\n\xe9,1\n", Code.UNREADABLE_INPUT, "a.csv cannot be read as CSV: 'utf-8' codec"),
        (b'name,mass\n"a', Code.UNREADABLE_INPUT, "a.csv cannot be read as CSV"),
        ("name,mass\n".encode("utf-16"), Code.UNREADABLE_INPUT, "a.csv cannot be read as CSV"),
    ],
)
def test_another_file_is_refused_with_what_to_do(
    body: bytes, code: Code, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=sentence) as refusal:
        read(tmp_path / "a.csv", body)
    assert refusal.value.code == code
