"""Texts that look the same are the same."""

from __future__ import annotations

import unicodedata

import pytest

from stepkit.text import normalise


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pimento\u0301n", "Pimentón"),
        ("Nin\u0303o", "Niño"),
        ("e\u200b\u0301", "é"),  # what nobody sees does not keep a letter and its accent apart
        ("Papa\u00a0negra", "Papa negra"),
        ("Papa\u202fnegra\u3000*", "Papa negra *"),
        ("10\u201320", "10-20"),
        ("5\u2212\u20145\u2011", "5--5-"),
        ("O\u2019Hare", "O'Hare"),
        ("\ufeffRaw\u200dah\u00ad\u2060\u202c", "Rawah"),
    ],
)
def test_a_text_is_written_as_it_looks(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize("text", ["", "Rawah", " two  words\t\n", "CÚCUTA", "n.º 5 · ½ kg", "価格", "\ud800"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert normalise(text) == text


def test_every_blank_is_a_space_and_a_second_time_changes_nothing() -> None:
    characters = [chr(point) for point in range(0x10000)]
    once = [normalise(character) for character in characters]
    blank = {text for text, one in zip(once, characters, strict=True) if unicodedata.category(one) == "Zs"}
    assert blank == {" "}
    assert [normalise(text) for text in once] == once
