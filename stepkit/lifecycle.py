"""The lifecycle of a bucket: which objects go by themselves, and after how many days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from stepkit.errors import S3, Code, InvalidInput
from stepkit.s3 import client
from stepkit.s3_errors import naming

Rule = dict[str, Any]


def rules(bucket: str) -> list[Rule]:
    """Returns the rules of a bucket.

    Raises:
        DependencyUnavailable: S3 does not answer, or there is no such bucket.
        InvalidInput: the key may not read them.
    """
    try:
        with naming(f"s3://{bucket}"):
            found: list[Rule] = _asked(bucket, "get")["Rules"]
    except _NoRules:
        return []
    return found


def expire(bucket: str, days: Mapping[str, int]) -> list[str]:
    """Sees to it that objects below prefixes go after some days; leaves every other rule as it is.

    Args:
        bucket: there already.
        days: by prefix. A rule in force for exactly that prefix is set to its days.

    Returns:
        The prefixes whose rule was missing or had other days.

    Raises:
        DependencyUnavailable: S3 does not answer, or there is no such bucket.
        InvalidInput: the key may not read or change the rules.
    """
    found = rules(bucket)
    in_force = {
        prefix_of(rule): rule["Expiration"].get("Days")
        for rule in found
        if rule.get("Status") == "Enabled" and "Expiration" in rule
    }
    wrong = [prefix for prefix, number in days.items() if in_force.get(prefix) != number]
    if wrong:
        kept = [rule for rule in found if not ("Expiration" in rule and prefix_of(rule) in wrong)]
        added = [_rule(prefix, days[prefix]) for prefix in wrong]
        with naming(f"s3://{bucket}"):
            _asked(bucket, "put", LifecycleConfiguration={"Rules": [*kept, *added]})
    return wrong


def prefix_of(rule: Rule) -> str | None:
    """Returns the prefix that a rule is for; None when it also looks at something else, such as tags."""
    if "Prefix" in rule:  # the form before filters
        return str(rule["Prefix"])
    wanted = rule.get("Filter", {})
    return str(wanted.get("Prefix", "")) if not wanted or set(wanted) == {"Prefix"} else None


def _rule(prefix: str, days: int) -> Rule:
    return {
        "ID": f"expire-{prefix.strip('/').replace('/', '-')}",
        "Status": "Enabled",
        "Filter": {"Prefix": prefix},
        "Expiration": {"Days": days},
    }


class _NoRules(Exception):
    """The bucket has no lifecycle."""


def _asked(bucket: str, verb: str, **arguments: Any) -> Any:
    call = getattr(client(), f"{verb}_bucket_lifecycle_configuration")
    try:
        return call(Bucket=bucket, **arguments)
    except ClientError as error:
        code = error.response["Error"].get("Code")
        if code == "NoSuchLifecycleConfiguration":
            raise _NoRules from None
        if code in ("AccessDenied", "AllAccessDisabled"):
            raise InvalidInput(
                f"the S3 key may not {verb} the lifecycle of bucket {bucket}: give it the right, or set the"
                " expiry in the bucket yourself",
                Code.ACCESS_REFUSED,
                service=S3,
            ) from error
        raise
