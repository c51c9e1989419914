"""Documents in S3 whose name holds the hash of their bytes, so that nobody can change one that is waited for.

Every step of a pipeline may write below the pipeline's prefix. The URI of a document reaches the step that
reads it through Airflow, which takes it from the result of the step that wrote it.
"""

from __future__ import annotations

import hashlib
import re

from stepkit.errors import Code, InvalidInput
from stepkit.s3 import ObjectStore

_DIGEST = re.compile(r"-([0-9a-f]{64})\.json$")


def write(folder: str, name: str, body: bytes) -> str:
    """Writes a JSON document and returns its URI.

    Args:
        folder: S3 URI, without a slash at its end.
        name: of the document, before the hash.
        body: the JSON.

    Raises:
        DependencyUnavailable: S3 does not answer.
    """
    uri = f"{folder}/{name}-{hashlib.sha256(body).hexdigest()}.json"
    ObjectStore().put(uri, body, "application/json")
    return uri


def read(uri: str) -> bytes:
    """Returns the bytes of a document.

    Raises:
        InvalidInput: its name holds no hash, it is gone, or its bytes are not those that were written.
        DependencyUnavailable: S3 does not answer.
    """
    if not (named := _DIGEST.search(uri)):
        raise InvalidInput(
            f"{uri} does not end in the sha256 of its bytes: give the URI that the step before returned, or"
            " run the DAG again",
            Code.INVALID_SETTING,
            file=uri,
        )
    body = ObjectStore().get(uri)
    if (found := hashlib.sha256(body).hexdigest()) != named[1]:
        raise InvalidInput(
            f"{uri} has the sha256 {found}: it was changed after it was written; run the DAG again",
            Code.INPUT_REPLACED,
            file=uri,
        )
    return body
