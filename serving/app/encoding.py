"""Bodies that a client has packed, as their `Content-Encoding` says."""

import zlib

from fastapi import HTTPException

CLOSE = {"Connection": "close"}
"""The rest of a body that is not read would be taken for the next request."""
GZIP = {b"gzip", b"x-gzip"}
_FORM = 16 + zlib.MAX_WBITS


def is_gzip(encoding: bytes) -> bool:
    """Returns whether a body is packed by gzip, and not at all else.

    Args:
        encoding: The value of its `Content-Encoding`.

    Raises:
        HTTPException: 415, it is packed otherwise.
    """
    name = encoding.strip().lower()
    if name in GZIP:
        return True
    if name in (b"", b"identity"):
        return False
    raise HTTPException(
        415,
        f"The body's Content-Encoding is {name[:40].decode('latin-1')!r}: send it by gzip, or as it is.",
        {"Accept-Encoding": "gzip", **CLOSE},
    )


def unpacked(body: bytes, limit: int) -> bytes | None:
    """Returns a gzip's content; None where it is larger than the limit, beyond which nothing is unpacked.

    Raises:
        HTTPException: 400, the body is not gzip, not all of one, or more than one.
    """
    packed = zlib.decompressobj(_FORM)
    try:
        content = packed.decompress(body, limit + 1)
    except zlib.error as error:
        raise HTTPException(
            400, f"The body is not gzip, though its Content-Encoding says so: {error}."
        ) from None
    if len(content) > limit:
        return None
    if not packed.eof:
        raise HTTPException(400, "The body is not all of a gzip: it ends too early.")
    if packed.unused_data:
        raise HTTPException(400, "The body is more than one gzip: pack it as a whole.")
    return content
