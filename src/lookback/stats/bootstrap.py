"""Bootstrap over sentences (Efron 1979; for BLEU, Koehn 2004) from per-sentence sufficient statistics.

A corpus score is a function of sums over sentences. A resample of N sentences with replacement is a vector of N counts,
so the sums of all resamples are one matrix product, counts [R, N] @ statistics [N, k], and nothing is scored twice.
Here R is the number of resamples, N of sentences, k of statistics.

The random counts depend only on the seed and N. So systems that translated the same sentences see the same resamples,
even when evaluated in separate processes, and their differences are paired.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

CHUNK = 4_000_000
"""Number of counts in memory at a time: 32 MB of float64."""


def resample_counts(sentences: int, resamples: int, seed: tuple[int, ...]) -> Iterator[NDArray[np.float64]]:
    """How often each sentence occurs in each resample: chunks [r, N] whose r sum to R; each row sums to N.

    Equal arguments give equal counts. `seed` is any tuple of integers, negative ones too.
    """
    # SeedSequence takes no negative numbers; two's complement maps each to a distinct value.
    generator = np.random.default_rng([part % 2**64 for part in seed])
    rows = max(1, CHUNK // max(1, sentences))
    for start in range(0, resamples, rows):
        drawn = min(rows, resamples - start)
        indices = generator.integers(0, sentences, size=(drawn, sentences))
        # One bincount over all rows: row i counts in the i-th stretch of N numbers.
        indices += sentences * np.arange(drawn)[:, None]
        counts = np.bincount(indices.ravel(), minlength=drawn * sentences)
        yield counts.reshape(drawn, sentences).astype(np.float64)


def resampled_sums(statistics: ArrayLike, resamples: int, seed: tuple[int, ...]) -> NDArray[np.float64]:
    """The statistics [N, k] summed over each of R resamples of N sentences: [R, k].

    One call can handle several systems, with their statistics side by side; separate calls use the same resamples. Sums
    of integers are exact up to 2**53.
    """
    values = np.asarray(statistics, dtype=np.float64)
    sentences = values.shape[0]
    if sentences == 0:
        raise ValueError("no sentence to resample")
    return np.concatenate([counts @ values for counts in resample_counts(sentences, resamples, seed)])


def percentile_interval(scores: ArrayLike, confidence: float) -> tuple[float, float]:
    """The middle `confidence` (0.95: from the 2.5th to the 97.5th percentile) of resampled scores [R]."""
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(np.asarray(scores, dtype=np.float64), [tail, 1.0 - tail])
    return float(low), float(high)
