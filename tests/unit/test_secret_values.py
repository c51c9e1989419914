"""The search of `tests.secret_values` finds a secret however it is written, and nothing in other texts."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from tests.secret_values import found_in

SECRET = 'Kq7vLmZp2xRw/t8+Hd3Yb"Nf5Gj='
LOGINS = [f"{'u' * length}:{SECRET}{'x' * length}" for length in range(1, 5)]


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        "Kq7vLmZp2xRw",
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET),
        SECRET.encode().hex(),
        *(base64.b64encode(login.encode()).decode() for login in LOGINS),
    ],
)
def test_a_secret_is_found(written: str) -> None:
    assert found_in(f"a line with {written}, and more", [SECRET, "another one"]) == {SECRET}


def test_nothing_is_found_in_another_text() -> None:
    assert found_in(quote("Kq7vL/mZp2xRw t8+Hd3 Basic dXNlcjpwYXNz"), [SECRET]) == set()
