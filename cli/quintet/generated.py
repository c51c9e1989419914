"""``quintet generate``: the files derived from each `pipeline.yaml`, and which of them are stale."""

import json
import re
from collections.abc import Callable
from functools import partial
from textwrap import indent
from typing import Any

import yaml

from quintet.paths import PLATFORM, in_the_checkout
from quintet.pipelines import Pipeline, pipelines
from quintet.progress import UserError
from quintet.skaffold import skaffold

HEADER = "# Made by `make generate` from pipelines/*/pipeline.yaml: edit those.\n"
VALUES_SCHEMA = "charts/quintet/values.schema.json"
OWN_SCHEMA = "charts/pipeline/values.schema.json"
README = "README.md"
TABLE = re.compile(r"(?<=<!-- pipelines -->\n).*?(?=<!-- end of pipelines -->\n)", re.DOTALL)
EMBEDDED = re.compile(r'(?<=\n    "pipeline": ){.*?\n    }(?=,?\n)', re.DOTALL)
"""The entry `pipeline` of `$defs` in the umbrella's schema, written over several lines."""
PODS = "charts/common/pods.schema.json"
PLACE_OF_PODS = re.compile(r'(?<=\n    "podSettings": ){.*?\n    }(?=,?\n)', re.DOTALL)
"""The entry `podSettings` of `$defs`, which every schema has alike."""
PARTS = ("airflow", "api-data", "inference", "minio", "mlflow", "postgres", "sources")
PIPELINE_SCHEMA = "pipelines/pipeline.schema.json"
WIDTH = 130


def samples() -> str:
    """Return the values that bring the sample pipelines, as YAML."""
    given = {
        name: {key: value for key, value in pipeline.given.items() if key != "name"}
        for name, pipeline in pipelines().items()
    }
    values = {"global": {"pipelines": given}, "api-data": {"enabled": True}}
    return HEADER + yaml.safe_dump(values, sort_keys=False, width=130, allow_unicode=True)


def values_schema() -> str:
    """Return the umbrella's schema, with what an entry of `global.pipelines` may say."""
    text = with_pods(PIPELINE_SCHEMA).replace('"#/$defs/', '"#/$defs/pipeline/$defs/')
    schema: dict[str, Any] = json.loads(text.replace("/pipeline/$defs/podSettings", "/podSettings"))
    del schema["$schema"], schema["$defs"]["podSettings"]
    # The key of the entry is the name.
    schema["required"].remove("name")
    embedded = indent(_json(schema, WIDTH - 4), "    ").lstrip()
    return _put(VALUES_SCHEMA, EMBEDDED, embedded, with_pods(VALUES_SCHEMA))


def with_pods(path: str) -> str:
    """Return a schema with what values may say of pods, which is the same in all of them."""
    content = _json(json.loads(_text(PODS)), WIDTH - 4)
    return _put(path, PLACE_OF_PODS, indent(content, "    ").lstrip(), _text(path))


def own_schema() -> str:
    """Return the schema of a pipeline's own release: its part of the umbrella's, and the pipeline's files."""
    umbrella = json.loads(values_schema())
    whole = umbrella["properties"]["global"]
    whole["required"] = ["ownRelease", "pipelines"]
    whole["properties"] = {
        "ownRelease": {"const": True},
        "removeData": {"type": "boolean"},
        **whole["properties"],
    }
    texts = {name: {"$ref": f"#/$defs/{name}"} for name in ("dags", "migrations")}
    parts = ("common", "postgres", "minio", "mlflow", "airflow", "inference", "sources")
    schema = {
        "$schema": umbrella["$schema"],
        "title": "Values of one pipeline as a release of its own: made by `make generate`",
        "type": "object",
        "additionalProperties": False,
        "required": ["global", "files"],
        "properties": {
            "global": whole,
            "files": {"type": "object", "additionalProperties": False, "properties": texts},
            **{part: {"type": "object"} for part in parts},
        },
        "$defs": {
            "dags": _texts(r"^[A-Za-z_][A-Za-z0-9_]*\.py$"),
            "migrations": _texts(r"^[0-9]{4}_[a-z0-9_]+\.sql$"),
            **umbrella["$defs"],
        },
    }
    return _json(schema) + "\n"


def _texts(pattern: str) -> dict[str, Any]:
    """Return the schema of files as values: name -> text."""
    return {
        "type": "object",
        "propertyNames": {"pattern": pattern},
        "additionalProperties": {"type": "string"},
    }


def readme() -> str:
    """Return the README, with the table of the pipelines."""
    head = "| pipeline | what it does | DAGs | steps, each an image `<pipeline>-<step>` | schemas | model |\n"
    head += "| --- | --- | --- | --- | --- | --- |\n"
    return _put(README, TABLE, head + "".join(map(_row, pipelines().values())), _text(README))


FILES: dict[str, Callable[[], str]] = {
    "charts/quintet/values-samples.yaml": samples,
    **{
        path: partial(with_pods, path)
        for path in (PIPELINE_SCHEMA, *(f"charts/{part}/values.schema.json" for part in PARTS))
    },
    VALUES_SCHEMA: values_schema,
    OWN_SCHEMA: own_schema,
    "skaffold.yaml": lambda: skaffold(pipelines()),
    README: readme,
}
"""Path -> what makes its content."""


def stale() -> list[str]:
    """Return the paths of files whose content is not what the pipelines say."""
    return [path for path, content in FILES.items() if _text(path) != content()]


def main() -> None:
    """Write the files that are stale.

    Raises:
        UserError: outside of the checkout, whose files they are.
    """
    if not in_the_checkout():
        raise UserError("What is derived here is derived when it is used; `generate` is for the checkout.")
    changed = write()
    print(f"{len(changed)} of {len(FILES)} files were stale. Next: make test-fast")


def write() -> list[str]:
    """Write the files that are stale, and return and print their paths."""
    changed = stale()
    for path in changed:
        (PLATFORM / path).write_text(FILES[path](), encoding="utf-8")
        print(f"  {path}")
    return changed


def _row(pipeline: Pipeline) -> str:
    """Return the line of a pipeline in the README's table."""
    page = "/README.md" if (pipeline.folder / "README.md").exists() else ""
    cells = [
        f"[{pipeline.name}](pipelines/{pipeline.name}{page})",
        pipeline.given["description"],
        ", ".join(f"`{dag}`" for dag in pipeline.dags),
        ", ".join(pipeline.steps),
        ", ".join(f"`{schema}`" for schema in pipeline.schemas),
        f"`{pipeline.model}`" if pipeline.model else "",
    ]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


def _put(path: str, place: re.Pattern[str], content: str, text: str) -> str:
    """Return the text of a file with what a pattern finds replaced.

    Raises:
        UserError: when it is not there exactly once.
    """
    if len(place.findall(text)) != 1:
        raise UserError(f"{path} must have one place for what is generated: {place.pattern!r} finds it.")
    return place.sub(lambda _: content, text)


def _json(value: Any, width: int = WIDTH, key: str = "") -> str:
    """Return JSON that has on one line what fits there, after its key."""
    line = key + json.dumps(value, ensure_ascii=False)
    if len(line) <= width or not isinstance(value, dict | list):
        return line
    if isinstance(value, dict):
        entries = [_json(entry, width - 2, f"{json.dumps(name)}: ") for name, entry in value.items()]
    else:
        entries = [_json(entry, width - 2) for entry in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    inside = indent(",\n".join(entries), "  ")
    return f"{key}{opening}\n{inside}\n{closing}"


def _text(path: str) -> str:
    file = PLATFORM / path
    return file.read_text(encoding="utf-8") if file.exists() else ""
