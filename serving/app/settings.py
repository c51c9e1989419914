"""Configuration of the inference API, read from the environment once."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Environment of the API; each field is the variable of the same name in upper case."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True)

    mlflow_model_name: str = Field(min_length=1, description="The registered model to serve.")
    model_alias: str = "champion"
    model_run_uri: str | None = Field(
        default=None,
        pattern="^s3://[^/]+/.+",
        description="Where training without a registry names its latest run; used in place of the alias.",
    )
    model_input_uri: str | None = Field(
        default=None,
        pattern="^s3://[^/]+/.+",
        description="Where the latest input of the model is stored, for requests that bring none.",
    )
    promotion_record_url: SecretStr | None = Field(
        default=None,
        description="The record of promotions, which has to name the same champion; else none is asked.",
    )
    mlflow_tracking_uri: str = Field(default="http://mlflow:5000", pattern="^https?://")
    mlflow_tracking_username: str = ""
    mlflow_tracking_password: SecretStr = SecretStr("")
    bundle_cache_dir: Path = Path("/var/cache/bundle")
    poll_seconds: float = Field(default=5, gt=0)
    max_samples: int = Field(default=1000, ge=1)
    max_body_bytes: int = Field(default=1_048_576, ge=1)
    max_connections: int = Field(
        default=2000,
        ge=1,
        description="How many connections may be open; more take idle ones' places or get 429.",
    )
    head_seconds: float = Field(
        default=10, gt=0, description="How long the head of a request may take to come; a later one gets 408."
    )
    max_held_bytes: int = Field(
        default=33_554_432, ge=1, description="What all large bodies may announce together; more get 429."
    )
    body_seconds: float = Field(
        default=10, gt=0, description="How long a body may take to come; a later one gets 408."
    )
    max_waiting_requests: int = Field(
        default=500, ge=1, description="How many small requests may wait at once; more get 429."
    )
    max_waiting_batches: int = Field(
        default=16, ge=1, description="How many large requests may wait or compute at once; more get 429."
    )
    max_bundle_bytes: int = Field(
        default=805_306_368, ge=1, description="What a bundle may hold in all; a larger one is refused."
    )
    proof_seconds: int = Field(
        default=20, ge=1, description="How much of the processor's time a new bundle's proof may take."
    )
    proof_memory_bytes: int = Field(
        default=536_870_912,
        ge=1,
        description="How much memory a new bundle's proof may take.",
    )
    drain_seconds: float = Field(
        default=2, ge=0, description="How long open connections may send one more request after SIGTERM."
    )
    bind_host: str = Field(default="0.0.0.0", description="Address that both ports listen on.")  # noqa: S104
    port: int = Field(default=8000, ge=1, le=65535)
    admin_port: int = Field(default=9090, ge=1, le=65535)
    client_keys_file: Path | None = Field(
        default=None, description="Clients' hashed keys and rates; without it everybody may ask."
    )
    admin_token: SecretStr | None = Field(
        default=None, description="Opens POST /reload, which is shut without."
    )
