"""The two data sets: their columns as the portal declares them."""

from dataclasses import dataclass
from typing import Literal

Type = Literal["number", "text", "calendar_date", "checkbox", "location", "url"]


@dataclass(frozen=True)
class Column:
    """A field, its type, and whether it is one that a query with `$order` leaves out."""

    name: str
    type: Type
    computed: bool = False

    @property
    def header_type(self) -> str:
        """What `X-SODA2-Types` calls the type."""
        return "floating_timestamp" if self.type == "calendar_date" else self.type


@dataclass(frozen=True)
class Dataset:
    """One data set; `table` is its name in the store."""

    id: str
    name: str
    table: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column | None:
        """Returns the column of a name, however it is written; None when there is none."""
        return next((column for column in self.columns if column.name == name.lower()), None)


def _columns(text: str, type_: Type, *, computed: bool = False) -> dict[str, Column]:
    return {name: Column(name, type_, computed) for name in text.split()}


def _regions(text: str) -> dict[str, Column]:
    return _columns(" ".join(f":@computed_region_{name}" for name in text.split()), "number", computed=True)


def _ordered(order: str, columns: dict[str, Column]) -> tuple[Column, ...]:
    regions = [column for column in columns.values() if column.computed]
    return (*(columns[name] for name in order.split()), *regions)


CRIMES = Dataset(
    "ijzp-q8t2",
    "Crimes - 2001 to Present",
    "crimes",
    _ordered(
        "id case_number date block iucr primary_type description location_description arrest domestic beat"
        " district ward community_area fbi_code x_coordinate y_coordinate year updated_on latitude longitude"
        " location",
        _columns("id ward year x_coordinate y_coordinate latitude longitude", "number")
        | _columns("case_number block iucr primary_type description location_description", "text")
        | _columns("beat district community_area fbi_code", "text")
        | _columns("date updated_on", "calendar_date")
        | _columns("arrest domestic", "checkbox")
        | _columns("location", "location")
        | _regions(
            "awaf_s7ux 6mkv_f3dw vrxf_vc4k bdys_3d7i 43wa_7qmu rpca_8um6 d9mm_jgwp d3ds_rm58 8hcu_yrd4"
        ),
    ),
)
STATIONS = Dataset(
    "z8bn-74gv",
    "Police Stations",
    "stations",
    _ordered(
        "district district_name address city state zip website phone fax tty x_coordinate y_coordinate"
        " latitude longitude location",
        _columns("district district_name address city state zip phone fax tty", "text")
        | _columns("website", "url")
        | _columns("x_coordinate y_coordinate latitude longitude", "number")
        | _columns("location", "location"),
    ),
)
DATASETS = {dataset.id: dataset for dataset in (CRIMES, STATIONS)}
