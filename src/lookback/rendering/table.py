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
    """The cells are texts, aligned to the left, not numbers."""
    folded: bool = False
    """The table opens when its title is clicked."""
    page_only: bool = False
    """Only the page has the table, not the short Markdown."""
