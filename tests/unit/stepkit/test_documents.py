import pytest

from stepkit import documents
from stepkit.outcomes import Code, RefusedInput
from stepkit.s3 import ObjectMissing, ObjectStore


def test_a_document_is_read_as_it_was_written(bucket: str) -> None:
    uri = documents.write(f"s3://{bucket}/forest/evaluation/run", "evaluation", b"{}")
    assert uri.startswith(f"s3://{bucket}/forest/evaluation/run/evaluation-44136fa3")
    assert documents.read(uri) == b"{}"


def test_one_that_was_changed_is_refused(bucket: str) -> None:
    uri = documents.write(f"s3://{bucket}/run", "evaluation", b"{}")
    ObjectStore().put(uri, b'{"verdict": "promote"}', "application/json")
    with pytest.raises(
        RefusedInput, match="it was changed after it was written; run the DAG again"
    ) as refused:
        documents.read(uri)
    assert (refused.value.code, refused.value.file) == (Code.INPUT_REPLACED, uri)


@pytest.mark.parametrize(
    "name", ["evaluation.json", "evaluation-12ab.json", f"evaluation-{'0' * 64}.json.bak"]
)
def test_a_name_without_a_hash_is_refused(bucket: str, name: str) -> None:
    ObjectStore().put(f"s3://{bucket}/run/{name}", b"{}", "application/json")
    with pytest.raises(RefusedInput, match="does not end in the sha256 of its bytes") as refused:
        documents.read(f"s3://{bucket}/run/{name}")
    assert refused.value.code is Code.INVALID_SETTING


def test_one_that_is_gone_is_named(bucket: str) -> None:
    with pytest.raises(ObjectMissing, match="run/evaluation-"):
        documents.read(f"s3://{bucket}/run/evaluation-{'0' * 64}.json")
