"""What the portal answers when it refuses: two families of bodies, as it has two servers behind one name."""

import json
from typing import Any


class RefusedError(Exception):
    """A query that gets an error; `status` and `body` are the answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body["message"])
        self.status = status
        self.body = json.dumps(body)


def no_such_column(name: str, dataset: str, query: str) -> RefusedError:
    """Refuses a column that the data set does not have."""
    column = max(query.find(name), 0) + 1
    code = "query.soql.no-such-column"
    spot = f'Map(row -> 1, column -> {column}, line -> "{query}")'
    return RefusedError(
        400,
        {
            "message": f"Query coordinator error: {code}; No such column: {name}; position: {spot}",
            "errorCode": code,
            "data": {
                "column": name,
                "dataset": dataset,
                "position": {"row": 1, "column": column, "line": query},
            },
        },
    )


def type_mismatch(what: str, dataset: str) -> RefusedError:
    """Refuses a value that is not of its column's type."""
    code = "query.soql.type-mismatch"
    return RefusedError(
        400,
        {
            "message": f"Query coordinator error: {code}; Type mismatch, {what}",
            "errorCode": code,
            "data": {"dataset": dataset},
        },
    )


def malformed(query: str) -> RefusedError:
    """Refuses what is not SoQL."""
    return _second_family(400, "query.compiler.malformed", f'Could not parse SoQL query "{query}"', {})


def unknown_parameter(name: str) -> RefusedError:
    """Refuses a parameter with a dollar that the API does not have."""
    return _second_family(400, "query.compiler.malformed", f"Unrecognized parameter {name}", {})


def invalid_token() -> RefusedError:
    """Refuses a token that nobody was given."""
    return _second_family(403, "permission_denied", "Invalid app_token specified", None)


def no_such_dataset(identifier: str) -> RefusedError:
    """Refuses an id that no data set has."""
    return _second_family(404, "dataset.missing", "Not found", {"id": identifier})


def throttled() -> RefusedError:
    """Refuses a client without a token that asks too often."""
    return _second_family(429, "too_many_requests", "Throttled: send an app token", None)


def _second_family(status: int, code: str, message: str, data: dict[str, Any] | None) -> RefusedError:
    body: dict[str, Any] = {"code": code, "error": True, "message": message}
    return RefusedError(status, body if data is None else {**body, "data": data})
