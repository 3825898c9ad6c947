"""Points of curves: means and ratios over sentences with bootstrap intervals, and their CSV files.

Needs no torch, since the report needs none.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookback.config import Evaluate
from lookback.csv_tables import read_table, write_table
from lookback.stats.bootstrap import percentile_interval, resampled_sums
from lookback.stats.buckets import ALL_LENGTHS, buckets

SOURCE_WORDS = "source words"


class Point(TypedDict):
    """One point of a curve, and one row of `reports/<experiment>/runs/<run>/probe.csv`, whose columns are these."""

    measure: str
    """The measure, such as `jacobian_norm`."""
    series: str
    """The line of that measure, such as `trained` or `untrained`."""
    x_by: str
    """The unit of `x`, such as `steps`."""
    x: float | None
    """None for a single number without a curve."""
    n: int
    """Sentences (or positions) that `value` is the mean of; 1 for a property of the model."""
    value: float
    low: float
    """With `high`, the bootstrap interval of the mean; NaN where n = 1."""
    high: float


COLUMNS: dict[str, type] = {
    "measure": str,
    "series": str,
    "x_by": str,
    "x": float,
    "n": int,
    "value": float,
    "low": float,
    "high": float,
}
BLANKS = {"measure": "", "series": "", "x_by": "", "x": None, "value": math.nan, "low": math.nan, "high": math.nan}
"""The value of a blank cell; the other columns have no blanks."""


def ratio(
    measure: str,
    series: str,
    x_by: str,
    x: float | None,
    numerators: ArrayLike,
    denominators: ArrayLike,
    settings: Evaluate,
    seed: tuple[int, ...],
) -> list[Point]:
    """The sum of `numerators` [N] over the sum of `denominators` [N], one of each for each sentence.

    With denominators of 1 this is the mean over sentences. Sentences whose denominator is 0 are left out; n counts the
    others, and where n is 0 there is no point. The interval is a percentile bootstrap over these sentences, NaN for a
    single one. `seed` is the second part of its seed, so that points of equal n are resampled independently.
    """
    sums = np.stack([np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)], axis=1)
    sums = sums[sums[:, 1] > 0]
    if not len(sums):
        return []
    low = high = math.nan
    if len(sums) > 1:
        resampled = resampled_sums(sums, settings.resamples, (settings.seed, *seed))
        low, high = percentile_interval(resampled[:, 0] / resampled[:, 1], settings.confidence)
    top, bottom = sums.sum(axis=0)
    value = float(top / bottom)
    return [Point(measure=measure, series=series, x_by=x_by, x=x, n=len(sums), value=value, low=low, high=high)]


def by_source_length(
    measure: str,
    series: str,
    numerators: ArrayLike,
    denominators: ArrayLike,
    words: ArrayLike,
    settings: Evaluate,
) -> list[Point]:
    """A `ratio` for each bucket of source length, shortest first; then one over all sentences, with x = None.

    The x of a bucket is the mean length of its sentences, from `words` [N]: the same for all systems.
    """
    lengths, numerators, denominators = np.asarray(words), np.asarray(numerators), np.asarray(denominators)
    points = []
    for bucket in [*buckets(settings.bucket_edges, lengths), ALL_LENGTHS]:
        inside = bucket.contains(lengths)
        x = None if bucket.is_all or not inside.any() else float(lengths[inside].mean())
        low, high = (-1 if bound is None else bound for bound in (bucket.low, bucket.high))
        points += ratio(
            measure, series, SOURCE_WORDS, x, numerators[inside], denominators[inside], settings, (low, high)
        )
    return points


def averaged(
    measure: str,
    series: str,
    x_by: str,
    values: NDArray[np.float64],
    settings: Evaluate,
    *,
    logarithms: bool = False,
) -> Iterator[Point]:
    """A curve over x = 0, 1, …: at each x the mean over sentences, with its percentile bootstrap interval.

    Args:
        measure, series, x_by: as in `Point`.
        values: [sentences, x], NaN where a sentence has no value; an x without any value gives no point.
        settings: resamples, confidence and seed.
        logarithms: whether the values are logarithms; the points are then geometric means.
    """
    for x, column in enumerate(np.asarray(values, dtype=np.float64).T):
        known = column[~np.isnan(column)]
        if not len(known):
            continue
        mean, low, high = float(known.mean()), math.nan, math.nan
        if len(known) > 1:
            sums = resampled_sums(known[:, None], settings.resamples, (settings.seed,))
            low, high = percentile_interval(sums[:, 0] / len(known), settings.confidence)
        if logarithms:
            mean, low, high = math.exp(mean), math.exp(low), math.exp(high)
        yield Point(measure=measure, series=series, x_by=x_by, x=x, n=len(known), value=mean, low=low, high=high)


def write_points(path: Path, points: Iterable[Point]) -> None:
    """Write points as CSV, to six digits; None and NaN are blank."""
    write_table(path, COLUMNS, ([_text(point[name]) for name in COLUMNS] for point in points))


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return "" if value is None else str(value)


def read_points(path: Path, stage: str = "probe") -> list[Point]:
    """Read what `write_points` wrote, as `lookback.csv_tables.read_table` does; `stage` writes the file."""
    return [Point(**row) for row in read_table(path, COLUMNS, stage, BLANKS)]
