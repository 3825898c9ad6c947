"""Numbers, intervals and lists as reports print them; and text that is safe in Markdown."""

import math
import re
from collections.abc import Sequence
from typing import Any

from lookback.evaluation.systems import Score
from lookback.evaluation.tables import Row


def decimal(value: float | None, digits: int = 1) -> str:
    """A number as reports print it; a dash for NaN or None."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def integer(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{round(value):,}"


def share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f} %"


def interval(score: Score) -> str:
    """`97.9 [97.1, 98.6]`"""
    if math.isnan(score.value):
        return "–"
    if math.isnan(score.low) or math.isnan(score.high):
        return decimal(score.value)
    return f"{decimal(score.value)} [{decimal(score.low)}, {decimal(score.high)}]"


def signed(row: Row, mark: str = "") -> str:
    """A number of comparisons.csv, which may be negative, with a mark and its interval: `−3.2 * [−3.9, −2.5]`"""
    if not row or row["value"] is None:
        return "–"
    known = [row[key] for key in ("value", "low", "high") if row[key] is not None]
    value, *bounds = [f"{round(number, 1) + 0.0:.1f}".replace("-", "−") for number in known]
    return value + mark + (f" [{', '.join(bounds)}]" if bounds else "")


def probability(p: float) -> str:
    """`= 0.012`, `< 0.001`"""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def listed(items: Sequence[Any]) -> str:
    """`a, b and c`"""
    texts = [str(item) for item in items]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def code(name: str) -> str:
    return f"`{name}`"


MARKDOWN = re.compile(r"[\\`*<>|~$]|(?<!\w)_|_(?!\w)|&(?=#?\w+;)|\](?=[(\[:])")
"""Characters that Markdown may interpret in the middle of a line."""


def escape_markdown(text: str) -> str:
    """Foreign text on one line, escaped so that it contains no Markdown or HTML."""
    return MARKDOWN.sub(r"\\\g<0>", " ".join(str(text).split()))
