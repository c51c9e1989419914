"""Configuration of the SODA server, read from the environment once."""

from datetime import UTC, datetime

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Environment of the server; each field is the variable of the same name in upper case."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    rows_per_year: int = Field(default=260_000, ge=365, le=5_000_000, description="Crimes made for a year.")
    sample_seed: int = Field(default=42, description="Fixes every row that is made.")
    months: int = Field(default=14, ge=1, le=60, description="Months of crimes before the clock's start.")
    replay_now: datetime = Field(
        default=datetime(2026, 7, 26, 12, tzinfo=UTC), description="What the clock shows at the start."
    )
    replay_speed: float = Field(default=1.0, ge=0, description="Seconds of the clock in one real second.")
    app_tokens: str = Field(
        default="", description="Tokens that are known, split by commas; none: every token is."
    )
    requests_per_minute: int = Field(
        default=0, ge=0, description="How many a client without a token may make; 0: any number."
    )
    processing_every: int = Field(
        default=0, ge=0, description="Every n-th query is first answered with 202; 0: none."
    )
    bind_host: str = "0.0.0.0"  # noqa: S104 - in its container, whose network says who may come
    port: int = Field(default=8080, ge=1, le=65535)

    @field_validator("replay_now")
    @classmethod
    def _with_zone(cls, moment: datetime) -> datetime:
        if moment.tzinfo is None:
            raise ValueError("needs a time zone, such as 2026-07-26T12:00:00Z")
        return moment

    @property
    def known_tokens(self) -> frozenset[str]:
        """The tokens of `app_tokens`."""
        return frozenset(filter(None, map(str.strip, self.app_tokens.split(","))))
