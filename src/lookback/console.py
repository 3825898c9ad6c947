"""Terminal output: progress bars (or occasional lines in a log), readable numbers, and one-line errors."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from lookback.errors import LookbackError


@contextmanager
def one_line(missing: str = "", interrupted: str = "interrupted") -> Iterator[None]:
    """A context in which bad input ends the program with one line and status 1, never a traceback.

    Args:
        missing: text after the reason when a file cannot be read or written.
        interrupted: the line when the user interrupts the program.
    """
    try:
        yield
    except LookbackError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:  # the reader has closed the pipe
        sys.exit(1)
    except OSError as error:  # a missing file, a full disk
        sys.exit(f"error: {error.filename or 'input or output'}: {error.strerror or error}{missing}")
    except KeyboardInterrupt:
        sys.exit(interrupted)


def bar(description: str, total: int | None, unit: str = "B") -> Any:
    """A tqdm bar on standard error, with rate and remaining time; `total` in `unit`s, None if unknown."""
    return tqdm(
        desc=description,
        total=total,
        unit=unit,
        unit_scale=True,
        mininterval=0.5 if sys.stderr.isatty() else 30.0,
        dynamic_ncols=True,
    )


def amount(size: float) -> str:
    """Bytes in a readable unit: `250 MB`."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def duration(seconds: float) -> str:
    """Seconds as a rough duration: `40 s`, `4 min`, `2 h 10 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
