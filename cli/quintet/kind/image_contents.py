"""Run inside an image by its own Python, on stdin, with nothing else: prints the packages in it as JSON."""

import glob
import importlib.metadata
import json
import re
import subprocess

# Go writes its modules into each program, between these two.
BUILD_INFO = re.compile(
    rb"0w\xaf\x0c\x92t\x08\x02A\xe1\xc1\x07\xe6\xd6\x18\xe6(.*?)\xf92C1\x86\x18 r\x00\x82B\x10A\x16\xd8\xf2",
    re.DOTALL,
)
GO_VERSION = re.compile(rb"\xff Go buildinf:.{18}.(go\d+\.\d+(?:\.\d+)?)", re.DOTALL)
# Unpacked without dpkg: it says its Debian version itself.
POSTGRES = "/usr/lib/postgresql/*/bin/postgres"
PROGRAMS = "/usr/local/bin/*"
ENVIRONMENTS = ["/opt/venv/lib/*/site-packages", "/opt/uv/lib/*/site-packages"]


def debian() -> list[list[str]]:
    """Return name, version, architecture, source and source version of each installed Debian package."""
    fields = (
        "${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"
    )
    command = ["dpkg-query", "--show", f"--showformat={fields}"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    installed = [line.split("\t")[1:] for line in lines if line.startswith("ii")]
    for path in glob.glob(POSTGRES):
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        name = f"postgresql-{path.split('/')[-3]}"
        if found := re.search(r"\(Debian (\S+)\)", told):
            installed.append([name, found[1], installed[0][2], name, found[1]])
    return installed


def python() -> list[list[str]]:
    """Return name and version of each Python package outside of Debian's."""
    folders = [folder for pattern in ENVIRONMENTS for folder in glob.glob(pattern)]
    found = importlib.metadata.distributions(path=folders) if folders else []
    return sorted([each.metadata["Name"], each.version] for each in found)


def go(pattern: str = PROGRAMS) -> list[list[str]]:
    """Return name and version of each Go module in a program, and of Go itself as `stdlib`."""
    modules: set[tuple[str, str]] = set()
    for path in glob.glob(pattern):
        with open(path, "rb") as program:
            if program.read(4) != b"\x7fELF":
                continue
            text = program.read()
        if release := GO_VERSION.search(text):
            modules.add(("stdlib", release[1].decode().removeprefix("go")))
        if found := BUILD_INFO.search(text):
            modules.update(_modules(found[1].decode(errors="replace")))
    return [list(module) for module in sorted(modules)]


def _modules(text: str) -> list[tuple[str, str]]:
    """Return the modules of a build's lines; one that `=>` replaces is the one that is there."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        kind, *fields = line.split("\t")
        if kind in ("mod", "dep") and len(fields) >= 2:
            found.append((fields[0], fields[1]))
        elif kind == "=>" and found and len(fields) >= 2:
            found[-1] = (fields[0], fields[1])
    return [module for module in found if module[1] != "(devel)"]


def distribution() -> list[str]:
    """Return the distribution's id and release, such as debian and 13."""
    with open("/etc/os-release", encoding="utf-8") as file:
        fields = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    return [fields["ID"].strip('"'), fields["VERSION_ID"].strip('"')]


if __name__ == "__main__":
    print(json.dumps({"distribution": distribution(), "debian": debian(), "python": python(), "go": go()}))
