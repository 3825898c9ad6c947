"""BLEU and chrF from sufficient statistics: sacreBLEU counts each sentence once, and every score is made from sums.

Each sentence leaves a short vector of counts. The score of any set of sentences (a bucket, a test set, a bootstrap
resample) is a function of the sum of their vectors. It is corpus BLEU (Papineni et al. 2002) as the `sacrebleu` command
prints it, never an average over sentences.

Translations and references are plain detokenised text, one sentence a string; sacreBLEU tokenises (13a).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from lookback.errors import LookbackError

NGRAM_ORDER = 4
BLEU_STATISTICS = 2 + 2 * NGRAM_ORDER
"""Length of translation and of reference in tokens; correct n-grams for n = 1..4; all n-grams for n = 1..4."""
CHARACTER_ORDER = 6
CHRF_STATISTICS = 3 * CHARACTER_ORDER
"""For n = 1..6: character n-grams in the translation, in the reference, in both."""


PART = 5_000
"""Sentences that sacreBLEU gets at once."""


@dataclass(frozen=True)
class SentenceStatistics:
    """The statistics from which scores of N translations are computed, and the signatures to print with them."""

    bleu: NDArray[np.int64]
    """[N, BLEU_STATISTICS]"""
    chrf: NDArray[np.int64]
    """[N, CHRF_STATISTICS]"""
    signature: str
    chrf_signature: str


def sentence_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> SentenceStatistics:
    """Have sacreBLEU count the n-grams of each translation against its one reference.

    Raises:
        LookbackError: there are no sentences, or the numbers of translations and references differ.
    """
    check_counts("hypotheses", hypotheses, references)
    bleu, chrf = BLEU(), CHRF(char_order=CHARACTER_ORDER)
    # Private, hence the cap on sacreBLEU's version in pyproject.toml: no public call returns the statistics of chrF.
    # A part at a time, since sacreBLEU keeps the n-grams of all references that it gets: 50 kB a sentence.
    bleu_counts, chrf_counts = (
        np.vstack(
            [
                np.array(metric._extract_corpus_statistics(hypotheses[i : i + PART], [references[i : i + PART]]))
                for i in range(0, len(references), PART)
            ]
        ).astype(np.int64)
        for metric in (bleu, chrf)
    )
    return SentenceStatistics(bleu_counts, chrf_counts, str(bleu.get_signature()), str(chrf.get_signature()))


def bleu_score(sums: ArrayLike) -> NDArray[np.float64]:
    """Corpus BLEU, 0 to 100, of summed statistics [..., BLEU_STATISTICS]: [...].

    As sacreBLEU's default: always orders 1 to 4; the k-th order without a match counts as 1 / 2**k of a match
    (`smooth:exp`), unless not even a word matches. A set without a translation of four tokens or more has BLEU 0,
    however good it is, as in sacreBLEU.
    """
    sums = np.asarray(sums, dtype=np.float64)
    correct, total = sums[..., 2 : 2 + NGRAM_ORDER], sums[..., 2 + NGRAM_ORDER :]
    smoothed = np.where(correct > 0, correct, 0.5 ** np.cumsum(correct == 0, axis=-1))
    defined = (correct.sum(axis=-1) > 0) & (total > 0).all(axis=-1)
    precisions = np.where(defined[..., None], smoothed / np.maximum(total, 1), 1.0)
    return np.where(defined, 100.0 * brevity_penalty(sums) * np.exp(np.log(precisions).mean(axis=-1)), 0.0)


def brevity_penalty(sums: ArrayLike) -> NDArray[np.float64]:
    """BLEU's factor for translations shorter than their references, in tokens: [..., BLEU_STATISTICS] to [...]."""
    sums = np.asarray(sums, dtype=np.float64)
    system, reference = sums[..., 0], sums[..., 1]
    penalty = np.exp(np.minimum(0.0, 1.0 - reference / np.maximum(system, 1)))
    return np.where((system == 0) & (reference > 0), 0.0, penalty)


def chrf_score(sums: ArrayLike) -> NDArray[np.float64]:
    """Corpus chrF2 (Popović 2015), 0 to 100, of summed statistics [..., CHRF_STATISTICS]: [...].

    As sacreBLEU's default: precision and recall are averaged over the orders that both sides have n-grams of.
    """
    sums = np.asarray(sums, dtype=np.float64)
    in_hypothesis, in_reference, in_both = sums[..., 0::3], sums[..., 1::3], sums[..., 2::3]
    counted = (in_hypothesis > 0) & (in_reference > 0)
    orders = np.maximum(counted.sum(axis=-1), 1)
    precision = np.where(counted, in_both / np.maximum(in_hypothesis, 1), 0.0).sum(axis=-1) / orders
    recall = np.where(counted, in_both / np.maximum(in_reference, 1), 0.0).sum(axis=-1) / orders
    weight = CHRF.BETA**2
    below = weight * precision + recall
    return 100.0 * (1 + weight) * precision * recall / np.where(below > 0, below, 1.0)


def check_counts(name: str, values: Sequence[Any] | NDArray, references: Sequence[str]) -> None:
    if not len(references):
        raise LookbackError("no reference translations: the test set is empty")
    if len(values) != len(references):
        raise LookbackError(
            f"{name}: {len(values):,} lines, but the reference has {len(references):,}; "
            "there must be one line for each line of the reference, in its order"
        )
