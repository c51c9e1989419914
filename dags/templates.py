"""What a DAG file says of its tasks beside their order: parameters and results of other tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow.sdk import Param

RUN_AFTER = "{{ dag_run.run_after.isoformat() }}"


def param(kind: str, description: str, minimum: float | None = None) -> Param:
    """Declare a parameter that is not given unless somebody gives it."""
    limits = {} if minimum is None else {"minimum": minimum}
    return Param(None, type=["null", kind], description=description, **limits)


def setting(pipeline: str, name: str, default: object = "", variable: str = "") -> str:
    """Spell a template that reads the run's parameter, else the Airflow variable `<pipeline>_<name>`.

    Args:
        pipeline: Before the variable's name.
        name: Of the parameter, and of the variable unless `variable` is another one.
        default: What it renders to when neither is set.
        variable: Name of the variable behind the pipeline's.
    """
    otherwise = f"var.value.get('{pipeline}_{variable or name}', {str(default)!r})"
    return f"{{{{ {otherwise} if params.{name} is none else params.{name} }}}}"


def result(task_id: str, key: str) -> str:
    """Spell a template that reads one entry of a task's result."""
    return f"{{{{ ti.xcom_pull(task_ids='{task_id}')['{key}'] }}}}"


def as_json(templates: Mapping[str, str]) -> str:
    """Spell a template that renders to a JSON object, each of its values the text of a template.

    Args:
        templates: One expression in double braces each, as `setting` and `result` spell them. Joining what
            they render to would let a quote in a variable end the text.

    Raises:
        ValueError: A template is not one expression.
    """
    entries = []
    for name, template in templates.items():
        if not (expression := re.fullmatch(r"\{\{(?:(?!\{\{|}}).)+}}", template)):
            raise ValueError(f"{name} must be one expression in double braces, not {template!r}")
        entries.append(f"{name!r}: ({expression[0][2:-2].strip()}) | string")
    return f"{{{{ {{{', '.join(entries)}}} | tojson }}}}"
