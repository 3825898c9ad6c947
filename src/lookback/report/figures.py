"""The figures of the report.

A model has a colour (Okabe and Ito's, which the colour-blind can tell apart) and a marker; a longest training sentence
has a dash, and filled markers for the longest of all. So every line can be told from every other in gray as well.

Drawn with matplotlib's object interface: no window, no global state but the style, which is set and restored. The same
results give the same bytes: ids are salted with a constant, and no date or program version is written.
"""

import io
import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from lookback import config
from lookback.buckets import Bucket
from lookback.errors import LookbackError
from lookback.probes import Point
from lookback.report.results import SPARSE, Results, Score, System

OKABE_ITO = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.8)), (0, (1.2, 1.4)), (0, (6, 1.5, 1.2, 1.5)), (0, (9, 2)))
FIRST = ("rnn_encoder_decoder", "bahdanau", "transformer")

FORMATS = ("svg", "png", "pdf")
NARROW_INCHES = 3.7
"""Width of the second drawing that the HTML page shows on a phone."""
SHADES = 32
"""Of gray, in alignments: more than the eye tells apart."""

MOST_NAMED = 11
"""Buckets that have their name and count under a picture; of more, as many windows make, every second or third."""

LOWEST = 1e-12
"""A logarithmic axis goes no further down."""

PLAIN: Any = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.0,
}
"""On top of matplotlib's `default` style only: another style is left as it is."""

FIXED: Any = {
    "svg.hashsalt": "lookback",
    "axes.formatter.useoffset": False,
    "pdf.compression": 6,
}


@dataclass(frozen=True)
class Look:
    """How one line is drawn."""

    color: str
    marker: str
    dash: Any
    filled: bool

    @property
    def line(self) -> dict[str, Any]:
        return {"color": self.color, "linestyle": self.dash, "marker": self.marker, **self.face}

    @property
    def face(self) -> dict[str, Any]:
        background = matplotlib.rcParams["axes.facecolor"]
        return {"markerfacecolor": self.color if self.filled else background, "markeredgecolor": self.color}


def looks(results: Results) -> dict[System, Look]:
    """A look for each system of an experiment."""
    return looks_of(results.systems)


def looks_of(systems: Sequence[System]) -> dict[System, Look]:
    """A look for each system; the three architectures of the project have the same colours in every experiment."""
    models = list(dict.fromkeys(system.model for system in systems))
    others = [model for model in models if model not in FIRST]
    places = {model: FIRST.index(model) if model in FIRST else 3 + others.index(model) for model in models}
    if not any(model in FIRST for model in models):
        places = {model: index for index, model in enumerate(models)}
    lengths = sorted({system.max_train_words for system in systems}, reverse=True)
    # Where there are more models than colours, those that share one differ in their dash.
    return {
        system: Look(
            color=OKABE_ITO[places[system.model] % len(OKABE_ITO)],
            marker=MARKERS[places[system.model] % len(MARKERS)],
            dash=DASHES[(lengths.index(system.max_train_words) + places[system.model] // len(MARKERS)) % len(DASHES)],
            filled=system.max_train_words == lengths[0],
        )
        for system in systems
    }


@contextmanager
def styled(settings: config.Report) -> Iterator[None]:
    """matplotlib set as the report wants it, and put back afterwards."""
    known = ["default", *sorted(matplotlib.style.available)]
    if settings.style not in known:
        raise LookbackError(
            f"params.yaml: report.style: matplotlib has no style {settings.style!r}; it has {', '.join(known)}"
        )
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Scripts that the font lacks (say, Chinese pieces on an axis) become boxes; the text beside it has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        matplotlib.rcdefaults()
        if settings.style == "default":
            matplotlib.rcParams.update(PLAIN)
        else:
            matplotlib.style.use(settings.style)
        matplotlib.rcParams.update(FIXED)
        yield


def save(figure: Figure, kind: str, dpi: int, text_as_paths: bool = True) -> bytes:
    """The figure as `svg`, `png` or `pdf`; equal figures give equal bytes.

    Text in an SVG file is drawn as paths, and so looks the same everywhere; as text it is smaller, can be searched, and
    takes a font of the reader's machine.
    """
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Date": None, "Creator": None},
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path" if text_as_paths else "none"}):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata[kind])
    return buffer.getvalue()


# --- quality against length -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One system in a picture of quality against length."""

    name: str
    look: Look
    scores: Sequence[Score]
    """One a bucket."""
    max_train_words: int | None
    """Where its training length is to be marked; nowhere, if it is not known or the buckets are not of words."""


def length(
    results: Results, width: float, column: str = "bleu", label: str = "BLEU", top: float | None = 100
) -> Figure:
    """A column of `by_length.csv` against source length, a line a system, with its intervals where it has them.

    Args:
        results: the experiment.
        width: inches; below 5 the labels of the lines go beneath the axes.
        column: `bleu`, `chrf`, or one without intervals, such as `reference_loss`.
        label: what the vertical axis says.
        top: the largest value that the column can have, if it has one.
    """
    styles, buckets = looks(results), results.buckets
    lines = [
        Line(
            name=system.name,
            look=styles[system],
            scores=[results.score(system, bucket, column) for bucket in buckets],
            max_train_words=system.max_train_words,
        )
        for system in results.systems
    ]
    return by_length(lines, buckets, width, label, top)


def by_length(
    lines: Sequence[Line],
    buckets: Sequence[Bucket],
    width: float,
    label: str = "BLEU",
    top: float | None = 100,
    unit: str = "source words",
) -> Figure:
    """Scores against length, a line a system: `length` for whatever has scores in buckets.

    Args:
        lines: at least one.
        buckets: from short to long; windows, which overlap, or buckets that do not.
        width, label, top: as of `length`.
        unit: what the lengths are counted in.
    """
    figure, axes = _canvas(width)
    ends: list[tuple[str, Look, float, float]] = []
    highest = 0.0
    for line, offset in zip(lines, _offsets(len(lines)), strict=True):
        look = line.look
        x = np.arange(len(buckets)) + offset
        y = np.array([score.value for score in line.scores])
        axes.plot(x, y, **look.line, zorder=3)
        seeds = np.array([score.seeds for score in line.scores]).T
        low, high = (np.array([getattr(score, side) for score in line.scores]) for side in ("low", "high"))
        known = ~np.isnan(y) & ~np.isnan(low) & ~np.isnan(high)
        if known.any():
            bars = [(y - low)[known].clip(min=0), (high - y)[known].clip(min=0)]
            style = {"ecolor": look.color, "elinewidth": 1, "capsize": 2, "zorder": 2}
            axes.errorbar(x[known], y[known], yerr=bars, fmt="none", **style)
        if len(seeds) > 1:
            for values in seeds:
                axes.plot(x, values, linestyle="none", marker=".", color=look.color, zorder=2)
        highest = max([highest, *y[~np.isnan(y)], *high[~np.isnan(high)]])
        if not np.isnan(y).all():
            last = int(np.flatnonzero(~np.isnan(y))[-1])
            ends.append((line.name, look, float(x[last]), float(y[last])))
    axes.set_ylim(0, _ceiling(highest, top))
    axes.set_xlim(-0.5, len(buckets) - 0.5)
    named = range(0, len(buckets), math.ceil(len(buckets) / MOST_NAMED))
    axes.set_xticks(named, [f"{buckets[i]}\n{_n(lines[0].scores[i].n)}" for i in named])
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(f"{unit} (bounds included)")
    axes.set_ylabel(label)
    _mark_training_lengths(axes, lines, buckets)
    _label_lines(figure, axes, ends)
    return figure


def _canvas(width: float, ratio: float = 0.58) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, width * (ratio if width >= 5 else 0.9)), layout="constrained")
    return figure, figure.add_subplot()


def _n(count: int) -> str:
    return f"n={count}" + ("†" if 0 < count < SPARSE else "")


def _offsets(count: int) -> list[float]:
    """Sideways shifts, in buckets, that keep the error bars of the systems apart."""
    step = min(0.07, 0.5 / max(count, 1))
    return [(index - (count - 1) / 2) * step for index in range(count)]


def _ceiling(highest: float, limit: float | None) -> float:
    """The top of an axis that starts at 0: a little above the highest value, a round number."""
    if highest <= 0:
        return 1.0
    step = 10 ** math.floor(math.log10(highest)) / 2
    ceiling = math.ceil(highest * 1.03 / step) * step
    return ceiling if limit is None or ceiling < limit else limit * 1.02


def _position(words: int, buckets: Sequence[Bucket]) -> float | None:
    """Where a length lies on an axis of buckets; in an open bucket, its middle. Of windows, by their middles."""
    bounds = [(bucket.low or 0, math.inf if bucket.high is None else bucket.high) for bucket in buckets]
    if any(before[1] >= after[0] for before, after in itertools.pairwise(bounds)):
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


def _mark_training_lengths(axes: Axes, lines: Sequence[Line], buckets: Sequence[Bucket]) -> None:
    dashes = {line.max_train_words: line.look.dash for line in reversed(lines) if line.max_train_words is not None}
    places = {words: x for words in sorted(dashes) if (x := _position(words, buckets)) is not None}
    # A length beyond every sentence of the test set has no place.
    roomy = axes.figure.get_figure(root=True).get_size_inches()[0] >= 5
    near = any(after - before < len(buckets) / 4 for before, after in itertools.pairwise(places.values()))
    for index, (words, x) in enumerate(places.items()):
        axes.axvline(x, color="0.45", linewidth=1.1, linestyle=dashes[words], zorder=1)
        right = x > len(buckets) - 1.2
        axes.annotate(
            f"trained up to {words} words" if roomy else f"up to {words}",
            xy=(x, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4 if index % 2 == 0 or not (near or len(dashes) > 2) else 14),
            textcoords="offset points",
            ha="right" if right else "center",
            va="bottom",
            fontsize="small",
            annotation_clip=False,
        )


# --- training curves --------------------------------------------------------------------------------------------------


def curves(results: Results, width: float) -> Figure:
    """Validation loss against target tokens, a line a cell; a marker at its lowest point, the weights that are used."""
    figure, axes = _canvas(width)
    styles = looks(results)
    ends: list[tuple[str, Look, float, float]] = []
    everything: list[float] = []
    most = max((point.target_tokens for cell in results.cells for point in cell.curves), default=0.0)
    unit, word = (1e6, "million") if most >= 2e6 else (1e3, "thousand")
    for system in results.systems:
        look, last = styles[system], None
        for result in results.of(system):
            points = [p for p in result.curves if not math.isnan(p.valid_loss)]
            if not points:
                continue
            x, y = [p.target_tokens / unit for p in points], [p.valid_loss for p in points]
            everything += y
            axes.plot(x, y, color=look.color, linestyle=look.dash, linewidth=1.4 if last is None else 0.8, zorder=3)
            best = int(np.argmin(y))
            axes.plot(x[best], y[best], linestyle="none", marker=look.marker, **look.face, zorder=4)
            last = last or (system.name, look, x[-1], y[-1])
        if last:
            ends.append(last)
    label, scale = "validation loss (nats/piece{})", ""
    if everything and max(everything) / max(min(everything), 1e-9) > 10:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        scale = ", log"
    elif everything:
        axes.set_ylim(0, _ceiling(max(everything), None))
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel(f"target tokens seen ({word})")
    axes.set_ylabel(label.format(scale))
    _label_lines(figure, axes, ends)
    return figure


# --- what was measured on models --------------------------------------------------------------------------------------


def probe(
    results: Results,
    width: float,
    measure: str,
    x_label: str,
    label: str,
    log: bool = True,
    beside: str = "",
    series: tuple[str, ...] = (),
    x_by: str = "",
    top: float | None = None,
) -> Figure:
    """A measure of `probe.csv` against its x: a line a cell and series, with its interval.

    Args:
        results: the experiment; some cell has such points.
        width: inches.
        measure: in the column `measure`; each of its series has a dash, in the order in which they come.
        x_label, label: what the axes say.
        log: whether the vertical axis is logarithmic.
        beside: a second measure of the first series, drawn thin and dotted where there is one.
        series: the lines to draw, if not all.
        x_by: which x, of a measure that has several.
        top: the largest value that the measure can have, if it has one.
    """
    figure, axes = _canvas(width)
    styles = looks(results)
    names = list(series) or list(
        dict.fromkeys(p["series"] for cell in results.cells for p in cell.points if p["measure"] == measure)
    )
    everything = [point for cell in results.cells for name in names for point in cell.curve(measure, name, x_by)]
    dashes = dict(zip(names, itertools.cycle(DASHES), strict=False))
    shown = [point["value"] for point in everything if point["value"] > (LOWEST if log else 0)]
    log, shown = log and bool(shown), shown or [1.0]
    ends: list[tuple[str, Look, float, float]] = []
    for system in results.systems:
        look = replace(styles[system], dash="-")  # here dashes tell the series apart
        for number, cell in enumerate(results.of(system)):
            for name, dash in dashes.items():
                x, y, low, high = _columns(cell.curve(measure, name, x_by))
                style = look.line | {"linestyle": dash, "linewidth": 0.8 if number else 1.5, "markersize": 4}
                axes.plot(x, y, **style, markevery=max(1, len(x) // 8), zorder=3)
                axes.fill_between(x, low, high, color=look.color, alpha=0.18, linewidth=0, zorder=2)
                visible = np.flatnonzero(y >= min(shown) * log)
                if number == 0 and name == names[0] and len(visible):
                    ends.append((system.name, look, float(x[visible[-1]]), float(y[visible[-1]])))
            x, y, *_ = _columns(cell.curve(beside, names[0]))
            axes.plot(x, y, color=look.color, linestyle=":", linewidth=1.0, zorder=1)
    if log:
        axes.set_yscale("log")
        axes.set_ylim(min(shown) / 2, max(shown) * 3)
    else:
        highs = (point["high"] for point in everything if not math.isnan(point["high"]))
        axes.set_ylim(0, _ceiling(max([*shown, *highs]), top))
    axes.set_xlim(left=0)
    axes.set_xlabel(x_label)
    axes.set_ylabel(f"{label} (log)" if log else label)
    handles = [Line2D([], [], color="0.3", linestyle=dash) for dash in dashes.values()]
    if any(cell.curve(beside, names[0]) for cell in results.cells):
        handles.append(Line2D([], [], color="0.3", linestyle=":", linewidth=1.0))
        names = [*names, "bound"]
    if len(names) > 1:
        axes.legend(handles, names, loc="lower left" if log else "best", fontsize="small", frameon=False)
    _label_lines(figure, axes, ends)
    return figure


def _columns(points: list[Point]) -> Iterator[np.ndarray]:
    """x, value, low and high of a curve, an array each."""
    for key in ("x", "value", "low", "high"):
        yield np.array([point[key] for point in points], dtype=float)


# --- labels -----------------------------------------------------------------------------------------------------------


def _label_lines(figure: Figure, axes: Axes, ends: list[tuple[str, Look, float, float]]) -> None:
    """Names each line at its end, the names pushed apart; in a legend beneath where there is no room at the side."""
    if not ends:
        return
    width, height = figure.get_size_inches()
    if width < 5 or len(ends) > 9:
        handles = [Line2D([], [], **look.line) for _, look, _, _ in ends]
        columns = 1 if max(len(name) for name, *_ in ends) > 26 else 2 if width < 5 else 3
        figure.set_size_inches(width, height + 0.17 * math.ceil(len(ends) / columns))
        figure.legend(
            handles,
            [name for name, *_ in ends],
            loc="outside lower center",
            ncols=columns,
            frameon=False,
            fontsize="small",
            handlelength=3.2,
        )
        return
    to_axes = axes.transData + axes.transAxes.inverted()
    wanted = [float(to_axes.transform((x, y))[1]) for _, _, x, y in ends]
    points = matplotlib.rcParams["font.size"] * 1.35
    placed = spread(wanted, gap=points / (height * 72 * 0.78))
    for (name, look, x, y), at in zip(ends, placed, strict=True):
        axes.annotate(
            "",
            xy=(x, y),
            xytext=(1.045, at),
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "color": look.color, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 4},
            annotation_clip=False,
        )
        sample: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        axes.plot([1.05, 1.13], [at, at], color=look.color, linestyle=look.dash, **sample)
        axes.plot(1.09, at, linestyle="none", marker=look.marker, **look.face, **sample)
        axes.annotate(
            name, xy=(1.15, at), xycoords="axes fraction", va="center_baseline", fontsize="small", annotation_clip=False
        )


def spread(wanted: list[float], gap: float) -> list[float]:
    """Positions as near as possible to the wanted ones, in their order, at least `gap` apart and not above 1."""
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], -index))
    # Blocks of labels that touch: each sits where the mean distance to the wanted positions is 0.
    blocks: list[tuple[float, list[int]]] = []
    for index in order:
        blocks.append((wanted[index], [index]))
        while len(blocks) > 1 and blocks[-1][0] - blocks[-2][0] < gap * (len(blocks[-1][1]) + len(blocks[-2][1])) / 2:
            members = blocks[-2][1] + blocks[-1][1]
            blocks[-2:] = [(sum(wanted[i] for i in members) / len(members), members)]
    placed = [0.0] * len(wanted)
    for center, members in blocks:
        for rank, index in enumerate(members):
            placed[index] = center + (rank - (len(members) - 1) / 2) * gap
    overflow = max([0.0, *(value - 1.0 for value in placed)])
    return [value - overflow for value in placed]


# --- alignments -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alignment:
    """One system's alignment of one sentence: weights [T, S], a row a target piece."""

    system: str
    source: list[str]
    target: list[str]
    weights: np.ndarray


def alignments(items: list[Alignment], width: float) -> Figure:
    """A heat map a system, source pieces across and target pieces down: side by side where the pieces stay legible."""
    columns = min(len(items), max(1, int(width // max(1.2, 0.13 * max(len(item.source) for item in items) + 0.9))))
    rows = math.ceil(len(items) / columns)
    side = width / columns - 0.8
    size = max(3.5, min(9.0, 72 * side / max(len(item.source) for item in items) * 0.72))
    # Square cells, but no figure higher than a page.
    labels = 0.14 * size / 9 * max(len(piece) for item in items for piece in item.source) + 0.4
    tall = [min(9.0, side * len(item.target) / len(item.source) + labels) for item in items]
    heights = [max(tall[row * columns : (row + 1) * columns]) for row in range(rows)]
    figure = Figure(figsize=(width, sum(heights)), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, height_ratios=heights)
    for index, axes in enumerate(grid.flat):
        if index >= len(items):
            axes.set_axis_off()
            continue
        item = items[index]
        axes.add_collection(_cells(item.weights))
        axes.set_xlim(-0.5, len(item.source) - 0.5)
        axes.set_ylim(len(item.target) - 0.5, -0.5)
        axes.set_xticks(range(len(item.source)), item.source, rotation=90, fontsize=size, parse_math=False)
        axes.set_yticks(range(len(item.target)), item.target, fontsize=size, parse_math=False)
        axes.xaxis.tick_top()
        axes.tick_params(length=0, pad=2)
        axes.grid(visible=False)
        _grid(axes, len(item.target), len(item.source))
        for spine in axes.spines.values():
            spine.set_visible(True)
        axes.set_xlabel(item.system)
    return figure


def _grid(axes: Axes, rows: int, columns: int) -> None:
    """The lines between the cells, as one path: a path each would be most of the file."""
    across = [(x, y) for y in np.arange(0.5, rows - 1) for x in (-0.5, columns - 0.5, np.nan)]
    down = [(x, y) for x in np.arange(0.5, columns - 1) for y in (-0.5, rows - 0.5, np.nan)]
    axes.plot(*zip(*across, *down, (np.nan, np.nan), strict=True), color="#dddddd", linewidth=0.4, zorder=0)


def _cells(weights: np.ndarray) -> PathCollection:
    """The weights [T, S] as gray squares, 0 white and 1 black: vectors, so that no viewer blurs them. The squares of
    one shade are one path and white ones none, which keeps the file small."""
    shades = np.round(np.clip(weights, 0, 1) * SHADES)
    paths, colors = [], []
    for shade in np.unique(shades[shades > 0]):
        rows, columns = np.nonzero(shades == shade)
        corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5)])
        squares = np.stack([columns, rows], axis=1)[:, None, :] + corners
        paths.append(Path.make_compound_path(*(Path(square, closed=True) for square in squares)))
        colors.append(str(1 - shade / SHADES))
    return PathCollection(paths, facecolors=colors, linewidths=0)
