"""Where the objects of the crime pipeline stand in its bucket: the published layout."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from stepkit.errors import Code, InvalidInput

MONTHLY = "0-raw-data/monthly-data"
RAW = "0-raw-data/data"
ENRICHED = "1-enriched-data"
PROCESSED = "2-processed-data"


@dataclass(frozen=True)
class Layout:
    """The URIs of one window of months.

    Attributes:
        bucket: holds all of them.
        last_day: of the window; the date in the names.
    """

    bucket: str
    last_day: date

    def monthly(self, name: str) -> str:
        """What was received for the window's last month: `crimes.csv`, `police_stations.csv`."""
        return f"s3://{self.bucket}/{MONTHLY}/{self.last_day:%Y-%m}/{name}"

    @property
    def crimes(self) -> str:
        """All crimes of the window."""
        return f"s3://{self.bucket}/{RAW}/crimes_12m_{self.last_day}.csv"

    @property
    def enriched(self) -> str:
        """The same with place and time told in a model's words."""
        return f"s3://{self.bucket}/{ENRICHED}/crimes_enriched_{self.last_day}.csv"

    @property
    def transforms(self) -> str:
        """What that was told by: the transforms and their parameters."""
        return f"s3://{self.bucket}/{ENRICHED}/transforms_{self.last_day}.json"

    def processed(self, side: str, stage: str) -> str:
        """The rows of one side, `train` or `test`, after a stage."""
        return f"s3://{self.bucket}/{PROCESSED}/{side}_{stage}_{self.last_day}.csv"

    def document(self, stage: str) -> str:
        """What a stage says of its rows, and the numbers that it has learned."""
        return f"s3://{self.bucket}/{PROCESSED}/{stage}_{self.last_day}.json"


def day(text: str) -> date:
    """Returns the day that a step is told by `--window-date`.

    Raises:
        InvalidInput: it is invalid.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"--window-date (WINDOW_DATE) is {text!r}: it must be like 2026-06-30", Code.INVALID_SETTING
        ) from None
