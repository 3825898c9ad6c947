"""Systems set against each other on the same test sentences, and each against its own training length.

A system is a model and its training length, trained with one seed or several. All numbers are linear in the corpus
scores of buckets of length, functions of summed sentence statistics (`lookback.evaluation.metrics`); a system's
number is the mean over its seeds, and `lookback.stats.significance` says what intervals and p mean. The measures:

- `mean`, `spread`: only of systems with several seeds: mean and standard deviation over the seeds, for every bucket and
  overall. The spread includes what each seed does with these very sentences.
- `slope`: the score's change for ten words more, negative where it falls: a line through the scores of the buckets
  against their mean lengths, by least squares weighted with the number of sentences. The variance of a corpus score
  goes down with that number, so these are about the weights of least variance; unweighted, a last bucket of a few
  sentences, farthest out, would count most. The weights are the same for all systems.
- `capacity`: the fall inside the training length: the score of the second bucket (the first holds phrases more than
  sentences; but where only two are inside, of the first) less that of the last one that lies whole within it.
  `extrapolation`: the fall beyond: the score of that bucket less that of the last of all. Positive where the score
  falls. Neither is free of what makes long sentences hard for every system (set a dictionary beside it). There is no
  row where there are no two such buckets: a bucket that the training length cuts in two is neither inside nor beyond,
  and an open bucket is inside if its longest sentence is.
- `difference`: the score of `system` less that of `other`, in every bucket and overall. `p_corrected` is Holm's, over
  the family of all buckets of one pair of systems and one metric (the row over all lengths is a test of its own, and
  other pairs are other families).
- `gap_growth`: the difference of the two slopes: by how much the gap between the systems grows in ten words. The papers
  claim it: Bahdanau et al. (2015), section 5.2.2 and figure 2.
- `gap_growth_inside`: the same from those buckets alone that lie whole within the shorter of the two training lengths,
  so that no length is new to either system. There is no row where there are no two.
- `joined`: the fall by joining: the score of a set's lines where the sentences were translated one by one and joined
  afterwards, less the score of the same lines translated at once, against the same references
  (`lookback.data.testsets`; Varis and Bojar 2021). `p_corrected` is Holm's over all sets of one system and one metric.

Slopes, falls, differences and growths have a p; means and spreads have none, since nobody asks whether a score is 0.

Slopes and falls pass over buckets of fewer than two sentences, and over sentences without a word. Every bucket has its
row in the table, however few sentences it has: `n` says so.
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
"""Metrics: from summed sentence statistics to a score out of 100."""

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

Of a fall, the bounds are those from the first sentence to the last of its two buckets, and `n` is the smaller of their
two counts; of a slope, `n` is the sentences in all its buckets; of joined sentences, the lines. `seeds` is the smaller
number of the two systems; where it is 1, interval and p are over sentences alone.
"""


@dataclass(frozen=True)
class System:
    """What one system made of the N test sentences."""

    name: str
    max_train_words: int | None
    """The longest training sentence, in what lengths are counted in; None: not known, which leaves out the falls, and
    `gap_growth_inside` to any other."""
    statistics: Sequence[NDArray[Any]]
    """For each seed the sentence statistics [N, k] of the metric."""


@dataclass(frozen=True)
class Joined:
    """What one system made of the N lines of one set of joined sentences."""

    system: str
    test_set: str
    """As `joined-2`."""
    alone: Sequence[NDArray[Any]]
    """For each seed the sentence statistics [N, k] of the metric, of sentences translated one by one, then joined."""
    together: Sequence[NDArray[Any]]
    """Of as many seeds: of the same lines, translated at once."""


@dataclass(frozen=True)
class _Scored:
    """A bucket and every system's score of it."""

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
    """All measures above, of all systems and of every two of them in the order given.

    Args:
        systems: with different names.
        lengths: [N], of each sentence, in what `bucket_by` says.
        settings: bucket edges, resamples, confidence and seed. Resamples are those of `rows_by_length`: within each
            bucket, and over the whole set for the numbers over all lengths.
        metric: of `SCORES`.
        test_set: goes into the rows, as does `bucket_by`.

    Returns:
        Rows with the keys of `COLUMNS`, numbers unrounded. What cannot be said is None: all where n is 0; interval and
        p where it is 1.

    Raises:
        LookbackError: no sentences, or a system has not as many as there are lengths.
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
    """The measure `joined` of every system and set.

    Args:
        joined: with a different pair of system and set each.
        settings: resamples, confidence and seed. Resamples are of lines, those of `rows_by_length` over all lengths.
        metric: of `SCORES`.

    Returns:
        Rows as `compare` gives them, `n` being lines, without bounds.
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
    """The buckets, shortest first, and last the one of all lengths."""
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
    """The buckets that slopes and falls are made of."""
    return [part for part in scored if not part.bucket.is_all and part.bucket.high != 0 and part.n > 1]


def _slopes(along: Sequence[_Scored]) -> dict[str, Sampled]:
    """Of every system, the score's change for ten words more; nothing where there are no two buckets."""
    if len(along) < 2:
        return {}
    n, x = np.array([part.n for part in along]), np.array([part.mean_length for part in along])
    from_middle = x - np.average(x, weights=n)
    weights = 10 * n * from_middle / (n * from_middle**2).sum()
    return {name: combined(weights.tolist(), [part.scores[name] for part in along]) for name in along[0].scores}


def _inside(along: Sequence[_Scored], words: int | None) -> list[_Scored]:
    """The buckets that lie whole within a training length; none where it is not known."""
    if words is None:
        return []
    return [p for p in along if (p.longest if p.bucket.high is None else p.bucket.high) <= words]


def _falls(along: Sequence[_Scored], max_train_words: int | None) -> dict[str, tuple[_Scored, _Scored]]:
    """The two buckets of each fall that there is."""
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
    """The p of a family, corrected, by the place in it; of one that has no p there is none."""
    tested = {i: found.p for i, found in enumerate(family) if found.p is not None}
    return dict(zip(tested, holm(list(tested.values())), strict=True))


# --- rows -------------------------------------------------------------------------------------------------------------


def _estimate(numbers: Mapping[str, Sampled], systems: Sequence[System], settings: Evaluate) -> Estimate:
    sampled = [numbers[system.name] for system in systems]
    return estimate(*sampled, confidence=settings.confidence, seed=settings.seed)


def _no_test(found: Estimate) -> Estimate:
    """Of a score alone nobody asks whether it is 0."""
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
