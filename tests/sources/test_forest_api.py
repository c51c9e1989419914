"""The forest data API against the behaviour of the original that its clients rely on."""

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from forest_api.app import create_app
from forest_api.samples import COVERTYPE_FILE, CovertypeRows
from forest_api.settings import Settings, SliceBy

COLUMNS = [
    "Elevation", "Aspect", "Slope", "Horizontal_Distance_To_Hydrology", "Vertical_Distance_To_Hydrology",
    "Horizontal_Distance_To_Roadways", "Hillshade_9am", "Hillshade_Noon", "Hillshade_3pm",
    "Horizontal_Distance_To_Fire_Points", "Wilderness_Area", "Soil_Type", "Cover_Type",
]  # fmt: skip
INVALID_GROUP = {"detail": "Número de grupo inválido"}
END_OF_DATA = {"detail": "Ya se recolectó toda la información minima necesaria"}


class Clock:
    """Unix time that moves only when told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def rows() -> CovertypeRows:
    return CovertypeRows()


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Those of the file: as lists of fields they would take a gigabyte, and seconds."""
    return gzip.decompress(COVERTYPE_FILE.read_bytes()).decode().splitlines()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(tmp_path: Path, rows: CovertypeRows, clock: Clock) -> Callable[..., TestClient]:
    """Makes a client of a new process over the same state."""

    def make(**settings: object) -> TestClient:
        return TestClient(create_app(Settings(state_dir=tmp_path, **settings), rows, clock))

    return make


def get(client: TestClient, group: int = 3) -> dict[str, object]:
    answer = client.get("/data", params={"group_number": group})
    assert answer.status_code == 200, answer.text
    return answer.json()


def served_lines(answer: dict[str, object]) -> set[str]:
    return {",".join(row) for row in answer["data"]}


def test_the_file_is_the_real_data_set(rows: CovertypeRows, lines: list[str]) -> None:
    assert next(csv.reader(lines)) == COLUMNS
    assert len(rows) == 581_012
    places = (0, 300_000, 581_011)
    assert [rows[i] for i in places] == list(csv.reader(lines[i + 1] for i in places))


def test_first_answer(client: Callable[..., TestClient], lines: list[str]) -> None:
    answer = get(client())
    assert list(answer) == ["group_number", "batch_number", "data"]
    assert (answer["group_number"], answer["batch_number"]) == (3, 0)
    assert len(answer["data"]) == 5_810
    assert {len(row) for row in answer["data"]} == {13}
    assert served_lines(answer) <= set(lines[1:58_102])


def test_same_batch_and_another_sample_within_the_interval(
    client: Callable[..., TestClient], clock: Clock
) -> None:
    api = client()
    first = get(api)
    clock.now += 119.9
    second = get(api)
    assert second["batch_number"] == first["batch_number"] == 0
    assert second["data"] != first["data"]


def test_ten_batches_each_for_its_interval_then_the_end(
    client: Callable[..., TestClient], clock: Clock, lines: list[str]
) -> None:
    api = client()
    for batch in range(10):
        tenth = set(lines[1 + batch * 58_101 : 1 + (batch + 1) * 58_101])
        for wait in (0, 119):
            clock.now += wait
            answer = get(api)
            assert answer["batch_number"] == batch
            assert served_lines(answer) <= tenth
        clock.now += 1
    ended = api.get("/data?group_number=3")
    assert (ended.status_code, ended.json()) == (400, END_OF_DATA)
    assert get(api, group=4)["batch_number"] == 0


def test_restart_begins_again(client: Callable[..., TestClient], clock: Clock) -> None:
    api = client()
    for _ in range(3):
        get(api)
        get(api, group=5)
        clock.now += 120
    answer = api.get("/restart_data_generation?group_number=3")
    assert (answer.status_code, answer.json()) == (200, ["ok"])
    assert get(api)["batch_number"] == 0
    assert get(api, group=5)["batch_number"] == 3


def test_state_survives_a_new_process(client: Callable[..., TestClient], clock: Clock) -> None:
    get(client())
    clock.now += 120
    assert get(client())["batch_number"] == 1
    clock.now += 60
    assert get(client())["batch_number"] == 1


def test_slice_by_group(client: Callable[..., TestClient], clock: Clock, lines: list[str]) -> None:
    api = client(slice_by=SliceBy.GROUP)
    fourth = set(lines[1 + 4 * 58_101 : 1 + 5 * 58_101])
    for batch in range(2):
        answer = get(api, group=4)
        assert answer["batch_number"] == batch
        assert served_lines(answer) <= fourth
        clock.now += 120


def test_the_last_group_gets_what_remains(client: Callable[..., TestClient], lines: list[str]) -> None:
    answer = get(client(slice_by=SliceBy.GROUP), group=10)
    assert sorted(answer["data"]) == sorted(csv.reader(lines[-2:]))


def test_seeded_samples_repeat(client: Callable[..., TestClient], clock: Clock) -> None:
    seeded = client(sample_seed=7)
    first = get(seeded)
    assert get(client(sample_seed=7)) == first
    assert get(client(sample_seed=8)) != first
    clock.now += 120
    assert get(seeded)["data"] != first["data"]


@pytest.mark.parametrize("path", ["/data", "/restart_data_generation"])
@pytest.mark.parametrize("group", ["0", "11", "-1"])
def test_no_such_group(client: Callable[..., TestClient], path: str, group: str) -> None:
    answer = client().get(path, params={"group_number": group})
    assert (answer.status_code, answer.json()) == (400, INVALID_GROUP)


@pytest.mark.parametrize(
    ("query", "problem"),
    [("?group_number=abc", "int_parsing"), ("?group_number=", "int_parsing"), ("", "missing")],
)
@pytest.mark.parametrize("path", ["/data", "/restart_data_generation"])
def test_group_is_not_a_number(
    client: Callable[..., TestClient], path: str, query: str, problem: str
) -> None:
    answer = client().get(path + query)
    assert answer.status_code == 422
    (detail,) = answer.json()["detail"]
    assert (detail["type"], detail["loc"]) == (problem, ["query", "group_number"])


def test_health_and_docs(client: Callable[..., TestClient]) -> None:
    api = client()
    assert api.get("/health").json() == {"status": "OK"}
    assert api.get("/").url.path == "/docs"
    assert set(api.get("/openapi.json").json()["paths"]["/data"]["get"]["responses"]) == {"200", "400", "422"}


@pytest.mark.parametrize("path", ["/", "/health", "/docs", "/openapi.json", "/data?group_number=3"])
def test_head_is_answered_as_get(client: Callable[..., TestClient], path: str) -> None:
    api = client(sample_seed=7)
    head, whole = (api.request(method, path, follow_redirects=False) for method in ("HEAD", "GET"))
    assert (head.status_code, head.headers, head.content) == (whole.status_code, whole.headers, b"")
    assert head.headers.get("location", "/docs") == "/docs"


def test_head_changes_nothing(client: Callable[..., TestClient], clock: Clock) -> None:
    api = client()
    get(api)
    clock.now += 120
    assert get(api)["batch_number"] == 1
    assert api.head("/restart_data_generation?group_number=3").status_code == 405
    assert get(api)["batch_number"] == 1


@pytest.mark.parametrize("path", ["/data/?group_number=3", "/health/", "/docs/"])
def test_a_slash_at_the_end_is_answered_and_leads_to_no_other_address(
    client: Callable[..., TestClient], path: str
) -> None:
    api = client(sample_seed=7)
    answer = api.get(path, follow_redirects=False)
    assert (answer.status_code, answer.content) == (200, api.get(path.replace("/?", "?").rstrip("/")).content)


def test_unwritable_state_is_refused_at_start(tmp_path: Path, rows: CovertypeRows) -> None:
    (tmp_path / "progress.sqlite3").mkdir()
    with pytest.raises(OSError, match="STATE_DIR"):
        create_app(Settings(state_dir=tmp_path), rows)


@pytest.mark.parametrize("text", ["", "a,b\n", "header\n" + "1,2,3\n" * 20])
def test_a_file_that_is_not_covertype_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(ValueError, match=r"data\.csv\.gz needs a header line"):
        CovertypeRows(path)


def test_file_without_a_final_line_break(tmp_path: Path) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *([str(i)] * 13 for i in range(12))])
    path = tmp_path / "data.csv.gz"
    path.write_bytes(gzip.compress(text.getvalue().strip().encode()))
    assert [row[0] for row in map(CovertypeRows(path).__getitem__, range(12))] == [str(i) for i in range(12)]
