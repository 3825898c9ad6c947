"""Points of a measure: a ratio of sums over sentences, with its bootstrap interval."""

import math

import numpy as np
from numpy.typing import ArrayLike

from lookback.buckets import ALL_LENGTHS, buckets
from lookback.config import Evaluate
from lookback.probes import Point
from lookback.statistics import percentile_interval, resampled_sums

SOURCE_WORDS = "source words"


def ratio(
    measure: str,
    series: str,
    x_by: str,
    x: float | None,
    numerators: ArrayLike,
    denominators: ArrayLike,
    settings: Evaluate,
    seed: tuple[int, ...],
) -> list[Point]:
    """The sum of `numerators` [N] over the sum of `denominators` [N], a number of each for each sentence.

    With denominators of 1 it is the mean over sentences. Sentences whose denominator is 0 have nothing to say and are
    not counted; n is the number of the others, and without any there is no point. The interval is a percentile
    bootstrap over these sentences, NaN for a single one; `seed` is a second part of its seed, so that points of equal n
    do not share their chances.
    """
    sums = np.stack([np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)], axis=1)
    sums = sums[sums[:, 1] > 0]
    if not len(sums):
        return []
    low = high = math.nan
    if len(sums) > 1:
        resampled = resampled_sums(sums, settings.resamples, (settings.seed, *seed))
        low, high = percentile_interval(resampled[:, 0] / resampled[:, 1], settings.confidence)
    top, bottom = sums.sum(axis=0)
    value = float(top / bottom)
    return [Point(measure=measure, series=series, x_by=x_by, x=x, n=len(sums), value=value, low=low, high=high)]


def by_source_length(
    measure: str,
    series: str,
    numerators: ArrayLike,
    denominators: ArrayLike,
    words: ArrayLike,
    settings: Evaluate,
) -> list[Point]:
    """A `ratio` for each bucket of source length, shortest first, then one over all sentences, whose x is None.

    The x of a bucket is the mean length of its sentences in words, [N] `words`: the same for all systems.
    """
    lengths, numerators, denominators = np.asarray(words), np.asarray(numerators), np.asarray(denominators)
    points = []
    for bucket in [*buckets(settings.bucket_edges, lengths), ALL_LENGTHS]:
        inside = bucket.contains(lengths)
        x = None if bucket.is_all or not inside.any() else float(lengths[inside].mean())
        low, high = (-1 if bound is None else bound for bound in (bucket.low, bucket.high))
        points += ratio(
            measure, series, SOURCE_WORDS, x, numerators[inside], denominators[inside], settings, (low, high)
        )
    return points
