"""Crimes that a portal takes back are counted, and removed unless they are to stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crime.download_data import Downloaded
from crime.tests.windows import known_besides
from stepkit.errors import InvalidInput

Download = Callable[..., Downloaded]


def test_a_crime_that_the_portal_no_longer_has_is_counted_and_removed(
    download: Download, query: Callable[..., list[Any]], tmp_path: Path
) -> None:
    first = download("run-1")
    known_besides(first, 2, tmp_path)
    kept = download("run-2", vanished="keep")
    assert (kept.rows, kept.rows_vanished) == (first.rows + 2, 2)
    second = download("run-3")
    assert (second.rows, second.rows_vanished, second.crimes_sha256) == (first.rows, 2, first.crimes_sha256)
    assert download("run-4").rows_vanished == 0
    assert query("SELECT rows_vanished FROM crime.downloads ORDER BY download_id") == [(0,), (2,), (2,), (0,)]


def test_a_portal_that_lacks_many_of_its_crimes_removes_none(download: Download, tmp_path: Path) -> None:
    first = download("run-1")
    known_besides(first, first.rows // 5, tmp_path)
    with pytest.raises(InvalidInput, match=r"no longer has \d+ of \d+ crimes .* --vanished keep"):
        download("run-2")
    assert download("run-2", vanished="keep").rows_vanished == first.rows // 5
