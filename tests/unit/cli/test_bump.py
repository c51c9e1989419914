import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from quintet.kind import bump
from quintet.kind.machine import ImageSource, Machine
from quintet.progress import UserError
from tests.scripted_http import Script, ScriptedServer, response, serving

MACHINE = Machine(Path("docker"), ImageSource.REGISTRY, "for a test")
NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
TOKEN = response(200, '{"token": "a-token"}')
ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copy = tmp_path / "versions.toml"
    copy.write_text(bump.VERSIONS.read_text())
    return copy


@contextlib.contextmanager
def internet(monkeypatch: pytest.MonkeyPatch, *scripts: Script) -> Iterator[ScriptedServer]:
    with serving(*scripts) as server:
        for name in ("AUTHORITY", "HUB", "SNAPSHOTS"):
            monkeypatch.setattr(bump, name, server.url)
        yield server


def manifest(digest: str) -> bytes:
    return response(200, Docker_Content_Digest=digest)


def test_today_s_digests_and_yesterday_s_archive_are_written(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    before = file.read_text()
    with internet(monkeypatch, TOKEN, manifest(ONE), TOKEN, manifest(TWO), response(200)) as server:
        (told,) = bump.bump(MACHINE, file, NOW)
    after = file.read_text()
    assert f'image = "debian:trixie-slim@{ONE}"' in after
    assert f'image = "registry:2@{TWO}"' in after
    assert 'snapshot = "20261130T000000Z"' in after
    assert len(set(before.splitlines()) - set(after.splitlines())) == 3, "other lines changed"
    assert f"debian:trixie-slim@{ONE}" in told
    assert server.requests[1] == "/v2/library/debian/manifests/trixie-slim"
    assert b"Bearer a-token" in server.received[1]
    assert server.requests[-1] == "/debian-security/20261130T000000Z/dists/trixie-security/InRelease"


@pytest.mark.parametrize(
    "scripts",
    [
        [response(503)],
        [TOKEN, response(200)],
        [TOKEN, manifest(ONE), TOKEN, response(404)],
        [TOKEN, manifest(ONE), TOKEN, manifest(TWO), response(200), response(404)],
    ],
    ids=["no token", "no digest", "no second digest", "no snapshot"],
)
def test_nothing_changes_unless_all_is_known(
    monkeypatch: pytest.MonkeyPatch, file: Path, scripts: list[Script]
) -> None:
    before = file.read_text()
    with internet(monkeypatch, *scripts), pytest.raises(UserError, match=r"http://.*no pin was changed\.$"):
        bump.bump(MACHINE, file, NOW)
    assert file.read_text() == before


def test_without_an_image_registry_the_pins_stay_and_the_image_made_here_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    before = file.read_text()
    monkeypatch.setattr(bump, "forget", lambda machine: ["quintet/debian:trixie-slim-abc, of Monday"])
    told = bump.bump(Machine(Path("docker"), ImageSource.AIRGAP, "no Docker Hub"), file, NOW)
    assert re.search(r"Forgotten: quintet/debian:trixie-slim-abc, of Monday\. .* today's packages", told[0])
    assert told[1].startswith("versions.toml stays as it is")
    assert "no Docker Hub" in told[1]
    assert file.read_text() == before
