"""BLEU, chrF and the other measures of translations, for every bucket of length.

The scores are those of `lookback.evaluation.metrics`, computed from sums over the sentences of a bucket.

Translations and references are plain detokenised text, one sentence a string; sacreBLEU tokenises (13a).
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookback.config import Evaluate
from lookback.errors import LookbackError
from lookback.evaluation import lexicon as lexicons
from lookback.evaluation.diagnosis import WORD, looping, repeated
from lookback.evaluation.metrics import (
    BLEU_STATISTICS,
    SentenceStatistics,
    bleu_score,
    brevity_penalty,
    check_counts,
    chrf_score,
    sentence_statistics,
)
from lookback.evaluation.tables import COLUMNS, Row
from lookback.stats.bootstrap import percentile_interval, resampled_sums
from lookback.stats.buckets import ALL_LENGTHS, Bucket, buckets, windows


def rows_by_length(
    *,
    experiment: str,
    system: str,
    model: str,
    max_train_words: int | None,
    seed: int | None,
    source_words: ArrayLike,
    hypotheses: Sequence[str],
    references: Sequence[str],
    settings: Evaluate,
    sources: Sequence[str] | None = None,
    lexicon: lexicons.Lexicon | None = None,
    statistics: SentenceStatistics | None = None,
    further_lengths: Mapping[str, ArrayLike] | None = None,
    cut_off: ArrayLike | None = None,
    reference_loss: ArrayLike | None = None,
    reference_pieces: ArrayLike | None = None,
    test_set: str = "test",
    subset: str = "all",
    bucket_by: str = "source_words",
) -> list[Row]:
    """Score one system's translations of one test set: a row a bucket, shortest first, then the row over all lengths.

    Rows of sliding windows and of buckets in other units follow, if the settings ask for them. These have no row over
    all lengths, since it would be the same.

    Args:
        experiment: copied into the rows, like the next four and the last three arguments.
        system: a model and its training length, such as bahdanau-60; error messages begin with it.
        model: the name without the length.
        max_train_words: the longest training sentence; None: not known.
        seed: of the training run; None: not known.
        source_words: [N], the length of each sentence, which decides its bucket, in the unit that `bucket_by` names.
        hypotheses: the N translations.
        references: the N reference translations.
        settings: bucket edges, resamples, confidence and seed of the intervals.
        sources: the N source sentences; None: not known, and `dropped` is blank.
        lexicon: which words translate which (`lookback.evaluation.lexicon.learn`). Give one if several systems share
            it, or if it is learned from further pairs; None: it is learned from sources and references.
        statistics: of hypotheses and references, if they have been counted already.
        further_lengths: [N] for each unit of the settings' `further_buckets`, except source characters.
        cut_off: bool [N], whether the search hit its length limit; None: not known.
        reference_loss: [N], summed negative log-likelihood of each reference, in nats; None: not known.
        reference_pieces: [N], the number of target pieces in each of these sums.
        test_set: the name of the set.
        subset: which of its sentences are given.
        bucket_by: the unit of `source_words`.

    Returns:
        Rows with the keys of `COLUMNS`, numbers unrounded. `exact_match` (equal up to white space), `empty`, `cut_off`
        and `looping` (`lookback.evaluation.diagnosis`) are shares of n. `length_ratio` is tokens of the translations
        over tokens of the references, as sacreBLEU counts them. `dropped` is the number of omitted source words per
        source word (`lookback.evaluation.lexicon.dropped`). `repeated` is the number of surplus target words per word
        of the translations (`lookback.evaluation.diagnosis.repeated`). `reference_loss` is in nats per target piece.
        The intervals are percentile bootstrap intervals over sentences: they cover the choice of test sentences, not
        the training run. Undefined values are None: all scores where n is 0, intervals where n is 1, measures per
        word where there is no word.

    Raises:
        LookbackError: the inputs differ in length or are empty; a loss is not a number; the lengths in a unit of
            `further_buckets` are missing.
    """
    lengths = np.asarray(source_words)
    further = dict(further_lengths or {})
    if sources is not None:
        check_counts(f"{system}: sources", sources, references)
        further["source_characters"] = [characters(source) for source in sources]
    check_counts(f"{system}: hypotheses", hypotheses, references)
    for name, values in (
        (bucket_by, source_words),
        *further.items(),
        ("cut_off", cut_off),
        ("reference_loss", reference_loss),
        ("reference_pieces", reference_pieces),
    ):
        if values is not None:
            check_counts(f"{system}: {name}", np.asarray(values), references)
    statistics = statistics or sentence_statistics(hypotheses, references)
    shares = {
        "exact_match": np.array([h.split() == r.split() for h, r in zip(hypotheses, references, strict=True)]),
        "empty": np.array([not hypothesis.strip() for hypothesis in hypotheses]),
        "cut_off": None if cut_off is None else np.asarray(cut_off, dtype=bool),
    }
    per: dict[str, tuple[NDArray, NDArray] | None] = {
        "reference_loss": _losses(system, reference_loss, reference_pieces)
    }
    shares["looping"], per["repeated"] = _repetition(hypotheses, references)
    if sources is not None:
        per["dropped"] = _dropped(sources, hypotheses, references, lexicon)

    sharings = [(bucket_by, lengths, [*buckets(settings.bucket_edges, lengths, settings.merge_below), ALL_LENGTHS])]
    if settings.window is not None:
        sharings.append((f"{bucket_by}_window", lengths, windows(settings.window.width, settings.window.step, lengths)))
    for unit, edges in settings.further_buckets.items():
        if unit not in further:
            raise LookbackError(f"{system}: further_buckets: the {unit} of the sentences are not given; leave it out")
        others = np.asarray(further[unit])
        sharings.append((unit, others, buckets(edges, others, settings.merge_below)))

    rows: list[Row] = []
    for unit, lengths, bucket in ((unit, lengths, bucket) for unit, lengths, found in sharings for bucket in found):
        inside = bucket.contains(lengths)
        n = int(inside.sum())
        row: Row = dict.fromkeys(COLUMNS)
        row |= {"experiment": experiment, "system": system, "model": model, "max_train_words": max_train_words}
        row |= {"seed": seed, "test_set": test_set, "subset": subset, "bucket_by": unit}
        row |= {"bucket_low": bucket.low, "bucket_high": bucket.high, "n": n}
        row |= {"signature": statistics.signature, "chrf_signature": statistics.chrf_signature}
        if n:
            row |= _scores(statistics.bleu[inside], statistics.chrf[inside], bucket, settings)
            row |= {name: float(flags[inside].mean()) for name, flags in shares.items() if flags is not None}
        for name, sums in per.items():
            if sums is not None and (below := sums[1][inside].sum()):
                row[name] = float(sums[0][inside].sum() / below)
        rows.append(row)
    return rows


def characters(text: str) -> int:
    """The length of a text in characters, without white space."""
    return len("".join(text.split()))


def overall(rows: Iterable[Row]) -> Row:
    """The row over all lengths, among the rows of one system."""
    return next(row for row in rows if row["bucket_low"] is None and row["bucket_high"] is None)


def _scores(bleu: NDArray[np.int64], chrf: NDArray[np.int64], bucket: Bucket, settings: Evaluate) -> Row:
    """The scores of a bucket's sentences, from their statistics [n, ...], n at least 1."""
    sums = bleu.sum(axis=0)
    scores: Row = {
        "bleu": float(bleu_score(sums)),
        "chrf": float(chrf_score(chrf.sum(axis=0))),
        "length_ratio": float(sums[0] / sums[1]) if sums[1] else None,
        "brevity_penalty": float(brevity_penalty(sums)),
    }
    if len(bleu) > 1:
        # The bounds are part of the seed, so that two buckets of equal size get different resamples.
        low, high = (-1 if bound is None else bound for bound in (bucket.low, bucket.high))
        seed = (settings.seed, low, high)
        resampled = resampled_sums(np.hstack([bleu, chrf]), settings.resamples, seed)
        for name, values in (
            ("bleu", bleu_score(resampled[:, :BLEU_STATISTICS])),
            ("chrf", chrf_score(resampled[:, BLEU_STATISTICS:])),
        ):
            scores[f"{name}_low"], scores[f"{name}_high"] = percentile_interval(values, settings.confidence)
    return scores


def _repetition(hypotheses: Sequence[str], references: Sequence[str]) -> tuple[NDArray, tuple[NDArray, NDArray]]:
    """Which translations loop [N]; the surplus words [N] and all words [N] of each translation."""
    pairs = [(WORD.findall(h), WORD.findall(r)) for h, r in zip(hypotheses, references, strict=True)]
    counts = np.array([(repeated(*pair), len(pair[0])) for pair in pairs])
    return np.array([looping(*pair) for pair in pairs]), (counts[:, 0], counts[:, 1])


def _dropped(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], lexicon: lexicons.Lexicon | None
) -> tuple[NDArray, NDArray]:
    """The dropped source words [N] and all source words [N] of each sentence."""
    if lexicon is None:
        lexicon = lexicons.learn(sources, references)
    lines = zip(sources, hypotheses, references, strict=True)
    counts = np.array([(lexicons.dropped(*line, lexicon), len(lexicons.words(line[0]))) for line in lines])
    return counts[:, 0], counts[:, 1]


def _losses(system: str, sums: ArrayLike | None, pieces: ArrayLike | None) -> tuple[NDArray, NDArray] | None:
    """Checked sums [N] in nats and piece counts [N], or None where they are not known."""
    if sums is None and pieces is None:
        return None
    if sums is None or pieces is None:
        raise LookbackError(f"{system}: reference_loss and reference_pieces must be given together")
    sums, pieces = np.asarray(sums, dtype=np.float64), np.asarray(pieces, dtype=np.int64)
    wrong = np.flatnonzero(~np.isfinite(sums) | (pieces < 1))
    if wrong.size:
        raise LookbackError(
            f"{system}: reference {wrong[0] + 1} has a loss of {sums[wrong[0]]} over {pieces[wrong[0]]} pieces; "
            "a loss must be a finite number, and a reference has at least one piece, its end-of-sentence mark"
        )
    return sums, pieces
