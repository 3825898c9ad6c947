"""The table of scores, `by_length.csv`: its columns, writing and reading."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lookback.csv_tables import Row, read_table, write_table

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
"""Decimals of the scores out of 100; other fractions have 4."""


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write `rows` as CSV with the header `COLUMNS`, rounded as `DECIMALS` says; None is blank."""
    write_table(path, COLUMNS, ([_written(name, row.get(name)) for name in COLUMNS] for row in rows))


def _written(name: str, value: Any) -> Any:
    return f"{value:.{DECIMALS.get(name, 4)}f}" if isinstance(value, float) else value


def read_rows(path: Path, stage: str = "evaluate") -> list[Row]:
    """Read what `write_rows` wrote, as `lookback.csv_tables.read_table` does; `stage` writes the file."""
    return read_table(path, COLUMNS, stage)
