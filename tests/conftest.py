"""Settings for all tests."""

import os

# pytest-xdist runs a process a core; each of them computing with all cores would make them wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
