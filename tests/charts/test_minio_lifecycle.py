"""What expires in a bucket: each release brings its own rules; a stand-in for `mc` keeps the document."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.charts.render import CHARTS

MC = """#!{python} -IS
import json, pathlib, sys
store = pathlib.Path({store!r})
words = sys.argv[1:]
if words[:2] == ["ilm", "export"]:
    if not store.exists():
        sys.exit("Unable to get lifecycle configuration. The lifecycle configuration does not exist.")
    print(store.read_text())
elif words[:2] == ["ilm", "import"]:
    rules = json.load(sys.stdin)["Rules"]
    for rule in rules:
        if not rule["Filter"]["Prefix"]:
            del rule["Filter"]
    store.write_text(json.dumps({{"Rules": rules}}))
    with open({log!r}, "a") as log:
        log.write("import\\n")
elif words[:3] == ["ilm", "rule", "remove"]:
    store.unlink()
else:
    sys.exit(f"not known here: {{words}}")
"""


class Bucket:
    """A bucket's document of rules, as releases change it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.log = folder, folder / "store.json", folder / "log"
        mc = folder / "bin" / "mc"
        mc.parent.mkdir()
        mc.write_text(MC.format(python=sys.executable, store=str(self.store), log=str(self.log)))
        mc.chmod(0o755)

    def bring(self, days: dict[str, int], pipeline: str = "") -> None:
        """Run the script of a release, as its Job does."""
        begins = f"own-{pipeline}" if pipeline else "expire"
        rules: list[dict[str, Any]] = [
            {
                "ID": f"{begins}-{prefix.replace('/', '-')}",
                "Status": "Enabled",
                "Filter": {"Prefix": prefix},
                "Expiration": {"Days": number},
            }
            for prefix, number in days.items()
        ]
        file = self.folder / "rules.json"
        file.write_text(json.dumps({"Rules": rules}))
        path = os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])
        command = [sys.executable, str(CHARTS / "minio/files/lifecycle.py"), "data", str(file)]
        done = subprocess.run(
            [*command, *([pipeline] if pipeline else [])],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    @property
    def days(self) -> dict[str, int]:
        """Prefix -> days."""
        rules = json.loads(self.store.read_text())["Rules"] if self.store.exists() else []
        return {rule.get("Filter", {}).get("Prefix", ""): rule["Expiration"]["Days"] for rule in rules}

    @property
    def writes(self) -> int:
        """How often the document was written."""
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket(tmp_path)


def test_each_release_changes_its_own_rules_alone(bucket: Bucket) -> None:
    bucket.bring({"": 30, "forest/raw/": 365})
    bucket.bring({"weather/raw/": 7}, "weather")
    bucket.bring({"weathervane/": 3}, "weathervane")
    bucket.bring({"forest/raw/": 60})
    bucket.bring({"weather/raw/": 8}, "weather")
    assert bucket.days == {"forest/raw/": 60, "weather/raw/": 8, "weathervane/": 3}
    bucket.bring({}, "weather")
    assert bucket.days == {"forest/raw/": 60, "weathervane/": 3}


def test_the_last_rule_goes_too(bucket: Bucket) -> None:
    bucket.bring({"weather/": 7}, "weather")
    bucket.bring({}, "weather")
    bucket.bring({}, "weather")
    assert bucket.days == {}


def test_what_is_there_is_not_written_again(bucket: Bucket) -> None:
    for _ in range(2):
        bucket.bring({"": 30})
    assert bucket.writes == 1
