import time

import numpy as np
import pytest

from lookback.evaluation.metrics import BLEU_STATISTICS, CHRF_STATISTICS, bleu_score, chrf_score
from lookback.stats import bootstrap as statistics
from lookback.stats.bootstrap import percentile_interval, resample_counts, resampled_sums


def test_each_resample_has_as_many_sentences_as_the_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "CHUNK", 700)
    chunks = list(resample_counts(sentences=100, resamples=23, seed=(1,)))
    assert [chunk.shape for chunk in chunks] == [(7, 100), (7, 100), (7, 100), (2, 100)]
    assert all((chunk.sum(axis=1) == 100).all() for chunk in chunks)


def test_every_sentence_is_drawn_as_often() -> None:
    (counts,) = resample_counts(sentences=50, resamples=20_000, seed=(1,))
    # A count is binomial(50, 1/50): mean 1, variance 0.98.
    assert np.allclose(counts.mean(axis=0), 1.0, atol=5 * np.sqrt(0.98 / 20_000))
    assert counts.var() == pytest.approx(0.98, rel=0.02)


def test_the_same_seed_gives_the_same_resamples() -> None:
    first, again, other = (np.concatenate(list(resample_counts(40, 30, seed))) for seed in [(1, 2), (1, 2), (2, 1)])
    assert (first == again).all()
    assert (first != other).any()


def test_negative_seeds_differ_from_positive_ones() -> None:
    minus, plus = (np.concatenate(list(resample_counts(40, 30, seed))) for seed in [(-1,), (1,)])
    assert (minus != plus).any()


def test_systems_share_their_resamples() -> None:
    """Side by side or one after the other: the difference between systems is taken within a resample."""
    generator = np.random.default_rng(0)
    one, other = generator.integers(0, 9, (30, 2)), generator.integers(0, 9, (30, 3))
    together = resampled_sums(np.hstack([one, other]), resamples=50, seed=(7,))
    assert (together[:, :2] == resampled_sums(one, 50, (7,))).all()
    assert (together[:, 2:] == resampled_sums(other, 50, (7,))).all()


def test_equal_sentences_have_no_spread() -> None:
    sums = resampled_sums(np.tile([3, 4], (12, 1)), resamples=9, seed=(1,))
    assert (sums == [36, 48]).all()


def test_one_sentence() -> None:
    assert (resampled_sums([[5, 6]], resamples=3, seed=(1,)) == [5, 6]).all()


def test_no_sentence() -> None:
    with pytest.raises(ValueError, match="no sentence"):
        resampled_sums(np.empty((0, 3)), resamples=3, seed=(1,))


def test_percentiles() -> None:
    assert percentile_interval(np.arange(101), confidence=0.9) == pytest.approx((5.0, 95.0))


def test_the_spread_is_the_standard_error_of_a_mean() -> None:
    values = np.random.default_rng(3).normal(10.0, 2.0, size=400)
    low, high = percentile_interval(resampled_sums(values[:, None], 4_000, (1,))[:, 0] / 400, confidence=0.95)
    error = values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.1 * error)


def test_ten_systems_of_3000_sentences_take_seconds() -> None:
    generator = np.random.default_rng(0)
    per_system = generator.integers(0, 50, (10, 3_000, BLEU_STATISTICS + CHRF_STATISTICS))
    start = time.process_time()  # of this process, however busy the machine
    for system in per_system:
        sums = resampled_sums(system, resamples=1_000, seed=(1,))
        percentile_interval(bleu_score(sums[:, :BLEU_STATISTICS]), 0.95)
        percentile_interval(chrf_score(sums[:, BLEU_STATISTICS:]), 0.95)
    assert time.process_time() - start < 10.0


@pytest.mark.parametrize("sentences", [60, 300])
def test_intervals_of_bleu_cover_as_they_claim(sentences: int) -> None:
    """A large population of sentences has a known BLEU; intervals from samples of it must contain that BLEU.

    Over 1,000 samples the share that does has a standard error of 0.7 points. Percentile intervals of small samples are
    known to be a little too narrow, so more room is left below.
    """
    generator = np.random.default_rng(11)
    population = _sentences_of_mixed_quality(generator, 20_000)
    truth = float(bleu_score(population.sum(axis=0)))
    assert 20 < truth < 80
    covered = 0
    for draw in range(1_000):
        sample = population[generator.integers(0, len(population), sentences)]
        scores = bleu_score(resampled_sums(sample, resamples=500, seed=(draw,)))
        low, high = percentile_interval(scores, confidence=0.95)
        covered += low <= truth <= high
    assert 0.92 < covered / 1_000 < 0.97


def _sentences_of_mixed_quality(generator: np.random.Generator, count: int) -> np.ndarray:
    """BLEU statistics [count, 10] of made-up sentences: lengths from 5 to 40, a quality of its own for each."""
    reference = generator.integers(5, 41, count)
    system = np.maximum(4, np.round(reference * generator.normal(0.95, 0.1, count))).astype(int)
    quality = generator.beta(4, 2, count)
    total = np.stack([system - order for order in range(4)], axis=1)
    correct = np.stack([generator.binomial(total[:, order], quality ** (order + 1)) for order in range(4)], axis=1)
    return np.column_stack([system, reference, correct, total])
