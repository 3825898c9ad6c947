"""The uncertainty of a score from a sample of test sentences and training seeds, and tests between two such scores.

**Sentences.** The resamples of `lookback.stats.bootstrap` show how much a score would vary with other test sentences.
They are paired: both systems are scored on the same resampled sentences. The test is the bootstrap with shift (Noreen
1989; for BLEU, Riezler and Maxwell 2005): the deviations of the resamples from their mean estimate the null
distribution, and p is the share of deviations at least as large as the observed value, in either direction. Approximate
randomisation would work as well for the difference of two systems (Graham et al. 2014 find the two hard to tell apart).
But it assumes that the systems' outputs can be swapped under the null hypothesis. That does not hold for the hypothesis
that a gap does not grow, nor for a single system. The bootstrap tests all of these and gives the interval from the same
numbers: the interval excludes 0 where p is below 1 - confidence. With R resamples the smallest p is 1 / (R + 1). With
few sentences the resamples vary too little; `deviations` corrects this.

**Seeds.** A system trained with another seed is a different system (Clark et al. 2011). The scores q of S seeds on one
test set differ for two reasons: training itself, and each seed's interaction with these sentences. Resampling the mean
over seeds misses the first. It is estimated as the variance of q over the seeds, less the resampling variance of the
second, divided by S. This excess is added as a second source of variance: every resample gets a draw of Student's t
with the degrees of freedom of Welch (1947) and Satterthwaite (1946), S - 1 for one system. The sum of a normal and a t
variable is the Behrens-Fisher solution; its tests are conservative (Robinson 1976). A t test of the summed variances
with Satterthwaite's degrees of freedom is not: with two seeds that agree by chance, it takes the training variance to
be zero. With two seeds the intervals are wide, since two seeds carry little information. The tests are conservative for
two trained systems. For one system, or against one without training variance, few seeds that agree by chance still
leave no excess: where the seeds' own share of the sentence variance is large, and training adds a few times as much,
two seeds' 95 % intervals cover some 86 % at worst. Where a side has one seed, the variance over seeds is unknown, and
interval and test cover the sentences alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special


@dataclass(frozen=True)
class Sampled:
    """One score of a system, from each of its S seeds on the same sentences."""

    values: NDArray[np.float64]
    """[S]"""
    deviations: NDArray[np.float64]
    """[R, S]: over R resamples of the sentences, the same for all seeds and systems; NaN if unknown."""

    @property
    def excess(self) -> float:
        """The variance that training adds to the mean over seeds, beyond that of the resampled sentences."""
        of_sentences = self.deviations.var(axis=1, ddof=1).mean()
        return max(0.0, float(self.values.var(ddof=1) - of_sentences)) / len(self.values)


def deviations(resampled: NDArray[np.float64], sentences: int, seed: tuple[int, ...]) -> NDArray[np.float64]:
    """The corrected deviations [R, S] of scores [R, S] over R resamples of N sentences; N is at least 2.

    The variance of the resamples is that of the N sentences, (N - 1) / N of the population's; and, estimated from N
    values, it has an error itself. So each resample's deviation is scaled by the first factor and by that of Student's
    t with N - 1 degrees of freedom: a fifth more for ten sentences, nothing for a thousand.
    """
    chance = np.random.default_rng([part % 2**64 for part in (*seed, 1)]).chisquare(sentences - 1, len(resampled))
    return (resampled - resampled.mean(axis=0)) * np.sqrt(sentences / chance)[:, None]


def combined(weights: Sequence[float], parts: Sequence[Sampled]) -> Sampled:
    """The weighted sum of scores of one system, such as its scores in several buckets."""
    return Sampled(
        sum((weight * part.values for weight, part in zip(weights, parts, strict=True)), np.zeros(1)),
        sum((weight * part.deviations for weight, part in zip(weights, parts, strict=True)), np.zeros(1)),
    )


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, or a difference of two."""

    value: float
    low: float | None
    high: float | None
    p: float | None
    """Two-sided p of the hypothesis that the value is 0."""
    seeds: int
    """1: interval and p are over sentences alone."""


def estimate(system: Sampled, other: Sampled | None = None, *, confidence: float, seed: int) -> Estimate:
    """A system's score, averaged over its seeds, or its difference from another's. The module docstring explains
    interval and p.

    Args:
        system: S seeds, R resamples.
        other: on the same sentences and resamples; its number of seeds may differ.
        confidence: of the interval, which is symmetric.
        seed: of the draws for the variance over seeds.
    """
    sides = [system] if other is None else [system, other]
    value = float(system.values.mean()) - (float(other.values.mean()) if other else 0.0)
    deviations = system.deviations.mean(axis=1) - (other.deviations.mean(axis=1) if other else 0.0)
    seeds = min(len(side.values) for side in sides)
    if np.isnan(deviations).any():
        return Estimate(value, None, None, None, seeds)
    resamples = len(deviations)
    deviations = deviations - deviations.mean()
    excess = np.array([side.excess for side in sides]) if seeds > 1 else np.zeros(1)
    if excess.any():
        freedom = excess.sum() ** 2 / sum(part**2 / (len(s.values) - 1) for part, s in zip(excess, sides, strict=True))
        # Use all R quantiles of t once, in random order: with few seeds t has long tails, and free draws would make the
        # width of the interval random.
        order = np.random.default_rng(seed % 2**64).permutation(resamples)
        deviations = deviations + math.sqrt(excess.sum()) * special.stdtrit(freedom, (order + 0.5) / resamples)
    sizes = np.sort(np.abs(deviations))
    half = float(sizes[min(resamples, math.ceil((resamples + 1) * confidence)) - 1])
    p = (1 + int((sizes >= abs(value)).sum())) / (resamples + 1)
    return Estimate(value, value - half, value + half, p, seeds)


def spread(values: NDArray[np.float64], confidence: float) -> tuple[float, float, float]:
    """The standard deviation over S seeds [S], S at least 2, and its interval if the seeds are normally distributed."""
    freedom, tail = len(values) - 1, (1.0 - confidence) / 2
    deviation = float(values.std(ddof=1))
    low, high = (deviation * math.sqrt(freedom / special.chdtri(freedom, part)) for part in (tail, 1 - tail))
    return deviation, low, high


def holm(p: Sequence[float]) -> list[float]:
    """Holm-corrected p values of several tests (Holm 1979), which control the family-wise error rate."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1.0, stepped)
    return corrected.tolist()
