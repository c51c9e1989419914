"""SECURITY.md names, for what it claims, tests that are there."""

from __future__ import annotations

import re

from tests.places import REPOSITORY

TEXT = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
SECTIONS = dict(zip(*[iter(re.split(r"^## (.+)\n", TEXT, flags=re.MULTILINE)[1:])] * 2, strict=True))
FOLDERS = ("attacks", "charts", "dags", "local", "serving", "sources", "unit")


def named(text: str) -> set[str]:
    """The tests that a text names, by their paths in `tests/`."""
    paths = re.findall(rf"`(?:tests/)?((?:{'|'.join(FOLDERS)})(?:/\w+)*(?:\.py)?)/?`", text)
    return set(paths) - {"charts"}


def rows(section: str, columns: int) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
    assert {len(row) for row in cells} == {columns}
    return cells


def test_each_row_of_who_is_trusted_names_its_tests() -> None:
    found = rows("What is trusted, and what is not", 4)
    assert len(found) > 8
    assert [who for who, _, _, proof in found if not named(proof)] == []


def test_each_row_of_what_a_source_may_do_names_its_test() -> None:
    proofs = [proof for *_, proof in rows("Sources", 3)]
    assert proofs
    assert [proof for proof in proofs if not named(f"`attacks/{proof.strip('`')}`")] == []
    assert [
        proof for proof in proofs if not (REPOSITORY / "tests/attacks" / proof.strip("`")).is_file()
    ] == []


def test_each_section_names_tests_and_all_of_them_are_there() -> None:
    assert [title for title, text in SECTIONS.items() if not named(text)] == []
    missing = [path for path in named(TEXT) if not (REPOSITORY / "tests" / path).exists()]
    assert missing == []
