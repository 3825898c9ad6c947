"""A decoder's attention over whole words, merged from the tokenizer's pieces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lookback.tokenizer.base import END_MARK, WORD_MARK, word_of_piece

END = END_MARK
"""The word that stands for the end mark."""


@dataclass(frozen=True, eq=False)
class WordAlignment:
    """The decoder's attention over source words: `weights` [T, S], for each target word its weight on each source word.

    A word is a whitespace-separated word with its punctuation, or a token of a word tokenizer. Both sides may end with
    `END`.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: NDArray[np.float64]


def by_words(source_pieces: Sequence[str], target_pieces: Sequence[str], weights: ArrayLike) -> WordAlignment:
    """Merges an alignment of pieces into one of words.

    A weight is the sum over the pieces of the source word and the mean over the pieces of the target word. So rows that
    sum to 1 still do.

    Args:
        source_pieces: from `Tokenizer.pieces`, commonly with the end mark.
        target_pieces: the same for the translation.
        weights: [target pieces, source pieces].

    Raises:
        ValueError: the weights are not of that shape.
    """
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (len(target_pieces), len(source_pieces)):
        raise ValueError(f"weights {list(given.shape)} for {len(target_pieces)} x {len(source_pieces)} pieces")
    source, target = _members(source_pieces), _members(target_pieces)
    means = target / target.sum(1, keepdims=True)
    return WordAlignment(_words(source_pieces, source), _words(target_pieces, target), means @ given @ source.T)


def _members(pieces: Sequence[str]) -> NDArray[np.float64]:
    """[words, pieces]: 1 if the piece belongs to the word; the end mark is the last word."""
    numbers = np.array(word_of_piece(pieces), dtype=np.int64)
    for place in reversed(range(len(pieces))):  # a space after the last word is not a word
        if pieces[place] not in (END_MARK, WORD_MARK):
            break
        numbers[place] -= pieces[place] == WORD_MARK
    numbers[numbers < 0] = numbers.max(initial=-1) + 1
    return (np.arange(numbers.max(initial=-1) + 1)[:, None] == numbers).astype(np.float64)


def _words(pieces: Sequence[str], members: NDArray[np.float64]) -> tuple[str, ...]:
    texts = ("".join(pieces[int(place)] for place in np.flatnonzero(row)) for row in members)
    return tuple(text.replace(WORD_MARK, " ").strip() for text in texts)
