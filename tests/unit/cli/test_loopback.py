from pathlib import Path

import pytest

from quintet import loopback
from tests import scripted_http


def test_a_proxy_of_the_environment_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_http.serving(scripted_http.response(200, "it")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert loopback.session().get(server.url, timeout=10).text == "it"


def test_neither_a_proxy_nor_a_profile_of_the_environment_is_asked_for_s3(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:9\n")
    for name, value in {
        "http_proxy": "http://127.0.0.1:9",
        "AWS_PROFILE": "nobodys",
        "AWS_SESSION_TOKEN": "of another",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    answer = scripted_http.response(200, "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>")
    with scripted_http.serving(answer) as server:
        client = loopback.s3(int(server.url.rpartition(":")[2]), "key", "secret")
        assert client.list_buckets()["Buckets"] == []
    (received,) = server.received
    assert b"Credential=key/" in received
    assert b"of another" not in received
