import json
from pathlib import Path
from typing import Any

import pytest

from quintet.kind import image_contents, sbom
from quintet.kind.machine import ImageSource, Machine
from quintet.progress import UserError
from tests.charts.render import helm

FOUND: dict[str, Any] = {
    "distribution": ["debian", "13"],
    "debian": [["libssl3t64", "3.5.1-1+deb13u1", "amd64", "openssl", "3.5.1-1+deb13u1"]],
    "python": [["Flask_Login", "0.6.3"]],
    "go": [["github.com/minio/minio", "v0.0.1"], ["stdlib", "1.26.11"]],
}
# Holds one image, and runs what it is given by the test's own Python.
FAKE_DOCKER = """\
#!/bin/sh
echo "$*" >> "{folder}/calls"
case "$1" in
  image) echo sha256:{identity} ;;
  run) {run} ;;
esac
"""


def machine(folder: Path, run: str) -> Machine:
    docker = folder / "docker"
    docker.write_text(FAKE_DOCKER.format(folder=folder, run=run, identity="a" * 64))
    docker.chmod(0o755)
    return Machine(docker, ImageSource.AIRGAP, "for a test")


def test_a_package_is_named_by_its_purl_and_debian_s_by_their_source_too() -> None:
    bill = sbom.document("mlflow", "sha256:abc", FOUND)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["version"] == "sha256:abc"
    assert [component["purl"] for component in bill["components"]] == [
        "pkg:deb/debian/libssl3t64@3.5.1-1%2Bdeb13u1?arch=amd64&distro=debian-13",
        "pkg:golang/github.com/minio/minio@v0.0.1",
        "pkg:golang/stdlib@1.26.11",
        "pkg:pypi/flask-login@0.6.3",
    ]
    properties = {each["name"]: each["value"] for each in bill["components"][0]["properties"]}
    assert properties["quintet:debian:source"] == "openssl"


def test_an_image_is_asked_once_and_a_bill_without_an_image_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = machine(tmp_path, f"echo '{json.dumps(FOUND)}'")
    folder = tmp_path / "sbom"
    folder.mkdir()
    (folder / "gone.cdx.json").touch()
    for _ in range(2):
        (path,) = sbom.write(asked, {"mlflow": "quintet/mlflow:1"}, folder)
    assert list(folder.iterdir()) == [path]
    assert len(json.loads(path.read_text())["components"]) == 4
    calls = (tmp_path / "calls").read_text()
    assert calls.count("run --rm --interactive --network none --entrypoint /usr/bin/python3") == 1


def test_an_image_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="Image quintet/mlflow:1 does not say what is in it"):
        sbom.write(machine(tmp_path, "exit 1"), {"mlflow": "quintet/mlflow:1"}, tmp_path / "sbom")


def test_the_modules_of_a_go_program_are_read_out_of_it() -> None:
    modules = dict(image_contents.go(helm()))
    assert modules["helm.sh/helm/v3"].startswith("v3.")
    assert "k8s.io/client-go" in modules
    assert modules["stdlib"].startswith("1.")


def test_a_module_that_another_replaces_is_not_there() -> None:
    lines = ["mod\tx\t(devel)\t", "dep\ta\tv0.0.0", "=>\tb\tv0.37.2\th1:c=", "dep\ty\tv1.0.0\th1:d="]
    assert image_contents._modules("\n".join(lines)) == [("b", "v0.37.2"), ("y", "v1.0.0")]


def test_debian_s_packages_are_dpkg_s_and_the_postgres_that_was_unpacked_without_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    postgres = tmp_path / "postgresql" / "17" / "bin" / "postgres"
    postgres.parent.mkdir(parents=True)
    lines = "ii \\ttini\\t0.19\\tamd64\\ttini\\t0.19\\nrc \\tgone\\t1\\tamd64\\tgone\\t1\\n"
    for path, text in {
        tmp_path / "dpkg-query": lines,
        postgres: "postgres (PostgreSQL) 17.12 (Debian 17.12-0+deb13u1)\\n",
    }.items():
        path.write_text(f"#!/bin/sh\nprintf '{text}'\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(image_contents, "POSTGRES", str(tmp_path / "postgresql/*/bin/postgres"))
    assert image_contents.debian() == [
        ["tini", "0.19", "amd64", "tini", "0.19"],
        ["postgresql-17", "17.12-0+deb13u1", "amd64", "postgresql-17", "17.12-0+deb13u1"],
    ]


def test_python_s_packages_are_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "venv" / "Flask_Login-0.6.3.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: Flask-Login\nVersion: 0.6.3\n")
    monkeypatch.setattr(image_contents, "ENVIRONMENTS", [str(tmp_path / "v*"), str(tmp_path / "none")])
    assert image_contents.python() == [["Flask-Login", "0.6.3"]]
