"""The charts of the report as data: lines of points with their intervals and counts.

From a chart `figures.draw` makes the picture, `table` the CSV file behind it, `interactive` what the script of the page
draws.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, pairwise
from typing import Any

import numpy as np

from lookback.buckets import Bucket
from lookback.probes import Point as ProbePoint
from lookback.report.columns import COLUMNS
from lookback.report.looks import DASHES, Look, looks
from lookback.report.results import SPARSE, CellResult, Results, Score, System
from lookback.testsets import KNOWN

LOWEST = 1e-12
"""A logarithmic axis goes no further down."""


@dataclass(frozen=True)
class Point:
    x: float
    """On an axis of buckets the how manyth bucket, from 0."""
    y: float
    low: float = math.nan
    high: float = math.nan
    n: int | None = None
    seeds: tuple[float, ...] = ()
    """Where `y` is the mean of several seeds: theirs."""


@dataclass(frozen=True)
class Line:
    """A line of a chart; NaN in a point leaves a gap."""

    system: str
    look: Look
    points: tuple[Point, ...]
    series: str = ""
    """Which of the system's lines, where it has several: the look's dash tells these apart."""
    seed: int | None = None
    """Of a line of one seed among several."""
    thin: bool = False
    """Drawn beside the others, without a name and markers: a further seed, a bound."""
    lowest: bool = False
    """A marker at the lowest point, and no other."""


@dataclass(frozen=True)
class Axis:
    label: str
    log: bool = False
    top: float | None = None
    """The largest value there can be, if there is one."""
    digits: int | None = None
    """After the point, in words and tables; as many as the size of a number asks for, if not told."""
    buckets: tuple[Bucket, ...] = ()
    """Of an axis of buckets, or windows, from short to long."""


@dataclass(frozen=True)
class Chart:
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    marks: tuple[tuple[int, Any], ...] = ()
    """On an axis of buckets: training lengths to mark, rising, and the dash of each."""

    @property
    def series(self) -> dict[str, Line]:
        """A line of each series; of one alone there is nothing to tell."""
        found: dict[str, Line] = {}
        for line in self.lines:
            if not (line.thin and line.seed is not None):
                found.setdefault(line.series, line)
        return found if len(found) > 1 else {}

    @property
    def counts(self) -> tuple[int, ...]:
        """The sentences in each bucket: the same for all lines."""
        return tuple(point.n or 0 for point in self.lines[0].points) if self.x.buckets else ()


# --- quality against length -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A way in which `by_length.csv` shares sentences out."""

    test_set: str = "test"
    subset: str = "all"
    bucket_by: str = "source_words"

    @property
    def unit(self) -> str:
        return self.bucket_by.removesuffix("_window").replace("_", " ")

    @property
    def label(self) -> str:
        windows = ", sliding windows" if self.bucket_by.endswith("_window") else ""
        part = ", sentences without unknown words" if self.subset == KNOWN else ""
        return f"{self.unit}{windows}{part}"


def kinds(results: Results) -> tuple[Kind, ...]:
    """All ways in which the rows share out sentences by a length; by source words first."""
    rows = (row for row in results.cells[0].rows if row["bucket_low"] is not None and row["n"])
    found = {Kind(row["test_set"], row["subset"], row["bucket_by"]): None for row in rows}
    return tuple(dict.fromkeys([Kind(), *found]))


def length(results: Results, column: str = "bleu", kind: Kind | None = None) -> Chart:
    """A column of `by_length.csv` against length, a line a system; several seeds are averaged."""
    kind = kind or Kind()
    buckets, styles = results.buckets_of(*_key(kind)), looks(results.systems)
    lines = [
        of_scores(system.name, styles[system], [results.score(system, b, column, *_key(kind)) for b in buckets])
        for system in results.systems
    ]
    marked = {system: styles[system] for system in results.systems if kind.unit == "source words"}
    about = COLUMNS[column]
    return by_length(lines, buckets, marked, Axis(about.axis, top=about.top, digits=about.digits), kind.unit)


def _key(kind: Kind) -> tuple[str, str, str]:
    return kind.test_set, kind.subset, kind.bucket_by


def of_scores(name: str, look: Look, scores: Sequence[Score]) -> Line:
    """The line of one system's scores, one a bucket."""
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
        lines: at least one, a point a bucket.
        buckets: from short to long; windows, which overlap, or buckets that do not.
        marked: the systems whose training length is to be marked: none where the buckets are of other units.
        y: what the scores are.
        unit: what lengths are counted in.
    """
    dashes = {system.max_train_words: look.dash for system, look in reversed(list(marked.items()))}
    marks = tuple((words, dashes[words]) for words in sorted(dashes))
    return Chart(Axis(unit, buckets=tuple(buckets)), y, tuple(lines), marks)


# --- training curves --------------------------------------------------------------------------------------------------


def curves(results: Results) -> Chart:
    """Validation loss against target tokens, a line a cell; its lowest point is where the weights are from."""
    styles, lines = looks(results.systems), []
    most = max((point.target_tokens for cell in results.cells for point in cell.curves), default=0.0)
    unit, word = (1e6, "million") if most >= 2e6 else (1e3, "thousand")
    several = len(results.seeds) > 1
    for system in results.systems:
        drawn = False
        for cell in results.of(system):
            known = (point for point in cell.curves if not math.isnan(point.valid_loss))
            points = tuple(Point(point.target_tokens / unit, point.valid_loss) for point in known)
            if points:
                seed = cell.cell.seed if several else None
                lines.append(Line(system.name, styles[system], points, seed=seed, thin=drawn, lowest=True))
                drawn = True
    losses = [point.y for line in lines for point in line.points]
    log = bool(losses) and max(losses) / max(min(losses), 1e-9) > 10
    return Chart(Axis(f"target tokens seen ({word})"), Axis("validation loss (nats/piece)", log=log), tuple(lines))


# --- what was measured on models --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """Which points of `probe.csv` or `speed.csv` make a chart."""

    name: str
    """In the column `measure`."""
    x_label: str
    label: str
    log: bool = True
    beside: str = ""
    """A second measure of the first series, drawn thin and dotted where there is one: a bound."""
    series: tuple[str, ...] = ()
    """The lines to draw, if not all; each has a dash."""
    x_by: str = ""
    """Which x, of a measure that has several."""
    top: float | None = None


def probe(results: Results, measure: Measure) -> Chart:
    """A measure against its x: a line a cell and series."""
    styles, several = looks(results.systems), len(results.seeds) > 1
    measured = (p["series"] for cell in results.cells for p in cell.points if p["measure"] == measure.name)
    names = measure.series or tuple(dict.fromkeys(measured))
    dashes = dict(zip(names, cycle(DASHES), strict=False))

    def line(system: System, cell: CellResult, name: str, points: list[ProbePoint], thin: bool, dash: Any) -> Line:
        found = (Point(p["x"] or 0.0, p["value"], p["low"], p["high"], p["n"]) for p in points)
        seed = cell.cell.seed if several else None
        return Line(system.name, replace(styles[system], dash=dash), tuple(found), name, seed, thin)

    lines, bounds = [], []
    for system in results.systems:
        for number, cell in enumerate(results.of(system)):
            for name in names:
                if points := cell.curve(measure.name, name, measure.x_by):
                    lines.append(line(system, cell, name, points, number > 0, dashes[name]))
            if names and (points := cell.curve(measure.beside, names[0])):
                bounds.append(line(system, cell, "bound", points, True, ":"))
    visible = any(point.y > LOWEST for line in lines for point in line.points)
    y = Axis(measure.label, log=measure.log and visible, top=measure.top)
    return Chart(Axis(measure.x_label), y, (*lines, *bounds))


# --- as tables, and for the page --------------------------------------------------------------------------------------


def table(chart: Chart) -> str:
    """The chart as CSV: a row a point, under the names of the axes. A blank is NaN, or what was not counted."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["system", "series", "seed", chart.x.label, "n", chart.y.label, "low", "high", "seeds"])
    for line in chart.lines:
        seed = "" if line.seed is None or any(point.seeds for point in line.points) else line.seed
        for point in line.points:
            x = str(chart.x.buckets[int(point.x)]).replace("–", "-") if chart.x.buckets else f"{point.x:g}"
            values = [*map(_number, (point.y, point.low, point.high)), " ".join(map(_number, point.seeds))]
            writer.writerow([line.system, line.series, seed, x, "" if point.n is None else point.n, *values])
    return buffer.getvalue()


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def interactive(chart: Chart, systems: Sequence[str]) -> dict[str, Any]:
    """The chart for the page's script (templates/report.js.j2), in JSON's types; NaN is null.

    `systems` are the names of all: a line says which by its place in them.
    """

    def axis(it: Axis) -> dict[str, Any]:
        return {"label": it.label, "log": it.log, "top": it.top}

    ticks = [[str(bucket), n] for bucket, n in zip(chart.x.buckets, chart.counts, strict=True)]
    return {
        "x": axis(chart.x) | ({"ticks": ticks} if ticks else {}),
        "y": axis(chart.y),
        "digits": chart.y.digits,
        "sparse": SPARSE,
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
                "points": [list(_packed(point)) for point in line.points],
            }
            for line in chart.lines
        ],
    }


def _packed(point: Point) -> Iterator[Any]:
    """x, y, then low, high, n and the seeds where there are any."""
    values = [point.x, point.y, point.low, point.high, *point.seeds]
    packed: list[Any] = [None if not math.isfinite(value) else float(f"{value:.5g}") for value in values]
    packed = [int(value) if value is not None and value == int(value) else value for value in packed]
    packed.insert(4, point.n)
    while packed[-1] is None and len(packed) > 2:
        packed.pop()
    yield from packed


def dasharray(dash: Any) -> str:
    """A dash of matplotlib's as SVG has it."""
    if isinstance(dash, str):
        return {"-": "", ":": "1.5 2"}[dash]
    return " ".join(f"{length * 1.5:g}" for length in dash[1])


def position(words: int, buckets: Sequence[Bucket]) -> float | None:
    """Where a length lies on an axis of buckets; in an open bucket, its middle. Of windows, by their middles."""
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
