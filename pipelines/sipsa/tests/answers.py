"""Answers of SIPSA, made by rule, for tests to spoil."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape

CITY = "promediosSipsaCiudad"
MARKET = "promediosSipsaParcial"
NAMESPACE = "http://servicios.sipsa.co.gov.dane/"
SOAP = "http://www.w3.org/2003/05/soap-envelope"


def city_row(number: int = 0, **changes: str | None) -> dict[str, str]:
    """Returns the published example's row, of another product for each number; None leaves a field out."""
    row: dict[str, str | None] = {
        "ciudad": "IBAGUÉ",
        "codProducto": str(number + 8),
        "enviado": "0",
        "fechaCaptura": "2017-11-23T00:00:00-05:00",
        "fechaCreacion": "2017-11-23T14:00:00-05:00",
        "precioPromedio": str(2083 + number),
        "producto": "Pimentón",
        "regId": str(212186 + number),
        **changes,
    }
    return {name: value for name, value in row.items() if value is not None}


def market_row(number: int = 0, **changes: str | None) -> dict[str, str]:
    """The same for the report by market."""
    row: dict[str, str | None] = {
        "artiNombre": "Pimentón",
        "deptNombre": "MAGDALENA",
        "enmaFecha": "2017-03-29T00:00:00-05:00",
        "fuenId": "1836",
        "fuenNombre": "Santa Marta (Magdalena)",
        "futiId": "3896",
        "grupNombre": "VERDURAS Y HORTALIZAS",
        "idArtiSemana": str(number + 10),
        "maximoKg": "1666.67",
        "minimoKg": "1500",
        "muniId": "08001",
        "muniNombre": "SANTA MARTA",
        "promedioKg": "1583",
        **changes,
    }
    return {name: value for name, value in row.items() if value is not None}


def answer(rows: Iterable[Mapping[str, str]], operation: str = CITY) -> bytes:
    """Returns an answer as the service writes it."""
    returned = "".join(
        f"<return>{''.join(f'<{name}>{escape(value)}</{name}>' for name, value in row.items())}</return>"
        for row in rows
    )
    return (
        f"<?xml version='1.0' encoding='UTF-8'?><S:Envelope xmlns:S=\"{SOAP}\"><S:Body>"
        f'<ns2:{operation}Response xmlns:ns2="{NAMESPACE}">{returned}</ns2:{operation}Response>'
        "</S:Body></S:Envelope>"
    ).encode()


def packed(rows: Iterable[Mapping[str, str]], operation: str = CITY) -> bytes:
    """Returns an answer as extract keeps it."""
    return gzip.compress(answer(rows, operation), mtime=0)
