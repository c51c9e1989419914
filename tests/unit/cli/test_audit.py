import json
from pathlib import Path
from typing import Any

import pytest

from quintet import __main__ as command_line
from quintet.kind import sbom
from quintet.kind.audit import NotChecked, Package, Vulnerable, audit, fixes
from tests.scripted_http import response, serving

FOUND: dict[str, Any] = {
    "distribution": ["debian", "13"],
    "debian": [["libssl3t64", "3.5.1-1", "amd64", "openssl", "3.5.1-1"]],
    "python": [["Flask_Login", "0.6.3"]],
    "go": [["example.com/some/module", "v1.2.3"]],
}
OPENSSL = Package("Debian:13", "openssl", "3.5.1-1")


@pytest.fixture
def bills(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.cdx.json" for name in ("airflow", "mlflow")]
    for path in paths:
        path.write_text(json.dumps(sbom.document(path.name.partition(".")[0], "sha256:abc", FOUND)))
    return paths


def answered(*results: dict[str, Any]) -> bytes:
    return response(200, json.dumps({"results": results}))


def vulnerability(*fixed: str) -> dict[str, Any]:
    events = [{"introduced": "0"}, *({"fixed": version} for version in fixed)]
    package = {"name": "openssl", "ecosystem": "Debian:13"}
    other = {
        "package": {"name": "openssl", "ecosystem": "Debian:12"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "1"}]}],
    }
    return {"affected": [other, {"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]}


def test_each_package_of_all_images_is_asked_for_once_as_osv_names_it(bills: list[Path]) -> None:
    with serving(answered({}, {}, {})) as server:
        assert audit(bills, server.url) == [
            f"3 packages checked against {server.url}; 0 vulnerabilities have no fix yet."
        ]
    (asked,) = server.received
    queries = json.loads(asked.partition(b"\r\n\r\n")[2])["queries"]
    assert [(each["package"]["ecosystem"], each["package"]["name"], each["version"]) for each in queries] == [
        ("Debian:13", "openssl", "3.5.1-1"),
        ("Go", "example.com/some/module", "1.2.3"),
        ("PyPI", "Flask_Login", "0.6.3"),
    ]


def test_a_vulnerability_that_has_a_fix_fails_the_audit(bills: list[Path]) -> None:
    hit = answered({"vulns": [{"id": "CVE-1"}]}, {}, {})
    with serving(hit, response(200, json.dumps(vulnerability("3.5.2-1")))) as server:
        with pytest.raises(Vulnerable) as failed:
            audit(bills, server.url)
        assert server.requests[1] == "/v1/vulns/CVE-1"
    line = "CVE-1: Debian:13 openssl 3.5.1-1, fixed in 3.5.2-1; in airflow, mlflow"
    assert str(failed.value).splitlines()[-1] == line
    assert failed.value.code == 1


def test_a_vulnerability_that_nobody_has_mended_is_told_and_no_failure(bills: list[Path]) -> None:
    hit = answered({"vulns": [{"id": "CVE-1"}]}, {}, {})
    with serving(hit, response(200, json.dumps(vulnerability()))) as server:
        told = audit(bills, server.url)
    assert told[0] == "CVE-1: Debian:13 openssl 3.5.1-1, no fix yet; in airflow, mlflow"
    assert "1 vulnerabilities have no fix yet" in told[1]


def test_an_answer_of_several_pages_is_read_to_its_end(bills: list[Path]) -> None:
    first = answered({"vulns": [{"id": "CVE-1"}], "next_page_token": "more"}, {}, {})
    second = answered({"vulns": [{"id": "CVE-2"}]})
    with serving(first, second, response(200, json.dumps(vulnerability()))) as server:
        told = audit(bills, server.url)
    assert [line.partition(":")[0] for line in told[:2]] == ["CVE-1", "CVE-2"]
    assert json.loads(server.received[1].partition(b"\r\n\r\n")[2])["queries"][0]["page_token"] == "more"


@pytest.mark.parametrize("answer", [response(503), response(200, "a login page"), answered({})])
def test_what_could_not_be_looked_up_is_not_called_clean(bills: list[Path], answer: bytes) -> None:
    with serving(answer) as server, pytest.raises(NotChecked, match="Not checked: 3 packages of 2 images"):
        audit(bills, server.url)


def test_a_command_that_could_not_check_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bills: list[Path]
) -> None:
    monkeypatch.setattr(sbom, "of_all_images", lambda: bills)
    with serving(response(503)) as server:
        monkeypatch.setattr("quintet.kind.audit.OSV", server.url)
        assert command_line.main(["audit"]) == 2
    assert "Not checked" in capsys.readouterr().err


def test_only_the_fixes_of_the_package_itself_count() -> None:
    assert fixes(vulnerability("3.5.2-1", "3.6.0-1"), OPENSSL) == ("3.5.2-1", "3.6.0-1")
    assert fixes(vulnerability("3.5.2-1"), Package("Debian:13", "openssl-legacy", "1")) == ()
