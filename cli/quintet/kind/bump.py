"""``quintet bump``: take today's Debian, as a digest and a date or as the image made here."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from quintet import paths
from quintet.kind.debian import forget
from quintet.kind.machine import ImageSource, Machine
from quintet.progress import UserError

AUTHORITY = "https://auth.docker.io/token"
HUB = "https://registry-1.docker.io"
SNAPSHOTS = "http://snapshot.debian.org/archive"
INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
)
PINNED_IMAGE = re.compile(r'^image = "((?:debian|registry):[\w.-]+)@sha256:[0-9a-f]{64}"', re.MULTILINE)
PINNED_DATE = re.compile(r'^snapshot = "\d{8}T\d{6}Z"', re.MULTILINE)
SECONDS = 30
VERSIONS = Path(paths.__file__).with_name("versions.toml")


def bump(machine: Machine, file: Path = VERSIONS, now: datetime | None = None) -> list[str]:
    """Pin today's digests and yesterday's archive; without an image registry, forget the image made here.

    Args:
        machine: where the images come from.
        file: `versions.toml`; it is written once all answers are there.
        now: the time; by default the clock's.

    Returns:
        What changed, a sentence each.

    Raises:
        UserError: when Docker Hub or snapshot.debian.org does not answer as expected; then nothing changed.
    """
    if machine.source is ImageSource.AIRGAP:
        forgotten = [
            f"Forgotten: {image}. The next build takes today's packages." for image in forget(machine)
        ]
        return [
            *(forgotten or ["Nothing to forget: no Debian image was made here."]),
            f"{file.name} stays as it is: it is for machines with an image registry, and this has none "
            f"({machine.reason}).",
        ]
    text = file.read_text(encoding="utf-8")
    names, dates = PINNED_IMAGE.findall(text), PINNED_DATE.findall(text)
    if len(names) != 2 or len(dates) != 1:
        raise UserError(
            f"{file} must hold `image` of debian and of registry with their digests, and one `snapshot`, "
            f"each at the start of a line: {len(names)} and {len(dates)} were found."
        )
    digests = {name: digest(name) for name in names}
    date = snapshot(str(paths.versions()["debian"]["suite"]), now or datetime.now(UTC))
    changed = PINNED_IMAGE.sub(lambda pin: f'image = "{pin[1]}@{digests[pin[1]]}"', text)
    changed = PINNED_DATE.sub(f'snapshot = "{date}"', changed)
    if changed == text:
        return [f"{file.name} names today's state already."]
    file.write_text(changed, encoding="utf-8")
    pins = [*(f"{name}@{value}" for name, value in digests.items()), f"Debian's archive of {date}"]
    return [f"{file.name} names {', '.join(pins)}: `make images` builds every image from it."]


def digest(name: str) -> str:
    """Return the digest that a tag of an official image has today.

    Args:
        name: such as ``debian:trixie-slim``.

    Raises:
        UserError: when Docker Hub does not say it.
    """
    image, tag = name.split(":")
    scope = {"service": "registry.docker.io", "scope": f"repository:library/{image}:pull"}
    token = _answer("GET", AUTHORITY, params=scope).json()["token"]
    url = f"{HUB}/v2/library/{image}/manifests/{tag}"
    answer = _answer("HEAD", url, headers={"Authorization": f"Bearer {token}", "Accept": INDEX_TYPES})
    found = answer.headers.get("Docker-Content-Digest", "")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", found):
        raise UserError(f"{url} answers without a digest ({found!r}): no pin was changed.")
    return found


def snapshot(suite: str, now: datetime) -> str:
    """Return yesterday's date as snapshot.debian.org spells it, by which time its state is known to the end.

    Raises:
        UserError: when the snapshots do not answer for it.
    """
    date = f"{now - timedelta(days=1):%Y%m%d}T000000Z"
    for archive, name in (("debian", suite), ("debian-security", f"{suite}-security")):
        _answer("HEAD", f"{SNAPSHOTS}/{archive}/{date}/dists/{name}/InRelease", allow_redirects=True)
    return date


def _answer(method: str, url: str, **options: object) -> requests.Response:
    try:
        answer = requests.request(method, url, timeout=SECONDS, **options)  # type: ignore[arg-type]
        answer.raise_for_status()
    except requests.RequestException as error:
        raise UserError(f"{url} does not answer ({error}): no pin was changed.") from error
    return answer
