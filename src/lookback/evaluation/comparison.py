"""Compare systems with each other on the same test sentences, and each system inside and beyond its training length.

A system is a model and its training length, trained with one seed or several. All numbers are linear in the corpus
scores of buckets of length, which are functions of summed sentence statistics (`lookback.evaluation.metrics`). A
system's number is the mean over its seeds. `lookback.stats.significance` defines intervals and p. The measures:

- `mean`, `spread`: only for systems with several seeds: mean and standard deviation over the seeds, for every bucket
  and overall. The spread includes the effect of these particular test sentences on each seed.
- `slope`: the change of the score for ten words more, negative where it falls. It is the slope of a line through the
  scores of the buckets against their mean lengths, by least squares weighted with the number of sentences. The variance
  of a corpus score decreases with that number, so these weights are close to those of least variance. Without weights,
  a last bucket of a few sentences, farthest out, would count most. The weights are the same for all systems.
- `capacity`: the fall inside the training length: the score of the second bucket less that of the last bucket that is
  wholly inside. The first bucket holds phrases more than sentences; it is used only where just two are inside.
  `extrapolation`: the fall beyond the training length: the score of that last bucket less that of the longest bucket of
  all. Both are positive where the score falls. Both include what makes long sentences hard for every system; compare
  with a dictionary. There is no row without two such buckets: a bucket that the training length cuts in two is neither
  inside nor beyond, and an open bucket is inside if its longest sentence is.
- `difference`: the score of `system` less that of `other`, in every bucket and overall. `p_corrected` is Holm's, over
  the family of all buckets of one pair of systems and one metric. The row over all lengths is a test of its own, and
  each pair is a family of its own.
- `gap_growth`: the difference of the two slopes: how much the gap between the systems grows in ten words. The papers
  claim such a growth: Bahdanau et al. (2015), section 5.2.2 and figure 2.
- `gap_growth_inside`: the same, only from the buckets wholly inside the shorter of the two training lengths, so that no
  length is new to either system. There is no row without two such buckets.
- `joined`: the fall by joining. The sentences are translated one by one and joined afterwards; the measure is the score
  of these lines less that of the same lines translated at once, against the same references
  (`lookback.data.testsets`; Varis and Bojar 2021). `p_corrected` is Holm's over all sets of one system and one metric.

Slopes, falls, differences and growths have a p. Means and spreads have none: whether a score is 0 is no question.

Slopes and falls ignore buckets of fewer than two sentences, and sentences without a word. Every bucket has its row in
the table, however few sentences it has; `n` gives their number.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookback.config import Evaluate
from lookback.csv_tables import Row, read_table, write_table
from lookback.errors import LookbackError
from lookback.evaluation.metrics import bleu_score, chrf_score
from lookback.stats.bootstrap import resampled_sums
from lookback.stats.buckets import ALL_LENGTHS, Bucket, buckets
from lookback.stats.significance import Estimate, Sampled, combined, deviations, estimate, holm, spread

SCORES = {"bleu": bleu_score, "chrf": chrf_score}
"""Metrics: each maps summed sentence statistics to a score out of 100."""

COLUMNS: dict[str, type] = {
    "measure": str,
    "metric": str,
    "system": str,
    "other": str,
    "test_set": str,
    "bucket_by": str,
    "bucket_low": int,
    "bucket_high": int,
    "n": int,
    "seeds": int,
    "value": float,
    "low": float,
    "high": float,
    "p": float,
    "p_corrected": float,
}
"""The columns of `comparisons.csv` in order, with the type of each; from `other` on any may be blank (None).

For a fall, the bounds run from the lower bound of its first bucket to the upper bound of its second, and `n` is the
smaller of their two counts. For a slope, `n` counts the sentences in all its buckets; for joined sentences, the lines.
`seeds` is the smaller number of the two systems; where it is 1, interval and p are over sentences alone.
"""


@dataclass(frozen=True)
class System:
    """One system's translations of the N test sentences, as statistics."""

    name: str
    max_train_words: int | None
    """The longest training sentence, in the unit of the lengths; None: not known, and there are no falls and no
    `gap_growth_inside` with any other system."""
    statistics: Sequence[NDArray[Any]]
    """For each seed the sentence statistics [N, k] of the metric."""


@dataclass(frozen=True)
class Joined:
    """One system's translations of the N lines of one set of joined sentences, as statistics."""

    system: str
    test_set: str
    """Such as `joined-2`."""
    alone: Sequence[NDArray[Any]]
    """For each seed the sentence statistics [N, k] of the metric: sentences translated one by one, then joined."""
    together: Sequence[NDArray[Any]]
    """The same for the same lines translated at once, with as many seeds."""


@dataclass(frozen=True)
class _Scored:
    """A bucket and every system's score on it."""

    bucket: Bucket
    n: int
    longest: int
    mean_length: float
    scores: dict[str, Sampled]


def compare(
    systems: Sequence[System],
    lengths: ArrayLike,
    settings: Evaluate,
    *,
    metric: str = "bleu",
    test_set: str = "test",
    bucket_by: str = "source_words",
) -> list[Row]:
    """All measures above except `joined`, for all systems and for every pair of them in the order given.

    Args:
        systems: with different names.
        lengths: [N], of each sentence, in the unit that `bucket_by` names.
        settings: bucket edges, resamples, confidence and seed. Resamples are those of `rows_by_length`: within each
            bucket, and over the whole set for the numbers over all lengths.
        metric: a key of `SCORES`.
        test_set: copied into the rows, like `bucket_by`.

    Returns:
        Rows with the keys of `COLUMNS`, numbers unrounded. Undefined values are None: all where n is 0; interval and p
        where n is 1.

    Raises:
        LookbackError: there are no sentences, or a system has another number of them than there are lengths.
    """
    lengths = np.asarray(lengths)
    if not lengths.size:
        raise LookbackError(f"{test_set}: the test set is empty")
    for system in systems:
        for statistics in system.statistics:
            if len(statistics) != len(lengths):
                raise LookbackError(
                    f"{test_set}: {system.name}: {len(statistics):,} translations of {len(lengths):,} sentences; "
                    "all systems must translate the same sentences"
                )
    if not systems:
        return []
    scored = list(_scored(systems, lengths, settings, metric))
    common = {"metric": metric, "test_set": test_set, "bucket_by": bucket_by}
    rows = [*_alone(systems, scored, settings), *_between(systems, scored, settings)]
    return [dict.fromkeys(COLUMNS) | common | row for row in rows]


def compare_joined(joined: Sequence[Joined], settings: Evaluate, *, metric: str = "bleu") -> list[Row]:
    """The measure `joined` for every system and set.

    Args:
        joined: each with a different pair of system and set.
        settings: resamples, confidence and seed. Lines are resampled, as in `rows_by_length` over all lengths.
        metric: a key of `SCORES`.

    Returns:
        Rows like those of `compare`, without bounds; `n` counts lines.
    """
    common = dict.fromkeys(COLUMNS) | {"measure": "joined", "metric": metric, "bucket_by": "source_words"}
    rows: list[Row] = []
    for name in dict.fromkeys(item.system for item in joined):
        mine = [item for item in joined if item.system == name]
        falls = [_fall_by_joining(item, settings, metric) for item in mine]
        corrected = _corrected(falls)
        for i, (item, found) in enumerate(zip(mine, falls, strict=True)):
            about = {"system": name, "test_set": item.test_set, "n": len(item.alone[0])}
            rows.append(common | about | _numbers(found) | {"p_corrected": corrected.get(i)})
    return rows


def _fall_by_joining(item: Joined, settings: Evaluate, metric: str) -> Estimate:
    seeds = len(item.alone)
    side_by_side = np.concatenate([*item.alone, *item.together], axis=1, dtype=np.float64)
    values, strayed = _scores(side_by_side, 2 * seeds, ALL_LENGTHS, settings, metric)
    alone = Sampled(values[:seeds], strayed[:, :seeds])
    fall = combined([1, -1], [alone, Sampled(values[seeds:], strayed[:, seeds:])])
    return estimate(fall, confidence=settings.confidence, seed=settings.seed)


def _scored(systems: Sequence[System], lengths: NDArray, settings: Evaluate, metric: str) -> Iterator[_Scored]:
    """The buckets, shortest first; the bucket of all lengths is last."""
    runs = [(system.name, statistics) for system in systems for statistics in system.statistics]
    names = np.array([name for name, _ in runs])
    side_by_side = np.concatenate([statistics for _, statistics in runs], axis=1, dtype=np.float64)
    for bucket in [*buckets(settings.bucket_edges, lengths, settings.merge_below), ALL_LENGTHS]:
        inside = bucket.contains(lengths)
        n, known = int(inside.sum()), lengths[inside]
        values, strayed = _scores(side_by_side[inside], len(runs), bucket, settings, metric)
        scores = {s.name: Sampled(values[names == s.name], strayed[:, names == s.name]) for s in systems}
        yield _Scored(bucket, n, int(known.max()) if n else 0, float(known.mean()) if n else np.nan, scores)


def _scores(
    side_by_side: NDArray[np.float64], runs: int, bucket: Bucket, settings: Evaluate, metric: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The scores [runs] of a bucket's N sentences, from statistics [N, runs * k], and their deviations [R, runs]."""
    n = len(side_by_side)
    values, strayed = np.full(runs, np.nan), np.full((settings.resamples, runs), np.nan)
    if n:
        values = SCORES[metric](side_by_side.sum(axis=0).reshape(runs, -1))
    if n > 1:
        # As in `rows_by_length`, so that the resamples are the same ones.
        seed = (settings.seed, *(-1 if bound is None else bound for bound in (bucket.low, bucket.high)))
        sums = resampled_sums(side_by_side, settings.resamples, seed)
        strayed = deviations(SCORES[metric](sums.reshape(settings.resamples, runs, -1)), n, seed)
    return values, strayed


# --- each system alone ------------------------------------------------------------------------------------------------


def _alone(systems: Sequence[System], scored: Sequence[_Scored], settings: Evaluate) -> Iterator[Row]:
    along = _along(scored)
    for system in systems:
        if len(system.statistics) > 1:
            for part in scored:
                yield {"measure": "mean"} | _row(part, _no_test(_estimate(part.scores, [system], settings)), system)
            for part in scored:
                values = part.scores[system.name].values
                value, low, high = spread(values, settings.confidence)
                yield {"measure": "spread"} | _row(part, Estimate(value, low, high, None, len(values)), system)
    for system in systems:
        if slopes := _slopes(along):
            n = sum(part.n for part in along)
            found = _estimate(slopes, [system], settings)
            yield {"measure": "slope", "system": system.name, "n": n} | _numbers(found)
    for system in systems:
        for measure, (first, last) in _falls(along, system.max_train_words).items():
            fall = combined([1, -1], [part.scores[system.name] for part in (first, last)])
            found = _estimate({system.name: fall}, [system], settings)
            bounds = {"bucket_low": first.bucket.low, "bucket_high": last.bucket.high, "n": min(first.n, last.n)}
            yield {"measure": measure, "system": system.name} | bounds | _numbers(found)


def _along(scored: Sequence[_Scored]) -> list[_Scored]:
    """The buckets that slopes and falls use."""
    return [part for part in scored if not part.bucket.is_all and part.bucket.high != 0 and part.n > 1]


def _slopes(along: Sequence[_Scored]) -> dict[str, Sampled]:
    """For every system the change of the score for ten words more; empty without two buckets."""
    if len(along) < 2:
        return {}
    n, x = np.array([part.n for part in along]), np.array([part.mean_length for part in along])
    from_middle = x - np.average(x, weights=n)
    weights = 10 * n * from_middle / (n * from_middle**2).sum()
    return {name: combined(weights.tolist(), [part.scores[name] for part in along]) for name in along[0].scores}


def _inside(along: Sequence[_Scored], words: int | None) -> list[_Scored]:
    """The buckets wholly inside a training length; none where it is not known."""
    if words is None:
        return []
    return [p for p in along if (p.longest if p.bucket.high is None else p.bucket.high) <= words]


def _falls(along: Sequence[_Scored], max_train_words: int | None) -> dict[str, tuple[_Scored, _Scored]]:
    """The two buckets of each fall that exists."""
    inside, falls = _inside(along, max_train_words), {}
    if len(inside) > 1:
        falls["capacity"] = (inside[1 if len(inside) > 2 else 0], inside[-1])
    if inside and (along[-1].bucket.low or 0) > (max_train_words or 0):
        falls["extrapolation"] = (inside[-1], along[-1])
    return falls


# --- every two systems ------------------------------------------------------------------------------------------------


def _between(systems: Sequence[System], scored: Sequence[_Scored], settings: Evaluate) -> Iterator[Row]:
    along = _along(scored)
    for pair in combinations(systems, 2):
        found = [_estimate(part.scores, pair, settings) for part in scored]
        corrected = _corrected([it for part, it in zip(scored, found, strict=True) if not part.bucket.is_all])
        for i, part in enumerate(scored):
            yield {"measure": "difference"} | _row(part, found[i], *pair) | {"p_corrected": corrected.get(i)}
    for pair in combinations(systems, 2):
        known = [system.max_train_words for system in pair if system.max_train_words is not None]
        shared = min(known) if len(known) == 2 else None
        for measure, parts in (("gap_growth", along), ("gap_growth_inside", _inside(along, shared))):
            if slopes := _slopes(parts):
                about = {"system": pair[0].name, "other": pair[1].name, "n": sum(part.n for part in parts)}
                yield {"measure": measure} | about | _numbers(_estimate(slopes, pair, settings))


def _corrected(family: Sequence[Estimate]) -> dict[int, float]:
    """The corrected p of a family, by index; estimates without a p are left out."""
    tested = {i: found.p for i, found in enumerate(family) if found.p is not None}
    return dict(zip(tested, holm(list(tested.values())), strict=True))


# --- rows -------------------------------------------------------------------------------------------------------------


def _estimate(numbers: Mapping[str, Sampled], systems: Sequence[System], settings: Evaluate) -> Estimate:
    sampled = [numbers[system.name] for system in systems]
    return estimate(*sampled, confidence=settings.confidence, seed=settings.seed)


def _no_test(found: Estimate) -> Estimate:
    """Without p: whether a score alone is 0 is no question."""
    return Estimate(found.value, found.low, found.high, None, found.seeds)


def _row(part: _Scored, found: Estimate, *systems: System) -> Row:
    names = dict(zip(("system", "other"), (system.name for system in systems), strict=False))
    bounds = {"bucket_low": part.bucket.low, "bucket_high": part.bucket.high, "n": part.n}
    return names | bounds | (_numbers(found) if part.n else {"seeds": found.seeds})


def _numbers(found: Estimate) -> Row:
    return {"seeds": found.seeds, "value": found.value, "low": found.low, "high": found.high, "p": found.p}


# --- the table on disk ------------------------------------------------------------------------------------------------


def write_comparisons(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write `rows` as CSV with the header `COLUMNS`: p to 4 digits, other fractions with 3 decimals; None is blank."""
    write_table(path, COLUMNS, ([_written(name, row.get(name)) for name in COLUMNS] for row in rows))


def _written(name: str, value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return f"{value:.4g}" if name.startswith("p") else f"{round(value, 3) + 0.0:.3f}"  # never -0.000


def read_comparisons(path: Path) -> list[Row]:
    """Read what `write_comparisons` wrote, as `lookback.csv_tables.read_table` does."""
    return read_table(path, COLUMNS, "compare")
