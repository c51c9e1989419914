import hashlib

import pytest

from stepkit import documents
from stepkit.errors import Code, InvalidInput
from stepkit.s3 import ObjectMissing, ObjectStore, client, split


def test_a_document_is_read_as_it_was_written(bucket: str) -> None:
    uri = documents.write(f"s3://{bucket}/forest/evaluation/run", "evaluation", b"{}")
    assert uri.startswith(f"s3://{bucket}/forest/evaluation/run/evaluation-44136fa3")
    assert documents.read(uri) == b"{}"
    assert client().head_object(Bucket=bucket, Key=split(uri)[1])["ContentType"] == "application/json"


def test_one_that_was_changed_is_refused(bucket: str) -> None:
    uri = documents.write(f"s3://{bucket}/run", "evaluation", b"{}")
    ObjectStore().put(uri, b'{"verdict": "promote"}', "application/json")
    with pytest.raises(InvalidInput) as refused:
        documents.read(uri)
    found = hashlib.sha256(b'{"verdict": "promote"}').hexdigest()
    assert str(refused.value) == (
        f"{uri} has the sha256 {found}: it was changed after it was written; run the DAG again"
    )
    assert (refused.value.code, refused.value.file) == (Code.INPUT_REPLACED, uri)


@pytest.mark.parametrize(
    "name", ["evaluation.json", "evaluation-12ab.json", f"evaluation-{'0' * 64}.json.bak"]
)
def test_a_name_without_a_hash_is_refused(bucket: str, name: str) -> None:
    ObjectStore().put(f"s3://{bucket}/run/{name}", b"{}", "application/json")
    uri = f"s3://{bucket}/run/{name}"
    with pytest.raises(InvalidInput) as refused:
        documents.read(uri)
    assert str(refused.value) == (
        f"{uri} does not end in the sha256 of its bytes: give the URI that the step before returned, or"
        " run the DAG again"
    )
    assert (refused.value.code, refused.value.file) == (Code.INVALID_SETTING, uri)


def test_one_that_is_gone_is_named(bucket: str) -> None:
    with pytest.raises(ObjectMissing, match="run/evaluation-"):
        documents.read(f"s3://{bucket}/run/evaluation-{'0' * 64}.json")
