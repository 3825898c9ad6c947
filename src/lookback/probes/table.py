"""Points of curves: how they are averaged over sentences, written and read again. Needs no torch, as the report."""

import csv
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookback.config import Evaluate
from lookback.errors import LookbackError
from lookback.probes import Point
from lookback.statistics import percentile_interval, resampled_sums

COLUMNS = tuple(Point.__annotations__)


def averaged(
    measure: str,
    series: str,
    x_by: str,
    values: NDArray[np.float64],
    settings: Evaluate,
    *,
    logarithms: bool = False,
) -> Iterator[Point]:
    """A curve over x = 0, 1, …: at each the mean over sentences, with its percentile bootstrap interval.

    Args:
        measure, series, x_by: as in `Point`.
        values: [sentences, x], NaN where a sentence has none; an x at which none has any gives no point.
        settings: resamples, confidence and seed.
        logarithms: whether the values are logarithms of what is to be averaged, as a geometric mean.
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
    """As CSV, to six digits; a column is empty where there is no number."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _text(value) for name, value in point.items()} for point in points)


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return "" if value is None else str(value)


def read_points(path: Path) -> list[Point]:
    """What `write_points` wrote.

    Raises:
        LookbackError: a column is missing or holds no number.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise LookbackError(f"{path}: line 1: no column {missing[0]!r}; run the probe stage again")
        points = []
        for row in reader:
            try:
                value, low, high = (float(row[name] or "nan") for name in ("value", "low", "high"))
                x, n = float(row["x"]) if row["x"] else None, int(row["n"])
            except (ValueError, TypeError):
                raise LookbackError(
                    f"{path}: line {reader.line_num}: a value is not a number; run the probe stage again"
                ) from None
            names = {name: row[name] for name in ("measure", "series", "x_by")}
            points.append(Point(**names, x=x, n=n, value=value, low=low, high=high))
    return points
