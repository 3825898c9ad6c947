"""What is said on the terminal: a bar where someone is watching, a line now and then in a log; numbers for people."""

import sys
from typing import Any

from tqdm import tqdm


def bar(description: str, total: int | None, unit: str = "B") -> Any:
    """A tqdm bar on standard error, with rate and remaining time; `total` in `unit`s, None where it is not known."""
    return tqdm(
        desc=description,
        total=total,
        unit=unit,
        unit_scale=True,
        mininterval=0.5 if sys.stderr.isatty() else 30.0,
        dynamic_ncols=True,
    )


def amount(size: float) -> str:
    """Bytes as a reader likes them: `250 MB`."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def duration(seconds: float) -> str:
    """A span of time, roughly: `40 s`, `4 min`, `2 h 10 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
