"""Writes and reads all CSV tables except the papers' numbers (`lookback.published.reading`).

This uses the csv module, not pandas: pandas cannot name the line and column of a damaged value, pads short rows, shifts
the columns if the first row is too long, and takes 0.4 s to import.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lookback.errors import LookbackError

Row = dict[str, Any]


def as_csv(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A header and rows of values as text; None is blank."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([columns, *rows])
    return buffer.getvalue()


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a header and rows of values; None is blank."""
    path.write_text(as_csv(columns, rows), encoding="utf-8", newline="")


def read_table(
    path: Path,
    columns: Mapping[str, Callable[[str], Any]],
    stage: str,
    blanks: Mapping[str, Any] | None = None,
) -> list[Row]:
    """Read a CSV file with a header, each value in the type of its column.

    Args:
        path: the file; it may have further columns.
        columns: the type of each column.
        stage: the stage that writes the file, for error messages.
        blanks: the value of a blank in each column; by default a blank is None in every column.

    Raises:
        LookbackError: no such file, a column is missing, a row is too short or too long, or a value has the wrong type.
    """
    blanks = dict.fromkeys(columns) if blanks is None else blanks
    again = f"run {stage} again to rewrite the file"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
                raise LookbackError(f"{path}: line 1: no column {missing[0]!r}; {again}")
            rows = [_typed(f"{path}: line {reader.line_num}", row, columns, blanks, again) for row in reader]
    except FileNotFoundError:
        raise LookbackError(f"{path}: no such file; {stage} writes it") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise LookbackError(f"{path}: not a CSV file in UTF-8 ({error}); {again}") from None
    return rows


def _typed(
    where: str,
    row: Mapping[str | None, Any],
    columns: Mapping[str, Callable[[str], Any]],
    blanks: Mapping[str, Any],
    again: str,
) -> Row:
    if None in row or None in row.values():
        raise LookbackError(f"{where}: the number of values differs from the number of columns; {again}")
    typed: Row = {}
    for name, kind in columns.items():
        try:
            typed[name] = kind(row[name]) if row[name] or name not in blanks else blanks[name]
        except ValueError:
            raise LookbackError(f"{where}: {name} is {row[name]!r}, which is not a number; {again}") from None
    return typed
