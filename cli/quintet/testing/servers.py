"""The Postgres and the S3 that tests talk to; whoever only asks them needs no more than a step has."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

import boto3
import psycopg2


@dataclass(frozen=True)
class PostgresServer:
    """A Postgres that trusts whoever reaches its port."""

    port: int

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return "127.0.0.1", self.port

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """Return the URL of a database, as a role."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template1", owner: str = "postgres") -> str:
        """Make a database of its own name, as a copy of another, and return the name."""
        name = f"test_{uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER "{owner}" STRATEGY FILE_COPY')
        return name

    def make_role(self, name: str) -> None:
        """Make a role that may log in, unless another test has."""
        with suppress(psycopg2.errors.DuplicateObject):
            self.execute(f"CREATE ROLE {name} LOGIN")

    def execute(self, statements: str, database: str = "postgres", user: str = "postgres") -> None:
        """Run statements, each in a transaction of its own."""
        connection = psycopg2.connect(self.url(database, user))
        connection.autocommit = True
        try:
            connection.cursor().execute(statements)
        finally:
            connection.close()


@dataclass(frozen=True)
class S3Server:
    """An S3 server and what leads boto3 to it, with a key that may do everything."""

    environment: dict[str, str]

    @property
    def endpoint(self) -> str:
        """Its address."""
        return self.environment["AWS_ENDPOINT_URL_S3"]

    def create_bucket(self) -> str:
        """Make a bucket of its own name and return the name."""
        name = f"test-{uuid4().hex[:12]}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.environment["AWS_DEFAULT_REGION"],
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
        )
        client.create_bucket(Bucket=name)
        return name
