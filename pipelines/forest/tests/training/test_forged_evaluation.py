"""Who may write to the pipeline's prefix, as each of its steps may, chooses no champion by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient

from stepkit import documents
from stepkit.errors import Code, InvalidInput
from stepkit.s3 import ObjectStore

Make = Callable[..., Any]


def test_an_evaluation_that_was_changed_promotes_nobody(
    run_evaluate: Make, run_promote: Make, world: Make, client: MlflowClient, query: Make
) -> None:
    model = world("any").model_name
    assert run_promote("1", run_evaluate("1", "random_forest")).version == 1
    uri = run_evaluate("2", "logistic_regression")
    written = documents.read(uri)
    assert json.loads(written)["verdict"] == "refuse"

    forged = json.dumps({**json.loads(written), "verdict": "promote"}).encode()
    ObjectStore().put(uri, forged, "application/json")
    for given in (uri, documents.write(uri.rpartition("/")[0], "evaluation", forged).replace("-", "_")):
        with pytest.raises(InvalidInput) as refused:
            run_promote("2", given)
        assert refused.value.code in (Code.INPUT_REPLACED, Code.INVALID_SETTING)
    assert client.get_model_version_by_alias(model, "champion").version == "1"
    assert query("SELECT run_id FROM forest.promotion_decisions") == [("1",)]

    ObjectStore().put(uri, written, "application/json")
    assert run_promote("2", uri).verdict == "refused"


def test_an_evaluation_that_is_none_is_refused(run_promote: Make, bucket: str) -> None:
    uri = documents.write(f"s3://{bucket}/run", "evaluation", b'{"verdict": "promote"}')
    with pytest.raises(InvalidInput, match="the evaluation cannot be read"):
        run_promote("1", uri)
