"""The parts of the page, and the format of its numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from lookback.lesson.drawing import Drawing
from lookback.rendering.table import Table


@dataclass(frozen=True)
class Formula:
    """A formula in plain text, by line."""

    lines: tuple[str, ...]


Block = str | Formula | Table | Drawing


@dataclass(frozen=True)
class Section:
    name: str
    """The name in links."""
    title: str
    blocks: tuple[Block, ...]


def number(value: float | Tensor, digits: int = 2) -> str:
    """A number, rounded the same on every machine, also halfway between two; with a real minus sign."""
    return f"{round(float(value), 9) + 0.0:.{digits}f}".replace("-", "−")


def factor(value: float | Tensor) -> str:
    """An input as a factor of a product, in brackets if negative."""
    return f"({number(value, 1)})" if value < 0 else number(value, 1)


def vector(values: Iterable[float] | Tensor, digits: int = 2) -> str:
    return f"({', '.join(number(value, digits) for value in values)})"


def matrix_rows(*matrices: Tensor) -> tuple[tuple[str, ...], ...]:
    """Matrices side by side: each row has the same row of all of them."""
    return tuple(
        (f"row {index}", *(vector(row, 1) for row in rows))
        for index, rows in enumerate(zip(*matrices, strict=True), start=1)
    )
