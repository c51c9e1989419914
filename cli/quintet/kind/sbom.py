"""``quintet sbom``: what is in each image, as CycloneDX: read out of the image itself."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from quintet.kind.images import build_images
from quintet.kind.machine import Machine, prepare
from quintet.paths import PLATFORM, cache_dir
from quintet.progress import CommandError, UserError, output, stage

FOLDER = PLATFORM / "dist" / "sbom"
READER = Path(__file__).with_name("image_contents.py")


def write(machine: Machine, images: dict[str, str], folder: Path = FOLDER) -> list[Path]:
    """Write the bill of materials of each image, and remove those of images that no longer exist.

    Args:
        machine: whose engine holds the images.
        images: name -> reference.
        folder: where they go, `<image>.cdx.json` each.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, reference in images.items():
        path = folder / f"{name}.cdx.json"
        text = json.dumps(document(name, *contents(machine, reference)), indent=1) + "\n"
        path.write_text(text, encoding="utf-8")
        written.append(path)
    for path in set(folder.glob("*.cdx.json")) - set(written):
        path.unlink()
    return written


def of_all_images() -> list[Path]:
    """Build the images that changed, and write the bill of materials of each; return the files."""
    machine = prepare()
    references = build_images(machine=machine)
    with stage("sbom", f"what is in {len(references)} images"):
        return write(machine, references)


def contents(machine: Machine, reference: str) -> tuple[str, dict[str, Any]]:
    """Return an image's id and the packages in it; an image is asked once.

    Raises:
        UserError: when the image cannot say it.
    """
    identity = output(machine.docker, "image", "inspect", "--format", "{{.Id}}", reference).strip()
    known = cache_dir("sbom") / f"{identity.removeprefix('sha256:')}.json"
    if not known.exists():
        command = ("run", "--rm", "--interactive", "--network", "none", "--entrypoint", "/usr/bin/python3")
        reader = READER.read_text(encoding="utf-8")
        try:
            answer = output(machine.docker, *command, reference, "-I", "-", stdin=reader)
        except CommandError as error:
            raise UserError(f"Image {reference} does not say what is in it: {error}") from error
        new = known.with_suffix(".new")
        new.write_text(answer, encoding="utf-8")
        new.rename(known)
    return identity, json.loads(known.read_text(encoding="utf-8"))


def document(name: str, identity: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return the CycloneDX 1.6 document of an image.

    Args:
        name: of the image.
        identity: its id, the sha256 of its configuration.
        found: what `image_contents.py` says of it.
    """
    components = {component["bom-ref"]: component for component in _components(found)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "container", "name": name, "version": identity, "bom-ref": identity}
        },
        "components": [components[reference] for reference in sorted(components)],
    }


def _components(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    distribution, release = found["distribution"]
    for name, version, architecture, source, source_version in found["debian"]:
        purl = f"pkg:deb/{distribution}/{quote(name)}@{quote(version)}"
        purl += f"?arch={architecture}&distro={distribution}-{release}"
        yield {
            **_component(name, version, purl),
            "properties": [
                {"name": "quintet:debian:release", "value": release},
                {"name": "quintet:debian:source", "value": source},
                {"name": "quintet:debian:source-version", "value": source_version},
            ],
        }
    for name, version in found["python"]:
        normal = re.sub(r"[-_.]+", "-", name).lower()
        yield _component(name, version, f"pkg:pypi/{quote(normal)}@{quote(version)}")
    for name, version in found["go"]:
        yield _component(name, version, f"pkg:golang/{quote(name, safe='/')}@{quote(version)}")


def _component(name: str, version: str, purl: str) -> dict[str, Any]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
