"""Settings of the process that make training faster and change no result worth the name."""

import contextlib
import ctypes
import sys

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of `mallopt`, in glibc's malloc.h."""


def tune() -> None:
    """Numbers below 1e-38 are 0, since processors take many times as long for them; freed memory is kept for reuse.

    By default glibc gives large tensors back to the system when they are freed, and the system clears every page of the
    next one: an eighth of a step at the sizes of the demo. Without effect where there is no glibc.
    """
    torch.set_flush_denormal(True)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_THRESHOLD, 2**25)  # the most that glibc takes
            mallopt(M_TRIM_THRESHOLD, 2**30)
