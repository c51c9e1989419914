"""Makes data/quotes.csv.gz from weekly bulletins: `python -m sipsa_ws.from_workbooks FOLDER`.

It needs python-calamine, which a developer's environment has and the server's has not.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean

from python_calamine import CalamineWorkbook

from sipsa_ws.quotes import COLUMNS, QUOTES_FILE

GROUP_SHEETS = {f"1.{number}" for number in range(1, 9)}
TITLE = re.compile(r"^1\.\d\.\s*(.+?)\s*$")
RENAMED = {
    "Cali, Santa Helena": "Cali, Santa Elena",
    "San Vicente (Antioquia)": "San Vicente Ferrer (Antioquia)",
    "LÁCTEOS Y HUEVOS": "HUEVOS Y LÁCTEOS",
}


def main() -> None:
    """Writes, for each product and market, its group and the means over all bulletins of its three prices."""
    prices: dict[tuple[str, str, str], list[tuple[float, ...]]] = defaultdict(list)
    for path in sorted(Path(sys.argv[1]).glob("*.xls*")):
        # By their bytes, as some .xls are really .xlsx.
        book = CalamineWorkbook.from_filelike(io.BytesIO(path.read_bytes()))
        for sheet in book.sheet_names:
            if sheet.strip() not in GROUP_SHEETS:
                continue
            group = ""
            for row in book.get_sheet_by_name(sheet).to_python():
                if title := TITLE.match(str(row[0])):
                    group = _name(title[1].upper())
                else:
                    found = tuple(price for price in row[2:5] if isinstance(price, float))
                    if row[0] and row[1] and len(found) == 3:
                        prices[group, _name(row[0]), _name(row[1])].append(found)
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for key, all_found in sorted(prices.items()):
        lines.writerow([*key, *(round(mean(column)) for column in zip(*all_found, strict=True))])
    QUOTES_FILE.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def _name(cell: object) -> str:
    """Returns a name without its footnote's asterisks, as the latest bulletin spells it."""
    name = str(cell).strip(" *")
    return RENAMED.get(name, name)


if __name__ == "__main__":
    main()
