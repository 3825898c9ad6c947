"""The figures of the report: charts drawn with matplotlib, and alignments.

They use matplotlib's object interface: no window, and no global state except the style, which is set and restored. The
same results give the same bytes: ids are salted with a constant, and no date or program version is written.
"""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
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
from PIL import Image

from lookback import config
from lookback.csv_tables import as_csv
from lookback.errors import LookbackError
from lookback.evaluation.systems import SPARSE
from lookback.rendering.chart import LOWEST, Chart, Line, position
from lookback.rendering.looks import Look

FORMATS = ("svg", "png", "pdf")
SHADES = 32
"""Shades of gray in alignments: more than the eye can distinguish."""

MOST_NAMED = 11
"""The most buckets with name and count under a picture (half as many under a narrow one). If there are more, such as
windows, only every second or third is named."""

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
"""Changes to matplotlib's `default` style; other styles are left as they are."""

FIXED: Any = {
    "svg.hashsalt": "lookback",
    "axes.formatter.useoffset": False,
    "pdf.compression": 6,
}


@contextmanager
def styled(settings: config.Report) -> Iterator[None]:
    """Set matplotlib for the report, and restore it afterwards."""
    known = ["default", *sorted(matplotlib.style.available)]
    if settings.style not in known:
        raise LookbackError(
            f"params.yaml: report.style: matplotlib has no style {settings.style!r}; it has {', '.join(known)}"
        )
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Characters that the font lacks (such as Chinese pieces on an axis) become boxes; the text has them.
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

    Text in an SVG file is drawn as paths and looks the same everywhere. As text it is smaller, can be searched, and
    uses a font of the reader's machine.
    """
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Date": None, "Creator": None},
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path" if text_as_paths else "none"}):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata[kind])
    figure.set_layout_engine("none")  # laid out once, so that all formats are alike
    return _with_palette(buffer, dpi) if kind == "png" else buffer.getvalue()


def _with_palette(buffer: io.BytesIO, dpi: int) -> bytes:
    """A PNG file in 256 colours: lines on white look the same, in a third of the bytes."""
    output = io.BytesIO()
    picture = Image.open(buffer).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    # The fast method makes white a shade darker.
    picture.putpalette([255 if value >= 254 else value for value in picture.getpalette() or []])
    picture.save(output, "png", dpi=(dpi, dpi))
    return output.getvalue()


# --- charts ----------------------------------------------------------------------------------------------------------


def draw(chart: Chart, width: float) -> Figure:
    """Draw a chart: one line for each system and series, with intervals where it has them.

    Args:
        chart: with at least one line. Intervals are bars on an axis of buckets, and bands on other axes.
        width: inches; below 5, the labels of the lines are beneath the axes.
    """
    figure, axes = _canvas(width)
    ends: list[tuple[str, Look, float, float]] = []
    heights: list[float] = []
    series = chart.series
    for line, offset in zip(chart.lines, _offsets(len(chart.lines)), strict=True):
        x, y, low, high = _columns(line)
        if chart.x.buckets:
            x = x + offset
            _bars(axes, line, x, y, low, high)
        else:
            axes.fill_between(x, low, high, color=line.look.color, alpha=0.18, linewidth=0, zorder=2)
        _line(axes, line, x, y, chart)
        if not (line.thin and line.seed is None):  # a bound may be anywhere
            heights += [value for value in (*y, *high) if not math.isnan(value)]
        visible = np.flatnonzero(y > (LOWEST if chart.y.log else -math.inf))
        if len(visible) and not line.thin and line.series == next(iter(series), line.series):
            ends.append((line.system, line.look, float(x[visible[-1]]), float(y[visible[-1]])))
    _scale_y(axes, chart, heights)
    _scale_x(axes, chart)
    if series:
        handles = [
            Line2D([], [], color="0.3", linestyle=line.look.dash, linewidth=1.0 if line.thin else 1.5)
            for line in series.values()
        ]
        place = "lower left" if chart.y.log else "best"
        axes.legend(handles, list(series), loc=place, fontsize="small", frameon=False)
    _mark_training_lengths(axes, chart)
    _label_lines(figure, axes, ends)
    return figure


def _canvas(width: float, ratio: float = 0.58) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, width * (ratio if width >= 5 else 0.9)), layout="constrained")
    return figure, figure.add_subplot()


def _columns(line: Line) -> Iterator[np.ndarray]:
    """x, y, low and high of a line, one array each."""
    for key in ("x", "y", "low", "high"):
        yield np.array([getattr(point, key) for point in line.points], dtype=float)


def _line(axes: Axes, line: Line, x: np.ndarray, y: np.ndarray, chart: Chart) -> None:
    look = line.look
    if line.thin and line.seed is None:
        axes.plot(x, y, color=look.color, linestyle=look.dash, linewidth=1.0, zorder=1)
    elif line.lowest:
        axes.plot(x, y, color=look.color, linestyle=look.dash, linewidth=0.8 if line.thin else 1.4, zorder=3)
        best = int(np.nanargmin(y))
        axes.plot(x[best], y[best], linestyle="none", marker=look.marker, **look.face, zorder=4)
    elif chart.x.buckets:
        axes.plot(x, y, **look.line, zorder=3)
    else:
        style = look.line | {"linewidth": 0.8 if line.thin else 1.5, "markersize": 4}
        axes.plot(x, y, **style, markevery=max(1, len(x) // 8) if len(x) > 16 else 1, zorder=3)


def _bars(axes: Axes, line: Line, x: np.ndarray, y: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    known = ~np.isnan(y) & ~np.isnan(low) & ~np.isnan(high)
    if known.any():
        bars = [(y - low)[known].clip(min=0), (high - y)[known].clip(min=0)]
        style = {"ecolor": line.look.color, "elinewidth": 1, "capsize": 2, "zorder": 2}
        axes.errorbar(x[known], y[known], yerr=bars, fmt="none", **style)
    for place, point in zip(x, line.points, strict=True):
        if point.seeds:
            values = {"linestyle": "none", "marker": ".", "color": line.look.color, "zorder": 2}
            axes.plot([place] * len(point.seeds), point.seeds, **values)


def _scale_y(axes: Axes, chart: Chart, heights: list[float]) -> None:
    shown = [value for value in heights if value > (LOWEST if chart.y.log else 0)] or [1.0]
    axes.set_ylabel(f"{chart.y.label}, log" if chart.y.log else chart.y.label)
    if not chart.y.log:
        axes.set_ylim(0, _ceiling(max(shown), chart.y.top))
        return
    axes.set_yscale("log")
    if max(shown) / min(shown) < 1000:  # too few powers of ten to read a value by
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_ylim(min(shown) / 2, max(shown) * 3)


def _scale_x(axes: Axes, chart: Chart) -> None:
    buckets = chart.x.buckets
    if not buckets:
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.set_xlabel(chart.x.label)
        return
    wide = axes.figure.get_figure(root=True).get_size_inches()[0] >= 5
    named = range(0, len(buckets), math.ceil(len(buckets) / (MOST_NAMED if wide else MOST_NAMED // 2 + 1)))
    axes.set_xticks(named, [f"{buckets[i]}\n{_n(chart.counts[i])}" for i in named])
    axes.set_xlim(-0.5, len(buckets) - 0.5)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(f"{chart.x.label} (bounds included)")


def _n(count: int) -> str:
    return f"n={count}" + ("†" if 0 < count < SPARSE else "")


def _offsets(count: int) -> list[float]:
    """Horizontal shifts, in buckets, that separate the error bars of the systems."""
    step = min(0.07, 0.5 / max(count, 1))
    return [(index - (count - 1) / 2) * step for index in range(count)]


def _ceiling(highest: float, limit: float | None) -> float:
    """The top of an axis that starts at 0: a little above the highest value, a round number."""
    if highest <= 0:
        return 1.0
    step = 10 ** math.floor(math.log10(highest)) / 2
    ceiling = math.ceil(highest * 1.03 / step) * step
    return ceiling if limit is None or ceiling < limit else limit * 1.02


def _mark_training_lengths(axes: Axes, chart: Chart) -> None:
    dashes, buckets = dict(chart.marks), chart.x.buckets
    places = {words: x for words in dashes if (x := position(words, buckets)) is not None}
    # A length beyond every sentence of the test set has no place.
    roomy = axes.figure.get_figure(root=True).get_size_inches()[0] >= 5
    near = any(after - before < len(buckets) / 4 for before, after in pairwise(places.values()))
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


# --- labels -----------------------------------------------------------------------------------------------------------


def _label_lines(figure: Figure, axes: Axes, ends: list[tuple[str, Look, float, float]]) -> None:
    """Name each line at its end, without overlap; or in a legend beneath, where there is no room at the side."""
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
    """Positions as close as possible to the wanted ones, in their order, at least `gap` apart and not above 1."""
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], -index))
    # Blocks of labels that touch: each is placed where the mean distance to the wanted positions is 0.
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
    """One system's alignment of one sentence: weights [T, S], one row for each target piece."""

    system: str
    source: list[str]
    target: list[str]
    weights: np.ndarray


def alignments(items: list[Alignment], width: float) -> Figure:
    """A heat map for each system, source pieces across, target pieces down; side by side where pieces stay legible."""
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


def table(items: list[Alignment]) -> str:
    """The weights as CSV, one row for each pair of pieces with a weight above 0; places count from 1."""
    columns = ["system", "target_place", "target_piece", "source_place", "source_piece", "weight"]
    rows = (
        (item.system, row + 1, item.target[row], column + 1, item.source[column], f"{item.weights[row, column]:g}")
        for item in items
        for row, column in zip(*np.nonzero(item.weights), strict=True)
    )
    return as_csv(columns, rows)


def _grid(axes: Axes, rows: int, columns: int) -> None:
    """The lines between the cells, as one path: one path for each line would be most of the file."""
    across = [(x, y) for y in np.arange(0.5, rows - 1) for x in (-0.5, columns - 0.5, np.nan)]
    down = [(x, y) for x in np.arange(0.5, columns - 1) for y in (-0.5, rows - 0.5, np.nan)]
    axes.plot(*zip(*across, *down, (np.nan, np.nan), strict=True), color="#dddddd", linewidth=0.4, zorder=0)


def _cells(weights: np.ndarray) -> PathCollection:
    """The weights [T, S] as gray squares, 0 white and 1 black.

    They are vectors, so that no viewer blurs them. All squares of one shade are one path, and white squares are not
    drawn, which keeps the file small.
    """
    shades = np.round(np.clip(weights, 0, 1) * SHADES)
    paths, colors = [], []
    for shade in np.unique(shades[shades > 0]):
        rows, columns = np.nonzero(shades == shade)
        corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5)])
        squares = np.stack([columns, rows], axis=1)[:, None, :] + corners
        paths.append(Path.make_compound_path(*(Path(square, closed=True) for square in squares)))
        colors.append(str(1 - shade / SHADES))
    return PathCollection(paths, facecolors=colors, linewidths=0)
