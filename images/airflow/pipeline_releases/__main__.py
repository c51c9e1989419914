"""What the Jobs of a pipeline's release run: `python -m pipeline_releases parse|check|publish|withdraw`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pipeline_releases.given import Given, refuse_wrong_dags
from pipeline_releases.manifest import Claims, Refused, Release, digest_of
from pipeline_releases.store import AWAY, INVALID, Away, Store


def parse(given: Given) -> str:
    """Import the DAG files: for a container without any key, as this runs the pipeline's code."""
    with tempfile.TemporaryDirectory() as folder:
        refuse_wrong_dags(given, Path(folder))
    return f"The DAG files of pipeline {given.pipeline} make {', '.join(given.claims['DAG'])}."


def check(given: Given, store: Store, platform: Mapping[str, Claims]) -> str:
    """Look whether another pipeline has what this one claims, and change nothing."""
    release = Release(digest_of(b""), given.claims)
    store.manifest(store.current_version()).with_release(given.pipeline, release, platform)
    return f"No other pipeline has what {given.pipeline} has."


def publish(given: Given, store: Store, platform: Mapping[str, Claims]) -> str:
    """Have the release in the current version, in place of the pipeline's former one."""
    release = Release(store.put_files(given.pipeline, given.files), given.claims)
    version = store.change(lambda former: former.with_release(given.pipeline, release, platform))
    # Files of long ago may have been deleted until the version held, as those of no version in use.
    store.put_files(given.pipeline, given.files)
    return f"Pipeline {given.pipeline} is in version {version}."


def withdraw(given: Given, store: Store, platform: Mapping[str, Claims]) -> str:
    """Have the pipeline in no later version; runs that have begun keep theirs."""
    version = store.change(lambda former: former.without(given.pipeline))
    return f"Pipeline {given.pipeline} is not in version {version}."


IN_S3 = {command.__name__: command for command in (check, publish, withdraw)}


def main(arguments: list[str]) -> int:
    """Run one command on the release in `RELEASE_FOLDER` and return its exit code."""
    if arguments not in [["parse"], *([name] for name in IN_S3)]:
        print(f"Usage: python -m pipeline_releases parse|{'|'.join(IN_S3)}", file=sys.stderr)
        return INVALID
    given = Given.read(Path(os.environ["RELEASE_FOLDER"]))
    try:
        if arguments == ["parse"]:
            print(parse(given))
        else:
            platform = json.loads(Path(os.environ["PLATFORM_CLAIMS"]).read_text(encoding="utf-8"))
            print(IN_S3[arguments[0]](given, Store.from_environment(), platform))
    except (Refused, Away) as error:
        print(error, file=sys.stderr)
        return INVALID if isinstance(error, Refused) else AWAY
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
