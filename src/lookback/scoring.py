"""BLEU, chrF and what else is counted of translations, for every bucket of length.

Each sentence is looked at once, by sacreBLEU, and leaves a short vector of counts. The score of any set of sentences (a
bucket, a whole test set, a bootstrap resample) is a function of the sum of their vectors. It is corpus BLEU (Papineni
et al. 2002) as the `sacrebleu` command prints it, never an average over sentences.

Translations and references are plain detokenised text, one sentence a string; sacreBLEU tokenises (13a).
"""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from lookback import lexicon as lexicons
from lookback.buckets import ALL_LENGTHS, Bucket, buckets, windows
from lookback.config import Evaluate
from lookback.diagnosis import WORD, looping, repeated
from lookback.errors import LookbackError
from lookback.statistics import percentile_interval, resampled_sums

Row = dict[str, Any]

# --- sufficient statistics --------------------------------------------------------------------------------------------

NGRAM_ORDER = 4
BLEU_STATISTICS = 2 + 2 * NGRAM_ORDER
"""Length of translation and of reference in tokens; correct n-grams for n = 1..4; n-grams in all, for n = 1..4."""
CHARACTER_ORDER = 6
CHRF_STATISTICS = 3 * CHARACTER_ORDER
"""For n = 1..6: character n-grams in the translation, in the reference, in both."""


PART = 5_000
"""Sentences that sacreBLEU is given at once."""


@dataclass(frozen=True)
class SentenceStatistics:
    """What the scores of N translations are computed from, and the signatures to print beside them."""

    bleu: NDArray[np.int64]
    """[N, BLEU_STATISTICS]"""
    chrf: NDArray[np.int64]
    """[N, CHRF_STATISTICS]"""
    signature: str
    chrf_signature: str


def sentence_statistics(hypotheses: Sequence[str], references: Sequence[str]) -> SentenceStatistics:
    """Have sacreBLEU count the n-grams of each translation against its one reference.

    Raises:
        LookbackError: there are no sentences, or not as many translations as references.
    """
    _check_counts("hypotheses", hypotheses, references)
    bleu, chrf = BLEU(), CHRF(char_order=CHARACTER_ORDER)
    # sacreBLEU gives no public way to the statistics of chrF; for both, this method is the only private thing used.
    # A part at a time, since it keeps the n-grams of all references that it is given: 50 kB a sentence.
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

    As sacreBLEU's default: orders 1 to 4 always, and the k-th order in a row that matches nothing counts as 1 / 2**k
    of a match (`smooth:exp`), unless not even a word matches. A set with no translation of four tokens or more has
    BLEU 0, however good it is; that is also what sacreBLEU says.
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


# --- scores by length -------------------------------------------------------------------------------------------------

COLUMNS: dict[str, Callable[[str], Any]] = {
    "experiment": str,
    "system": str,
    "model": str,
    "max_train_words": int,
    "seed": int,
    "test_set": str,
    "subset": str,
    "bucket_by": str,
    "bucket_low": int,
    "bucket_high": int,
    "n": int,
    "bleu": float,
    "bleu_low": float,
    "bleu_high": float,
    "chrf": float,
    "chrf_low": float,
    "chrf_high": float,
    "length_ratio": float,
    "brevity_penalty": float,
    "exact_match": float,
    "empty": float,
    "cut_off": float,
    "looping": float,
    "dropped": float,
    "repeated": float,
    "reference_loss": float,
    "signature": str,
    "chrf_signature": str,
    "legacy_bleu": float,
    "legacy_bleu_low": float,
    "legacy_bleu_high": float,
    "legacy_signature": str,
}
"""The columns of `by_length.csv` in order, with the type of each; any may be blank (None)."""

DECIMALS: dict[str, int] = dict.fromkeys(
    [f"{score}{bound}" for score in ("bleu", "chrf", "legacy_bleu") for bound in ("", "_low", "_high")], 2
)
"""Of the scores out of 100; other fractions are written with 4."""


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

    After these come rows of sliding windows and of buckets in other units, if the settings ask for them; they have no
    row over all lengths, since it would be the same.

    Args:
        experiment: goes into the rows as it is, as do the next four and the last three.
        system: a model and its training length, as bahdanau-60; also opens an error's message.
        model: without the length.
        max_train_words: the longest training sentence; None: not known.
        seed: of the training run; None: not known.
        source_words: [N], the length of each sentence that its bucket is chosen by, in what `bucket_by` says.
        hypotheses: the N translations.
        references: the N reference translations.
        settings: bucket edges, resamples, confidence and seed of the intervals.
        sources: the N source sentences; None: not known, and nothing is said of dropped words.
        lexicon: which words translate which (`lookback.lexicon.learn`), if several systems are to share one or further
            pairs are to be learned from; None: it is learned from sources and references.
        statistics: of hypotheses and references, where they have been counted before.
        further_lengths: [N] for each unit of the settings' `further_buckets`, but for source characters.
        cut_off: bool [N], whether the search hit its length limit; None: not known.
        reference_loss: [N], summed negative log-likelihood of each reference, in nats; None: not known.
        reference_pieces: [N], over how many target pieces each of these sums runs.
        test_set: the name of the set.
        subset: which of its sentences are given.
        bucket_by: what `source_words` counts.

    Returns:
        Rows with the keys of `COLUMNS`, numbers unrounded. `exact_match` (equal up to white space), `empty`, `cut_off`
        and `looping` (`lookback.diagnosis`) are shares of n; `length_ratio` is tokens of the translations over tokens
        of the references, as sacreBLEU counts them; `dropped` is source words that are left out, per source word
        (`lookback.lexicon.dropped`), and `repeated` target words that are too much, per word of the translations
        (`lookback.diagnosis.repeated`); `reference_loss` is nats per target piece. The intervals are percentile
        bootstrap intervals over sentences: they say how far the score depends on the choice of test sentences, not on
        the training run. What cannot be said is None: all scores where n is 0, intervals where n is 1, what is counted
        per word where there is no word.

    Raises:
        LookbackError: the inputs are not equally long, empty, or a loss is not a number; the lengths in a unit of
            `further_buckets` are not given.
    """
    lengths = np.asarray(source_words)
    further = dict(further_lengths or {})
    if sources is not None:
        _check_counts(f"{system}: sources", sources, references)
        further["source_characters"] = [characters(source) for source in sources]
    _check_counts(f"{system}: hypotheses", hypotheses, references)
    for name, values in (
        (bucket_by, source_words),
        *further.items(),
        ("cut_off", cut_off),
        ("reference_loss", reference_loss),
        ("reference_pieces", reference_pieces),
    ):
        if values is not None:
            _check_counts(f"{system}: {name}", np.asarray(values), references)
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
    """How long a text is in characters other than white space."""
    return len("".join(text.split()))


def overall(rows: Iterable[Row]) -> Row:
    """Of one system's rows, the one over all lengths."""
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
        # The bounds are part of the seed, so that two buckets of equal size do not share their chances.
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
    """Which translations loop [N]; and words too much [N], of words in all [N]."""
    pairs = [(WORD.findall(h), WORD.findall(r)) for h, r in zip(hypotheses, references, strict=True)]
    counts = np.array([(repeated(*pair), len(pair[0])) for pair in pairs])
    return np.array([looping(*pair) for pair in pairs]), (counts[:, 0], counts[:, 1])


def _dropped(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str], lexicon: lexicons.Lexicon | None
) -> tuple[NDArray, NDArray]:
    """Source words dropped [N], of source words in all [N]."""
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
        raise LookbackError(f"{system}: reference_loss and reference_pieces are of use only together")
    sums, pieces = np.asarray(sums, dtype=np.float64), np.asarray(pieces, dtype=np.int64)
    wrong = np.flatnonzero(~np.isfinite(sums) | (pieces < 1))
    if wrong.size:
        raise LookbackError(
            f"{system}: reference {wrong[0] + 1} has a loss of {sums[wrong[0]]} over {pieces[wrong[0]]} pieces; "
            "a loss must be a finite number and a reference has a piece at least, its end-of-sentence mark"
        )
    return sums, pieces


def _check_counts(name: str, values: Sequence[Any] | NDArray, references: Sequence[str]) -> None:
    if not len(references):
        raise LookbackError("no reference translations: the test set is empty")
    if len(values) != len(references):
        raise LookbackError(
            f"{name}: {len(values):,} lines, but the reference has {len(references):,}; "
            "there must be one line for each line of the reference, in its order"
        )


# --- the table on disk ------------------------------------------------------------------------------------------------


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write `rows` as CSV with the header `COLUMNS`, rounded as `DECIMALS` says; None is blank."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _written(name, value) for name, value in row.items()})


def _written(name: str, value: Any) -> Any:
    return f"{value:.{DECIMALS.get(name, 4)}f}" if isinstance(value, float) else value


def read_rows(path: Path) -> list[Row]:
    """Read what `write_rows` wrote, as `read_table` does."""
    return read_table(path, COLUMNS, "evaluate")


def read_table(path: Path, columns: Mapping[str, Callable[[str], Any]], stage: str) -> list[Row]:
    """Read a CSV file with a header, each value in the type of its column, a blank as None.

    Args:
        path: of the file, in which there may be other columns besides.
        columns: the type of each.
        stage: that writes the file; what a message tells to run.

    Raises:
        LookbackError: no such file, a column is missing, or a value has the wrong type.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise LookbackError(f"{path}: line 1: no column {missing[0]!r}; run {stage} again to rewrite the file")
            return [_typed(path, reader.line_num, row, columns) for row in reader]
    except FileNotFoundError:
        raise LookbackError(f"{path}: no such file; {stage} writes it") from None


def _typed(path: Path, line: int, row: Mapping[str, str | None], columns: Mapping[str, Callable[[str], Any]]) -> Row:
    typed: Row = {}
    for name, kind in columns.items():
        text = row[name]
        try:
            typed[name] = None if text is None or text == "" else kind(text)
        except ValueError:
            raise LookbackError(f"{path}: line {line}: {name} is {text!r}, which is not a number") from None
    return typed
