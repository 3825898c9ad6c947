"""On data whose answer is known: sentence statistics drawn from systems with known qualities, not text."""

import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import pipeline.compare
from lookback.config import Evaluate, FurtherSets, SentencePiece, load_experiment
from lookback.data import testsets
from lookback.data.testsets import derive
from lookback.errors import LookbackError
from lookback.evaluation.by_length import rows_by_length
from lookback.evaluation.comparison import (
    COLUMNS,
    SCORES,
    Joined,
    Row,
    System,
    compare,
    compare_joined,
    read_comparisons,
    write_comparisons,
)
from lookback.evaluation.metrics import bleu_score, sentence_statistics
from lookback.stats.significance import Sampled, combined, estimate, holm
from pipeline.stage import Layout

EDGES = (10, 20, 30, 40)
BOUNDS = [(1, 10), (11, 20), (21, 30), (31, 40), (None, None)]
X = np.array([5.5, 15.5, 25.5, 35.5])
TO_SLOPE = 10 * (X - X.mean()) / ((X - X.mean()) ** 2).sum()
"""Of buckets of as many sentences each: least squares, in BLEU per ten words."""
SETTINGS = Evaluate(bucket_edges=EDGES, resamples=200)


# --- a world with a known truth ---------------------------------------------------------------------------------------


def correct_words(generator: np.random.Generator, top: float, fall: float, lengths: np.ndarray, common: np.ndarray):
    """The share of words that a system gets right in each sentence [N], as a logit: `fall` for every ten words."""
    return top - fall * lengths / 10 + common + generator.normal(0, 0.5, len(lengths))


def drawn_lengths(generator: np.random.Generator, each: int) -> np.ndarray:
    return np.concatenate([generator.integers(low + 1, low + 11, each) for low in (0, 10, 20, 30)])


def counts(lengths: np.ndarray, quality: np.ndarray, generator: np.random.Generator | None = None) -> np.ndarray:
    """BLEU statistics [N, 10] of translations with a logit `quality` [N] of words right; without chance, expected."""
    share = (1 / (1 + np.exp(-quality)))[:, None] ** np.arange(1, 5)
    total = np.maximum(lengths[:, None] - np.arange(4), 0)
    correct = total * share if generator is None else generator.binomial(total, share)
    return np.column_stack([lengths, lengths, correct, total])


def truth(top: float, fall: float, seed_effect: float = 0.0) -> np.ndarray:
    """Expected BLEU of each bucket and of all, of endless sentences and seeds: [5]."""
    lengths = np.repeat(np.arange(1, 41), 200)
    chance = np.tile(stats.norm.ppf((np.arange(200) + 0.5) / 200), 40) * math.hypot(0.8, 0.5)
    scores = []
    for effect in seed_effect * stats.norm.ppf((np.arange(9) + 0.5) / 9):
        sums = counts(lengths, top - fall * lengths / 10 + chance + effect).reshape(4, -1, 10).sum(axis=1)
        scores.append(bleu_score(np.vstack([sums, sums.sum(axis=0)])))
    return np.mean(scores, axis=0)


def drawn_systems(
    generator: np.random.Generator, each: int, qualities: dict[str, tuple[float, float]], seeds: int, effect: float
) -> tuple[list[System], np.ndarray]:
    """Systems on `each` sentences a bucket, with what is hard in a sentence in common, each seed a little different."""
    lengths = drawn_lengths(generator, each)
    common = generator.normal(0, 0.8, len(lengths))
    systems = []
    for name, (top, fall) in qualities.items():
        quality = correct_words(generator, top, fall, lengths, common)
        runs = [counts(lengths, quality + generator.normal(0, effect), generator) for _ in range(seeds)]
        systems.append(System(name, 20, runs))
    return systems, lengths


def key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("measure", "system", "other", "bucket_low", "bucket_high"))


def only(rows: list[Row], **wanted: Any) -> list[Row]:
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


# --- intervals and tests over repeated draws --------------------------------------------------------------------------

QUALITIES = {"even": (2.0, 0.2), "twin": (2.0, 0.2), "falling": (2.0, 0.45)}


@pytest.fixture(scope="module", params=[(300, 50, 1, 0.0), (300, 10, 1, 0.0), (150, 40, 2, 0.12), (100, 40, 3, 0.12)])
def repeated(request: pytest.FixtureRequest) -> tuple[tuple, dict[tuple, float], dict[tuple, np.ndarray]]:
    """Draws, sentences a bucket, seeds and how they differ; the true value of every row; and of every row the numbers
    [draws, (value, low, high, p, p_corrected)]."""
    draws, each, seeds, effect = request.param
    true = {name: truth(*quality, effect) for name, quality in QUALITIES.items()}
    expected: dict[tuple, float] = {}
    for name, scores in true.items():
        expected |= {("mean", name, None, *bounds): scores[i] for i, bounds in enumerate(BOUNDS)}
        expected["slope", name, None, None, None] = TO_SLOPE @ scores[:4]
        expected["capacity", name, None, 1, 20] = scores[0] - scores[1]
        expected["extrapolation", name, None, 11, 40] = scores[1] - scores[3]
    for one, other in (("even", "twin"), ("even", "falling"), ("twin", "falling")):
        gap = true[one] - true[other]
        expected |= {("difference", one, other, *bounds): gap[i] for i, bounds in enumerate(BOUNDS)}
        expected["gap_growth", one, other, None, None] = TO_SLOPE @ gap[:4]
        expected["gap_growth_inside", one, other, None, None] = gap[1] - gap[0]
    generator, found = np.random.default_rng(3), {}
    for draw in range(draws):
        systems, lengths = drawn_systems(generator, each, QUALITIES, seeds, effect)
        for row in compare(systems, lengths, SETTINGS.model_copy(update={"seed": draw})):
            numbers = [row[name] for name in ("value", "low", "high", "p", "p_corrected")]
            found.setdefault(key(row), []).append([math.nan if number is None else number for number in numbers])
    return request.param, expected, {row: np.array(numbers) for row, numbers in found.items()}


def test_intervals_cover_as_they_claim_and_tests_keep_their_level(repeated) -> None:
    """Each share against its binomial standard error, 1.3 points over 300 draws; the rows share their draws.

    With several seeds, intervals and tests may be on the safe side, as `stats.significance` says, never beyond.
    """
    (draws, _, seeds, _), expected, found = repeated
    error = math.sqrt(0.05 * 0.95 / draws)
    assert set(expected) == {row for row in found if row[0] != "spread"} | (
        set() if seeds > 1 else {row for row in expected if row[0] == "mean"}
    )
    covered = {
        row: np.mean((n[:, 1] <= expected[row]) & (expected[row] <= n[:, 2]))
        for row, n in found.items()
        if row in expected
    }
    assert min(covered.values()) > 0.95 - 4 * error, covered
    assert np.mean(list(covered.values())) > 0.94
    assert np.mean(list(covered.values())) < (0.965 if seeds == 1 else 0.99)
    no_difference = [numbers for row, numbers in found.items() if row[1:3] == ("even", "twin")]
    assert len(no_difference) == 7
    rejected = [np.mean(numbers[:, 3] <= 0.05) for numbers in no_difference]
    assert max(rejected) < 0.05 + 4 * error, rejected
    if seeds == 1:
        assert np.mean(rejected) > 0.03
    family = np.any([numbers[:, 4] <= 0.05 for numbers in no_difference], axis=0)
    assert family.mean() < 0.05 + 3 * error


def test_the_true_values_are_found(repeated) -> None:
    (draws, each, seeds, _), expected, found = repeated
    for row, value in expected.items():
        if row in found:
            values = found[row][:, 0]
            # Few sentences have a BLEU a little off that of many.
            assert values.mean() == pytest.approx(value, abs=4 * values.std() / math.sqrt(draws) + 12 / each), row
    p = {row: numbers[:, 3] for row, numbers in found.items() if row[2] == "falling"}
    power = {row: np.mean(values <= 0.05) for row, values in p.items()}
    if each == 50:
        assert power["difference", "even", "falling", 31, 40] > 0.99
        assert power["difference", "even", "falling", 31, 40] > power["difference", "even", "falling", 1, 10] + 0.3
        assert power["gap_growth", "even", "falling", None, None] > 0.9
        # The gap grows here by 6 BLEU from the first bucket to the second, and by 26 from the first to the last.
        assert 0.1 < power["gap_growth_inside", "even", "falling", None, None] < 0.9
    if seeds == 3:
        assert power["difference", "even", "falling", 31, 40] > 0.8


def test_p_and_interval_agree(repeated) -> None:
    _, _, found = repeated
    assert {row[0] for row in found if np.isnan(found[row][:, 3]).any()} <= {"mean", "spread"}
    for row in [row for row in found if row[0] not in ("mean", "spread")]:
        _, low, high, p, _ = found[row].T
        assert ((p < 0.05) == ((low > 0) | (high < 0))).all()
        assert p.min() >= 1 / 201


def test_sentences_alone_would_be_too_sure_where_seeds_differ() -> None:
    """That the seeds' part is needed: the tests above fail without it."""
    generator, rejected = np.random.default_rng(4), []
    for draw in range(60):
        systems, lengths = drawn_systems(generator, 40, {"even": (2, 0.2), "twin": (2, 0.2)}, 2, 0.3)
        one_run = [System(s.name, 20, s.statistics[:1]) for s in systems]
        settings = SETTINGS.model_copy(update={"seed": draw})
        rows = [only(compare(s, lengths, settings), measure="difference")[-1] for s in (systems, one_run)]
        assert [row["seeds"] for row in rows] == [2, 1]
        rejected.append([row["p"] <= 0.05 for row in rows])
    both, first = np.mean(rejected, axis=0)
    assert both <= 0.1
    assert first > 0.5


@pytest.mark.parametrize(("seeds", "effect"), [(1, 0.0), (2, 0.12)])
def test_joined_sentences_are_tested_as_the_rest(seeds: int, effect: float) -> None:
    """60 lines of 40 words, as the experiments have them of four sentences; once joining costs nothing, once much."""
    generator, draws, lengths = np.random.default_rng(12), 150, np.full(60, 40)
    true = {"even": 0.0, "joined-worse": float(truth_of_40(2.0, effect) - truth_of_40(1.5, effect))}
    found: dict[str, list[Row]] = {name: [] for name in true}
    for draw in range(draws):
        common = generator.normal(0, 0.8, len(lengths))
        sets = []
        for name, top in (("even", 2.0), ("joined-worse", 1.5)):
            trained = generator.normal(0, effect, seeds)
            alone, together = (
                [counts(lengths, correct_words(generator, t, 0, lengths, common) + e, generator) for e in trained]
                for t in (2.0, top)
            )
            sets.append(Joined(name, "joined-4", alone, together))
        for row in compare_joined(sets, SETTINGS.model_copy(update={"seed": draw})):
            found[row["system"]].append(row)
    for name, rows in found.items():
        numbers = np.array([[row[key] for key in ("value", "low", "high", "p")] for row in rows])
        covered = np.mean((numbers[:, 1] <= true[name]) & (true[name] <= numbers[:, 2]))
        # Standard error 1.8 points; with two seeds on the safe side.
        assert 0.95 - 0.055 < covered <= (0.99 if seeds == 1 else 1.0), name
        assert numbers[:, 0].mean() == pytest.approx(true[name], abs=0.5)
        assert ((numbers[:, 3] < 0.05) == ((numbers[:, 1] > 0) | (numbers[:, 2] < 0))).all()
    assert np.mean([row["p"] < 0.05 for row in found["even"]]) < 0.05 + 0.055
    assert np.mean([row["p"] < 0.05 for row in found["joined-worse"]]) > (0.9 if seeds == 1 else 0.5)


def truth_of_40(top: float, effect: float) -> np.ndarray:
    """Expected BLEU of endless lines of 40 words: what is hard in a line, the system's chance, and that of seeds."""
    chance = stats.norm.ppf((np.arange(4000) + 0.5) / 4000) * math.hypot(0.8, 0.5)
    effects = effect * stats.norm.ppf((np.arange(9) + 0.5) / 9)
    sums = [counts(np.full(4000, 40), top + chance + seed).sum(axis=0) for seed in effects]
    return bleu_score(np.stack(sums)).mean()


# --- numbers and their chance -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seeds", "of_training"), [(2, 0.0), (2, 1.0), (2, 25.0), (3, 2.0), (5, 2.0)])
@pytest.mark.parametrize("sides", [1, 2])
def test_seeds_and_sentences_together(seeds: int, of_training: float, sides: int) -> None:
    """Normal numbers with variance 1 of sentences, 0.2 of each seed's with them, and one of training."""
    generator, draws, resamples = np.random.default_rng(5), 600, 200
    false_finds, widths = 0, []
    for draw in range(draws):
        common, systems = generator.normal(size=(resamples + 1, 1)), []
        for _ in range(sides):
            noise = common * (1 if sides == 1 else 0) + generator.normal(size=(resamples + 1, seeds)) * math.sqrt(0.2)
            training = generator.normal(size=seeds) * math.sqrt(of_training)
            systems.append(Sampled(noise[0] + training, noise[1:]))
        found = estimate(*systems, confidence=0.95, seed=draw)
        false_finds += found.p is not None and found.p <= 0.05
        widths.append((found.high or 0) - (found.low or 0))
    # Standard error 0.9 points.
    assert 0.005 < false_finds / draws < 0.075
    exact = 2 * 1.96 * math.sqrt((1 if sides == 1 else 0) + sides * (0.2 + of_training) / seeds)
    assert exact * 0.9 < np.median(widths) < exact * {2: 6.5, 3: 2.2, 5: 1.5}[seeds]


def test_equal_seeds_add_nothing() -> None:
    deviations = np.random.default_rng(6).normal(size=(500, 1))
    one = Sampled(np.array([3.0]), deviations)
    two = Sampled(np.array([3.0, 3.0]), np.hstack([deviations, deviations]))
    first, second = (estimate(system, confidence=0.9, seed=1) for system in (one, two))
    assert (first.seeds, second.seeds) == (1, 2)
    assert (second.low, second.high, second.p) == pytest.approx((first.low, first.high, first.p))


def test_one_side_with_one_seed_says_so() -> None:
    deviations = np.random.default_rng(6).normal(size=(500, 2))
    found = estimate(
        Sampled(np.array([3.0, 9.0]), deviations), Sampled(np.zeros(1), deviations[:, :1]), confidence=0.9, seed=1
    )
    assert found.seeds == 1
    assert found.high is not None
    assert found.high - found.value < 3


def test_weighted_sums() -> None:
    parts = [Sampled(np.array([1.0, 2.0]), np.ones((3, 2))), Sampled(np.array([10.0, 20.0]), np.full((3, 2), 4.0))]
    total = combined([1, -0.5], parts)
    assert total.values.tolist() == [-4.0, -8.0]
    assert (total.deviations == -1).all()


def test_holm_by_hand() -> None:
    # In order: 0.01 x 4; 0.02 x 3; 0.03 x 2, not below the last; 0.9.
    assert holm([0.03, 0.01, 0.9, 0.02]) == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


# --- rows -------------------------------------------------------------------------------------------------------------


def two(each: int = 30, seeds: int = 1, effect: float = 0.1) -> tuple[list[System], np.ndarray]:
    return drawn_systems(np.random.default_rng(7), each, {"even": (2, 0.2), "falling": (2, 0.6)}, seeds, effect)


def test_values_by_hand() -> None:
    systems, lengths = two(seeds=2)
    rows = compare(systems, lengths, SETTINGS)
    insides = [*((lengths > low) & (lengths <= low + 10) for low in (0, 10, 20, 30)), lengths > 0]
    scores = {s.name: np.array([[bleu_score(run[i].sum(0)) for run in s.statistics] for i in insides]) for s in systems}
    even, falling = (scores[name].mean(axis=1) for name in ("even", "falling"))
    assert [row["value"] for row in only(rows, measure="difference")] == pytest.approx(even - falling)
    assert [row["value"] for row in only(rows, measure="mean", system="even")] == pytest.approx(even)
    spread = only(rows, measure="spread", system="even")
    assert [row["value"] for row in spread] == pytest.approx(scores["even"].std(axis=1, ddof=1))
    assert spread[0]["low"] == pytest.approx(spread[0]["value"] / math.sqrt(stats.chi2.ppf(0.975, 1)))
    means = np.array([lengths[inside].mean() for inside in insides[:4]])
    lines = [np.polyfit(means, values[:4], 1)[0] * 10 for values in (even, falling)]
    assert [row["value"] for row in only(rows, measure="slope")] == pytest.approx(lines)
    assert only(rows, measure="gap_growth")[0]["value"] == pytest.approx(lines[0] - lines[1])
    growth = ((even - falling)[1] - (even - falling)[0]) / (means[1] - means[0]) * 10
    inside = only(rows, measure="gap_growth_inside")[0]
    assert (inside["value"], inside["n"]) == (pytest.approx(growth), 60)
    (inside,), (beyond,) = (only(rows, measure=name, system="even") for name in ("capacity", "extrapolation"))
    assert (inside["value"], beyond["value"]) == pytest.approx((even[0] - even[1], even[1] - even[3]))
    assert [row["bucket_low"] for row in (inside, beyond)] == [1, 11]
    assert [row["bucket_high"] for row in (inside, beyond)] == [20, 40]
    assert all(tuple(row) == tuple(COLUMNS) for row in rows)
    assert {row["n"] for row in rows} == {30, 60, 120}
    assert {row["seeds"] for row in rows} == {2}


def test_weights_are_the_numbers_of_sentences() -> None:
    systems, lengths = two()
    kept = np.flatnonzero((lengths <= 30) | (np.arange(len(lengths)) % 10 == 0))
    systems = [System(s.name, 20, [s.statistics[0][kept]]) for s in systems]
    lengths = lengths[kept]
    insides = [(lengths > low) & (lengths <= low + 10) for low in (0, 10, 20, 30)]
    scores = [bleu_score(systems[0].statistics[0][inside].sum(0)) for inside in insides]
    n, x = (np.array([f(inside) for inside in insides]) for f in (np.sum, lambda inside: lengths[inside].mean()))
    line = np.polyfit(x, scores, 1, w=np.sqrt(n))[0] * 10
    assert only(compare(systems, lengths, SETTINGS), measure="slope")[0]["value"] == pytest.approx(line)


def test_resamples_are_those_of_the_rows_by_length() -> None:
    chance = np.random.default_rng(8)
    references = [" ".join(chance.choice(list("abcdefg"), size)) for size in chance.integers(1, 40, 300)]
    hypotheses = [" ".join(w if chance.random() < 0.8 else "x" for w in line.split()) for line in references]
    lengths = [len(line.split()) for line in references]
    settings = Evaluate(bucket_edges=EDGES, resamples=500)
    about: dict[str, Any] = {"experiment": "e", "model": "m", "max_train_words": None, "seed": 1, "settings": settings}
    about |= {"source_words": lengths, "references": references}
    alone = rows_by_length(system="s", hypotheses=hypotheses, **about)
    empty = System("empty", None, [sentence_statistics([""] * 300, references).bleu])
    system = System("s", None, [sentence_statistics(hypotheses, references).bleu])
    rows = only(compare([system, empty], lengths, settings), measure="difference")
    for row, other in zip(rows, alone, strict=True):
        # Against a BLEU of 0 the difference is the score; the interval here is symmetric, and a little wider.
        assert (row["n"], row["value"]) == (other["n"], pytest.approx(other["bleu"]))
        width = other["bleu_high"] - other["bleu_low"]
        assert (row["low"], row["high"]) == pytest.approx((other["bleu_low"], other["bleu_high"]), abs=0.15 * width)


def test_two_identical_systems() -> None:
    (system, _), lengths = two(seeds=2)
    rows = compare([system, System("copy", 20, system.statistics)], lengths, SETTINGS)
    for row in [*only(rows, measure="difference"), *only(rows, measure="gap_growth")]:
        assert row["value"] == 0


def test_two_identical_outputs_differ_by_nothing_for_sure() -> None:
    (system, _), lengths = two()
    rows = compare([system, System("copy", 20, system.statistics)], lengths, SETTINGS)
    for row in [*only(rows, measure="difference"), *only(rows, measure="gap_growth")]:
        assert (row["value"], row["low"], row["high"], row["p"]) == (0, 0, 0, 1)
    assert {row["p_corrected"] for row in only(rows, measure="difference")[:-1]} == {1.0}


def test_the_family_is_the_buckets_of_a_pair() -> None:
    rows = only(compare(*two(), SETTINGS), measure="difference")
    assert [row["p_corrected"] for row in rows] == [*holm([row["p"] for row in rows[:-1]]), None]
    assert any(row["p_corrected"] > row["p"] for row in rows[:-1])


def test_one_system_only() -> None:
    systems, lengths = two()
    rows = compare(systems[:1], lengths, SETTINGS)
    assert [row["measure"] for row in rows] == ["slope", "capacity", "extrapolation"]
    assert {row["other"] for row in rows} == {None}


def test_no_system() -> None:
    assert compare([], [1, 2], SETTINGS) == []


def test_a_bucket_of_one_sentence_and_one_of_none() -> None:
    systems, lengths = two()
    lengths = np.where(lengths > 30, 25, lengths)
    lengths[-1] = 70
    rows = compare(systems, lengths, SETTINGS)
    found = only(rows, measure="difference")
    assert [(row["bucket_low"], row["n"]) for row in found] == [
        (1, 30),
        (11, 30),
        (21, 59),
        (31, 0),
        (41, 1),
        (None, 120),
    ]
    numbers = ("value", "low", "high", "p", "p_corrected")
    assert [[row[name] is None for name in numbers] for row in found[3:5]] == [[True] * 5, [False, *[True] * 4]]
    assert only(rows, measure="slope")[0]["n"] == 119
    (beyond, _) = only(rows, measure="extrapolation")
    assert (beyond["bucket_low"], beyond["bucket_high"]) == (11, 30)


def test_few_sentences_make_wide_intervals() -> None:
    systems, lengths = drawn_systems(np.random.default_rng(9), 2, QUALITIES, 2, 0.1)
    for row in only(compare(systems, lengths, SETTINGS), measure="difference"):
        assert row["high"] - row["low"] > 5


@pytest.mark.parametrize(
    ("max_train_words", "longest", "expected"),
    [
        (20, 40, {"capacity": (1, 20), "extrapolation": (11, 40)}),
        # 21-30 is cut in two by the training length: neither inside nor beyond.
        (25, 40, {"capacity": (1, 20), "extrapolation": (11, 40)}),
        # So is the last bucket here: no fall is wholly beyond.
        (35, 40, {"capacity": (11, 30)}),
        (40, 40, {"capacity": (11, 40)}),
        (50, 45, {"capacity": (11, None)}),
        (44, 45, {"capacity": (11, 40)}),
        (40, 45, {"capacity": (11, 40), "extrapolation": (31, None)}),
        (10, 40, {"extrapolation": (1, 40)}),
        (9, 40, {}),
        (None, 40, {}),
    ],
)
def test_which_buckets_the_falls_are_between(max_train_words: int | None, longest: int, expected: dict) -> None:
    (system, _), lengths = two()
    lengths[-2:] = longest
    system = System("even", max_train_words, system.statistics)
    rows = [row for row in compare([system], lengths, SETTINGS) if row["measure"] != "slope"]
    assert {row["measure"]: (row["bucket_low"], row["bucket_high"]) for row in rows} == expected
    smallest = {row["measure"]: row["n"] for row in rows if row["bucket_high"] is None}
    assert set(smallest.values()) <= {2}


@pytest.mark.parametrize(
    ("one", "other", "n"), [(40, 40, 120), (40, 30, 90), (30, 40, 90), (35, 40, 90), (10, 40, 0), (40, None, 0)]
)
def test_gaps_grow_inside_the_training_length_that_both_share(one: int, other: int | None, n: int) -> None:
    systems, lengths = two()
    systems = [System(s.name, words, s.statistics) for s, words in zip(systems, (one, other), strict=True)]
    rows = compare(systems, lengths, SETTINGS)
    inside = only(rows, measure="gap_growth_inside")
    assert [row["n"] for row in inside] == ([n] if n else [])
    if n == 120:
        assert {**inside[0], "measure": "gap_growth"} == only(rows, measure="gap_growth")[0]


def joined_pair(each: int = 20, seeds: int = 2) -> list[Joined]:
    systems, _ = two(each, seeds)
    pair = systems[0].statistics, systems[1].statistics
    return [Joined("s", "joined-2", *pair), Joined("s", "joined-4", pair[1], pair[1]), Joined("t", "joined-2", *pair)]


def test_joined_sentences_by_hand() -> None:
    found = joined_pair()
    rows = compare_joined(found, SETTINGS)
    scores = [[np.mean([bleu_score(s.sum(0)) for s in part]) for part in (i.alone, i.together)] for i in found]
    assert [row["value"] for row in rows] == pytest.approx([alone - together for alone, together in scores])
    assert [(row["system"], row["test_set"], row["n"], row["seeds"]) for row in rows] == [
        ("s", "joined-2", 80, 2),
        ("s", "joined-4", 80, 2),
        ("t", "joined-2", 80, 2),
    ]
    assert all(tuple(row) == tuple(COLUMNS) and row["measure"] == "joined" for row in rows)
    first, equal, other = rows
    assert first["value"] > 0, "positive where the score falls"
    assert (equal["value"], equal["p"]) == (0, 1)
    assert [row["p_corrected"] for row in rows] == [*holm([first["p"], 1.0]), other["p"]]


def test_one_joined_line_has_no_test() -> None:
    (first, *_) = joined_pair(seeds=1)
    one = Joined("s", "joined-2", [first.alone[0][:1]], [first.together[0][:1]])
    (row,) = compare_joined([one], SETTINGS)
    assert [row[name] is None for name in ("value", "low", "high", "p", "p_corrected")] == [False, *[True] * 4]
    assert compare_joined([], SETTINGS) == []


def test_no_line_through_one_bucket() -> None:
    systems, lengths = two()
    rows = compare(systems, lengths, Evaluate(bucket_edges=(100,), resamples=10))
    assert [row["measure"] for row in rows] == ["difference"] * 2


def test_sentences_without_a_word_are_not_the_first_bucket() -> None:
    systems, lengths = two()
    lengths[:5] = 0
    rows = compare(systems, lengths, SETTINGS)
    assert only(rows, measure="difference")[0]["bucket_high"] == 0
    assert only(rows, measure="capacity")[0]["bucket_low"] == 1
    assert only(rows, measure="slope")[0]["n"] == 115


def test_empty_hypotheses() -> None:
    references = [f"das ist Satz {i} von vielen" for i in range(30)]
    empty, perfect = (
        System(name, 5, [sentence_statistics(lines, references).bleu])
        for name, lines in (("empty", [""] * 30), ("perfect", references))
    )
    lengths = np.arange(30) + 11
    rows = compare([empty, perfect], lengths, SETTINGS)
    for row in only(rows, measure="difference")[1:]:
        assert (row["value"], row["low"], row["high"]) == pytest.approx((-100, -100, -100))
        assert row["p"] == pytest.approx(1 / 201)
    assert only(rows, measure="gap_growth")[0]["value"] == pytest.approx(0)


def test_chrf_is_compared_as_well() -> None:
    references = [f"das ist Satz {i} von vielen" for i in range(30)]
    good, bad = (
        System(lines[0], 5, [sentence_statistics(lines, references).chrf]) for lines in (references, ["ist das"] * 30)
    )
    rows = only(compare([good, bad], np.arange(30) + 11, SETTINGS, metric="chrf"), measure="difference")[1:]
    assert {row["metric"] for row in rows} == {"chrf"}
    assert all(row["low"] > 50 for row in rows)


def test_numbers_depend_on_the_seed_alone() -> None:
    first, again = (compare(*two(seeds=2), SETTINGS) for _ in range(2))
    other = compare(*two(seeds=2), SETTINGS.model_copy(update={"seed": -2}))
    assert first == again
    assert [row["value"] for row in first] == [row["value"] for row in other]
    assert first != other


def test_bad_input_is_told() -> None:
    systems, lengths = two()
    with pytest.raises(LookbackError, match="test: even: 120 translations of 119 sentences"):
        compare(systems, lengths[1:], SETTINGS)
    with pytest.raises(LookbackError, match="test: the test set is empty"):
        compare(systems, [], SETTINGS)


@pytest.mark.parametrize(("sentences", "systems", "seconds"), [(3_000, 10, 20.0), (100_000, 2, 60.0)])
def test_many_sentences_and_systems(sentences: int, systems: int, seconds: float) -> None:
    drawn, lengths = drawn_systems(
        np.random.default_rng(10), sentences // 4, {f"s{i}": (2, 0.05 * i) for i in range(systems)}, 1, 0.1
    )
    settings = Evaluate(bucket_edges=EDGES, resamples=1_000 if sentences < 10_000 else 100)
    start = time.process_time()
    rows = compare(drawn, lengths, settings)
    assert time.process_time() - start < seconds
    assert only(rows, measure="difference")[-1]["n"] == sentences


# --- the table on disk ------------------------------------------------------------------------------------------------


def test_rows_written_are_read_again(tmp_path: Path) -> None:
    rows = compare(*two(seeds=2), SETTINGS)
    write_comparisons(tmp_path / "c.csv", rows)
    text = (tmp_path / "c.csv").read_text()
    assert text.splitlines()[0] == ",".join(COLUMNS)
    read = read_comparisons(tmp_path / "c.csv")
    for row, again in zip(rows, read, strict=True):
        for name, value in row.items():
            if isinstance(value, float):
                assert again[name] == pytest.approx(value, abs=0.0005)
            else:
                assert again[name] == value
    write_comparisons(tmp_path / "d.csv", read)
    assert (tmp_path / "d.csv").read_text() == text


def test_small_numbers_on_disk(tmp_path: Path) -> None:
    row = dict.fromkeys(COLUMNS) | {"measure": "difference", "value": -0.0001, "p": 0.0000123456}
    write_comparisons(tmp_path / "c.csv", [row])
    assert (tmp_path / "c.csv").read_text().splitlines()[1] == "difference,,,,,,,,,,0.000,,,1.235e-05,"


def test_a_bad_table_is_told(tmp_path: Path) -> None:
    path = tmp_path / "comparisons.csv"
    with pytest.raises(LookbackError, match="no such file; compare writes it"):
        read_comparisons(path)
    path.write_text("measure,value\n")
    with pytest.raises(LookbackError, match="line 1: no column 'metric'; run compare again"):
        read_comparisons(path)
    write_comparisons(path, compare(*two(), SETTINGS))
    path.write_text(
        path.read_text().replace(
            "difference,bleu,even,falling,test,source_words,1", "difference,bleu,even,falling,test,source_words,one"
        )
    )
    with pytest.raises(LookbackError, match="bucket_low is 'one', which is not a number"):
        read_comparisons(path)


# --- the stage --------------------------------------------------------------------------------------------------------

CONF = """
title: Tiny
source_language: en
target_language: de
corpus: {kind: fragment}
prepare: {}
tokenize: {}
test_sets: {joined: {max_words: 9, join: [1, 2, 4], groups: 20}}
grid: {models: [bahdanau], max_train_words: [20], seeds: [1, 2]}
models: {bahdanau: {}}
train: {updates: 1, batch_sentences: 10}
translate: {}
evaluate: {bucket_edges: [5, 10], resamples: 50}
"""


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Translations by two seeds: of single sentences all right, of joined ones their first half."""
    monkeypatch.chdir(tmp_path)
    Path("conf").mkdir()
    Path("conf/tiny.yaml").write_text(CONF)
    experiment, layout = load_experiment("tiny"), Layout("tiny")
    layout.prepared.mkdir(parents=True)
    words = np.arange(48) % 6 + 4
    lines = [" ".join(f"w{i}.{word}" for word in range(n)) for i, n in enumerate(words)]
    for side in ("source", "target"):
        (layout.prepared / f"test.{side}").write_text("".join(f"{line}\n" for line in lines))
    np.save(layout.prepared / "test.words.npy", np.column_stack([words, words]).astype(np.uint16))
    derive(layout.prepared, layout.prepared, layout.testsets, experiment.test_sets, SentencePiece(), "tiny")
    for run in experiment.runs:
        folder = layout.translations(run.name)
        folder.mkdir(parents=True)
        (folder / "test.hypotheses").write_text("".join(f"{line}\n" for line in lines))
        for found in testsets.read(layout.testsets):
            count = int(found.name.removeprefix("joined-"))
            texts = [" ".join(line.split()[: -(-len(line.split()) // min(count, 2))]) for line in found.references]
            if run.seed == 2 and count == 4:
                texts = found.references
            (folder / f"{found.name}.hypotheses").write_text("".join(f"{text}\n" for text in texts))
    monkeypatch.setattr(sys, "argv", ["compare", "--experiment", "tiny"])
    return tmp_path


def test_the_stage_sets_joined_sentences_against_the_same_one_by_one(stage: Path) -> None:
    pipeline.compare.main()
    rows = only(read_comparisons(stage / "reports/tiny/comparisons.csv"), measure="joined")
    about = [(row["metric"], row["system"], row["test_set"], row["n"], row["seeds"]) for row in rows]
    assert about == [(m, "bahdanau-20", f"joined-{k}", 48 // k, 2) for m in SCORES for k in (2, 4)]
    halves, one_half = rows[0], rows[1]
    # All words of the half are right: BLEU is the brevity penalty, near exp(1 - 2).
    assert halves["value"] == pytest.approx(100 - 100 * math.exp(-1), abs=5)
    assert one_half["value"] == pytest.approx((100 - 100 * math.exp(-1)) / 2, abs=5), "the mean over seeds"
    assert halves["p_corrected"] < 0.05 < one_half["p_corrected"], "the seeds do not agree"


def test_the_stage_names_a_file_with_too_few_lines(stage: Path) -> None:
    path = Layout("tiny").translations("bahdanau-20-s2") / "joined-4.hypotheses"
    path.write_text("one\n")
    with pytest.raises(LookbackError, match=f"{path}: 1 lines, but the reference has 12"):
        pipeline.compare.main()


def test_the_stage_compares_without_joined_sentences(stage: Path) -> None:
    conf = stage / "conf/tiny.yaml"
    conf.write_text(conf.read_text().replace("test_sets: {joined: {max_words: 9, join: [1, 2, 4], groups: 20}}\n", ""))
    layout = Layout("tiny")
    derive(layout.prepared, layout.prepared, layout.testsets, FurtherSets(), SentencePiece(), "tiny")
    pipeline.compare.main()
    rows = read_comparisons(stage / "reports/tiny/comparisons.csv")
    assert {row["measure"] for row in rows} == {"mean", "spread", "slope", "capacity"}
