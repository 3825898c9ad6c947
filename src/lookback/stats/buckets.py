"""Buckets of sentence length: which sentences count as how long.

Lengths are counted outside (in source words, unless a row says otherwise) and once for all systems, so that every
system is asked about the same sentences. Bounds are inclusive: edges 10, 20 give 1-10, 11-20 and 21 and over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookback.errors import LookbackError


@dataclass(frozen=True)
class Bucket:
    """A range of lengths, both bounds inclusive. No upper bound: open; neither bound: sentences of every length."""

    low: int | None
    high: int | None

    @property
    def is_all(self) -> bool:
        return self.low is None and self.high is None

    def contains(self, lengths: ArrayLike) -> NDArray[np.bool_]:
        """Which of `lengths` [N] lie within: bool [N]."""
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
    """The buckets that share out `lengths` between them, shortest first, each sentence in exactly one.

    Args:
        edges: inclusive upper bounds, rising, the first at least 1.
        lengths: of all sentences of the test set. A bucket between two edges is there whether it holds any or not; the
            two ends are there only if they do: 0-0 for sentences without a word, and the open one above the last edge.
        merge_below: a bucket with fewer sentences is joined to its shorter neighbour, from the longest on; the first
            one, if it has too few still, to the next. The bounds say so. 0 joins none.

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
    """From the longest on, so that several sparse buckets in a row become one before a full one takes them in."""
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
    """Ranges of `width` lengths, from 1 on and `step` further each time, until the longest sentence is in one.

    With a step of at most the width each sentence is in one or several of them, but for those without a word.
    """
    longest = int(np.max(lengths, initial=0))
    return [Bucket(low, low + width - 1) for low in range(1, max(longest - width + 1, 1) + step, step)]
