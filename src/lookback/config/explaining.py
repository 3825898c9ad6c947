"""Settings in words, from their types and docstrings, for `--help`."""

import textwrap
from typing import Any

from lookback.settings import Settings

KINDS = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def explained(section: type[Settings], width: int = 100) -> str:
    """Each setting of a section: its allowed values, the default in brackets, and its docstring.

    The section's `model_config` must set `use_attribute_docstrings`, every setting must have a docstring, and none may
    be a section itself.
    """
    told = []
    for name, facts in section.model_json_schema()["properties"].items():
        default = facts.get("default")
        shown = ", ".join(map(str, default)) if isinstance(default, list) else str(default).lower()
        told.append(f"  {name}: {_allowed(facts)} [{shown}]")
        told += textwrap.wrap(facts["description"], width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(told)


def _allowed(facts: dict[str, Any]) -> str:
    if "enum" in facts:
        return f"one of {', '.join(map(str, facts['enum']))}"
    if facts.get("type") == "array":
        return f"a list, each {_allowed(facts['items'])}"
    bounds = [text.format(facts[key]) for key, text in BOUNDS.items() if key in facts]
    return KINDS[facts["type"]] + (f", {' and '.join(bounds)}" if bounds else "")
