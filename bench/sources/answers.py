"""Answers of sources, damaged: in their values, their bytes, their heads, or all of these."""

from __future__ import annotations

import copy
import gzip
import json
import re
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.scripted_http import response

_RAW_NUMBERS = ("1e400", "-1e400", "1" + "0" * 400, "9" * 5000, "NaN", "-0.0", "1.7976931348623157e308")
_NASTY: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        2**31,
        2**63,
        10**30,
        "",
        " ",
        "\x00",
        "\ud800",
        "\x1b[2J",
        "\u0661",
        "0x1",
    ),
    *(
        "9" * 30,
        "9" * 5000,
        "-1",
        "1e400",
        "nan",
        "9999-12-31T23:59:59.000",
        "0001-01-01T00:00:00.000",
        "2026-W01-1",
    ),
    *("' OR '1' = '1", "a\nb\r", "http://[", "x" * 100_000, [], {}, [[]], [{}], {"url": "http://["}),
    *(f"@{number}@" for number in _RAW_NUMBERS),
)
_TOKENS = (
    *(
        b"&e;",
        b"&#0;",
        b"&#xD800;",
        b"<!-- -->",
        b"<?p ?>",
        b"<![CDATA[",
        b"<return>",
        b"</return>",
        b"<a b='&lt;'>",
    ),
    *(
        b"9" * 30,
        b"\x00",
        b"\xff",
        b"http://[",
        b"-1",
        b".0",
        b"9999-12-31T23:59:59Z",
        b"<x/>" * 1000,
        b"<x>" * 500,
    ),
    b"<xs:import xmlns:xs='http://www.w3.org/2001/XMLSchema' namespace='urn:n' schemaLocation='http://['/>",
    *(b"<S:Fault>", b"<!DOCTYPE a [<!ENTITY e 'x'>]>", "\u0661".encode(), b" " * 5000),
)
_HEADERS = {
    "Location": (
        "/",
        "http://[",
        "http://127.0.0.1\\@elsewhere/",
        "//elsewhere/",
        "?a=1",
        "http://a b/",
        "\x7f",
        "#",
    ),
    "Retry-After": (
        "1" + "0" * 20,
        "9" * 5000,
        "-1",
        "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
        "\xb2",
        "0",
    ),
    "Content-Encoding": ("gzip", "deflate", "br", "gzip, gzip", "zstd", "x", "gzip," * 50, "identity"),
    "Transfer-Encoding": ("chunked", "gzip, chunked", "x"),
    "Content-Length": ("-1", "x", "9" * 30, "1, 2", "\xb2"),
    "Content-Type": ("text/html; charset=x", "multipart/mixed"),
    "X-SODA2-Truth-Last-Modified": ("\xff", "x"),
    "Set-Cookie": ("a=b; expires=x",),
    "Connection": ("keep-alive",),
}
_STATUSES = (
    *(
        200,
        200,
        200,
        100,
        101,
        103,
        201,
        202,
        204,
        206,
        301,
        303,
        304,
        307,
        308,
        400,
        401,
        403,
        404,
        415,
        418,
    ),
    *(422, 429, 451, 500, 501, 503),
)


def damaged(answers: Sequence[Any]) -> st.SearchStrategy[list[bytes]]:
    """Returns a strategy for the raw bytes of a source's answers, in their order.

    Args:
        answers: right ones; bytes stand for XML, all else for JSON.
    """
    return _damaged(tuple(answers))


@st.composite
def _damaged(draw: st.DrawFn, answers: tuple[Any, ...]) -> list[bytes]:
    spoiled = draw(st.sets(st.integers(0, len(answers) - 1), min_size=1, max_size=2))
    return [
        draw(_answer(answer)) if number in spoiled else response(200, body_of(answer))
        for number, answer in enumerate(answers)
    ]


@st.composite
def _answer(draw: st.DrawFn, answer: Any) -> bytes:
    kind = draw(st.sampled_from(("values", "values", "values", "bytes", "head", "all")))
    body = body_of(answer)
    if kind in ("values", "all"):
        body = draw(_xml(answer)) if isinstance(answer, bytes) else body_of(draw(_values(answer)))
    if kind in ("bytes", "all"):
        body = draw(_bytes(body))
    if kind == "head" and draw(st.booleans()):
        return draw(_bytes(response(200, body)))
    if kind in ("head", "all"):
        return draw(_with_head(body))
    return response(200, body)


@st.composite
def _values(draw: st.DrawFn, answer: Any) -> Any:
    document = [copy.deepcopy(answer)]
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = document
        key: Any = 0
        while isinstance(inner := holder[key], dict | list) and inner and draw(st.integers(0, 5)):
            holder, key = (
                inner,
                draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner)))),
            )
        act = draw(st.sampled_from(("replace", "replace", "remove", "repeat", "wrap", "deep")))
        if act == "replace":
            holder[key] = copy.deepcopy(draw(st.sampled_from(_NASTY)))
        elif act == "remove" and holder is not document:
            del holder[key]
        elif act == "repeat" and isinstance(holder[key], list):
            holder[key] = holder[key] * draw(st.integers(2, 50))
        elif act == "wrap":
            holder[key] = draw(st.sampled_from(([holder[key]], {"a": holder[key]})))
        elif act == "deep":
            for _ in range(draw(st.sampled_from((5, 15, 100, 900)))):
                holder[key] = [holder[key]]
    return document[0]


@st.composite
def _xml(draw: st.DrawFn, document: bytes) -> bytes:
    tokens = re.findall(rb"<[^>]*>|[^<]+", document)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(tokens) - 1))
        act = draw(st.sampled_from(("replace", "insert", "remove", "repeat", "quoted")))
        if act == "replace":
            tokens[at] = draw(st.sampled_from(_TOKENS))
        elif act == "insert":
            tokens.insert(at, draw(st.sampled_from(_TOKENS)))
        elif act == "remove" and len(tokens) > 1:
            del tokens[at]
        elif act == "repeat":
            tokens[at] *= draw(st.integers(2, 50))
        elif act == "quoted":
            value = draw(st.sampled_from((b"http://[", b"", b"x:y", b"9" * 30, b"http://elsewhere/", b"&e;")))
            tokens[at] = re.sub(rb"\"[^\"]*\"|'[^']*'", b'"' + value + b'"', tokens[at])
    return b"".join(tokens)


@st.composite
def _bytes(draw: st.DrawFn, body: bytes) -> bytes:
    at, size = draw(st.integers(0, len(body))), draw(st.integers(0, 40))
    act = draw(st.sampled_from(("cut", "insert", "replace", "nothing", "random")))
    if act == "cut":
        return body[:at]
    if act == "nothing":
        return b""
    if act == "random":
        return draw(st.binary(max_size=60))
    return body[:at] + draw(st.binary(max_size=20)) + body[at + (size if act == "replace" else 0) :]


@st.composite
def _with_head(draw: st.DrawFn, body: bytes) -> bytes:
    if draw(st.integers(0, 3)) == 0:
        body = gzip.compress(body, mtime=0)
    status = draw(st.sampled_from(_STATUSES))
    names = draw(st.sets(st.sampled_from(sorted(_HEADERS)), max_size=3))
    lines = [f"HTTP/1.1 {status} said".encode()]
    if "Content-Length" not in names and draw(st.booleans()):
        lines.append(b"Content-Length: %d" % len(body))
    for name in sorted(names):
        lines.append(f"{name}: {draw(st.sampled_from(_HEADERS[name]))}".encode("latin-1"))
    lines += [b"Connection: close"] if "Connection" not in names else []
    return b"\r\n".join([*lines, b"", body])


def body_of(answer: Any) -> bytes:
    """Returns the body of a right answer."""
    if isinstance(answer, bytes):
        return answer
    text = json.dumps(answer)
    for number in _RAW_NUMBERS:
        text = text.replace(f'"@{number}@"', number)
    return text.encode()
