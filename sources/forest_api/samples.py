"""Random samples of the covertype file, which is held in memory as its own bytes (about 35 MB)."""

import gzip
import random
from array import array
from pathlib import Path

COVERTYPE_FILE = Path(__file__).parent / "data" / "covertype.csv.gz"
SLICES = 10
COLUMNS = 13


class CovertypeRows:
    """The rows of a gzipped CSV file with one header line, addressed by number."""

    def __init__(self, path: Path = COVERTYPE_FILE) -> None:
        """Reads the whole file.

        Raises:
            ValueError: The file has fewer than ten rows, or a first row that has not 13 fields.
        """
        self._text = gzip.decompress(path.read_bytes())
        ends = array("L")
        position = self._text.find(b"\n")
        while position != -1:
            ends.append(position)
            position = self._text.find(b"\n", position + 1)
        if len(self._text) > (ends[-1] + 1 if ends else 0):
            ends.append(len(self._text))
        self._ends = ends
        if len(self) < SLICES or len(self[0]) != COLUMNS:
            raise ValueError(f"{path} needs a header line and at least {SLICES} rows of {COLUMNS} fields")

    def __len__(self) -> int:
        return max(len(self._ends) - 1, 0)

    def __getitem__(self, row: int) -> list[str]:
        return self._text[self._ends[row] + 1 : self._ends[row + 1]].decode().rstrip("\r").split(",")

    def sample(self, slice_number: int, draw: random.Random) -> list[list[str]]:
        """Draws a tenth of one slice, without replacement.

        Args:
            slice_number: 0 to 9 are the tenths of the file; 10 is the few rows that are left over.
            draw: Source of randomness.

        Returns:
            Rows of 13 strings, in random order: a tenth of a slice, or all that remains when that is less.
        """
        size = len(self) // SLICES
        rows = range(len(self))[slice_number * size : (slice_number + 1) * size]
        return [self[row] for row in draw.sample(rows, min(size // 10, len(rows)))]
