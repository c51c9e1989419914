"""SeaweedFS from a wheel: an S3 server on loopback, with the users and the buckets of the chart."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError

from quintet import loopback
from quintet.local.processes import free_ports

PARTS = ("master", "volume", "filer")
MEMORY = "384MiB"
"""What Go's collector aims to stay below. The S3 gateway allocates 220 MB at its start, of which it touches
110, and 0.3 MB more for each bucket: at 256 MiB the collector ran all the time once objects had come. It
took 4 to 13 % of a core, and each request three times as much as now."""
VOLUME_MEGABYTES = 64
VOLUMES = 5000


@dataclass(frozen=True)
class Key:
    """A user's key.

    Attributes:
        places: that it is good for, as a bucket or as `bucket/prefix*`; empty for all, and for making one.
        read_only: whether it may neither write nor delete.
    """

    access: str
    secret: str
    places: tuple[str, ...] = ()
    read_only: bool = False

    def identity(self, name: str) -> dict[str, Any]:
        """Describe the user as SeaweedFS wants it."""
        kinds = ("Read", "List") if self.read_only else ("Read", "Write", "List", "Tagging")
        rights = [f"{kind}:{place}" for place in self.places for kind in kinds]
        credentials = [{"accessKey": self.access, "secretKey": self.secret}]
        return {"name": name, "credentials": credentials, "actions": rights or ["Admin"]}


@dataclass(frozen=True)
class S3:
    """A server by its folder.

    Attributes:
        folder: holds the objects and nothing else.
        port: of 127.0.0.1.
        keys: by the user's name; one is `root`.
    """

    folder: Path
    port: int
    keys: dict[str, Key]

    @property
    def endpoint(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self, user: str) -> dict[str, str]:
        """Return what boto3 needs to know, with a user's key."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.keys[user].access,
            "AWS_SECRET_ACCESS_KEY": self.keys[user].secret,
            "AWS_DEFAULT_REGION": loopback.REGION,
            # No trailers of checksums in uploads, which older servers do not take.
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        }

    def command(self) -> list[str | Path]:
        """Write the users down and return the command of the server; all its ports are on loopback.

        Run it in its folder, whose path it is not told: the path of a socket has at most 107 bytes, and a
        comma in the path of the data makes it two.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        users = self.folder / "users.json"
        users.touch(mode=0o600)
        users.write_text(json.dumps({"identities": [key.identity(name) for name, key in self.keys.items()]}))
        ports = [f"{part}.{port}" for part in PARTS for port in ("port", "port.grpc")]
        ports.append("s3.port.grpc")
        inner = zip(ports, free_ports(len(ports)), strict=True)
        return [
            Path(sys.executable).with_name("weed"),
            "server",
            "-dir=.",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-s3",
            f"-s3.port={self.port}",
            f"-s3.config={users.name}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.cacheCapacityMB=0",
            "-s3.readerCacheSizeMB=64",
            "-s3.autoCreateBucket=false",
            # Their default place is one for all users of the machine, and is left behind by a killed server.
            "-s3.localSocket=s3.sock",
            "-filer.localSocket=filer.sock",
            "-master.telemetry=false",
            # The default of 10 s is for clients of many volume servers, who learn of another one in it.
            "-volume.preStopSeconds=1",
            f"-master.volumeSizeLimitMB={VOLUME_MEGABYTES}",
            f"-volume.max={VOLUMES}",
            *(f"-{option}={port}" for option, port in inner),
        ]

    def server_environment(self) -> dict[str, str]:
        """Return the environment of the server."""
        return {
            "GOMEMLIMIT": MEMORY,
            "GOGC": "50",
            # One volume for a new bucket in place of seven: on one disk, more of them serve nobody.
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",
        }

    def make_bucket(self, name: str) -> bool:
        """Make a bucket unless it is there, and say whether that went well."""
        try:
            self.client().create_bucket(Bucket=name)
        except ClientError as error:
            return error.response["Error"]["Code"] in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")
        except BotoCoreError:
            return False
        return True

    def answers(self) -> bool:
        """Return whether the server answers."""
        try:
            self.client().list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True

    def client(self) -> Any:
        """Return a client with all rights, which asks once and does not wait long."""
        once = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1})
        root = self.keys["root"]
        return loopback.s3(self.port, root.access, root.secret, once)
