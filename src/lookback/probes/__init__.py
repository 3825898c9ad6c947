"""Measures on models, trained and untrained, one file a subject: what a state remembers, where a decoder looks."""

from typing import TypedDict


class Point(TypedDict):
    """One point of a curve, and one row of `reports/<experiment>/cells/<cell>/probe.csv`, whose columns are these."""

    measure: str
    """What was measured, as `jacobian_norm`."""
    series: str
    """Which of the lines of that measure, as `trained` and `untrained`."""
    x_by: str
    """What `x` counts, as `steps`."""
    x: float | None
    """None for a number that is no curve."""
    n: int
    """Sentences (or positions) that `value` is the mean of; 1 for what is a property of the model."""
    value: float
    low: float
    """With `high` the bootstrap interval of the mean, NaN where it makes no sense (n = 1)."""
    high: float
