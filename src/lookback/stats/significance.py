"""How sure a score is that comes from some test sentences and some training runs; tests between two such scores.

**Sentences.** The resamples of `lookback.stats.bootstrap` say how far a score strays from its value because other
sentences might have been in the test set. They are paired: both systems are asked about the same resampled sentences.
The test is the bootstrap with shift (Noreen 1989; for BLEU, Riezler and Maxwell 2005): the deviations of the resamples
from their mean are what chance does where nothing is to be found, and p is the share of them as large as what was
found, in either direction. Approximate randomisation would do as well for the difference of two systems (Graham et al.
2014 find the two hard to tell apart); but it assumes that under the null hypothesis the systems' outputs can be
swapped, which is not so where the hypothesis is that a gap, there or not, does not grow, nor for one system alone. The
bootstrap tests all of them and gives the interval with the same numbers: the interval leaves out 0 where p is below 1 -
confidence. With R resamples the smallest p is 1 / (R + 1). Few sentences need more room than their resamples take: see
`deviations`.

**Seeds.** Trained again with another seed, a system is another one (Clark et al. 2011). The S seeds' scores q on one
test set differ by what training does and by what each does with these very sentences. The mean over seeds is
resampled, which leaves out the former: the variance of q over the seeds less what the resamples say of the latter,
divided by S. That excess is added as a second source of chance: a value of Student's t, with the degrees of freedom of
Welch (1947) and Satterthwaite (1946), S - 1 for one system, is drawn for every resample. To add up a normal and a t
variable is the solution of Behrens and Fisher; its tests keep their level, on the safe side (Robinson 1976), where
a t test of the summed variances with Satterthwaite's degrees of freedom does not: with two seeds that by chance agree,
it takes training to be no source of chance at all. With two seeds the intervals are wide, since two seeds say little.
On the safe side holds for two trained systems. Of one system, or against one that training does not change, few seeds
that agree by chance still leave no excess: where the seeds' own share of the sentences' chance is large, and training
adds a few times as much, two seeds' 95 % intervals cover some 86 % at worst. Where a side has one seed, nothing is
known of seeds, and all is said of the sentences alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special


@dataclass(frozen=True)
class Sampled:
    """A number of one system, from each of its S seeds on the same sentences."""

    values: NDArray[np.float64]
    """[S]"""
    deviations: NDArray[np.float64]
    """[R, S]: of R resamples of the sentences, the same ones for all seeds and systems; NaN: not known."""

    @property
    def excess(self) -> float:
        """What training adds to the variance of the mean over seeds, beyond what resampled sentences say."""
        of_sentences = self.deviations.var(axis=1, ddof=1).mean()
        return max(0.0, float(self.values.var(ddof=1) - of_sentences)) / len(self.values)


def deviations(resampled: NDArray[np.float64], sentences: int, seed: tuple[int, ...]) -> NDArray[np.float64]:
    """How far resamples of N sentences, N at least 2, stray: [R, S], of scores [R, S] of the same R resamples.

    Resamples vary as the N sentences do, by (N - 1) / N less than what those were drawn from; and like every variance
    estimated from N values it is itself off by chance. So each resample's deviation is drawn out by the first factor
    and by that of Student's t with N - 1 degrees of freedom: for ten sentences a fifth more, for a thousand nothing.
    """
    chance = np.random.default_rng([part % 2**64 for part in (*seed, 1)]).chisquare(sentences - 1, len(resampled))
    return (resampled - resampled.mean(axis=0)) * np.sqrt(sentences / chance)[:, None]


def combined(weights: Sequence[float], parts: Sequence[Sampled]) -> Sampled:
    """The weighted sum of numbers of one system, such as its scores of several buckets."""
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
    """Two-sided, of the hypothesis that the value is 0."""
    seeds: int
    """1: interval and p are over sentences alone."""


def estimate(system: Sampled, other: Sampled | None = None, *, confidence: float, seed: int) -> Estimate:
    """A system's number, mean over its seeds, or how much it is above another's; see above for interval and p.

    Args:
        system: S seeds, R resamples.
        other: of the same sentences and resamples, with as many seeds or not.
        confidence: of the interval, which is symmetric.
        seed: of what is drawn for the seeds' chance.
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
        # All R quantiles of t once, in random order: with few seeds its tails are long, and drawn freely they would
        # leave much of the interval's width to the draw.
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
    """The p of several tests, corrected (Holm 1979): the chance of any false find among them stays at the level."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(1.0, stepped)
    return corrected.tolist()
