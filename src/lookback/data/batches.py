"""The batches that training takes from the encoded sentence pairs.

The batches are a pure function of the global step. There is no position to save, and a resumed run cannot continue with
the wrong data. The function depends on the corpus, the cap on training length, the token budget and the seed, never on
the model: all models of an experiment see the same batches.

Lengths in this file count the end-of-sentence mark.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lookback.data.encoded import Indices, Lengths

POOL_BATCHES = 100
"""Pairs are sorted by length within pools of about this many batches: little padding, and new batches in each epoch."""

BAND_BATCHES = 3
"""Within a pool, pairs are sorted by source length in bands of targets that fill about this many batches."""

MAX_PADDED = 2
"""Neither padded side of a batch exceeds this many times `batch_target_tokens`, unless a single pair does."""


def cut(source: Lengths, target: Lengths, order: Indices, batch_target_tokens: int) -> NDArray[np.int64]:
    """Cuts pairs, in the given order, into batches of at most `batch_target_tokens` real target tokens.

    A longer pair is a batch by itself. A batch of mixed lengths ends before a padded side exceeds `MAX_PADDED` times
    the budget.

    Returns:
        [batches + 1]: batch i holds order[bounds[i] : bounds[i + 1]].
    """
    total = np.zeros(len(order) + 1, np.int64)
    np.cumsum(target[order], out=total[1:])
    limit = MAX_PADDED * batch_target_tokens
    bounds, start = [0], 0
    while start < len(order):
        end = int(total.searchsorted(total[start] + batch_target_tokens, side="right")) - 1
        end = max(end, start + 1)
        for lengths in (source, target):
            widest = np.maximum.accumulate(lengths[order[start:end]])
            if int(widest[-1]) * (end - start) > limit:
                fits = widest.astype(np.int64) * np.arange(1, end - start + 1) <= limit
                end = start + max(1, int(fits.argmin()))
        bounds.append(end)
        start = end
    return np.array(bounds, np.int64)


def by_length(source: Lengths, target: Lengths, batch_target_tokens: int) -> list[Indices]:
    """Batches for validation: every pair once, sorted by length."""
    order = np.lexsort((source, target)).astype(np.int32)
    bounds = cut(source, target, order, batch_target_tokens)
    return [order[start:end] for start, end in pairwise(bounds)]


class _Epoch(NamedTuple):
    """Every pair once: batch i is order[bounds[turn[i]] : bounds[turn[i] + 1]]."""

    order: Indices
    bounds: NDArray[np.int64]
    turn: NDArray[np.int64]


class Batches(ABC):
    """The batches of a whole training run, from step 0 to the step at which the budget is reached.

    Each epoch holds every pair once. Memory: 20 bytes per pair while an epoch is made, 4 afterwards.
    """

    def __init__(
        self, source: Lengths, target: Lengths, *, target_tokens: int | None, updates: int | None, seed: int
    ) -> None:
        """Plans the run; subclasses set the attributes that `_make` needs before they call this.

        Args:
            source: lengths [N] in pieces with end-of-sentence marks.
            target: the same of the other side.
            target_tokens: the budget of the run, or None; the batch that reaches it is the last.
            updates: the number of steps, if there is no `target_tokens`.
            seed: decides the order.
        """
        self._source, self._target = source, target
        self._seed = seed
        self._cached: tuple[int, _Epoch] | None = None
        self._first_step = [0]  # of each epoch, and one past the last

        counts: list[NDArray[np.int64]] = []
        digest = hashlib.sha256()
        seen = 0
        for number, epoch in self._epochs():
            columns = self._count(epoch)
            if target_tokens is not None:
                steps = int(np.searchsorted(np.cumsum(columns[0]), target_tokens - seen)) + 1
            else:
                steps = (updates or 0) - self._first_step[number]
            counts.append(columns[:, :steps])
            seen += int(counts[-1][0].sum())
            self._first_step.append(self._first_step[number] + counts[-1].shape[1])
            for array in (epoch.order, epoch.bounds, epoch.turn[:steps]):
                digest.update(np.ascontiguousarray(array).data)
            if seen >= target_tokens if target_tokens is not None else self._first_step[-1] == updates:
                break
        self.tokens, self.sentences, self.padded, self._real = np.concatenate(counts, axis=1)
        """[steps] each: real target tokens, pairs, and positions of both sides with padding."""
        self.fingerprint = digest.hexdigest()
        """A fingerprint of the batches and their order; equal for runs that see the same data."""

    def __len__(self) -> int:
        """The number of steps."""
        return len(self.tokens)

    @property
    def epochs(self) -> float:
        """How often each pair is seen, on average."""
        return int(self.sentences.sum()) / len(self._target)

    @property
    def padding(self) -> float:
        """The share of padding among all positions of source and target."""
        return 1 - int(self._real.sum()) / int(self.padded.sum())

    def __getitem__(self, step: int) -> Indices:
        """The pairs of a step, as indices into the given lengths, sorted by length."""
        if not 0 <= step < len(self):
            raise IndexError(f"step {step} of {len(self)}")
        number = int(np.searchsorted(self._first_step, step, side="right")) - 1
        epoch = self._epoch(number)
        batch = epoch.turn[step - self._first_step[number]]
        return epoch.order[epoch.bounds[batch] : epoch.bounds[batch + 1]]

    def _epochs(self) -> Iterator[tuple[int, _Epoch]]:
        number = 0
        while True:
            yield number, self._epoch(number)
            number += 1

    def _epoch(self, number: int) -> _Epoch:
        if self._cached is None or self._cached[0] != number:
            self._cached = (number, self._make(number))
        return self._cached[1]

    @abstractmethod
    def _make(self, number: int) -> _Epoch:
        """The epoch of that number, from 0."""

    def _count(self, epoch: _Epoch) -> NDArray[np.int64]:
        """[4, batches], in the order of the steps: target tokens, pairs, positions of both sides with padding and
        without."""
        starts, rows = epoch.bounds[:-1], np.diff(epoch.bounds)
        source, target = self._source[epoch.order], self._target[epoch.order]
        tokens = np.add.reduceat(target, starts, dtype=np.int64)
        widths = np.maximum.reduceat(source, starts) + np.maximum.reduceat(target, starts)
        real = tokens + np.add.reduceat(source, starts, dtype=np.int64)
        return np.stack([tokens, rows, rows * widths, real])[:, epoch.turn]


class TokenBudgetBatches(Batches):
    """Batches of about the same number of target tokens, each of pairs of similar length on both sides.

    Each epoch shuffles the pairs, groups similar pairs within pools, cuts them into batches, and shuffles the batches.
    Seed and epoch number determine the result. Takes about half a minute for 36M pairs.
    """

    def __init__(
        self,
        source: Lengths,
        target: Lengths,
        *,
        target_tokens: int | None = None,
        updates: int | None = None,
        batch_target_tokens: int,
        seed: int,
    ) -> None:
        """As `Batches`; `batch_target_tokens` is the most real target tokens per batch."""
        self._batch_target_tokens = batch_target_tokens
        super().__init__(source, target, target_tokens=target_tokens, updates=updates, seed=seed)

    def _make(self, number: int) -> _Epoch:
        generator = np.random.default_rng([self._seed % 2**32, number])
        order = generator.permutation(np.arange(len(self._target), dtype=np.int32))
        pool = max(1, round(POOL_BATCHES * self._batch_target_tokens / float(self._target.mean())))
        for i, start in enumerate(range(0, len(order), pool)):
            part = order[start : start + pool]
            ranks = self._alike(self._source[part], self._target[part])
            # Reverse every other pool, so that neighbours are also alike where pools meet.
            order[start : start + pool] = part[ranks if i % 2 == 0 else ranks[::-1]]
        bounds = cut(self._source, self._target, order, self._batch_target_tokens)
        return _Epoch(order, bounds, generator.permutation(len(bounds) - 1))

    def _alike(self, source: Lengths, target: Lengths) -> NDArray[np.intp]:
        """The order in which neighbours have similar lengths on both sides.

        Sorting by target length alone would mix sources of all lengths in a batch. So the sorted targets are split into
        bands of `BAND_BATCHES` batches, and each band is sorted by source length, alternately ascending and descending.
        """
        by_target = np.argsort(target, kind="stable")
        band = np.empty(len(target), np.int64)
        band[by_target] = np.cumsum(target[by_target], dtype=np.int64) // (BAND_BATCHES * self._batch_target_tokens)
        return np.lexsort((target, np.where(band % 2, source, -source), band))


class SentenceBatches(Batches):
    """Batches of a fixed number of pairs, as in Bahdanau et al. 2015, appendix B.2, and Cho et al. 2014.

    The pairs are shuffled once, before the first epoch. Groups of `sort_batches` batches are sorted by the length of
    the longer side, as in the authors' code, and used from short to long.
    """

    def __init__(
        self,
        source: Lengths,
        target: Lengths,
        *,
        target_tokens: int | None = None,
        updates: int | None = None,
        batch_sentences: int,
        sort_batches: int,
        seed: int,
    ) -> None:
        """As `Batches`, with `batch_sentences` pairs per batch, sorted within `sort_batches` batches."""
        self._batch_sentences, self._sort_batches = batch_sentences, sort_batches
        super().__init__(source, target, target_tokens=target_tokens, updates=updates, seed=seed)

    def _make(self, number: int) -> _Epoch:
        generator = np.random.default_rng([self._seed % 2**32, 0])
        order = generator.permutation(np.arange(len(self._target), dtype=np.int32))
        longer = np.maximum(self._source, self._target)
        pool = self._sort_batches * self._batch_sentences
        for start in range(0, len(order), pool):
            part = order[start : start + pool]
            order[start : start + pool] = part[np.argsort(longer[part], kind="stable")]
        bounds = np.append(np.arange(0, len(order), self._batch_sentences), len(order))
        return _Epoch(order, bounds, np.arange(len(bounds) - 1))
