"""Clients of this machine's own ports, whatever proxy, profile or login the environment names."""

import os
from typing import Any

import requests

REGION = "us-east-1"


def session() -> requests.Session:
    """Make a session that sends nothing to a proxy, nor what is in a ``.netrc``."""
    made = requests.Session()
    made.trust_env = False
    return made


def s3(port: int, access_key: str, secret_key: str, config: Any = None) -> Any:
    """Make boto3's client of a server on a port, which reads no files and no profile of the user's own.

    Args:
        port: of 127.0.0.1.
        access_key: of a user there.
        secret_key: the same.
        config: of botocore.
    """
    import boto3
    from botocore.config import Config
    from botocore.session import Session

    nowhere = (None, None, os.devnull, None)
    own = {"profile": (None, None, None, None), "config_file": nowhere, "credentials_file": nowhere}
    return boto3.Session(access_key, secret_key, region_name=REGION, botocore_session=Session(own)).client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        config=Config(proxies={}).merge(config or Config()),
    )
