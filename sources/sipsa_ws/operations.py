"""The six operations of the service: what each takes and gives, as its published interface says."""

from __future__ import annotations

from dataclasses import dataclass

NAMESPACE = "http://servicios.sipsa.co.gov.dane/"
SERVICE = "SrvSipsaUpraBeanService"
PATH = f"/sipsaWS/{SERVICE}"
_XSD_TYPES = {"text": "xs:string", "number": "xs:decimal", "moment": "xs:dateTime"}


@dataclass(frozen=True)
class Operation:
    """An operation, and the fields of a row that it gives, in the order in which they are sent."""

    name: str
    row_type: str
    fields: tuple[tuple[str, str], ...]
    """Name and XSD type of each; all of them optional."""
    takes_number: bool = False
    """Whether the request may hold `arg0`."""


def _fields(**kinds: str) -> tuple[tuple[str, str], ...]:
    named = [(name, _XSD_TYPES[kind]) for kind, names in kinds.items() for name in names.split()]
    # The server sends them by name, as JAX-WS does without an order of its own.
    return tuple(sorted(named))


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation(
            "consultarInsumosSipsaMesMadr",
            "sipsaInsumosMesMadr",
            _fields(
                text="deptNombre insumoNombre muniId muniNombre tireNombre",
                number="enviado promedio tireId tmpInsMesId",
                moment="fechaCreacion fechaMesIni",
            ),
            takes_number=True,
        ),
        Operation(
            "promedioAbasSipsaMesMadr",
            "sipsaAbastecimientosMesMadr",
            _fields(
                text="artiNombre fuenNombre",
                number="artiId cantidadTon enviado fuenId futiId tmpAbasMesId",
                moment="fechaCreacion fechaMesIni",
            ),
        ),
        Operation(
            "promediosSipsaCiudad",
            "sipsaPromMayoristasCiudad",
            _fields(
                text="ciudad producto",
                number="codProducto enviado precioPromedio regId",
                moment="fechaCaptura fechaCreacion",
            ),
        ),
        Operation(
            "promediosSipsaMesMadr",
            "sipsaMayoristasMesMadr",
            _fields(
                text="artiNombre fuenNombre",
                number="artiId enviado fuenId futiId maximoKg minimoKg promedioKg tmpMayoMesId",
                moment="fechaCreacion fechaMesIni",
            ),
        ),
        Operation(
            "promediosSipsaParcial",
            "sipsaPromediosMayoristasParcial",
            _fields(
                text="artiNombre deptNombre fuenNombre grupNombre muniId muniNombre",
                number="fuenId futiId idArtiSemana maximoKg minimoKg promedioKg",
                moment="enmaFecha",
            ),
        ),
        Operation(
            "promediosSipsaSemanaMadr",
            "sipsaMayoristasSemanaMadr",
            _fields(
                text="artiNombre fuenNombre",
                number="artiId enviado fuenId futiId maximoKg minimoKg promedioKg tmpMayoSemId",
                moment="fechaCreacion fechaIni",
            ),
        ),
    )
}
