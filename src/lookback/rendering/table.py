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
    text: bool = False
    """Whether its cells are texts, which stand at the left, and no numbers."""
    folded: bool = False
    """Whether it is shown when its title is clicked."""
    page_only: bool = False
    """Whether the Markdown, which is short, leaves it out."""
