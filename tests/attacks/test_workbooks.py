"""Workbooks that hide macros, blow up, point outside or attack their reader."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from excel import reader
from excel.tests import workbooks
from quintet.kind.dockerfile import Dockerfile
from quintet.kind.images import read_artifacts
from quintet.paths import PLATFORM

DAILY = workbooks.daily()
TYPES, RELATIONSHIPS, SHEET = "[Content_Types].xml", "xl/_rels/workbook.xml.rels", "xl/worksheets/sheet1.xml"
VBA_TYPE = "application/vnd.ms-office.vbaProject"
VBA_LINK = "http://schemas.microsoft.com/office/2006/relationships/vbaProject"
SHEETS_LINK = "http://schemas.microsoft.com/office/2006/relationships/xlMacrosheet"
SECRET = "attack-me-" + os.urandom(8).hex()
SPY = """
import os
class CalamineError(Exception): pass
class PasswordError(CalamineError): pass
class SheetTypeEnum: MacroSheet = Vba = WorkSheet = None
class SheetVisibleEnum: Visible = None
def tried(path):
    try:
        return open(path, "rb").read().replace(b"\\0", b" ").decode(errors="replace")
    except OSError as error:
        return str(error.strerror)
class CalamineWorkbook:
    @classmethod
    def from_filelike(cls, file):
        parent = os.getppid()
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
        found = {number: tried(f"/proc/{number}/environ") for number in numbers}
        found["memory"] = tried(f"/proc/{parent}/maps")
        spied = [number for number, text in found.items() if "attack-me" in text or " r-xp " in text]
        raise CalamineError(f"spied {spied}, of its parent {found[str(parent)]}")
"""


def changed(parts: Mapping[str, bytes | None], body: bytes = DAILY) -> bytes:
    """Returns a workbook with these parts, None for one that is left out."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as source, zipfile.ZipFile(written, "w") as target:
        kept = {name: source.read(name) for name in source.namelist()} | parts
        for name, content in kept.items():
            if content is not None:
                target.writestr(name, content)
    return written.getvalue()


def part(name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(DAILY)) as opened:
        return opened.read(name).decode()


def with_type(element: str) -> bytes:
    return changed({TYPES: part(TYPES).replace("</Types>", f"{element}</Types>").encode(), "xl/a.dat": b"x"})


def with_link(kind: str, encoding: str = "utf-8") -> bytes:
    end = f'<Relationship Id="rId99" Type="{kind}" Target="a.dat"/></Relationships>'
    text = part(RELATIONSHIPS).replace("</Relationships>", end)
    if encoding != "utf-8":
        text = re.sub(r"^<\?xml.*?\?>", "", text)
        text = f'<?xml version="1.0" encoding="{encoding}"?>{text}'
    return changed({RELATIONSHIPS: text.encode(encoding), "xl/a.dat": b"x"})


def twice(name: str) -> bytes:
    """Returns a workbook with two parts of one name, of which readers may take either."""
    clean = part(TYPES).encode()
    dirty = clean.replace(b"</Types>", f'<Default Extension="q" ContentType="{VBA_TYPE}"/></Types>'.encode())
    return workbooks.with_part(changed({TYPES: dirty}), name, clean)


def bound_to(kind: bytes) -> bytes:
    """Returns a real XLS file whose second sheet says that it is of another kind, as [MS-XLS] has it."""
    body = workbooks.XLS.read_bytes()
    found = re.search(rb"\x85\x00..(....)(.)(.)\x03.1\x00?\.\x00?2", body, re.DOTALL)
    assert found
    return body[: found.start(3)] + kind + body[found.end(3) :]


MACROS = {
    "the type of one part": with_type(f'<Override PartName="/xl/a.dat" ContentType="{VBA_TYPE}"/>'),
    "the type of an ending": with_type(f'<Default Extension="dat" ContentType="{VBA_TYPE}"/>'),
    "a type in capitals": with_type(f'<Override PartName="/xl/a.dat" ContentType="{VBA_TYPE.upper()}"/>'),
    "a type by character references": with_type(
        f'<Override PartName="/xl/a.dat" ContentType="{VBA_TYPE.replace("v", "&#118;")}"/>'
    ),
    "a type with a prefix": with_type(
        '<p:Override xmlns:p="http://schemas.openxmlformats.org/package/2006/content-types"'
        f' PartName="/xl/a.dat" ContentType="{VBA_TYPE}"/>'
    ),
    "a workbook with macros": changed(
        {
            TYPES: part(TYPES)
            .replace(
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
                "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
            )
            .encode()
        }
    ),
    "a relationship": with_link(VBA_LINK),
    "a relationship in UTF-16": with_link(VBA_LINK, "utf-16"),
    "a macro sheet of Excel 4": with_link(SHEETS_LINK),
    "an international macro sheet": with_link(SHEETS_LINK.replace("xlM", "xlIntlM")),
    "a macro sheet in an XLS file": bound_to(b"\x01"),
    "a VBA module in an XLS file": bound_to(b"\x06"),
}


@pytest.mark.parametrize("body", MACROS.values(), ids=MACROS)
def test_macros_are_found_whatever_their_part_is_called(body: bytes) -> None:
    assert "holds macros" in str(reader.read(body).refused)


AMBIGUOUS = {
    "two parts of one name": (twice(TYPES), "two parts named"),
    "two parts that differ in capitals": (twice(TYPES.upper()), "two parts named"),
    "two parts that differ in slashes": (
        workbooks.with_part(DAILY, "xl\\_rels\\workbook.xml.rels", b"x"),
        "two parts named",
    ),
    "no content types": (changed({TYPES: None}), "is not XLSX"),
    "content types that are not XML": (changed({TYPES: b"<Types"}), "damaged"),
    "content types in an encoding of their own": (
        changed({TYPES: b'<?xml version="1.0" encoding="x-mine"?><Types/>'}),
        "damaged",
    ),
    "no workbook among the types": (changed({TYPES: b"<Types/>"}), "is not XLSX"),
    "content types without end": (changed({TYPES: b" " * (5 << 20)}), "more than"),
    "a part in pieces": (
        workbooks.with_part(DAILY, "xl/_rels/a.xml.rels/[0].piece", b"x"),
        "in pieces",
    ),
    "an XLSB": (
        changed(
            {TYPES: b'<T><D ContentType="application/vnd.ms-excel.sheet.binary.macroEnabled.main"/></T>'}
        ),
        "xlsb",
    ),
}


@pytest.mark.parametrize(("body", "sentence"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_file_that_two_programs_could_read_differently_is_refused(body: bytes, sentence: str) -> None:
    assert sentence in str(reader.read(body).refused)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMBS = {
    "a bomb of entities": f'<!DOCTYPE sst [<!ENTITY l0 "{"ha" * 50}">{LAUGHS}]>',
    "an entity of another file": '<!DOCTYPE sst [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>',
    "an entity of the network": '<!DOCTYPE sst [<!ENTITY l9 SYSTEM "http://127.0.0.1:9/">]>',
    "parameter entities": '<!DOCTYPE sst [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p; <!ENTITY l9 "x">]>',
}


@pytest.mark.parametrize("declared", BOMBS.values(), ids=BOMBS)
@pytest.mark.parametrize("name", [TYPES, RELATIONSHIPS, SHEET, "xl/workbook.xml"])
def test_no_entity_is_ever_expanded(name: str, declared: str, tmp_path: Path) -> None:
    text = re.sub(r"^<\?xml.*?\?>", "", part(name)).replace("Ahuyama", "&l9;")
    text = re.sub(r'(ContentType|Target|name)="', r'\1="&l9;', text, count=1)
    path = tmp_path / "a.xlsx"
    path.write_bytes(changed({name: f"{declared}{text}".encode()}))
    # Only what may take all memory needs a process of its own, which takes a third of a second.
    found = reader.read_apart(path) if "&l8;" in declared else reader.read(path.read_bytes())
    assert found.refused is not None or not any(
        "root:" in str(row) or "haha" in str(row) for row in found.rows
    )
    assert len(str(found.refused)) < 1000
    if name in (TYPES, RELATIONSHIPS):
        assert "declares entities" in str(found.refused)


def test_a_name_of_a_sheet_without_end_is_refused() -> None:
    text = part("xl/workbook.xml").replace('name="Hoja1"', f'name="{"x" * 10_000}"')
    refused = str(reader.read(changed({"xl/workbook.xml": text.encode()})).refused)
    assert "has a name longer than" in refused
    assert len(refused) < 300


@pytest.mark.parametrize(
    "parent", ["apart.give_up_rights()", "pass"], ids=["as in a pod", "of root, on a laptop"]
)
def test_a_reader_that_a_file_has_taken_over_sees_no_secret_of_any_process(
    parent: str, tmp_path: Path
) -> None:
    """The spy stands in for a flaw of the library; the secret is only in its parent's environment."""
    spy = tmp_path / "spy" / "python_calamine"
    spy.mkdir(parents=True)
    (spy / "__init__.py").write_text(SPY)
    path = tmp_path / "a.xlsx"
    path.write_bytes(DAILY)
    code = (
        "import sys; from pathlib import Path; from excel import apart; from excel.reader import read_apart;"
        f"{parent};"
        "print(read_apart(Path(sys.argv[1])).to_json())"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(spy.parent), *sys.path]),
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert "spied [], of its parent Permission denied" in json.loads(done.stdout)["refused"]


def test_no_process_above_the_reader_keeps_the_secrets_in_its_image() -> None:
    """An init process would have them in its environment as process 1, and any process may read that."""
    image = read_artifacts()["excel-parse"]
    (stage,) = Dockerfile.parse(PLATFORM / image.dockerfile).needed(image.target)[-1:]
    entries = [line for line in stage.instructions if line.startswith("ENTRYPOINT")]
    assert entries == ['ENTRYPOINT ["python", "/app"]']
