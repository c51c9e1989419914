"""`make bump` at a real image registry, which asks for a token and holds images for two machines."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from quintet.kind import bump
from quintet.kind.machine import ImageSource, Machine
from quintet.progress import UserError
from tests.go_programs import built
from tests.scripted_http import response, serving

MACHINE = Machine(Path("docker"), ImageSource.REGISTRY, "for a test")
NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
DEBIAN, REGISTRY = ("library/debian", "trixie-slim"), ("library/registry", "2")
OCI = "application/vnd.oci.image"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copy = tmp_path / "versions.toml"
    copy.write_text(bump.VERSIONS.read_text())
    return copy


class ImageRegistry:
    """A registry, and what is pushed to it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def _put(self, path: str, content: bytes, media_type: str) -> str:
        answer = requests.put(
            f"{self.url}/v2/{path}", data=content, headers={"Content-Type": media_type}, timeout=10
        )
        answer.raise_for_status()
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    def _blob(self, repository: str, content: bytes, media_type: str) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        begun = requests.post(f"{self.url}/v2/{repository}/blobs/uploads/", timeout=10)
        place = begun.headers["Location"].removeprefix("/v2/")
        self._put(f"{place}?digest={digest}", content, "application/octet-stream")
        return {"mediaType": media_type, "size": len(content), "digest": digest}

    def push(self, repository: str, tag: str, content: str) -> str:
        """Push an image for two machines under one tag, and return the digest of the list of both."""
        listed = []
        for architecture in ("amd64", "arm64"):
            configuration = json.dumps({"architecture": architecture, "os": "linux"}).encode()
            layer = f"{content} for {architecture}".encode()
            manifest = {
                "schemaVersion": 2,
                "mediaType": f"{OCI}.manifest.v1+json",
                "config": self._blob(repository, configuration, f"{OCI}.config.v1+json"),
                "layers": [self._blob(repository, layer, f"{OCI}.layer.v1.tar")],
            }
            text = json.dumps(manifest).encode()
            name = f"sha256:{hashlib.sha256(text).hexdigest()}"
            digest = self._put(f"{repository}/manifests/{name}", text, f"{OCI}.manifest.v1+json")
            platform = {"architecture": architecture, "os": "linux"}
            one = {"mediaType": f"{OCI}.manifest.v1+json", "size": len(text), "digest": digest}
            listed.append({**one, "platform": platform})
        kind = f"{OCI}.index.v1+json"
        index = {"schemaVersion": 2, "mediaType": kind, "manifests": listed}
        return self._put(f"{repository}/manifests/{tag}", json.dumps(index).encode(), kind)


Start = Callable[..., ImageRegistry]


@pytest.fixture
def image_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a registry, which `quintet bump` finds as Docker Hub; it ends after so many answers, if told."""
    with ExitStack() as stack:

        def started(*answers: str) -> ImageRegistry:
            program = built(Path(__file__).with_name("image_registry"))
            registry = ImageRegistry(stack.enter_context(running(program, *answers)))
            monkeypatch.setattr(bump, "HUB", registry.url)
            monkeypatch.setattr(bump, "AUTHORITY", f"{registry.url}/token")
            snapshots = stack.enter_context(serving(response(200)))
            monkeypatch.setattr(bump, "SNAPSHOTS", snapshots.url)
            return registry

        yield started


@contextmanager
def running(program: Path, *words: str) -> Iterator[str]:
    """The URL of the registry that this program is until the block ends."""
    with subprocess.Popen([program, *words], stdout=subprocess.PIPE, stderr=sys.stderr, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def pins(debian: str, registry: str, date: str) -> list[str]:
    return [
        f'image = "debian:trixie-slim@{debian}"',
        f'snapshot = "{date}"',
        f'image = "registry:2@{registry}"',
    ]


def changed(before: list[str], after: list[str]) -> list[str]:
    """The lines of the second state that the first has not, without their comments."""
    return [new.split("  #")[0] for old, new in zip(before, after, strict=True) if old != new]


def test_each_bump_pins_what_the_tags_name_today_and_changes_no_other_line(
    image_registry: Start, file: Path
) -> None:
    shipped = file.read_text().splitlines()
    registry = image_registry()
    debian, beside = registry.push(*DEBIAN, "Monday's"), registry.push(*REGISTRY, "one")
    bump.bump(MACHINE, file, NOW)
    first = file.read_text().splitlines()
    assert changed(shipped, first) == pins(debian, beside, "20261130T000000Z")
    assert bump.bump(MACHINE, file, NOW) == ["versions.toml names today's state already."]

    newer = registry.push(*DEBIAN, "Tuesday's")
    assert newer != debian
    (told,) = bump.bump(MACHINE, file, NOW.replace(day=2))
    assert f"debian:trixie-slim@{newer}" in told
    second = file.read_text().splitlines()
    assert changed(first, second) == pins(newer, beside, "20261201T000000Z")[:2]


def test_a_registry_that_goes_away_between_two_answers_changes_nothing(
    image_registry: Start, file: Path
) -> None:
    before = file.read_text()
    registry = image_registry("1")
    for image in (DEBIAN, REGISTRY):
        registry.push(*image, "Monday's")
    with pytest.raises(UserError, match=r"/registry/manifests/2 does not answer .*no pin was changed"):
        bump.bump(MACHINE, file, NOW)
    assert file.read_text() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_registry_that_does_not_know_the_tag_changes_nothing(image_registry: Start, file: Path) -> None:
    before = file.read_text()
    image_registry().push(*DEBIAN, "Monday's")
    with pytest.raises(UserError, match=r"/v2/library/registry/manifests/2 does not answer \(404 "):
        bump.bump(MACHINE, file, NOW)
    assert file.read_text() == before
