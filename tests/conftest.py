"""Settings for all tests, and the browser that some take."""

import os

from tests.browser import browser

__all__ = ["browser"]

# pytest-xdist runs a process a core; each of them computing with all cores would make them wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
