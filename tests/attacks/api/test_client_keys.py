"""Clients without a key, with another's, with too many requests, and the file of keys while it changes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import client_keys
from app.client_keys import ClientKeys
from tests.attacks.api.conftest import FEATURES
from tests.serving.conftest import Api
from tests.serving.registry_server import Registry

BODY = {"samples": [dict.fromkeys(FEATURES, 0.25)]}
SHOP = "a key of the shop"


def hashed(key: str, **more: Any) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(key.encode()).hexdigest(), **more}


def rewrite(file: Path, content: object) -> None:
    """Replaces the file as a Secret's volume does: by another one."""
    new = file.with_suffix(".new")
    new.write_text(content if isinstance(content, str) else json.dumps(content))
    new.rename(file)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys.json"
    rewrite(file, {"shop": hashed(SHOP), "slow": hashed("slow", per_second=0.001)})
    return file


@pytest.fixture
def asked(
    registry: Registry, api: Callable[..., Api], sound: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., httpx.Response]:
    """Asks for a prediction, by either route, with a header."""
    monkeypatch.setattr(client_keys, "LOOK_SECONDS", -1.0)
    registry.promote(1, sound)
    client = api(client_keys_file=keys).refresh().client

    def ask(header: str | None, query: str = "") -> httpx.Response:
        headers = {"Authorization": header} if header else {}
        return client.post(f"/predict{query}", json=BODY, headers=headers)

    return ask


@pytest.mark.parametrize("query", ["", "?probabilities=1"], ids=["direct", "by FastAPI"])
def test_only_a_clients_key_is_let_in(asked: Callable[..., httpx.Response], query: str) -> None:
    assert asked(f"Bearer {SHOP}", query).status_code == 200
    digest = hashed(SHOP)["sha256"]
    for header in (None, "Bearer", "Bearer ", SHOP, f"Basic {SHOP}", f"Bearer {SHOP}x", f"Bearer {digest}"):
        answer = asked(header, query)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "shop" not in answer.text


def test_a_client_that_asks_too_often_gets_429_and_others_are_answered(
    asked: Callable[..., httpx.Response],
) -> None:
    assert asked("Bearer slow").status_code == 200
    refused = asked("Bearer slow")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 100
    assert [asked(f"Bearer {SHOP}").status_code for _ in range(5)] == [200] * 5


def test_a_changed_file_is_read_and_one_that_is_damaged_is_not(
    asked: Callable[..., httpx.Response], keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rewrite(keys, {"shop": hashed("a new key"), "slow": hashed("slow", per_second=0.001)})
    assert asked(f"Bearer {SHOP}").status_code == 401
    assert asked("Bearer a new key").status_code == 200
    assert asked("Bearer slow").status_code == 200
    rewrite(keys, {"slow": hashed("slow", per_second=0.001)})
    assert asked("Bearer slow").status_code == 429, "a change of the file is not a way to more requests"
    for damaged in ("", "{}", "[]", '{"slow": {}}', '{"slow": {"sha256": "0"}}', "[" * 100_000):
        rewrite(keys, damaged)
        assert asked("Bearer slow").status_code == 429
    os.unlink(keys)
    assert asked("Bearer a new key").status_code == 401
    assert "the keys that were read before stay" in caplog.text


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is not a list of clients"),
        ({}, "names no client"),
        ({"shop": SHOP}, "is not a list of clients"),
        ({"shop": {"sha256": SHOP}}, "shop: sha256 must be 64 hexadecimal digits"),
        ({"shop": {"sha256": "0" * 64, "rate": 1}}, "shop must have sha256, and may have per_second"),
        ({"shop": {"sha256": "0" * 64, "per_second": 0}}, "per_second must be a number above 0"),
        ({"shop": {"sha256": "0" * 64, "per_second": float("nan")}}, "per_second must be a number above 0"),
    ],
)
def test_a_file_that_names_no_clients_is_refused_at_the_start(
    keys: Path, content: object, sentence: str
) -> None:
    rewrite(keys, content)
    with pytest.raises(ValueError, match=sentence):
        ClientKeys(keys)
