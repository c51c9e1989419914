"""Configuration of the SIPSA server, read from the environment once."""

from datetime import date, datetime

from pydantic import AwareDatetime, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Environment of the server; each field is the variable of the same name in upper case."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    history_start: date = Field(
        default=date(2020, 2, 1), description="The first day of the histories; a late one makes them small."
    )
    replay_now: AwareDatetime = Field(
        default=datetime.fromisoformat("2025-07-11T15:00:00-05:00"),
        description="What the server's clock shows at its start; by default the end of the bulletins.",
    )
    replay_speed: float = Field(default=1, ge=0, description="How fast that clock runs; 0 stops it.")
    fault_answers: int = Field(
        default=0, ge=0, description="How many answers of each operation are first faults, with status 200."
    )
    cut_answers: int = Field(
        default=0,
        ge=0,
        description="How many answers of each operation, after those, break off in the middle.",
    )
    first_byte_seconds: float = Field(default=0, ge=0, description="How long an answer waits to begin.")
    bytes_per_second: int = Field(default=0, ge=0, description="How fast an answer comes; 0 for no limit.")
    bind_host: str = "0.0.0.0"  # noqa: S104 - in its container, whose network says who may come
    port: int = Field(default=8080, ge=1, le=65535)
