"""A landing zone on a real S3 server, the pipeline's tables on a real Postgres, and the four steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest

from excel.archive import Archived, archive
from excel.load import Loaded, load
from excel.parse import ParsedFile, parse
from excel.scan import Scanned, scan
from stepkit.s3 import ObjectStore
from stepkit.settings import Run, Settings


@dataclass(frozen=True)
class Landing:
    """A landing zone and what a run does with it."""

    bucket: str
    database_url: str

    def drop(self, name: str, body: bytes) -> str:
        uri = f"s3://{self.bucket}/landing_zone/{name}"
        ObjectStore().put(uri, body)
        return uri

    def keys(self, prefix: str) -> list[str]:
        found = ObjectStore().listed(f"s3://{self.bucket}/{prefix}")
        return [each.uri.removeprefix(f"s3://{self.bucket}/") for each in found]

    def settings(self, run_id: str) -> Settings:
        run = Run(dag_id="file_ingestion_from_excel", run_id=run_id, task_id="step")
        return Settings(run=run, database_url=self.database_url)

    def scan(self, run_id: str, **options: Any) -> Scanned:
        return scan(self.settings(run_id), bucket=self.bucket, **options)

    def parse(self, run_id: str, scanned: Scanned, index: int, **options: Any) -> ParsedFile:
        return parse(self.settings(run_id), manifest_uri=scanned.manifest_uri, index=index, **options)

    def load(self, run_id: str, scanned: Scanned) -> Loaded:
        return load(self.settings(run_id), manifest_uri=scanned.manifest_uri)

    def archive(self, run_id: str, loaded: Loaded) -> Archived:
        return archive(self.settings(run_id), outcomes_uri=loaded.outcomes_uri, bucket=self.bucket)

    def parsed(self, run_id: str) -> Scanned:
        """Scans, and parses every file."""
        scanned = self.scan(run_id)
        for file in scanned.files:
            self.parse(run_id, scanned, **file)
        return scanned

    def run(self, run_id: str) -> tuple[Loaded, Archived]:
        loaded = self.load(run_id, self.parsed(run_id))
        return loaded, self.archive(run_id, loaded)

    def query(self, statement: str) -> list[Any]:
        connection = psycopg2.connect(self.database_url)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    def prices(self) -> dict[str, list[Any]]:
        """All that loads leave, but for row numbers, names of runs and times."""
        audit = (
            "file_name, sha256, layout, status, rows_read, rows_new, rows_changed, rows_unchanged, reasons"
        )
        return {
            "weekly": self.query("SELECT * FROM excel_data.weekly_prices ORDER BY 1, 4, 5"),
            "daily": self.query("SELECT * FROM excel_data.daily_prices ORDER BY 1, 3, 4"),
            "audit": self.query(f"SELECT {audit} FROM excel_data.file_audit ORDER BY audit_id"),
        }


@pytest.fixture
def landing(bucket: str, make_database: Callable[[str], str]) -> Landing:
    return Landing(bucket, make_database("excel"))
