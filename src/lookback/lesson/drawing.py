"""The pictures: maps of weights, with numbers in the cells if they are few; and waves.

Maps are written as SVG directly: matplotlib's files of so many small maps would be ten times as large. A panel is one
file, and is part of the HTML page, too. A drawing is several panels with one caption.
"""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from torch import Tensor

from lookback.rendering.figures import SHADES, save
from lookback.rendering.looks import MARKERS, OKABE_ITO

FONT = 12
"""Pixels, like all lengths here; a letter is about 0.6 of it wide."""
SMALL_CELL, LARGE_CELL = 16, 34
"""The size of a cell without and with numbers."""


@dataclass(frozen=True)
class Panel:
    svg: bytes
    width: int
    """Pixels."""
    alternative: str
    """The text alternative."""


@dataclass(frozen=True)
class Drawing:
    name: str
    caption: str
    panels: tuple[Panel, ...]


def percent(weight: float) -> str:
    """A weight in whole percent, without the sign; empty for exactly 0, which only a mask gives."""
    return f"{round(100 * weight, 9):.0f}" if weight else ""


def numbered(label: str, rows: Sequence[str], columns: Sequence[str], weights: ArrayLike | Tensor) -> Panel:
    """A map of few weights [rows, columns], with whole percents in the cells."""
    values = np.asarray(weights)
    told = (f"{row}: {' '.join(percent(w) or 'none' for w in line)}" for row, line in zip(rows, values, strict=True))
    columns_told = f"in percent for {', '.join(columns)}"
    return _map(label, rows, columns, values, f"{label} {columns_told}; {'; '.join(told)}".lstrip(), numbers=True)


def plain(
    label: str, rows: Sequence[str], columns: Sequence[str], weights: ArrayLike | Tensor, alternative: str
) -> Panel:
    """A map of many weights [rows, columns], only as shades."""
    return _map(label, rows, columns, np.asarray(weights), alternative, numbers=False)


def _map(
    label: str, rows: Sequence[str], columns: Sequence[str], weights: np.ndarray, alternative: str, numbers: bool
) -> Panel:
    cell = LARGE_CELL if numbers else SMALL_CELL
    left, top = (math.ceil(0.62 * FONT * max(map(len, names))) + 6 for names in (rows, columns))
    across, down = cell * len(columns), cell * len(rows)
    width, height = left + across + 2, top + down + (22 if label else 2)
    middle = round(0.36 * FONT)  # from the middle of a line of text to its baseline
    parts = [f'<rect width="{width}" height="{height}" fill="#fff"/>']
    shades = np.round(np.clip(weights, 0, 1) * SHADES).astype(int)
    for shade in np.unique(shades[shades > 0]):  # the cells of one shade are one path, as in the report
        gray = f"{round(255 * (1 - shade / SHADES)):02x}" * 3
        path = "".join(
            f"M{left + cell * c} {top + cell * r}h{cell}v{cell}h-{cell}z" for r, c in np.argwhere(shades == shade)
        )
        parts.append(f'<path d="{path}" fill="#{gray}"/>')
    lines = "".join(f"M{left} {top + cell * r}h{across}" for r in range(len(rows) + 1))
    lines += "".join(f"M{left + cell * c} {top}v{down}" for c in range(len(columns) + 1))
    parts.append(f'<path d="{lines}" stroke="#ccc" stroke-width="0.5"/>')
    for r, row in enumerate(rows):
        parts.append(_text(left - 4, top + cell * r + cell // 2 + middle, row, 'text-anchor="end"'))
    for c, column in enumerate(columns):
        x, y = left + cell * c + cell // 2 + middle, top - 4
        parts.append(_text(x, y, column, f'transform="rotate(-90 {x} {y})"'))
    for (r, c), weight in np.ndenumerate(weights):
        if numbers and weight:
            white = ' fill="#fff"' if weight > 0.5 else ""
            x, y = left + cell * c + cell // 2, top + cell * r + cell // 2 + middle
            parts.append(_text(x, y, percent(weight), f'text-anchor="middle"{white}'))
    if label:
        parts.append(_text(left + across // 2, height - 6, label, 'text-anchor="middle"'))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    font = f'font-family="\'DejaVu Sans\', Verdana, sans-serif" font-size="{FONT}"'
    svg = "\n".join([f"{head} {font}>", *parts, "</svg>\n"])
    return Panel(svg.encode(), width, alternative)


def _text(x: int, y: int, text: str, attributes: str) -> str:
    return f'<text x="{x}" y="{y}" {attributes}>{html.escape(text)}</text>'


def waves(signals: Tensor, columns: Sequence[int], alternative: str) -> Panel:
    """Some columns of the sinusoids [positions, width] as lines, in the current style."""
    figure = Figure(figsize=(4.8, 2.9), layout="constrained")
    axes = figure.add_subplot()
    for column, color, marker in zip(columns, OKABE_ITO, MARKERS, strict=False):
        axes.plot(signals[:, column], color=color, marker=marker, markersize=3, label=f"column {column}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("position")
    axes.set_ylabel("signal")
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize="small", handlelength=1.6)
    return Panel(save(figure, "svg", dpi=72, text_as_paths=False), round(4.8 * 96), alternative)
