"""Brings the rules by which objects of a bucket expire to those of a release, and leaves those of others.

S3 has one document of rules a bucket, and `mc ilm import` replaces all of it. Whose a rule is stands in its
ID: own-<pipeline>-... is that of a pipeline's own release, any other the platform's. Two Jobs that write at
the same time take the other's rules away; each looks again after it wrote, until its own are there.

Usage: lifecycle.py <bucket> <file of rules> [<pipeline of a release of its own>]
"""

import json
import subprocess
import sys
import time
from typing import Any

LOOKS = 5
PAUSE_SECONDS = 2

Rules = dict[str, dict[str, Any]]


def rules_of(bucket: str) -> Rules:
    """Return the rules of a bucket by their IDs; a bucket without rules has none."""
    command = ["mc", "ilm", "export", f"minio/{bucket}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        if "lifecycle configuration does not exist" in found.stderr + found.stdout:
            return {}
        sys.exit(f"The rules of bucket {bucket} cannot be read: {found.stderr.strip()}")
    # MinIO leaves an empty prefix out.
    plain = {"Filter": {"Prefix": ""}}
    return {rule["ID"]: plain | rule for rule in json.loads(found.stdout).get("Rules") or []}


def write(bucket: str, rules: Rules) -> None:
    """Make these the rules of a bucket."""
    command = ["mc", "ilm", "import", f"minio/{bucket}"]
    if not rules:
        command = ["mc", "ilm", "rule", "remove", "--all", "--force", f"minio/{bucket}"]
    document = json.dumps({"Rules": list(rules.values())}) if rules else ""
    subprocess.run(command, input=document, text=True, check=True)


def is_own(identifier: str, pipeline: str) -> bool:
    """Return whether a rule is that of the release that this runs for."""
    if pipeline:
        return identifier.startswith(f"own-{pipeline}-")
    return not identifier.startswith("own-")


def main(bucket: str, file: str, pipeline: str = "") -> None:
    """Write what differs, and look until it is there."""
    with open(file, encoding="utf-8") as given:
        wanted: Rules = {rule["ID"]: rule for rule in json.load(given)["Rules"]}
    for _ in range(LOOKS):
        found = rules_of(bucket)
        held = {name: rule for name, rule in found.items() if is_own(name, pipeline)}
        if all(_same(held.get(name), wanted.get(name)) for name in held.keys() | wanted.keys()):
            return
        write(bucket, {name: rule for name, rule in found.items() if name not in held} | wanted)
        time.sleep(PAUSE_SECONDS)
    sys.exit(f"The rules of bucket {bucket} do not stay as they are written: somebody else changes them.")


def _same(held: dict[str, Any] | None, wanted: dict[str, Any] | None) -> bool:
    """Return whether a rule that S3 holds says what is wanted; S3 adds fields of its own."""
    if held is None or wanted is None:
        return held is wanted
    return all(held.get(key) == value for key, value in wanted.items())


if __name__ == "__main__":
    main(*sys.argv[1:])
