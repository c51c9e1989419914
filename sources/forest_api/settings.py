"""Configuration of the forest data API, read from the environment once."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SliceBy(StrEnum):
    """What chooses the tenth of the data set that a sample is drawn from."""

    BATCH = "batch"
    GROUP = "group"


class Settings(BaseSettings):
    """Environment of the API; each field is the variable of the same name in upper case."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    min_update_seconds: float = Field(default=120, ge=0, description="How long a group is given one batch.")
    slice_by: SliceBy = SliceBy.BATCH
    sample_seed: int | None = Field(default=None, description="Fixes the sample of each group and batch.")
    state_dir: Path = Path("/var/lib/forest-api")
    bind_host: str = "0.0.0.0"  # noqa: S104 - in its container, whose network says who may come
    port: int = Field(default=8080, ge=1, le=65535)
