"""What the page is made of, and how numbers look on it."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from lookback.lesson.drawing import Drawing
from lookback.rendering.table import Table


@dataclass(frozen=True)
class Formula:
    """Plain text, each line on its own."""

    lines: tuple[str, ...]


Block = str | Formula | Table | Drawing


@dataclass(frozen=True)
class Section:
    name: str
    """For links to it."""
    title: str
    blocks: tuple[Block, ...]


def number(value: float | Tensor, digits: int = 2) -> str:
    """Rounded the same on every machine, also halfway between two; with a minus sign."""
    return f"{round(float(value), 9) + 0.0:.{digits}f}".replace("-", "−")


def factor(value: float | Tensor) -> str:
    """An input within a product."""
    return f"({number(value, 1)})" if value < 0 else number(value, 1)


def vector(values: Iterable[float] | Tensor, digits: int = 2) -> str:
    return f"({', '.join(number(value, digits) for value in values)})"


def matrix_rows(*matrices: Tensor) -> tuple[tuple[str, ...], ...]:
    """Matrices beside one another, a row of all of them a row."""
    return tuple(
        (f"row {index}", *(vector(row, 1) for row in rows))
        for index, rows in enumerate(zip(*matrices, strict=True), start=1)
    )
