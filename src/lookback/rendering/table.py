"""A table of text, which templates turn into HTML and Markdown."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Cells as text; the first cell of a row is its header. `name` is unique in a report."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
