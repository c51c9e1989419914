"""The Debian image below all of ours: one that `versions.toml` names by digest, or one made from packages."""

import hashlib
import io
import json
import re
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from quintet.kind.machine import ImageSource, Machine
from quintet.paths import cache_dir, versions
from quintet.progress import Stage, succeeds

STATUS = "./var/lib/dpkg/status"
RELEASE = re.compile(r"\./var/lib/apt/lists/[^/]*_InRelease")
# A line of InRelease: the sha256 and size of a package list.
LIST = re.compile(r"^ ([0-9a-f]{64}) +\d+ (main/binary-\w+/Packages)$", re.MULTILINE)
KEEP_LISTS = ("--skip=cleanup/apt/lists", '--aptopt=Acquire::GzipIndexes "true"')


def base_image(machine: Machine, current: Stage) -> str:
    """Return the image that ours stand on: Debian's own by digest, or one made from the same packages."""
    return base_arguments(machine, current)["BASE_IMAGE"]


def base_arguments(machine: Machine, current: Stage) -> dict[str, str]:
    """Return the build arguments of an image that stands on Debian's.

    BASE_IMAGE is the image. DEBIAN_SNAPSHOT is the date of the archive that packages are installed from; it
    is empty for an image made here, which has the package lists of its own date in it.
    """
    debian = versions()["debian"]
    if machine.source is ImageSource.REGISTRY:
        return {"BASE_IMAGE": debian["image"], "DEBIAN_SNAPSHOT": debian["snapshot"]}
    image = bootstrap(machine, current, debian["suite"], debian["packages"], *KEEP_LISTS)
    return {"BASE_IMAGE": image, "DEBIAN_SNAPSHOT": ""}


def bootstrap(machine: Machine, current: Stage, suite: str, packages: list[str], *options: str) -> str:
    """Return an image of a Debian suite, made from today's packages the first time and the same from then on.

    Its name ends with a hash of what is in it: the version of each installed package, and the package lists
    when they are kept. `forget` lets it be made again.

    Args:
        machine: where it is made.
        current: the stage that shows the making.
        suite: such as ``trixie``.
        packages: what is in it beside the essential ones.
        options: of mmdebstrap.
    """
    record = _record(suite, packages, *options)
    if record.exists():
        image = str(json.loads(record.read_text(encoding="utf-8"))["image"])
        if succeeds(machine.docker, "image", "inspect", image):
            return image
    with tempfile.TemporaryDirectory(dir=cache_dir("airgap")) as folder:
        archive = Path(folder, "root.tar")
        included = f"--include={','.join(packages)}"
        current.run("mmdebstrap", "--variant=minbase", included, *options, suite, archive)
        image = f"quintet/debian:{suite}-slim-{content(archive)}"
        current.run(machine.docker, "import", archive, image)
    made = {"image": image, "taken": datetime.now(UTC).isoformat(timespec="seconds")}
    record.write_text(json.dumps(made), encoding="utf-8")
    return image


def content(archive: Path) -> str:
    """Return 12 hexadecimal digits of the sha256 over a root file system's packages and package lists.

    Args:
        archive: the file system as a tar archive.
    """
    hashed = hashlib.sha256()
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda member: member.name):
            if member.name == STATUS or RELEASE.fullmatch(member.name):
                text = (tar.extractfile(member) or io.BytesIO()).read().decode()
                lines = text.splitlines() if member.name == STATUS else map(" ".join, LIST.findall(text))
                for line in lines:
                    hashed.update(line.encode() + b"\0")
    return hashed.hexdigest()[:12]


def forget(machine: Machine) -> list[str]:
    """Have the images that are made here take today's packages when they are needed next.

    Returns:
        For each image that was forgotten, its name and when it was made.
    """
    if machine.source is ImageSource.REGISTRY:
        return []
    debian = versions()["debian"]
    forgotten = []
    for record in (
        _record(debian["suite"], debian["packages"], *KEEP_LISTS),
        _record(debian["node_suite"], debian["node_packages"]),
    ):
        if record.exists():
            made = json.loads(record.read_text(encoding="utf-8"))
            forgotten.append(f"{made['image']}, of {made['taken']}")
            record.unlink()
    return forgotten


def _record(suite: str, packages: list[str], *options: str) -> Path:
    """Return the file that says which image was made from a suite and packages, and when."""
    inputs = json.dumps([suite, packages, options]).encode()
    return cache_dir("airgap") / f"{suite}-{hashlib.sha256(inputs).hexdigest()[:12]}.json"
