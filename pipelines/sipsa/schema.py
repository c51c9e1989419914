"""What the reports of SIPSA hold: their fields, natural keys and tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Literal

SCHEMA = "sipsa_data"
# Colombia's since 1993, without daylight saving.
BOGOTA = timezone(timedelta(hours=-5), "America/Bogota")

Kind = Literal["text", "whole", "small", "number", "price", "date", "moment"]


@dataclass(frozen=True)
class Column:
    """A field of a report's rows, by the service's own name."""

    source_name: str
    kind: Kind
    required: bool = False

    @property
    def name(self) -> str:
        """The name in our tables."""
        return snake_case(self.source_name)


@dataclass(frozen=True)
class Report:
    """What one operation of the service gives.

    Attributes:
        operation: its name.
        columns: its fields, in the order of the service.
        key: the columns that tell its rows apart.
        date: the column that says what day, week or month a row is of.
        city: the column whose names `sipsa_data.city_names` maps, if any.
    """

    operation: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    date: str
    city: str | None = None

    @property
    def table(self) -> str:
        """The table of its rows."""
        return f"{SCHEMA}.{snake_case(self.operation)}"

    @property
    def staging(self) -> str:
        """The table that holds an answer between the steps stage and merge."""
        return f"{SCHEMA}.staging_{snake_case(self.operation)}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its columns in both tables."""
        return tuple(column.name for column in self.columns)


def snake_case(name: str) -> str:
    """Returns `fechaCaptura` as `fecha_captura`."""
    return re.sub(r"(?=[A-Z])", "_", name).lower()


def _report(
    operation: str, key: tuple[str, ...], date: str, city: str | None = None, **kinds: Kind
) -> Report:
    columns = tuple(
        Column(name, kind, required=snake_case(name) in key or kind == "price")
        for name, kind in kinds.items()
    )
    return Report(operation, columns, key, date, city)


REPORTS = {
    report.operation: report
    for report in (
        _report(
            "promediosSipsaCiudad",
            key=("cod_producto", "ciudad", "fecha_captura"),
            date="fecha_captura",
            city="ciudad",
            ciudad="text",
            codProducto="whole",
            enviado="small",
            fechaCaptura="date",
            fechaCreacion="moment",
            precioPromedio="price",
            producto="text",
            regId="whole",
        ),
        _report(
            "promediosSipsaParcial",
            key=("muni_id", "fuen_id", "futi_id", "id_arti_semana", "enma_fecha"),
            date="enma_fecha",
            artiNombre="text",
            deptNombre="text",
            enmaFecha="date",
            fuenId="whole",
            fuenNombre="text",
            futiId="whole",
            grupNombre="text",
            idArtiSemana="whole",
            maximoKg="number",
            minimoKg="number",
            muniId="text",
            muniNombre="text",
            promedioKg="price",
        ),
        _report(
            "promediosSipsaSemanaMadr",
            key=("arti_id", "fuen_id", "futi_id", "fecha_ini"),
            date="fecha_ini",
            artiId="whole",
            artiNombre="text",
            enviado="small",
            fechaCreacion="moment",
            fechaIni="date",
            fuenId="whole",
            fuenNombre="text",
            futiId="whole",
            maximoKg="number",
            minimoKg="number",
            promedioKg="price",
            tmpMayoSemId="whole",
        ),
        _report(
            "promediosSipsaMesMadr",
            key=("arti_id", "fuen_id", "futi_id", "fecha_mes_ini"),
            date="fecha_mes_ini",
            artiId="whole",
            artiNombre="text",
            enviado="small",
            fechaCreacion="moment",
            fechaMesIni="date",
            fuenId="whole",
            fuenNombre="text",
            futiId="whole",
            maximoKg="number",
            minimoKg="number",
            promedioKg="price",
            tmpMayoMesId="whole",
        ),
        _report(
            "promedioAbasSipsaMesMadr",
            key=("arti_id", "fuen_id", "futi_id", "fecha_mes_ini"),
            date="fecha_mes_ini",
            artiId="whole",
            artiNombre="text",
            cantidadTon="number",
            enviado="small",
            fechaCreacion="moment",
            fechaMesIni="date",
            fuenId="whole",
            fuenNombre="text",
            futiId="whole",
            tmpAbasMesId="whole",
        ),
    )
}
Operation = Literal[
    "promediosSipsaCiudad",
    "promediosSipsaParcial",
    "promediosSipsaSemanaMadr",
    "promediosSipsaMesMadr",
    "promedioAbasSipsaMesMadr",
]
