"""What steps say of a server that they do not get on with: nothing of a password, however it was written."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from forest.extract import extract
from forest.load import load
from forest.promote import promote
from forest.schema import SOURCE_NAMES
from stepkit import trust
from stepkit.step import execute
from tests import services
from tests.certificates import authority
from tests.encrypted_server import encrypted
from tests.roles import as_promotion
from tests.scripted_http import response, serving
from tests.secret_values import found_in

ONE, TWO = "Kq7vLmZp2xRw", "t8Hd3YbNf5Gj"
"""The two parts of each password: neither may be found."""
LOGIN = f"user:{ONE}"
LOAD = ["--table=forest.forest_cover_samples", "--run-after=2026-01-01T00:00:00Z"]
Step = Callable[..., Any]
Ending = Callable[..., int]


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ending:
    """Runs a step, finds nothing of the password in log, standard output and result, and gives its code."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "AWS_CA_BUNDLE", *trust.BUNDLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    def run(step: Step, arguments: list[str], **environment: str) -> int:
        result = tmp_path / "result.json"
        given = {"RUN_ID": "r", "RESULT_PATH": str(result), **environment}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = execute(step, arguments, given)
        streams = capfd.readouterr()
        assert streams.err
        said = streams.out + streams.err + result.read_text()
        assert found_in(said, [ONE, TWO]) == set(), said
        return code

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that a load reads before it asks Postgres."""
    made = tmp_path / "samples.csv"
    made.write_text(",".join(SOURCE_NAMES) + "\n")
    return made


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a server that asks for another password, and speaks no TLS."""
    with services.own_postgres("of-the-superuser") as server:
        yield f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (f"postgresql://{LOGIN}/{TWO}@127.0.0.1:1/quintet", 2),
        (f"postgresql://{LOGIN}@{TWO}@127.0.0.1:1/quintet", 2),
        (f"postgresql://{LOGIN}%{TWO}@127.0.0.1:1/quintet", 2),
        (f"postgresql://user:1234/{TWO}@127.0.0.1:1/quintet", 2),
        (f"postgresql://user:/{TWO}@127.0.0.1:1/quintet", 2),
        (f"postgresql://{LOGIN}@[::1/{TWO}", 2),
        (f"postgresql://{LOGIN}@127.0.0.1:1/quintet?{TWO}=1", 2),
        (f"postgresql:/{LOGIN}@127.0.0.1:1/quintet", 2),
        (f"mysql://{LOGIN}@127.0.0.1:1/quintet", 2),
        (ONE, 2),
        (f"host=127.0.0.1 port=1 password={ONE} {TWO}", 2),
        (f"host=127.0.0.1 port={ONE}", 2),
        (f"postgresql://{LOGIN}:{TWO}@127.0.0.1:1/quintet", 75),
        (f"postgresql://{LOGIN}%2F{TWO}@127.0.0.1:1/quintet", 75),
        (f"postgresql://{LOGIN}#{TWO}@127.0.0.1:1/quintet", 75),
        (f"postgresql://{LOGIN}%40{TWO}@nowhere.invalid:1/quintet", 75),
        (f"postgresql://postgres:{ONE}%20{TWO}@{{}}/postgres", 75),
        (f"postgresql://{LOGIN}@{{}}/quintet?sslmode=require", 75),
        (f"postgresql://{LOGIN}@{{}}/quintet?sslmode=verify-full&sslrootcert=/none", 75),
    ],
)
def test_nothing_of_a_url_of_postgres(ends: Ending, file: Path, postgres: str, url: str, code: int) -> None:
    assert ends(load, [*LOAD, f"--file={file}"], DATABASE_URL=url.replace("{}", postgres)) == code


@pytest.fixture
def from_s3(ends: Ending, s3_server: services.S3Server) -> Ending:
    """Runs a step that reads from S3, by the wrong secret."""
    key = s3_server.environment["AWS_ACCESS_KEY_ID"]

    def run(**environment: str) -> int:
        given = {**s3_server.environment, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": f"{ONE}+/{TWO}"}
        return ends(load, [*LOAD, "--raw-uri=s3://data/raw.json"], **given | environment)

    return run


def test_nothing_of_a_key_that_s3_refuses(from_s3: Ending) -> None:
    assert from_s3() == 75


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [
        ("http://127.0.0.1:1", 75),
        (f"http://{LOGIN}@127.0.0.1:1", 2),
        (f"http://{LOGIN}/{TWO}@127.0.0.1:1", 2),
    ],
)
def test_nothing_of_an_endpoint_of_s3(from_s3: Ending, endpoint: str, code: int) -> None:
    assert from_s3(AWS_ENDPOINT_URL_S3=endpoint) == code


def test_nothing_of_a_key_where_nobody_vouches_for_s3(from_s3: Ending, tmp_path: Path) -> None:
    authority(tmp_path)
    with encrypted(tmp_path, lambda stream: None) as server:
        assert from_s3(AWS_ENDPOINT_URL_S3=f"https://localhost:{server.port}") == 2


@pytest.fixture
def at_mlflow(ends: Ending, forest_database: str, bucket: str) -> Ending:
    """Runs a step that asks MLflow, after Postgres."""

    def run(uri: str) -> int:
        given = {
            "DATABASE_URL": as_promotion(forest_database),
            "MLFLOW_TRACKING_URI": uri,
            "MLFLOW_TRACKING_USERNAME": "user",
            "MLFLOW_TRACKING_PASSWORD": f"{ONE} {TWO}",
        }
        return ends(promote, ["--rollback-to=1", "--reason=for the test", f"--bucket={bucket}"], **given)

    return run


def test_nothing_of_a_password_that_mlflow_refuses(at_mlflow: Ending) -> None:
    with serving(response(401, "who are you?")) as server:
        assert at_mlflow(server.url) == 75
    assert b"Authorization: Basic " in server.received[0]


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("http://127.0.0.1:1", 75),
        (f"http://{LOGIN}@127.0.0.1:1", 2),
        (f"http://{LOGIN}/{TWO}@127.0.0.1:1", 2),
    ],
)
def test_nothing_of_an_address_of_mlflow(at_mlflow: Ending, uri: str, code: int) -> None:
    assert at_mlflow(uri) == code


def test_nothing_of_a_password_where_nobody_vouches_for_mlflow(at_mlflow: Ending, tmp_path: Path) -> None:
    authority(tmp_path)

    def say(stream: ssl.SSLSocket) -> None:
        stream.sendall(response(200))

    with encrypted(tmp_path, say) as server:
        assert at_mlflow(f"https://localhost:{server.port}") == 2


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (f"http://{LOGIN}@127.0.0.1:1", 2),
        (f"http://{LOGIN}/{TWO}@127.0.0.1:1", 2),
        (f"http://{LOGIN}@{TWO}@127.0.0.1:1", 2),
        (f"http://{LOGIN}@[::1/", 2),
    ],
)
def test_nothing_of_a_login_in_an_address_of_a_source(ends: Ending, bucket: str, url: str, code: int) -> None:
    assert ends(extract, ["--group-number=1", f"--bucket={bucket}"], SOURCE_API_BASE_URL=url) == code


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("proxy", "code"),
    [
        (f"http://{LOGIN}@127.0.0.1:1", 75),
        (f"http://{LOGIN}/{TWO}@127.0.0.1:1", 2),
        (f"http://{LOGIN}@{TWO}@127.0.0.1:1", 75),
        (f"http://{LOGIN} {TWO}@127.0.0.1:1", 75),
        (f"http://{LOGIN}@127.0.0.1:{TWO}", 2),
        (f"socks5://{LOGIN}@127.0.0.1:1", 2),
        (f"{LOGIN}@127.0.0.1:{TWO}", 2),
    ],
)
def test_nothing_of_the_login_of_a_proxy(
    ends: Ending, bucket: str, monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str, code: int
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    words = ["--group-number=1", f"--bucket={bucket}", "--source-url=http://source.example"]
    assert ends(extract, words, **{variable: proxy}) == code
