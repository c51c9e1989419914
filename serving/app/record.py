"""The record of promotions in Postgres: it says who is champion, and the registry has to agree."""

from __future__ import annotations

import select
import time
from dataclasses import dataclass

import psycopg2
from psycopg2 import extensions

from app.registry import DisagreementError, ModelVersion, RegistryUnavailableError
from app.settings import Settings

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 5.0

# The schema is the search path of the role, which may read these columns and nothing else.
_CHAMPION = (
    "SELECT challenger_mlflow_run_id, challenger_digest FROM promotion_decisions"
    " WHERE model_name = %s AND verdict <> 'refused' ORDER BY decision_id DESC LIMIT 1"
)


@dataclass(frozen=True)
class Promoted:
    """What identifies the champion in the record."""

    run_id: str
    digest: str


class Record:
    """A pipeline's record. Each question is a session of its own: it is asked when a champion is new."""

    def __init__(self, settings: Settings) -> None:
        """Prepares; nothing is sent yet.

        Args:
            settings: Model and URL, which is set.

        Raises:
            ValueError: The URL is not one of Postgres.
        """
        self._model = settings.mlflow_model_name
        self._url = settings.promotion_record_url.get_secret_value() if settings.promotion_record_url else ""
        try:
            ports = extensions.parse_dsn(self._url).get("port", "5432").split(",")
        except psycopg2.ProgrammingError:  # its text quotes the URL, with the password
            ports = []
        if not ports or not all(port.isdigit() for port in ports):  # else what follows a colon in a password
            raise ValueError(
                "PROMOTION_RECORD_URL is not a URL like postgresql://role:…@host:5432/database: characters"
                " of its password that are not letters or digits are written as %XX"
            )

    def confirm(self, version: ModelVersion) -> None:
        """Compares the registry's champion with the record's.

        Args:
            version: What the registry names.

        Raises:
            DisagreementError: The record names another one, or none.
            RegistryUnavailableError: The record does not answer, or refuses to.
        """
        promoted = self.champion()
        if promoted == Promoted(version.run_id, version.digest):
            return
        named = f"version {version.version}" if version.version else "a model"
        named += f" of run {version.run_id}, bundle {version.digest[:12]}"
        recorded = f"run {promoted.run_id}, bundle {promoted.digest[:12]}" if promoted else "none"
        raise DisagreementError(
            f"the registry names {named}, and the record of promotions {recorded}: the next promotion puts"
            " the registry right; docs/operations.md says how to serve the registry's"
        )

    def champion(self) -> Promoted | None:
        """Returns what the newest promotion, or return to an older version, made champion.

        Raises:
            RegistryUnavailableError: Postgres does not answer, or refuses.
        """
        session = None
        try:
            # Only a session that does not block ends in time whatever the server does.
            session = psycopg2.connect(
                self._url,
                async_=True,
                application_name=f"inference {self._model}",
            )
            _finish(session, CONNECT_SECONDS)
            rows = session.cursor()
            # With the question, not as an option of the connection: poolers such as PgBouncer refuse those.
            rows.execute(
                f"SET LOCAL statement_timeout = {ANSWER_SECONDS * 1000:.0f}; {_CHAMPION}", [self._model]
            )
            _finish(session, ANSWER_SECONDS)
            found = rows.fetchone()
        except (psycopg2.Error, TimeoutError) as error:
            raise RegistryUnavailableError(
                f"The record of promotions cannot be read: {type(error).__name__}"
            ) from error
        finally:
            if session is not None:
                session.close()
        return Promoted(*found) if found else None


def _finish(session: extensions.connection, seconds: float) -> None:
    """Waits until a session has done what it was asked.

    Raises:
        TimeoutError: It has not in time.
    """
    until = time.monotonic() + seconds
    while (wanted := session.poll()) != extensions.POLL_OK:
        left = until - time.monotonic()
        waiting = select.poll()  # no `select`, which knows no more than 1,024 open files
        waiting.register(session, select.POLLIN if wanted == extensions.POLL_READ else select.POLLOUT)
        if left <= 0 or not waiting.poll(left * 1000):
            raise TimeoutError(f"no answer within {seconds:g} seconds")
