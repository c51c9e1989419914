"""The limit: our web server, with a fixed answer of the usual length in place of a prediction."""

from typing import Any

ANSWER = b'{"model":"forest","version":"1","digest":"%s","predictions":[%s]}' % (
    b"0" * 64,
    b'{"cover_type":1,"class_name":"Lodgepole Pine","unknown_categories":[],"unknown_fields":[],'
    b'"probabilities":null}',
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Takes the body and sends the answer."""
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": ANSWER})
