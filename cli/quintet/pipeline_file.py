"""Reads a `pipeline.yaml`, and says of each mistake in it where it is and what to do."""

import json
import keyword
import re
import sys
from collections.abc import Hashable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from quintet.paths import FILE, PLATFORM
from quintet.progress import UserError

SCHEMA = PLATFORM / "pipelines" / "pipeline.schema.json"
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one of libyaml, where PyYAML has it: in Python alone the files of six pipelines take 0.3 s."""
NAMES = re.compile("[a-z][a-z0-9]{0,29}")
TAKEN = {
    *("app", "bundle", "dags", "pods", "public", "quintet", "sources", "stepkit", "tests"),
    *("admin", "airflow", "inference", "minio", "mlflow", "postgres", "root", "serving", "superuser"),
    *("cli", "compiler", "dev", "mutation", "test", "uv"),
}
"""Names of the platform's own packages, of its services, users and roles, and of Python environments."""
KINDS = {
    "array": "a list, as [a, b]",
    "boolean": "true or false",
    "integer": "a whole number",
    "object": "a mapping, as {key: value}",
    "string": "text: write it in quotes",
}
Place = list[str]
Mistake = tuple[Place, str]


def content(folder: Path) -> dict[str, Any]:
    """Return what the file of a folder says.

    Raises:
        UserError: when the file is missing or wrong; names file, line and what to do.
    """
    file = folder / FILE
    try:
        loader = LOADER(file.read_text(encoding="utf-8"))
        root = loader.get_single_node()
        given: Any = loader.construct_document(root) if root else None
    except FileNotFoundError as error:
        raise UserError(f"{folder} has no {FILE}: it is what makes a folder a pipeline.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 at byte {error.start}: save it as UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = ", ".join(filter(None, (error.context, error.problem)))
        raise UserError(f"{file}:{line}: this is not YAML: {said}.") from error
    except yaml.YAMLError as error:
        raise UserError(f"{file}: this is not YAML: {error}") from error
    if root is None:
        raise UserError(f"{file}:1: the file is empty: say what the pipeline is, as {SCHEMA.name} describes.")
    for line, sentence in _wrong_keys(root):
        raise UserError(f"{file}:{line}: {sentence}")
    for place, sentence in _mistakes(folder, given):
        raise UserError(f"{file}:{_line(root, place)}: {sentence}")
    return dict(given)


def refusal_of_name(name: str) -> str:
    """Return why a name cannot be a pipeline's; "" where it can."""
    if not NAMES.fullmatch(name):
        return "it must be 1 to 30 small letters and digits, the first a letter"
    if name in sys.stdlib_module_names or keyword.iskeyword(name):
        return "Python has a module or a word of that name, and the pipeline's package would hide it"
    if name in TAKEN or (PLATFORM / "sources" / name).is_dir():
        return "the platform has a role, user, package or environment of that name"
    return ""


def _wrong_keys(node: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield the line of each key that is there twice or is not text, of which YAML itself says nothing."""
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _wrong_keys(entry)
    elif isinstance(node, yaml.MappingNode):
        lines = dict[Hashable, int]()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                written = key.value if isinstance(key, yaml.ScalarNode) else "here"
                yield line, f"the key {written} is not text: write it in quotes."
            elif key.value in lines:
                yield line, f"{key.value} is there twice, first in line {lines[key.value]}: keep one of them."
            lines.setdefault(str(key.value), line)
            yield from _wrong_keys(value)


def _mistakes(folder: Path, given: Any) -> Iterator[Mistake]:
    """Yield the place of each mistake, as keys from the root, and a sentence on it; the worst first."""
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    errors = sorted(validator.iter_errors(given), key=lambda error: list(map(str, error.absolute_path)))
    yield from map(_of_schema, errors)
    if errors:
        return
    yield from _of_name(folder, given)
    yield from _of_dags(given["dags"])
    yield from _of_model(folder, given)
    yield from _of_steps(folder, given)
    yield from _of_keys(given)
    if given.get("schemas") and not any((folder / "migrations").glob("*.sql")):
        yield ["schemas"], f"schemas have no tables: {folder / 'migrations'} has no .sql file: add one."


def _of_schema(error: jsonschema.ValidationError) -> Mistake:
    """Return the place of what the schema does not take, and what to do."""
    place = list(map(str, error.absolute_path))
    where = ".".join(place) or "the file"
    about = error.schema.get("description", "")
    match error.validator:
        case "additionalProperties" if error.schema.get("properties"):
            known = error.schema["properties"]
            unknown = [key for key in error.instance if key not in known]
            sentence = f"{where} has the unknown key {', '.join(unknown)}; it may have {', '.join(known)}."
            return [*place, unknown[0]], sentence
        case "required":
            missing = ", ".join(key for key in error.schema["required"] if key not in error.instance)
            return place, f"{where} lacks {missing}: add it."
        case "type":
            wanted = str(error.validator_value)
            return place, f"{where} is {_shown(error.instance)} and must be {KINDS.get(wanted, wanted)}."
        case "pattern" if "propertyNames" in error.absolute_schema_path:
            sentence = f"{where} has the key {error.instance}, which must match {error.validator_value}."
            return [*place, error.instance], sentence
        case "pattern":
            sentence = f"{where} is {error.instance}, which must match {error.validator_value}."
        case _:
            sentence = f"{where}: {error.message}."
    return place, f"{sentence} {about}".strip()


def _shown(value: Any) -> str:
    """Return a value as a message shows it."""
    if value is None:
        return "empty"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return str(value)


def _of_name(folder: Path, given: dict[str, Any]) -> Iterator[Mistake]:
    name = given["name"]
    if name != folder.name:
        yield ["name"], f"the name is {name!r} and the folder {folder.name!r}: give both the same."
    if reason := refusal_of_name(name):
        yield ["name"], f"{name} cannot be the name of a pipeline: {reason}; take another."
    if "enabled" in given:
        yield ["enabled"], "enabled is for the values of a release: drop it here."


def _of_dags(dags: dict[str, Any]) -> Iterator[Mistake]:
    after = {dag: settings.get("after", []) for dag, settings in dags.items()}
    for dag, others in after.items():
        for other in others:
            if other not in dags:
                yield ["dags", dag], f"{dag} is after {other}, which dags does not name: {', '.join(dags)}."
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        circle = " after ".join(reversed(error.args[1]))
        yield ["dags"], f"these DAGs wait for each other: {circle}; drop an `after`."


def _of_model(folder: Path, given: dict[str, Any]) -> Iterator[Mistake]:
    promotion, place = given.get("model", {}).get("promotion"), ["model", "promotion"]
    if "model" in given and not (folder / "example.json").exists():
        yield ["model"], f"a model needs {folder / 'example.json'}, a request that it answers: add it."
    if promotion and promotion["step"] not in given["steps"]:
        steps = ", ".join(given["steps"])
        yield place, f"promotion names the step {promotion['step']}, which steps does not: {steps}."
    if promotion and not given.get("schemas"):
        yield place, "promotion needs a first schema, which holds its record: name one in schemas."


def _of_keys(given: dict[str, Any]) -> Iterator[Mistake]:
    s3 = given.get("s3", {})
    prefixes = s3.get("prefixes", [f"{given['name']}/"])
    for key in s3.get("expireDays", {}):
        if not any(key.startswith(prefix) for prefix in prefixes):
            sentence = f"s3.expireDays names {key}, which is not below its prefixes: {', '.join(prefixes)}."
            yield ["s3", "expireDays", key], sentence


def _of_steps(folder: Path, given: dict[str, Any]) -> Iterator[Mistake]:
    groups = list(dict.fromkeys(step["lock"] for step in given["steps"].values() if "lock" in step))
    if len(groups) > 1:
        sentence = f"steps have the locks {', '.join(groups)}: keep one beside requirements.lock, as the"
        yield ["steps"], f"{sentence} environment without a cluster is made from that one."
    for name, step in given["steps"].items():
        if step.get("source") and "source" not in given:
            sentence = f"the step {name} asks a source, and the pipeline has none: add source, or drop this."
            yield ["steps", name], sentence
        lock = f"requirements-{step['lock']}.lock" if "lock" in step else "requirements.lock"
        for file in (f"{name.replace('-', '_')}.py", lock, *step.get("files", [])):
            if not (folder / file).exists():
                sentence = f"the step {name} needs {folder / file}, which is not there: add it."
                yield ["steps", name], sentence


def _line(node: yaml.Node | None, place: Place) -> int:
    """Return the line of the entry at a place, or of what is nearest to it."""
    line = 1
    for key in place:
        if isinstance(node, yaml.MappingNode):
            entry = next(((name, value) for name, value in node.value if name.value == key), None)
            if entry is None:
                break
            line, node = entry[0].start_mark.line + 1, entry[1]
        elif isinstance(node, yaml.SequenceNode) and key.isdigit() and int(key) < len(node.value):
            node = node.value[int(key)]
            line = node.start_mark.line + 1
    return line
