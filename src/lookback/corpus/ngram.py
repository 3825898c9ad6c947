"""A word n-gram language model with interpolated Kneser-Ney smoothing, trained in memory and evaluated on arrays.

It selects training pairs (`lookback.corpus.selection`): models trained on some hundred thousand words score billions.
Smoothing follows Kneser and Ney 1995, interpolated as in Chen and Goodman 1999, with one discount per order, D = n1 /
(n1 + 2 n2), where n1 and n2 are the numbers of n-grams counted once and twice. No available package fits: kenlm trains
with a C++ program that pip does not install, VariKN has wheels for Linux and Python up to 3.11 only, and nltk's models
take several Python calls a word.

A sentence is its words and one end mark. That mark is also the context of the next sentence's first word; no context
reaches further back than it. A model has one table per order: the n-grams of the training text, sorted, with their log
probabilities, and the backoff weights of their contexts.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

UNKNOWN, MARK = 0, 1

_DISCOUNT_WITHOUT_SINGLES = 0.5  # no n-gram occurs once, so D would be 0 and words unseen after a context impossible

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]


class Vocabulary:
    """The words that occur at least `least` times in a text; all other words map to one unknown word."""

    def __init__(self, sentences: Iterable[list[str]], least: int = 2) -> None:
        counts = Counter(word for sentence in sentences for word in sentence)
        words = sorted(word for word, number in counts.items() if number >= least)
        self._ids: dict[str | None, int] = {None: MARK, **{word: i for i, word in enumerate(words, MARK + 1)}}

    def __len__(self) -> int:
        """The number of events that a model predicts: the words, the unknown word and the end mark."""
        return len(self._ids) + 1

    @property
    def words(self) -> int:
        return len(self._ids) - 1

    def encode(self, sentences: Iterable[list[str]]) -> Ids:
        """One flat array, int64 [words + sentences + 1]: a mark, then each sentence and its mark."""
        flat: list[str | None] = [None]
        for sentence in sentences:
            flat += sentence
            flat.append(None)
        return np.fromiter(map(self._ids.get, flat, repeat(UNKNOWN)), np.int64, len(flat))


@dataclass(frozen=True)
class _Grams:
    """The distinct n-grams of one order n > 1 in a text, and their positions."""

    positions: Ids  # of the words whose n - 1 context words lie in their sentence, counting the mark before it
    keys: Ids  # context * vocabulary + word, ascending; a context is the index of its (n-1)-gram
    first: Ids  # for each n-gram, the index in `positions` of its first occurrence
    at: Ids  # for each of `positions`, the index of its n-gram
    counts: Ids


@dataclass(frozen=True)
class _Table:
    keys: Ids  # [n-grams]
    log_probability: Floats  # [n-grams]
    log_backoff: Floats  # [(n-1)-grams]; 0 for those never seen as a context


class NgramModel:
    """p(word | the order - 1 words before it), over a vocabulary with the unknown word and the end of the sentence."""

    def __init__(self, text: Ids, vocabulary: int, order: int) -> None:
        """Trains on `text`, as `Vocabulary.encode` returns it; `vocabulary` is the length of that `Vocabulary`.

        Memory during training: about 100 bytes per word and order.
        """
        self._vocabulary = vocabulary
        words = text[1:]
        grams = list(_grams(text, vocabulary, order))
        counts = _kneser_ney_counts(words, vocabulary, grams)

        share, backoff = _discounted(counts[0], np.zeros(vocabulary, np.int64), 1)
        probability = share + backoff[0] / vocabulary  # below the unigrams, every word is equally likely
        self._log_unigram = np.log(probability)
        self._tables: list[_Table] = []
        here = probability[words]  # for each word of the text, under the order reached so far
        contexts = vocabulary
        for found, count in zip(grams, counts[1:], strict=True):
            context = found.keys // vocabulary
            share, backoff = _discounted(count, context, contexts)
            probability = share + backoff[context] * here[found.positions[found.first]]
            here[found.positions] = probability[found.at]
            self._tables.append(_Table(found.keys, np.log(probability), np.log(backoff)))
            contexts = len(found.keys)

    def log_probabilities(self, text: Ids) -> Floats:
        """ln p of every id but the first of `text`, as `Vocabulary.encode` returns it: float64 [words + sentences]."""
        words = text[1:]
        result = self._log_unigram[words]
        positions, context = np.arange(len(words)), text[:-1]
        for table in self._tables:
            word = words[positions]
            key = context * self._vocabulary + word
            gram = np.minimum(np.searchsorted(table.keys, key), len(table.keys) - 1)
            seen = table.keys[gram] == key
            result[positions] = np.where(
                seen, table.log_probability[gram], result[positions] + table.log_backoff[context]
            )
            # A seen n-gram is the context of the next word in the next order, unless it ends the sentence.
            longer = seen & (word != MARK)
            positions, context = positions[longer] + 1, gram[longer]
        return result

    def cross_entropy(self, text: Ids) -> Floats:
        """Cross-entropy of each sentence, in nats per word, counting the end mark: float64 [sentences]."""
        ends = np.flatnonzero(text[1:] == MARK)
        starts = np.concatenate(([0], ends[:-1] + 1))
        return -np.add.reduceat(self.log_probabilities(text), starts) / (ends - starts + 1)


def _grams(text: Ids, vocabulary: int, order: int) -> Iterable[_Grams]:
    """The n-grams of the orders 2 up to `order`."""
    words = text[1:]
    positions, context = np.arange(len(words)), text[:-1]
    for _ in range(2, order + 1):
        keys, first, at, counts = np.unique(
            context * vocabulary + words[positions], return_index=True, return_inverse=True, return_counts=True
        )
        yield _Grams(positions, keys, first, at, counts)
        longer = words[positions] != MARK
        positions, context = positions[longer] + 1, at[longer]


def _kneser_ney_counts(words: Ids, vocabulary: int, grams: list[_Grams]) -> list[Ids]:
    """The counts of each order: occurrences for the highest, numbers of distinct preceding words for the others.

    Nothing precedes the mark, so n-grams that begin with it are counted by occurrences.
    """
    occurrences = [np.bincount(words, minlength=vocabulary), *(found.counts for found in grams)]
    index = [words]  # for each position, the index of its n-gram of an order; never used where there is none
    for found in grams:
        of_order = np.zeros(len(words), np.int64)
        of_order[found.positions] = found.at
        index.append(of_order)
    counts = []
    for occurring, of_order, longer in zip(occurrences[:-1], index[:-1], grams, strict=True):
        preceded = np.bincount(of_order[longer.positions[longer.first]], minlength=len(occurring))
        counts.append(np.where(preceded > 0, preceded, occurring))
    return [*counts, occurrences[-1]]


def _discounted(counts: Ids, context: Ids, contexts: int) -> tuple[Floats, Floats]:
    """For each n-gram its discounted share of its context's counts, and for each context the remaining mass; both
    float64.

    Args:
        counts: [n-grams]
        context: [n-grams], the index of each one's context, of `contexts`.
    """
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    discount = once / (once + 2 * twice) if once else _DISCOUNT_WITHOUT_SINGLES
    total = np.bincount(context, weights=counts, minlength=contexts)
    kinds = np.bincount(context, weights=counts > 0, minlength=contexts)
    left = np.divide(discount * kinds, total, out=np.ones(contexts), where=total > 0)
    return np.maximum(counts - discount, 0) / total[context], left
