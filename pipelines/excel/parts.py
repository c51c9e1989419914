"""Puts the parts of an XLSX file under the names by which python-calamine looks for them.

Excel goes by relationships: exports of some programs have `xl/workbook22.xml`, or texts in
`xl/sharedStrings2.xml`.
"""

from __future__ import annotations

import io
import posixpath
import zipfile

from excel import package

_FOLDER = "xl"
_WORKBOOK, _RELATIONSHIPS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_LOOKED_FOR = {"sharedstrings": "xl/sharedStrings.xml", "styles": "xl/styles.xml"}
"""By the end of the type of the workbook's relationship."""


def renamed(body: bytes) -> bytes:
    """Returns the file as it is, or with those parts renamed that have other names.

    Args:
        body: the file, checked by `package.check`.

    Raises:
        WorkbookRefused: it is damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as opened:
            found = package.by_name(opened.infolist())
            names = {name: name_for for name, name_for in _names(opened, found).items() if name in found}
            if all(name == name_for.lower() for name, name_for in names.items()):
                return body
            return _written(opened, found, names)
    except package.DAMAGE as error:
        raise package.WorkbookRefused(f"it is cut off or damaged: {str(error)[:200]}") from None


def _names(opened: zipfile.ZipFile, found: dict[str, zipfile.ZipInfo]) -> dict[str, str]:
    """Returns the names that python-calamine needs, by those that relationships lead to, in small letters."""
    workbook = _targets(opened, found, "_rels/.rels", "").get("officedocument", "")
    folder, _, name = workbook.rpartition("/")
    if folder != _FOLDER:
        return {}
    relationships = f"{folder}/_rels/{name}.rels"
    targets = _targets(opened, found, relationships, folder)
    others = {targets[kind]: name_for for kind, name_for in _LOOKED_FOR.items() if kind in targets}
    return {workbook: _WORKBOOK, relationships: _RELATIONSHIPS, **others}


def _targets(
    opened: zipfile.ZipFile, found: dict[str, zipfile.ZipInfo], part: str, folder: str
) -> dict[str, str]:
    """Returns the first part that each kind of relationship leads to."""
    if part not in found:
        return {}
    targets: dict[str, str] = {}
    for _, attributes in package.elements(opened, found[part]):
        if "Type" in attributes and "Target" in attributes:
            target = posixpath.join(f"/{folder}", attributes["Target"].replace("\\", "/").lower())
            kind = attributes["Type"].lower().rpartition("/")[2]
            targets.setdefault(kind, posixpath.normpath(target).lstrip("/"))
    return targets


def _written(opened: zipfile.ZipFile, found: dict[str, zipfile.ZipInfo], names: dict[str, str]) -> bytes:
    taken = {name_for.lower() for name_for in names.values()}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for name, part in found.items():
            if name in names or name not in taken:  # else nothing leads to it
                new.writestr(names.get(name, part.filename), opened.read(part))
    return written.getvalue()
