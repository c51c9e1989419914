"""A step that does not end well says why by a code, and the documentation lists the codes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from stepkit.errors import Code

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("pipelines", "stepkit")


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Calls of a class in the code of steps, each with its place."""
    for folder in FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
                    yield f"{path.relative_to(REPOSITORY)}:{node.lineno}", node


def given(call: ast.Call) -> set[str | None]:
    return {keyword.arg for keyword in call.keywords}


def test_each_refusal_has_a_code() -> None:
    assert [place for place, call in calls("InvalidInput") if len(call.args) < 2] == []


def test_each_outage_names_its_service_or_has_a_code_of_its_own() -> None:
    outages = calls("DependencyUnavailable")
    assert [place for place, call in outages if len(call.args) < 2 and "service" not in given(call)] == []


def test_each_code_is_used() -> None:
    text = "".join(path.read_text() for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py"))
    used = set(re.findall(r"\b(?:Code|cls)\.([A-Z_]+)", text))
    assert {code.name for code in Code} - used == set()


def test_the_documentation_lists_the_codes() -> None:
    listed = re.findall(r"(?m)^\| `([A-Z_]+)` \|", (REPOSITORY / "docs/operations.md").read_text())
    assert listed == [code.value for code in Code]
