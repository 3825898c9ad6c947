"""Scores that papers print, read from files that say where each was read.

Each figure or table is one CSV file beside this module; a file that you add there is read like the others. It begins
with lines `# key: value`, the fields of `Source`. A figure has the columns of `CurveRow`, and a line for each point of
a curve. A table has the columns of `Entry`, and a line for each number.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from lookback.errors import LookbackError
from lookback.settings import Count, Settings

FOLDER = Path(__file__).parent

Kind = Literal["no attention", "attention", "self-attention", "phrases", "other"]
"""Kinds of systems: an RNN with one vector for the sentence, an RNN with attention, a Transformer, phrase-based."""

Text = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Source(Settings):
    """The head of a file; a field is empty where nothing is noted."""

    work: Text
    """Authors and year, as written in a sentence."""
    place: Text
    """The figure or table."""
    paper: Text
    read: Text
    """Where and how the numbers were read, and how exactly."""
    source_language: Text
    target_language: Text
    test_set: Text
    hub: str = ""
    """The repository on the Hub whose split `test` is that test set, if there is one."""
    scoring: Text
    training_text: str = ""
    model: str = ""
    unknown_words: str = ""
    budget: str = ""
    note: str = ""
    length: Literal["source_words", "source_pieces", ""] = ""
    """For a figure: the unit of its lengths, as in the column `bucket_by` of by_length.csv,"""
    lengths: str = ""
    """and what a length means."""
    bleu: str = ""
    """For a table: its column of BLEU over the whole test set,"""
    bleu_known: str = ""
    """of BLEU over the sentences without unknown words,"""
    perplexity: str = ""
    """of the perplexity per piece on the validation set,"""
    parameters: str = ""
    """of the parameters in millions;"""
    experiment: str = ""
    """and the experiment that repeats it, if only that experiment's report shows the table."""

    @property
    def title(self) -> str:
        return f"{self.work}, {self.place}"


class CurveRow(Settings):
    """A point of a figure."""

    system: Text
    kind: Kind
    max_train_words: Count | None
    length: Annotated[Number, Field(ge=0)]
    bleu: Annotated[Number, Field(ge=0, le=100)]


class Entry(Settings):
    """A number of a table."""

    system: Text
    kind: Kind
    max_train_words: Count | None
    column: Text
    value: Number
    model: str = ""
    """Of `Source.experiment`: the entry of its `models` that repeats this row."""
    text: str
    """`value` as printed."""


@dataclass(frozen=True)
class Curve:
    system: str
    kind: Kind
    max_train_words: int | None
    points: tuple[tuple[float, float], ...]
    """Length and BLEU, from short to long."""


@dataclass(frozen=True)
class PublishedFigure:
    source: Source
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class PublishedTable:
    source: Source
    entries: tuple[Entry, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.column for entry in self.entries))


@dataclass(frozen=True)
class Literature:
    figures: tuple[PublishedFigure, ...]
    tables: tuple[PublishedTable, ...]


def read(folder: Path = FOLDER) -> Literature:
    """Every file of a folder, in the order of their names.

    Raises:
        LookbackError: a file is malformed; the message names file, line and column or key.
    """
    found = [_read(path) for path in sorted(folder.glob("*.csv"))]
    return Literature(
        figures=tuple(item for item in found if isinstance(item, PublishedFigure)),
        tables=tuple(item for item in found if isinstance(item, PublishedTable)),
    )


def _read(path: Path) -> PublishedFigure | PublishedTable:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise LookbackError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    end = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    source = _head(path, lines[:end])
    reader = csv.DictReader(lines[end:], strict=True)
    kind = CurveRow if source.length else Entry
    columns = [name for name in kind.model_fields if name not in ("model", "text")]
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        what = "figure, since its head gives `length`" if source.length else "table, since its head gives no `length`"
        raise LookbackError(f"{path}: line {end + 1}: no column {missing[0]!r}; this is the file of a {what}")
    try:
        lines_of = ((end + reader.line_num, row) for row in reader)
        found = {line: _row(path, line, kind, row) for line, row in lines_of}
    except csv.Error as error:
        raise LookbackError(f"{path}: line {end + reader.line_num}: not valid CSV: {error}") from None
    if not found:
        raise LookbackError(f"{path}: line {end + 1}: no row after the names of the columns")
    _once(path, found)
    if source.length:
        return PublishedFigure(source, _curves([row for row in found.values() if isinstance(row, CurveRow)]))
    table = PublishedTable(source, tuple(row for row in found.values() if isinstance(row, Entry)))
    for key in ("bleu", "bleu_known", "perplexity", "parameters"):
        named = getattr(source, key)
        if named and named not in table.columns:
            raise LookbackError(f"{path}: {key}: {named!r} is not one of its columns, {', '.join(table.columns)}")
    return table


def _head(path: Path, lines: Sequence[str]) -> Source:
    given: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        key, colon, value = line.lstrip("# ").partition(":")
        if not colon or key in given:
            raise LookbackError(f"{path}: line {number}: {line[:60]!r} is not `# key: value` with a key of its own")
        given[key] = value.strip()
    numbers = {key: number for number, key in enumerate(given, start=1)}
    return _checked(Source, given, lambda key: f"{path}: line {numbers.get(key, 1)}: {key}")


R = TypeVar("R", bound=Settings)


def _row(path: Path, line: int, kind: type[R], row: dict[str | None, Any]) -> R:
    if None in row or None in row.values():
        raise LookbackError(f"{path}: line {line}: not as many values as there are columns")
    values: dict[str, Any] = {str(name): text.strip() for name, text in row.items()}
    if kind is Entry:
        values["text"] = values["value"]
    values["max_train_words"] = values["max_train_words"] or None
    return _checked(kind, values, lambda column: f"{path}: line {line}: {column}")


def _checked(kind: type[R], values: dict[str, Any], where: Callable[[str], str]) -> R:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        # A misspelt key also makes the right one missing: the spelling is the cause.
        first = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")[0]
        key, message = str(first["loc"][0]), first["msg"]
        if first["type"] == "missing":
            message = "missing"
        elif first["type"] == "extra_forbidden":
            message = f"not known; known are {', '.join(kind.model_fields)}"
        else:
            message += f", got {first['input']!r}"
        raise LookbackError(f"{where(key)}: {message}") from None


def _once(path: Path, rows: Mapping[int, CurveRow | Entry]) -> None:
    """Check that no number occurs twice; `rows` are by line."""
    seen: dict[tuple[Any, ...], int] = {}
    for line, row in rows.items():
        name = "length" if isinstance(row, CurveRow) else "column"
        key = row.system, row.max_train_words, getattr(row, name)
        if key in seen:
            raise LookbackError(
                f"{path}: line {line}: {name}: {key[-1]!r} of {row.system!r} is in line {seen[key]} too"
            )
        seen[key] = line


def _curves(rows: Sequence[CurveRow]) -> tuple[Curve, ...]:
    groups: dict[tuple[str, Kind, int | None], list[tuple[float, float]]] = {}
    for row in rows:
        groups.setdefault((row.system, row.kind, row.max_train_words), []).append((row.length, row.bleu))
    return tuple(Curve(*name, tuple(sorted(points))) for name, points in groups.items())
