"""Configuration of the market data server, read from the environment once."""

from datetime import UTC, datetime

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

IN_THE_LAST_BAR = datetime(2025, 6, 30, 23, 30, tzinfo=UTC)


class Settings(BaseSettings):
    """Environment of the server; each field is the variable of the same name in upper case."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    replay_now: datetime = Field(
        default=IN_THE_LAST_BAR, description="What the clock shows at the start; without a zone it is UTC."
    )
    replay_speed: float = Field(default=1, ge=0, description="Seconds of the clock in a second.")
    request_weight_limit: int = Field(default=6000, ge=1, description="Weight of an address in a minute.")
    requests_until_ban: int = Field(
        default=10, ge=1, description="So many requests above the limit in a minute are a ban."
    )
    restricted: bool = Field(default=False, description="Answer as to a place that may not ask: 451.")
    bind_host: str = "0.0.0.0"  # noqa: S104 - in its container, whose network says who may come
    port: int = Field(default=8080, ge=1, le=65535)
