"""python-binance, which others wrote, reads the market data server as it reads Binance."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services

ROOT = Path(__file__).parents[2]

# In a process of its own: the package has the name of our server.
CLIENT = """
import json, sys
from binance.client import Client
from binance.exceptions import BinanceAPIException

Client.API_URL = sys.argv[1] + "/api"
client = Client()  # asks for a ping
try:
    client.get_klines(symbol="NOPE", interval="1h")
except BinanceAPIException as error:
    refused = [error.code, error.message, error.status_code]
rows = client.get_historical_klines("BTCUSDT", "1h", "1 Jan, 2023", "1 Apr, 2023")
print(json.dumps({
    "refused": refused,
    "rows": len(rows),
    "first": rows[0][0],
    "last": rows[-1][0],
    "earliest": client._get_earliest_valid_timestamp("BTCUSDT", "1h"),
    "time": client.get_server_time()["serverTime"],
    "status": client.get_symbol_info("BTCUSDT")["status"],
}))
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (port,) = services.free_ports(1)
    address = f"http://127.0.0.1:{port}"
    environment = {"PYTHONPATH": str(ROOT / "sources"), "PORT": str(port), "BIND_HOST": "127.0.0.1"}
    command = [sys.executable, "-m", "binance"]
    ready = lambda: services.answers(f"{address}/health")  # noqa: E731
    with services.process(command, tmp_path / "log", environment, ready=ready):
        yield address


def test_python_binance_unchanged(url: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, url],
        check=True, capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["refused"] == [-1121, "Invalid symbol.", 400]
    assert (found["first"], found["last"]) == (1672531200000, 1680307200000)
    assert found["rows"] == (found["last"] - found["first"]) // 3_600_000 + 1 - 1  # one hour is missing
    assert found["earliest"] == 1672531200000
    assert found["time"] // 3_600_000 * 3_600_000 == 1751324400000
    assert found["status"] == "TRADING"
