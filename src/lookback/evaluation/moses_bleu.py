"""Tokenised BLEU (`legacy`): as close to the papers' BLEU as their texts allow, to compare published and measured.

Bahdanau et al. 2015 and Vaswani et al. 2017 scored tokens of the Moses tokenizer with multi-bleu. It does not smooth,
so an order without a match makes the score 0. For English-German, by a custom that Vaswani et al. do not mention,
compounds were split at their hyphens on both sides. sacreBLEU tokenises differently (13a); on the same output the two
differ by up to 1.8 BLEU (Post 2018).

Here both sides are plain text, tokenised by sacremoses with the rules of the target language. Three things differ from
the papers or are unknown. The papers do not say which punctuation and quotation marks they unified (the script of
tensor2tensor does so for the translations), so none are unified here. Their version of Moses is not known. And they
scored the tokens that a model wrote, while detokenised text is tokenised here. So this score has its own label; never
mix it with sacreBLEU's.
"""

import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sacrebleu.metrics.bleu import BLEU

from lookback.config import Evaluate
from lookback.corpus import words
from lookback.evaluation.metrics import NGRAM_ORDER, bleu_score
from lookback.evaluation.tables import Row
from lookback.stats.bootstrap import percentile_interval, resampled_sums
from lookback.stats.buckets import Bucket

Kind = Literal["moses", "moses-split"]
"""The kind of tokens; see `tokens`."""

_HYPHEN = re.compile(r"(\S)-(\S)")


def tokens(lines: Sequence[str], language: str, split: bool) -> list[str]:
    """The Moses tokens of each line, separated by spaces; with `split`, compounds are split at their hyphens.

    The hyphen between two halves becomes the token `##AT##-##AT##`, which is no word of any text.
    """
    tokenize = words.splitter("moses", language)
    joined = [" ".join(tokenize(line)) for line in lines]
    return [_HYPHEN.sub(r"\1 ##AT##-##AT## \2", line) for line in joined] if split else joined


def unsmoothed(sums: ArrayLike) -> NDArray[np.float64]:
    """Corpus BLEU, 0 to 100, of summed statistics [..., BLEU_STATISTICS], as multi-bleu computes it: [...].

    It is 0 where an order has no match.
    """
    sums = np.asarray(sums, dtype=np.float64)
    return np.where((sums[..., 2 : 2 + NGRAM_ORDER] > 0).all(axis=-1), bleu_score(sums), 0.0)


def with_legacy(
    rows: Sequence[Row],
    *,
    source_words: ArrayLike,
    hypotheses: Sequence[str],
    references: Sequence[str],
    language: str,
    kind: Kind,
    settings: Evaluate,
) -> list[Row]:
    """The rows of `rows_by_length` for the same lines, with the columns `legacy_*` filled in.

    The intervals use the same resamples as those of `bleu`.

    Args:
        rows: one a bucket, and one over all lengths; rows of buckets in units other than source words stay blank.
        source_words: [N], as given to `rows_by_length`.
        hypotheses, references: N lines each of plain text.
        language: of both, a code such as `fr`.
        kind: of the tokens.
        settings: resamples, confidence and seed of the intervals.
    """
    split = kind == "moses-split"
    metric = BLEU(tokenize="none", smooth_method="none")
    sides = tokens(hypotheses, language, split), [tokens(references, language, split)]
    counts = np.array(metric._extract_corpus_statistics(*sides), dtype=np.int64)
    name = f"tok:sacremoses-{version('sacremoses')}-{language}{'-hyphens-split' * split}"
    signature = str(metric.get_signature()).replace("tok:none", f"{name}|punctuation:as-is|text:detokenised")
    found = []
    for row in rows:
        if not row["bucket_by"].startswith("source_words"):
            found.append(row)
            continue
        bucket = Bucket(row["bucket_low"], row["bucket_high"])
        inside = counts[bucket.contains(source_words)]
        scores: Row = {"legacy_signature": signature}
        if len(inside):
            scores["legacy_bleu"] = float(unsmoothed(inside.sum(axis=0)))
        if len(inside) > 1:
            low, high = (-1 if bound is None else bound for bound in (bucket.low, bucket.high))
            sums = resampled_sums(inside, settings.resamples, (settings.seed, low, high))
            interval = percentile_interval(unsmoothed(sums), settings.confidence)
            scores["legacy_bleu_low"], scores["legacy_bleu_high"] = interval
        found.append(row | scores)
    return found
