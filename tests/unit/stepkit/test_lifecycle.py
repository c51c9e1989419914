"""Expiry in a real S3 server's buckets: what is missing is added, and nothing else is touched."""

from __future__ import annotations

import pytest

from crime.setup_s3 import setup_s3
from stepkit import lifecycle
from stepkit.errors import DependencyUnavailable, InvalidInput
from stepkit.s3 import client
from stepkit.settings import Settings

THEIRS = {
    "ID": "theirs",
    "Status": "Enabled",
    "Filter": {"Prefix": "reports/"},
    "Expiration": {"Days": 7},
}


def days(bucket: str) -> dict[str | None, int]:
    return {lifecycle.prefix_of(rule): rule["Expiration"]["Days"] for rule in lifecycle.rules(bucket)}


def test_a_missing_rule_is_added_to_those_that_are_there(bucket: str) -> None:
    client().put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [THEIRS]})
    assert lifecycle.expire(bucket, {"1-enriched-data/": 60, "2-processed-data/": 60}) == [
        "1-enriched-data/",
        "2-processed-data/",
    ]
    assert days(bucket) == {"reports/": 7, "1-enriched-data/": 60, "2-processed-data/": 60}


def test_what_is_in_order_is_left_alone_and_other_days_are_corrected(bucket: str) -> None:
    assert lifecycle.expire(bucket, {"a/": 60}) == ["a/"]
    assert lifecycle.expire(bucket, {"a/": 60}) == []
    assert lifecycle.expire(bucket, {"a/": 30}) == ["a/"]
    assert days(bucket) == {"a/": 30}


def test_the_step_says_what_it_has_corrected(bucket: str) -> None:
    prefixes = ["0-raw-data/monthly-data/", "1-enriched-data/"]
    assert setup_s3(Settings(), bucket=bucket, temporary_prefixes=prefixes).corrected == prefixes
    assert setup_s3(Settings(), bucket=bucket, temporary_prefixes=prefixes).corrected == []
    assert days(bucket) == dict.fromkeys(prefixes, 60)


@pytest.mark.parametrize("prefix", ["1-enriched-data", "/1-enriched-data/", ""])
def test_a_prefix_that_would_take_too_much_is_refused(bucket: str, prefix: str) -> None:
    with pytest.raises(InvalidInput, match="a prefix ends with /"):
        setup_s3(Settings(), bucket=bucket, temporary_prefixes=[prefix])


def test_a_bucket_that_is_not_there_is_named(bucket: str) -> None:
    with pytest.raises(DependencyUnavailable, match="there is no bucket"):
        lifecycle.expire(f"{bucket}-not", {"a/": 60})


@pytest.mark.parametrize(
    ("rule", "prefix"),
    [
        ({"Prefix": "a/"}, "a/"),
        ({"Filter": {"Prefix": "a/"}}, "a/"),
        ({"Filter": {}}, ""),
        ({"Filter": {"Tag": {"Key": "k", "Value": "v"}}}, None),
        ({"Filter": {"And": {"Prefix": "a/", "Tags": []}}}, None),
    ],
)
def test_a_rule_that_looks_at_more_than_a_prefix_is_nobodys(rule: lifecycle.Rule, prefix: str | None) -> None:
    assert lifecycle.prefix_of(rule) == prefix
