"""The charts of the report as data: lines of points with their intervals and counts.

`figures.draw` turns a chart into a picture, `table` into CSV, and `as_json` into the data of the page's script.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from lookback.csv_tables import as_csv
from lookback.evaluation.systems import Score, System
from lookback.rendering.looks import Look
from lookback.stats.buckets import Bucket

LOWEST = 1e-12
"""The lower end of a logarithmic axis."""


@dataclass(frozen=True)
class Point:
    x: float
    """On an axis of buckets: the bucket's index, from 0."""
    y: float
    low: float = math.nan
    high: float = math.nan
    n: int | None = None
    seeds: tuple[float, ...] = ()
    """The values of the seeds, where `y` is the mean of several."""


@dataclass(frozen=True)
class Line:
    """A line of a chart; NaN in a point leaves a gap."""

    system: str
    look: Look
    points: tuple[Point, ...]
    series: str = ""
    """The name of the line, where a system has several; they differ in their dash."""
    seed: int | None = None
    """The seed, for a line of one seed among several."""
    thin: bool = False
    """Drawn without a name and markers: a further seed, or a bound."""
    lowest: bool = False
    """Only the lowest point has a marker."""


@dataclass(frozen=True)
class Axis:
    label: str
    log: bool = False
    top: float | None = None
    """The largest possible value, if any."""
    digits: int | None = None
    """Decimals in text and tables; None: by the size of each number."""
    buckets: tuple[Bucket, ...] = ()
    """The buckets or windows of the axis, from short to long."""


@dataclass(frozen=True)
class Chart:
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    marks: tuple[tuple[int, Any], ...] = ()
    """On an axis of buckets: the training lengths to mark, in rising order, and the dash of each."""

    @property
    def series(self) -> dict[str, Line]:
        """One line of each series; empty if there is only one series."""
        found: dict[str, Line] = {}
        for line in self.lines:
            if not (line.thin and line.seed is not None):
                found.setdefault(line.series, line)
        return found if len(found) > 1 else {}

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of sentences in each bucket, the same for all lines."""
        return tuple(point.n or 0 for point in self.lines[0].points) if self.x.buckets else ()


# --- quality against length -------------------------------------------------------------------------------------------


def of_scores(name: str, look: Look, scores: Sequence[Score]) -> Line:
    """The line of one system's scores, with one point for each bucket."""
    return Line(
        system=name,
        look=look,
        points=tuple(
            Point(i, s.value, s.low, s.high, s.n, s.seeds if len(s.seeds) > 1 else ()) for i, s in enumerate(scores)
        ),
    )


def by_length(
    lines: Sequence[Line],
    buckets: Sequence[Bucket],
    marked: dict[System, Look],
    y: Axis,
    unit: str = "source words",
) -> Chart:
    """Scores in buckets as a chart.

    Args:
        lines: at least one, with a point for each bucket.
        buckets: from short to long; windows overlap, other buckets do not.
        marked: the systems whose training length is marked; none if the buckets count other units.
        y: the axis of the scores.
        unit: the unit of the lengths.
    """
    dashes = {system.max_train_words: look.dash for system, look in reversed(list(marked.items()))}
    marks = tuple((words, dashes[words]) for words in sorted(dashes))
    return Chart(Axis(unit, buckets=tuple(buckets)), y, tuple(lines), marks)


# --- as tables, and for the page --------------------------------------------------------------------------------------


def table(chart: Chart) -> str:
    """The chart as CSV: a row for each point, under the names of the axes. NaN and None are blank."""
    rows = []
    for line in chart.lines:
        seed = None if any(point.seeds for point in line.points) else line.seed
        for point in line.points:
            x = str(chart.x.buckets[int(point.x)]).replace("–", "-") if chart.x.buckets else f"{point.x:g}"
            values = [*map(_number, (point.y, point.low, point.high)), " ".join(map(_number, point.seeds))]
            rows.append([line.system, line.series, seed, x, point.n, *values])
    return as_csv(["system", "series", "seed", chart.x.label, "n", chart.y.label, "low", "high", "seeds"], rows)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def as_json(chart: Chart, systems: Sequence[str]) -> dict[str, Any]:
    """The chart for the page's script (templates/report.js.j2), in JSON's types; NaN is null.

    A line names its system by an index into `systems`.
    """

    def axis(it: Axis) -> dict[str, Any]:
        return {"label": it.label, "log": it.log, "top": it.top}

    ticks = [[str(bucket), n] for bucket, n in zip(chart.x.buckets, chart.counts, strict=True)]
    return {
        "x": axis(chart.x) | ({"ticks": ticks} if ticks else {}),
        "y": axis(chart.y),
        "digits": chart.y.digits,
        "marks": [
            [place, words] for words, _ in chart.marks if (place := position(words, chart.x.buckets)) is not None
        ],
        "lines": [
            {
                "system": systems.index(line.system),
                "series": line.series,
                "seed": line.seed,
                "dash": dasharray(line.look.dash),
                "thin": line.thin,
                "lowest": line.lowest,
                "points": [_packed(point) for point in line.points],
            }
            for line in chart.lines
        ],
    }


def _packed(point: Point) -> list[Any]:
    """x, y, low, high, n and the values of the seeds, without missing values at the end."""
    numbers = [_rounded(value) for value in (point.x, point.y, point.low, point.high)]
    packed = [*numbers, point.n, [_rounded(seed) for seed in point.seeds] or None]
    while packed[-1] is None and len(packed) > 2:
        packed.pop()
    return packed


def _rounded(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    value = float(f"{value:.5g}")
    return int(value) if value == int(value) else value


def dasharray(dash: Any) -> str:
    """A dash of matplotlib in SVG's notation."""
    if isinstance(dash, str):
        return {"-": "", ":": "1.5 2"}[dash]
    return " ".join(f"{length * 1.5:g}" for length in dash[1])


def position(words: int, buckets: Sequence[Bucket]) -> float | None:
    """The place of a length on an axis of buckets: the middle of an open bucket; windows are placed by middle."""
    bounds = [(bucket.low or 0, math.inf if bucket.high is None else bucket.high) for bucket in buckets]
    if any(before[1] >= after[0] for before, after in pairwise(bounds)):
        middles = [(low + high) / 2 for low, high in bounds]
        return float(np.interp(words, middles, range(len(buckets)))) if words <= bounds[-1][1] else None
    for index, bucket in enumerate(buckets):
        if bucket.low is None or words < bucket.low:
            continue
        if bucket.high is None:
            return float(index)
        if words <= bucket.high:
            return index - 0.5 + (words - bucket.low + 1) / (bucket.high - bucket.low + 1)
    return None
