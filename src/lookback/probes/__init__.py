"""Measures on trained models, beyond the score of their translations."""

from typing import TypedDict


class Point(TypedDict):
    measure: str
    series: str
    x_by: str
    x: float | None
    n: int
    value: float
    low: float
    high: float
