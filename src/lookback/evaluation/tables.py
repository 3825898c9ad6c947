"""Tables of scores as CSV: their columns, written and read again."""

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lookback.errors import LookbackError

Row = dict[str, Any]


COLUMNS: dict[str, Callable[[str], Any]] = {
    "experiment": str,
    "system": str,
    "model": str,
    "max_train_words": int,
    "seed": int,
    "test_set": str,
    "subset": str,
    "bucket_by": str,
    "bucket_low": int,
    "bucket_high": int,
    "n": int,
    "bleu": float,
    "bleu_low": float,
    "bleu_high": float,
    "chrf": float,
    "chrf_low": float,
    "chrf_high": float,
    "length_ratio": float,
    "brevity_penalty": float,
    "exact_match": float,
    "empty": float,
    "cut_off": float,
    "looping": float,
    "dropped": float,
    "repeated": float,
    "reference_loss": float,
    "signature": str,
    "chrf_signature": str,
    "legacy_bleu": float,
    "legacy_bleu_low": float,
    "legacy_bleu_high": float,
    "legacy_signature": str,
}
"""The columns of `by_length.csv` in order, with the type of each; any may be blank (None)."""


DECIMALS: dict[str, int] = dict.fromkeys(
    [f"{score}{bound}" for score in ("bleu", "chrf", "legacy_bleu") for bound in ("", "_low", "_high")], 2
)
"""Of the scores out of 100; other fractions are written with 4."""


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write `rows` as CSV with the header `COLUMNS`, rounded as `DECIMALS` says; None is blank."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _written(name, value) for name, value in row.items()})


def _written(name: str, value: Any) -> Any:
    return f"{value:.{DECIMALS.get(name, 4)}f}" if isinstance(value, float) else value


def read_rows(path: Path) -> list[Row]:
    """Read what `write_rows` wrote, as `read_table` does."""
    return read_table(path, COLUMNS, "evaluate")


def read_table(path: Path, columns: Mapping[str, Callable[[str], Any]], stage: str) -> list[Row]:
    """Read a CSV file with a header, each value in the type of its column, a blank as None.

    Args:
        path: of the file, in which there may be other columns besides.
        columns: the type of each.
        stage: that writes the file; what a message tells to run.

    Raises:
        LookbackError: no such file, a column is missing, or a value has the wrong type.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise LookbackError(f"{path}: line 1: no column {missing[0]!r}; run {stage} again to rewrite the file")
            return [_typed(path, reader.line_num, row, columns) for row in reader]
    except FileNotFoundError:
        raise LookbackError(f"{path}: no such file; {stage} writes it") from None


def _typed(path: Path, line: int, row: Mapping[str, str | None], columns: Mapping[str, Callable[[str], Any]]) -> Row:
    typed: Row = {}
    for name, kind in columns.items():
        text = row[name]
        try:
            typed[name] = None if text is None or text == "" else kind(text)
        except ValueError:
            raise LookbackError(f"{path}: line {line}: {name} is {text!r}, which is not a number") from None
    return typed
