"""A system and one of its scores, as the report and `lookback.score` use them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

SPARSE = 50
"""A bucket with fewer sentences than this is marked, and no statement is made from it."""


@dataclass(frozen=True)
class System:
    """A model and the longest sentence it was trained on; its seeds are repetitions of one system."""

    model: str
    max_train_words: int

    @property
    def name(self) -> str:
        """As in `by_length.csv`: `bahdanau-60`."""
        return f"{self.model}-{self.max_train_words}"


@dataclass(frozen=True)
class Score:
    """One score of one system on one bucket; NaN where it is missing.

    With several seeds, `value` is their mean and `low` to `high` spans all their intervals: from the lowest lower bound
    to the highest upper bound. If two such spans do not meet, the scores differ in every pairing of the seeds.
    """

    value: float
    low: float
    high: float
    n: int
    seeds: tuple[float, ...]

    @classmethod
    def of_row(cls, row: Mapping[str, Any], column: str) -> Self:
        """The score of a row of `by_length.csv`, with its interval."""
        known = (row[name] for name in (column, f"{column}_low", f"{column}_high"))
        value, low, high = (math.nan if number is None else number for number in known)
        return cls(value, low, high, row["n"], (value,))

    @property
    def sparse(self) -> bool:
        return self.n < SPARSE

    @property
    def usable(self) -> bool:
        """Whether a statement may be made from it."""
        return not self.sparse and not any(math.isnan(x) for x in (self.value, self.low, self.high))
