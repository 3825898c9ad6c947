"""Buckets of sentence length.

The caller counts lengths (in source words, unless a row says otherwise) once for all systems, so that every system is
scored on the same sentences. Bounds are inclusive: edges 10, 20 give 1-10, 11-20 and 21 and over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookback.errors import LookbackError


@dataclass(frozen=True)
class Bucket:
    """A range of lengths with inclusive bounds. Without an upper bound it is open; without bounds it holds every
    length."""

    low: int | None
    high: int | None

    @property
    def is_all(self) -> bool:
        return self.low is None and self.high is None

    def contains(self, lengths: ArrayLike) -> NDArray[np.bool_]:
        """Whether each of `lengths` [N] is in the bucket: bool [N]."""
        lengths = np.asarray(lengths)
        inside = np.ones(lengths.shape, dtype=bool)
        if self.low is not None:
            inside &= lengths >= self.low
        if self.high is not None:
            inside &= lengths <= self.high
        return inside

    def __str__(self) -> str:
        """`1\N{EN DASH}10`, `61+` or `all`."""
        if self.is_all:
            return "all"
        return f"{self.low}+" if self.high is None else f"{self.low or 0}\N{EN DASH}{self.high}"


ALL_LENGTHS = Bucket(None, None)


def buckets(edges: Sequence[int], lengths: ArrayLike, merge_below: int = 0) -> list[Bucket]:
    """The buckets that partition `lengths`, shortest first.

    Args:
        edges: inclusive upper bounds, ascending, the first at least 1.
        lengths: of all sentences of the test set. A bucket between two edges exists even if empty. The two end buckets
            exist only if they hold sentences: 0-0 for sentences without a word, and the open one above the last edge.
        merge_below: a bucket with fewer sentences is merged into its shorter neighbour, starting at the longest; if the
            first one still has too few, it is merged into the next. The bounds cover both. 0 merges none.

    Raises:
        LookbackError: the edges do not rise or a length is negative.
    """
    if any(edge < 1 for edge in edges) or any(high <= low for low, high in pairwise(edges)):
        raise LookbackError(f"bucket_edges {list(edges)}: give rising upper bounds of at least 1, such as [10, 20, 30]")
    lengths = np.asarray(lengths)
    if lengths.size and lengths.min() < 0:
        raise LookbackError(f"a sentence length of {lengths.min()}: lengths are counts, 0 or more")
    found = [Bucket(low + 1, high) for low, high in pairwise([0, *edges])]
    if lengths.size and lengths.min() == 0:
        found.insert(0, Bucket(0, 0))
    last = edges[-1] if edges else 0
    if lengths.size and lengths.max() > last:
        found.append(Bucket(last + 1, None))
    return _merged(found, lengths, merge_below)


def _merged(found: list[Bucket], lengths: NDArray, merge_below: int) -> list[Bucket]:
    """Starts at the longest, so that adjacent sparse buckets merge with each other before a full one absorbs them."""
    merged: list[Bucket] = []
    for bucket in reversed(found):
        if merged and merged[0].contains(lengths).sum() < merge_below:
            merged[0] = Bucket(bucket.low, merged[0].high)
        else:
            merged.insert(0, bucket)
    if len(merged) > 1 and merged[0].contains(lengths).sum() < merge_below:
        merged[:2] = [Bucket(merged[0].low, merged[1].high)]
    return merged


def windows(width: int, step: int, lengths: ArrayLike) -> list[Bucket]:
    """Ranges of `width` lengths, starting at 1 and advancing by `step`, until one covers the longest sentence.

    If the step is at most the width, each sentence with a word is in one or more windows.
    """
    longest = int(np.max(lengths, initial=0))
    return [Bucket(low, low + width - 1) for low in range(1, max(longest - width + 1, 1) + step, step)]
