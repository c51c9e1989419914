"""Some damaged answers for each source; `python -m bench.sources.fuzz 2000` reads more of them."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.sources.answers import body_of
from bench.sources.fuzz import run
from bench.sources.readers import READERS
from stepkit.step import execute
from tests.scripted_http import response, serving

EXAMPLES = 30


@pytest.mark.parametrize("name", READERS)
def test_no_answer_of_a_source_is_a_bug(name: str) -> None:
    codes: Counter[str] = Counter()
    said: list[str] = []

    def tell(code: str, message: str) -> None:
        codes[code] += 1
        if code not in ("0", "2", "75", "99"):
            said.append(message)

    run(READERS[name], EXAMPLES, tell)
    assert not said
    assert codes["2"] > 0
    assert sum(codes.values()) >= EXAMPLES


@pytest.mark.parametrize("name", READERS)
def test_right_answers_are_read(name: str) -> None:
    reader = READERS[name]
    with serving(*(response(200, body_of(answer)) for answer in reader.answers)) as server:
        assert execute(reader.step, ["--url", server.url], {"RUN_ID": "r"}) == 0
