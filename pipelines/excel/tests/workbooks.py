"""Workbooks for tests: the real ones, the daily layout as it is published, and files that mean harm."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook

SAMPLES = Path(__file__).resolve().parents[3] / "pipelines/excel/samples"
XLS = SAMPLES / "Sem_01may_2021_07may_2021.xls"
XLSX_NAMED_XLS = SAMPLES / "Sem_02oct_2021_08oct_2021.xls"
ACROSS_YEARS = SAMPLES / "anex-SIPSASemanal-28dic-3ene-2025.xlsx"
MARKETS = ("Armenia, Mercar", "Bogotá, D.C., Corabastos", "Ibagué, \nLa 21")
DAILY = [
    ["Boletín diario de precios mayoristas"],
    ["Miércoles 2 de agosto de 2023"],
    ["Precio $/Kg", *(cell for market in MARKETS for cell in (market, None))],
    ["Producto", *["Precio", "Var%"] * len(MARKETS)],
    ["Verduras y hortalizas"],
    ["Ahuyama", 1200, 0.03, 1150, -0.01, "n.d.", "n.d."],
    ["Cebolla cabezona blanca *", 2000, 0, "n.d.", "n.d.", 1900, "n.d."],
    ["Frutas frescas"],
    ["Banano Urabá", 1450, 0.1, 1500, 0.0, 1475, -0.2],
    ["n.d.: no disponible"],
    ["*Variedad predominante en el mercado"],
]


def xlsx(sheets: Mapping[str, Sequence[Sequence[Any]]]) -> bytes:
    """Returns a workbook with these sheets."""
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


def daily(**changed: Any) -> bytes:
    """Returns a daily workbook, with cells changed by their names, such as `B6`."""
    rows = [[*row, *[None] * (7 - len(row))] for row in DAILY]
    for cell, value in changed.items():
        rows[int(cell[1:]) - 1][ord(cell[0]) - ord("A")] = value
    return xlsx({"Hoja1": rows})


def weekly(
    prices: Sequence[Sequence[Any]], title: Any = "1 al 7 de mayo de 2021", notes: bool = True
) -> bytes:
    """Returns a weekly workbook with these rows in sheet 1.1 and one price in each other.

    Args:
        prices: the rows.
        title: the week in words.
        notes: whether a line stands below each table.
    """
    sheets: dict[str, list[list[Any]]] = {"Índice": [[f"Boletín semanal precios mayoristas - {title}"]]}
    for number in range(1, 9):
        rows = prices if number == 1 else [[f"Producto {number}", "Cali, Cavasa", 1, 3, 2, "="]]
        sheets[f"1.{number}"] = [
            [f"Boletín semanal precios mayoristas - {title}"],
            [f"1.{number}. Grupo {number}**"],
            ["Producto", "Mercado mayorista", "Pesos por kilogramo", "", "", "Tendencia*"],
            ["", "", "Precio mínimo", "Precio máximo", "Precio medio", ""],
            *map(list, rows),
            *([["n.d: no disponible"]] if notes else []),
        ]
    return xlsx(sheets)


def with_part(body: bytes, name: str, content: bytes) -> bytes:
    """Returns a workbook with one more part in its ZIP file."""
    written = io.BytesIO(body)
    with zipfile.ZipFile(written, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, content)
    return written.getvalue()


def ole(*streams: str) -> bytes:
    """Returns an OLE file with empty streams of these names, as [MS-CFB] lays it out."""
    end, free = 0xFFFFFFFE, 0xFFFFFFFF
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH", 62, 3, 0xFFFE, 9, 6)
    header += bytes(6) + struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, end, 0, end, 0)
    header += struct.pack("<109I", 0, *[free] * 108)
    table = struct.pack("<128I", 0xFFFFFFFD, end, *[free] * 126)
    entries = [_entry("Root Entry", 5, child=1 if streams else free)]
    for at, name in enumerate(streams, 1):
        entries.append(_entry(name, 2, right=at + 1 if at < len(streams) else free))
    directory = b"".join(entries).ljust(512, b"\0")
    return header + table + directory


def _entry(name: str, kind: int, *, right: int = 0xFFFFFFFF, child: int = 0xFFFFFFFF) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    entry = text.ljust(64, b"\0") + struct.pack("<HBBIII", len(text), kind, 1, 0xFFFFFFFF, right, child)
    return entry + bytes(16 + 4 + 16) + struct.pack("<IQ", 0xFFFFFFFE, 0)
