"""What every tokenizer offers, so that batching, training, search and translation need not know which one it is.

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
"""U+2581, with which SentencePiece begins the first piece of a word."""
END_MARK = "</s>"
"""The piece of EOS."""

BLOCK_LINES = 20_000
"""Text is tokenized in blocks of so many lines."""


class Tokenizer(ABC):
    """Text to ids and back. It loads from its one file, see `lookback.tokenizer.load_tokenizer`."""

    source_vocabulary: int
    """Ids of the source are below this."""
    target_vocabulary: int
    fingerprint: str
    """SHA-256 of its file."""

    @abstractmethod
    def encode(self, lines: Sequence[str], side: Side) -> list[list[int]]:
        """The ids of each line, after the Unicode normalisation that train was given; no begin or end mark."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Detokenised text of the target, one line; UNK reads "⁇"."""

    @abstractmethod
    def pieces(self, ids: Sequence[int], side: Side) -> list[str]:
        """What each id stands for, special ids included."""

    @abstractmethod
    def words(self, ids: Sequence[int], side: Side) -> list[str]:
        """The words that the ids spell: what stands between white space, or the tokens of a tokenizer of words."""

    @abstractmethod
    def join(self, words: Sequence[str]) -> str:
        """Text of words of the target, as `words` gives them; one line."""


def word_of_piece(pieces: Sequence[str]) -> list[int]:
    """For each piece the index, from 0, of its white-space word; -1 for the end mark.

    With SentencePiece a word begins at a piece with the mark "▁", which stands for a plain space, and has with it the
    punctuation that it is attached to. Pieces none of which has the mark are Moses tokens: each is a word, as are
    punctuation marks and clitics.
    """
    marked = any(piece.startswith(WORD_MARK) for piece in pieces)
    words, word, before = [], -1, ""
    for piece in pieces:
        if piece == END_MARK:
            words.append(-1)
            continue
        # A mark that stands alone is the beginning of what follows, even of a piece with a second mark.
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
