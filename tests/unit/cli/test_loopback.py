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
