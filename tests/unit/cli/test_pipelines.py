"""A mistake in a pipeline.yaml is named with its file, its line and what to do; what is derived is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from quintet.pipelines import in_order, pipelines, read
from quintet.progress import UserError

GOOD = """\
name: weather
description: Readings of stations.
owner: weather
dags:
  weather_observations: {}
steps:
  observe: {}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pipeline's folder with a step, a lock, and no file that says so."""
    folder = tmp_path / "weather"
    folder.mkdir()
    for name in ("observe.py", "requirements.lock"):
        (folder / name).touch()
    return folder


def refusal(folder: Path, text: str | bytes) -> str:
    """What is said of a file, after its folder."""
    file = folder / "pipeline.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        read(folder)
    said = str(caught.value)
    assert str(file) in said
    return said.removeprefix(f"{file}:").replace(f"{folder}/", "")


def test_a_good_file_is_read(folder: Path) -> None:
    (folder / "pipeline.yaml").write_text(GOOD)
    pipeline = read(folder)
    assert (pipeline.name, list(pipeline.dags), pipeline.prefixes) == (
        "weather",
        ["weather_observations"],
        ["weather/"],
    )
    step = pipeline.steps["observe"]
    assert (step.image, step.module, step.lock.name) == (
        "weather-observe",
        "weather.observe",
        "requirements.lock",
    )


def test_a_folder_without_the_file_is_named(folder: Path) -> None:
    with pytest.raises(
        UserError, match=r"weather has no pipeline\.yaml: it is what makes a folder a pipeline"
    ):
        read(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: the file is empty: say what the pipeline is, as pipeline.schema.json describes."),
        ("# Later.\n", "1: the file is empty: say what the pipeline is"),
        ("- a\n- b\n", "1: the file is a list and must be a mapping"),
        ("weather\n", "1: the file is weather and must be a mapping"),
        ("a: 1\n---\nb: 2\n", "2: this is not YAML: expected a single document"),
        ("name: [weather\n", "2: this is not YAML: while parsing a flow sequence"),
        ("name: weather\n\tdags: {}\n", "2: this is not YAML: while scanning"),
        ("name: *weather\n", "1: this is not YAML: found undefined alias"),
        ("name: \0\n", " this is not YAML: unacceptable character"),
        (b"name: \xff\n", "is not UTF-8 at byte 6: save it as UTF-8."),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(folder: Path, text: str | bytes, said: str) -> None:
    assert said in refusal(folder, text)


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("owner: another\n", "8: owner is there twice, first in line 3: keep one of them."),
        ("env:\n  A: a\n  B: b\n  A: c\n", "11: A is there twice, first in line 9: keep one of them."),
        ("env: {1: a}\n", "8: the key 1 is not text: write it in quotes."),
        ("on: {}\n", "8: the key on is not text: write it in quotes."),
        ("colour: red\n", "8: the file has the unknown key colour; it may have name, description, owner,"),
        ("env:\n  A: a\n  port: b\n", "10: env has the key port, which must match ^[A-Z]"),
        ("env: {PORT: 80}\n", "8: env.PORT is 80 and must be text: write it in quotes."),
        ("env: [PORT]\n", "8: env is a list and must be a mapping, as {key: value}."),
        ("schemas: weather\n", "8: schemas is weather and must be a list, as [a, b]."),
        ("schemas: [weather]\n", "8: schemas have no tables: migrations has no .sql file: add one."),
        ("source: {url: 'ftp://sky'}\n", "8: source.url is ftp://sky, which must match ^https?://."),
        ("model: {name: weather, experiment: weather}\n", "8: a model needs example.json, a request that it"),
        ("model: {name: weather}\n", "8: model lacks experiment: add it."),
        ("enabled: false\n", "8: enabled is for the values of a release: drop it here."),
        ("s3: {expireDays: {other/raw/: 1}}\n", "8: s3.expireDays names other/raw/, which is not below its"),
        ("s3: {expireDays: {raw/: 1.5}}\n", "8: s3.expireDays.raw/ is 1.5 and must be a whole number."),
    ],
)
def test_a_wrong_entry_is_named_with_its_line(folder: Path, added: str, said: str) -> None:
    assert refusal(folder, GOOD + added).startswith(said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: weather", "name: climate", "1: the name is 'climate' and the folder 'weather': give both"),
        ("name: weather", "name: Weather", "1: name is Weather, which must match ^[a-z]"),
        ("owner: weather\n", "", "1: the file lacks owner: add it."),
        ("observe: {}", "observe:", "7: steps.observe is empty and must be a mapping"),
        ("observe: {}", "Observe: {}", "7: steps has the key Observe, which must match"),
        ("observe: {}", "observe: {source: maybe}", "7: steps.observe.source is maybe and must be true or"),
        ("observe: {}", "observe: {source: true}", "7: the step observe asks a source, and the pipeline has"),
        ("observe: {}", "observe: {lock: train}", "7: the step observe needs requirements-train.lock, which"),
        (
            "observe: {}",
            "observe: {lock: a}\n  b: {lock: c}",
            "6: steps have the locks a, c: keep one beside",
        ),
        ("observe: {}", "observe: {files: [data]}", "7: the step observe needs data, which is not there"),
        ("observe: {}", "observe: {files: [../data]}", "7: steps.observe.files.0 is ../data, which must"),
        ("observe: {}", "observe: {files: [a b]}", "7: steps.observe.files.0 is a b, which must match"),
        ("observe: {}", "fill-gaps: {}", "7: the step fill-gaps needs fill_gaps.py, which is not there"),
        (
            "observations: {}",
            "o: {after: [x]}",
            "5: weather_o is after x, which dags does not name: weather_o",
        ),
        (
            "weather_observations: {}",
            "a: {after: [b]}\n  b: {after: [a]}",
            "4: these DAGs wait for each other: ",
        ),
    ],
)
def test_a_wrong_line_is_named(folder: Path, old: str, new: str, said: str) -> None:
    assert refusal(folder, GOOD.replace(old, new, 1)).startswith(said)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("promote", "9: promotion names the step promote, which steps does not: observe."),
        ("observe", "9: promotion needs a first schema, which holds its record: name one in schemas."),
    ],
)
def test_a_promotion_without_a_step_or_a_record_is_refused(folder: Path, step: str, said: str) -> None:
    (folder / "example.json").touch()
    model = f"model:\n  promotion: {{step: {step}}}\n  name: weather\n  experiment: weather\n"
    assert refusal(folder, GOOD + model).startswith(said)


@pytest.mark.parametrize("name", ["statistics", "stepkit", "socrata", "serving", "dev"])
def test_a_name_that_something_else_has_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for file in ("observe.py", "requirements.lock"):
        (folder / file).touch()
    said = refusal(folder, GOOD.replace("name: weather", f"name: {name}"))
    assert said.startswith(f"1: {name} cannot be the name of a pipeline: ")


def test_the_samples_are_read_and_their_dags_wait_for_what_they_learn_from() -> None:
    waves = in_order(pipelines().values())
    place = {dag: number for number, wave in enumerate(waves) for dag in wave}
    for pipeline in pipelines().values():
        for dag, after in pipeline.dags.items():
            assert all(place[other] < place[dag] for other in after)
    assert set(place) == {dag for pipeline in pipelines().values() for dag in pipeline.dags}
