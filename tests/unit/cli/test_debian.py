import io
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from quintet.kind import debian, images
from quintet.kind.machine import ImageSource, Machine
from quintet.paths import PLATFORM, versions
from quintet.progress import Stage

# An engine that holds what it imported, and an archive that always has the packages of one file.
FAKE_DOCKER = """\
#!/bin/sh
case "$1 $2" in
  "image inspect") grep -qx "$3" "{folder}/imported" ;;
  import\\ *) echo "$3" >> "{folder}/imported" ;;
esac
"""
FAKE_MMDEBSTRAP = """\
#!/bin/sh
for archive; do :; done
cp "{folder}/today.tar" "$archive"
"""
RELEASE = """\
-----BEGIN PGP SIGNED MESSAGE-----
Date: {date}
SHA256:
 {packages} 9868 main/binary-amd64/Packages
 2222222222222222222222222222222222222222222222222222222222222222 9868 main/i18n/Translation-de
"""
SNAPSHOT_SCRIPT = PLATFORM / "images" / "base" / "take-snapshot"
# As in the image debian:trixie-slim.
SOURCES = """\
Types: deb
# http://snapshot.debian.org/archive/debian/20261005T000000Z
URIs: http://mirror.example.org/debian
Suites: trixie trixie-updates
Components: main

Types: deb
URIs: http://mirror.example.org/debian-security
Suites: trixie-security
Components: main
"""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "imported").touch()
    for name, text in (("docker", FAKE_DOCKER), ("mmdebstrap", FAKE_MMDEBSTRAP), ("apt-get", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text.format(folder=tmp_path))
        (tmp_path / name).chmod(0o755)
    archive(tmp_path)
    return Machine(tmp_path / "docker", ImageSource.AIRGAP, "for a test")


def archive(folder: Path, version: str = "1.0", listed: str = "1" * 64, date: str = "Monday") -> None:
    """Write what Debian's archive has today: the version of its one package, and its package lists."""
    release = RELEASE.format(packages=listed, date=date)
    with tarfile.open(folder / "today.tar", "w") as tar:
        for name, text in {
            "./var/lib/dpkg/status": f"Package: libc6\nVersion: {version}\n",
            "./var/lib/apt/lists/mirror.example.org_debian_dists_trixie_InRelease": release,
            "./etc/hostname": date,
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))


def base(machine: Machine) -> str:
    return debian.base_image(machine, Stage("debian-image"))


def test_where_a_registry_answers_the_image_is_a_digest_and_the_archive_a_date() -> None:
    machine = Machine(Path("docker"), ImageSource.REGISTRY, "for a test")
    arguments = debian.base_arguments(machine, Stage("debian-image"))
    assert re.fullmatch(r"debian:trixie-slim@sha256:[0-9a-f]{64}", arguments["BASE_IMAGE"])
    assert re.fullmatch(r"20\d{6}T\d{6}Z", arguments["DEBIAN_SNAPSHOT"])


def test_the_registry_beside_a_cluster_is_a_digest() -> None:
    assert re.fullmatch(r"registry:2@sha256:[0-9a-f]{64}", versions()["registry"]["image"])


@pytest.mark.parametrize("change", [{"version": "1.1"}, {"listed": "3" * 64}])
def test_an_image_made_here_is_named_by_the_packages_in_it_and_those_that_it_can_install(
    machine: Machine, tmp_path: Path, change: dict[str, str]
) -> None:
    before = base(machine)
    archive(tmp_path, **change)
    assert base(machine) == before, "today's archive reached an image that was made"
    debian.forget(machine)
    assert base(machine) != before


def test_the_same_packages_on_another_day_make_the_same_name(machine: Machine, tmp_path: Path) -> None:
    before = base(machine)
    archive(tmp_path, date="Tuesday")
    debian.forget(machine)
    assert base(machine) == before


def test_an_image_that_the_engine_has_lost_is_made_again(machine: Machine, tmp_path: Path) -> None:
    before = base(machine)
    (tmp_path / "imported").write_text("")
    archive(tmp_path, version="1.1")
    assert base(machine) != before


def test_another_state_of_the_archive_is_another_tag_of_every_image() -> None:
    def tags(snapshot: str) -> set[tuple[str, str]]:
        names = ["airflow", "forest-extract", "inference", "minio", "postgres"]
        return set(images.plan({"BASE_IMAGE": "debian", "DEBIAN_SNAPSHOT": snapshot}, names).tags.items())

    assert tags("20261001T000000Z") & tags("20261002T000000Z") == set()


def take_snapshot(date: str, sources: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([SNAPSHOT_SCRIPT, date, sources], capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("machine")
def test_every_archive_is_read_as_it_was_on_the_date(tmp_path: Path) -> None:
    sources = tmp_path / "debian.sources"
    sources.write_text(SOURCES)
    assert take_snapshot("20261128T000000Z", sources).returncode == 0
    lines = [line for line in sources.read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if line.startswith(("URIs", "Check"))] == [
        "URIs: http://snapshot.debian.org/archive/debian/20261128T000000Z",
        "Check-Valid-Until: no",
        "URIs: http://snapshot.debian.org/archive/debian-security/20261128T000000Z",
        "Check-Valid-Until: no",
    ]


@pytest.mark.usefixtures("machine")
def test_an_archive_without_snapshots_is_refused(tmp_path: Path) -> None:
    sources = tmp_path / "debian.sources"
    sources.write_text(SOURCES + "\nURIs: https://packages.example.com/apt\n")
    refused = take_snapshot("20261128T000000Z", sources)
    assert refused.returncode == 1
    assert "https://packages.example.com/apt" in refused.stderr
    assert "names an archive of which there are no snapshots" in refused.stderr
