"""Settings for all tests, and the browser that some take."""

import os
from collections import Counter

import pytest

from tests.browser import browser

__all__ = ["browser"]

# pytest-xdist runs a process a core; each of them computing with all cores would make them wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files with most slow tests first: a process takes whole files, and none is to begin a long one at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])
