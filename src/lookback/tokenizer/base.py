"""The interface of every tokenizer; batching, training, search and translation use nothing else.

A piece is a unit of the vocabulary: a part of a word with SentencePiece, a Moses token with words. Ids 0 to 3 are the
same for all tokenizers, in both languages.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal

Side = Literal["source", "target"]
SIDES: tuple[Side, Side] = ("source", "target")

PAD, UNK, BOS, EOS = 0, 1, 2, 3
"""Padding, unknown, begin and end of sentence."""

WORD_MARK = "▁"
"""U+2581, SentencePiece's mark at the start of a word."""
END_MARK = "</s>"
"""The piece of EOS."""

BLOCK_LINES = 20_000
"""Text is tokenized in blocks of this many lines."""


class Tokenizer(ABC):
    """Text to ids and back, loaded from a single file (see `lookback.tokenizer.load_tokenizer`)."""

    source_vocabulary: int
    """Size of the source vocabulary."""
    target_vocabulary: int
    fingerprint: str
    """SHA-256 of the tokenizer's file."""

    @abstractmethod
    def encode(self, lines: Sequence[str], side: Side) -> list[list[int]]:
        """The ids of each line, after the Unicode normalization of train; no begin or end mark."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Detokenised text of the target, one line; UNK reads "⁇"."""

    @abstractmethod
    def pieces(self, ids: Sequence[int], side: Side) -> list[str]:
        """The piece of each id, special ids included."""

    @abstractmethod
    def words(self, ids: Sequence[int], side: Side) -> list[str]:
        """The words that the ids spell: whitespace-separated words, or the tokens of a word tokenizer."""

    @abstractmethod
    def join(self, words: Sequence[str]) -> str:
        """One line of text from target words, as `words` gives them."""


def word_of_piece(pieces: Sequence[str]) -> list[int]:
    """For each piece the index, from 0, of its white-space word; -1 for the end mark.

    With SentencePiece, a word begins at a piece with the mark "▁" (a plain space) and includes attached punctuation. If
    no piece has the mark, the pieces are Moses tokens: each is a word, including punctuation marks and clitics.
    """
    marked = any(piece.startswith(WORD_MARK) for piece in pieces)
    words, word, before = [], -1, ""
    for piece in pieces:
        if piece == END_MARK:
            words.append(-1)
            continue
        # A mark that is a piece of its own begins the next piece's word, even if that piece has a second mark.
        if word < 0 or not marked or (piece.startswith(WORD_MARK) and before != WORD_MARK):
            word += 1
        words.append(word)
        before = piece
    return words


def blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """The lines in lists of `BLOCK_LINES`."""
    lines = iter(lines)
    while block := list(islice(lines, BLOCK_LINES)):
        yield block
