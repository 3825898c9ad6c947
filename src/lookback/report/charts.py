"""The charts of the report as data: scores by length, training curves, measures on models."""

import math
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

from lookback.data.testsets import KNOWN
from lookback.evaluation.systems import System
from lookback.probes.points import Point as ProbePoint
from lookback.rendering.chart import LOWEST, Axis, Chart, Line, Point, by_length, of_scores
from lookback.rendering.looks import DASHES, looks
from lookback.report.columns import COLUMNS
from lookback.report.results import Results, RunResult


@dataclass(frozen=True)
class Kind:
    """A kind of buckets in `by_length.csv`."""

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
    """All kinds of buckets in the rows; source words first."""
    rows = (row for row in results.runs[0].rows if row["bucket_low"] is not None and row["n"])
    found = {Kind(row["test_set"], row["subset"], row["bucket_by"]): None for row in rows}
    return tuple(dict.fromkeys([Kind(), *found]))


def length(results: Results, column: str = "bleu", kind: Kind | None = None) -> Chart:
    """A column of `by_length.csv` against length, one line for each system; several seeds are averaged."""
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


def curves(results: Results) -> Chart:
    """Validation loss against target tokens, one line for each run; the weights are from the lowest point."""
    styles, lines = looks(results.systems), []
    most = max((point.target_tokens for run in results.runs for point in run.curves), default=0.0)
    unit, word = (1e6, "million") if most >= 2e6 else (1e3, "thousand")
    several = len(results.seeds) > 1
    for system in results.systems:
        drawn = False
        for run in results.of(system):
            known = (point for point in run.curves if not math.isnan(point.valid_loss))
            points = tuple(Point(point.target_tokens / unit, point.valid_loss) for point in known)
            if points:
                seed = run.run.seed if several else None
                lines.append(Line(system.name, styles[system], points, seed=seed, thin=drawn, lowest=True))
                drawn = True
    losses = [point.y for line in lines for point in line.points]
    log = bool(losses) and max(losses) / max(min(losses), 1e-9) > 10
    return Chart(Axis(f"target tokens seen ({word})"), Axis("validation loss (nats/piece)", log=log), tuple(lines))


@dataclass(frozen=True)
class Measure:
    """The points of `probe.csv` or `speed.csv` that make a chart."""

    name: str
    """The value in the column `measure`."""
    x_label: str
    label: str
    log: bool = True
    beside: str = ""
    """A second measure of the first series, drawn thin and dotted, if any: a bound."""
    series: tuple[str, ...] = ()
    """The lines to draw, each with its dash; empty: all."""
    x_by: str = ""
    """The unit of x, for a measure that has several."""
    top: float | None = None


def probe(results: Results, measure: Measure) -> Chart:
    """A measure against its x: one line for each run and series."""
    styles, several = looks(results.systems), len(results.seeds) > 1
    measured = (p["series"] for run in results.runs for p in run.points if p["measure"] == measure.name)
    names = measure.series or tuple(dict.fromkeys(measured))
    dashes = dict(zip(names, cycle(DASHES), strict=False))

    def line(system: System, run: RunResult, name: str, points: list[ProbePoint], thin: bool, dash: Any) -> Line:
        found = (Point(p["x"] or 0.0, p["value"], p["low"], p["high"], p["n"]) for p in points)
        seed = run.run.seed if several else None
        return Line(system.name, replace(styles[system], dash=dash), tuple(found), name, seed, thin)

    lines, bounds = [], []
    for system in results.systems:
        for number, run in enumerate(results.of(system)):
            for name in names:
                if points := run.curve(measure.name, name, measure.x_by):
                    lines.append(line(system, run, name, points, number > 0, dashes[name]))
            if names and (points := run.curve(measure.beside, names[0])):
                bounds.append(line(system, run, "bound", points, True, ":"))
    visible = any(point.y > LOWEST for line in lines for point in line.points)
    y = Axis(measure.label, log=measure.log and visible, top=measure.top)
    return Chart(Axis(measure.x_label), y, (*lines, *bounds))
