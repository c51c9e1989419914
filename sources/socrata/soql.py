"""From SoQL, the portal's query language, to SQLite's SQL.

SoQL is a part of SQL with other names for a few things, so a query is read token by token: columns and
functions are checked against what there is, texts become arguments, and the rest is left to SQLite.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from socrata.columns import Dataset
from socrata.errors import malformed, no_such_column, type_mismatch, unknown_parameter

DEFAULT_LIMIT = 1000
_ROW = ":id"
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+(?:\.\d+)?)|`(?P<quoted>[^`]+)`"
    r"|(?P<name>[:@A-Za-z_][\w:@]*)|(?P<mark><=|>=|!=|<>|\|\||[-+*/%(),=<>]))"
)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?)?")
_WORDS = frozenset(
    [
        "and",
        "or",
        "not",
        "in",
        "between",
        "is",
        "null",
        "like",
        "as",
        "asc",
        "desc",
        "true",
        "false",
        "distinct",
    ]
)
_FUNCTIONS = {
    **{name: name for name in ("count", "min", "max", "sum", "avg", "upper", "lower", "length")},
    "starts_with": "soql_starts_with",
    "contains": "instr",
    "date_trunc_y": "soql_year",
    "date_trunc_ym": "soql_month",
    "date_trunc_ymd": "soql_day",
}
_TRUNCATED = {"soql_year": (4, "-01-01T00:00:00.000"), "soql_month": (7, "-01T00:00:00.000"),
              "soql_day": (10, "T00:00:00.000")}  # fmt: skip
_CLAUSES = ("select", "where", "group", "having", "order", "limit", "offset")
_PARAMETERS = frozenset({*_CLAUSES, "q", "query"})
_IGNORED = frozenset({"$$app_token", "$$exclude_system_fields", "$$version", "$$read_from_nbe"})


@dataclass
class Query:
    """One request in SQL: the text, its arguments, and the columns that it names in the result."""

    dataset: Dataset
    parameters: dict[str, str]
    arguments: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, dataset: Dataset, given: Mapping[str, str]) -> "Query":
        """Reads the parameters of a request.

        Raises:
            RefusedError: a parameter is unknown, or a filter names no column.
        """
        parameters: dict[str, str] = {}
        query = cls(dataset, parameters)
        for name, value in given.items():
            if not name.startswith("$"):
                query._equal(name, value)
            elif name not in _IGNORED:
                key = name[1:].lower()
                if key not in _PARAMETERS:
                    raise unknown_parameter(name)
                parameters[key] = value
        if "query" in parameters:
            parameters |= _clauses(parameters.pop("query"))
        return query

    def __post_init__(self) -> None:
        self._filters: list[str] = []

    def sql(self) -> str:
        """Returns the query for SQLite, on the rows that are shown today.

        Raises:
            RefusedError: it is not SoQL, or names a column that is not there.
        """
        given, table = self.parameters, self.dataset.table
        where = ["shown_from <= :today", "shown_until > :today", *self._filters]
        if "where" in given:
            where.append(f"({self._translated(given['where'])})")
        if "q" in given:
            where.append(self._search(given["q"]))
        sql = f"SELECT {self._selected()} FROM {table} WHERE {' AND '.join(where)}"  # noqa: S608
        for key, keyword in (("group", "GROUP BY"), ("having", "HAVING"), ("order", "ORDER BY")):
            if key in given:
                sql += f" {keyword} {self._translated(given[key])}"
        return f"{sql} LIMIT {self._whole('limit', DEFAULT_LIMIT)} OFFSET {self._whole('offset', 0)}"

    def _selected(self) -> str:
        if (wanted := self.parameters.get("select", "*").strip()) != "*":
            return self._translated(wanted, named=True)
        # The portal leaves its computed columns out of an ordered answer, unless they are asked for.
        hidden = "order" in self.parameters
        return ", ".join(f'"{c.name}"' for c in self.dataset.columns if not (hidden and c.computed))

    def _equal(self, name: str, value: str) -> None:
        column = self.dataset.column(name)
        if column is None:
            raise no_such_column(name, self.dataset.id, f"{name}={value}")
        if column.type == "checkbox":
            if value.lower() not in ("true", "false"):
                raise type_mismatch(f"{name} is a checkbox and {value!r} is not", self.dataset.id)
            self._filters.append(f'"{column.name}" = {value.upper()}')
        else:
            self._filters.append(f'"{column.name}" = {self._argument(value)}')

    def _search(self, text: str) -> str:
        mark = self._argument(text)
        columns = [f'"{c.name}"' for c in self.dataset.columns if c.type == "text"]
        return "(" + " OR ".join(f"instr(upper({name}), upper({mark})) > 0" for name in columns) + ")"

    def _whole(self, key: str, default: int) -> int:
        text = self.parameters.get(key, str(default))
        if not text.strip().isdecimal():
            raise malformed(f"${key}={text}")
        return int(text)

    def _argument(self, value: str) -> str:
        if _INSTANT.fullmatch(value):
            value = (value + "T00:00:00.000"[len(value) - 10 :]) if len(value) < 23 else value
        self.arguments.append(value)
        return f":p{len(self.arguments) - 1}"

    def _translated(self, text: str, *, named: bool = False) -> str:
        """Returns SQL for an expression or several; `named` gives bare functions the portal's names."""
        parts: list[str] = []
        aliases = {match[1].lower() for match in re.finditer(r"(?i)\bas\s+(\w+)", self._all())}
        tokens = list(_tokens(text))
        for at, (kind, token) in enumerate(tokens):
            following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
            if kind == "text":
                parts.append(self._argument(token[1:-1].replace("''", "'")))
            elif kind in ("number", "mark"):
                parts.append(token)
            elif kind == "name" and token.lower() in _WORDS:
                parts.append(token.upper())
            elif kind == "name" and following == "(":
                if token.lower() not in _FUNCTIONS:
                    raise malformed(text)
                parts.append(_FUNCTIONS[token.lower()])
            else:
                parts.append(self._name(token, aliases, text))
        return _with_names(parts) if named else " ".join(parts)

    def _name(self, token: str, aliases: set[str], text: str) -> str:
        if token == _ROW:
            return "rowid"
        if token.lower() in aliases:
            return f'"{token.lower()}"'
        column = self.dataset.column(token)
        if column is None:
            raise no_such_column(token, self.dataset.id, text)
        return f'"{column.name}"'

    def _all(self) -> str:
        return self.parameters.get("select", "")


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise malformed(text)
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return tokens


def _with_names(parts: list[str]) -> str:
    """Names each unnamed function as the portal does: `count(*)` is `count`, `max(date)` is `max_date`."""
    expressions: list[list[str]] = [[]]
    depth = 0
    for part in parts:
        depth += {"(": 1, ")": -1}.get(part, 0)
        if part == "," and not depth:
            expressions.append([])
        else:
            expressions[-1].append(part)
    for expression in expressions:
        if expression == ["rowid"]:
            expression += ["AS", f'"{_ROW}"']
        elif "AS" not in expression and "(" in expression:
            inside = [part.strip('"') for part in expression[2:-1] if part != "*"]
            expression += ["AS", f'"{"_".join([expression[0].removeprefix("soql_"), *inside])}"']
    return ", ".join(" ".join(expression) for expression in expressions)


def _clauses(text: str) -> dict[str, str]:
    """Splits a whole query, `select … where … order by …`, into its clauses."""
    found: dict[str, str] = {}
    pattern = r"(?i)('(?:[^']|'')*')|\b(select|where|group\s+by|having|order\s+by|limit|offset)\b"
    marks = [match for match in re.finditer(pattern, text) if match[2]]
    if not marks or text[: marks[0].start()].strip():
        raise malformed(text)
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        content = text[mark.end() : following.start() if following else len(text)].strip()
        if not content:
            raise malformed(text)
        found[mark[2].split()[0].lower()] = content
    return found


def functions() -> dict[str, tuple[int, Any]]:
    """Returns the functions of SoQL that SQLite lacks: the number of arguments and the code of each."""
    made: dict[str, tuple[int, Any]] = {
        "soql_starts_with": (2, lambda text, start: None if text is None else text.startswith(start))
    }
    for name, (length, rest) in _TRUNCATED.items():
        made[name] = (1, lambda text, length=length, rest=rest: text and text[:length] + rest)
    return made
