"""Text to ids and back, by SentencePiece or by a word list for each language."""

from lookback.tokenizer.base import BOS, EOS, PAD, SIDES, UNK, Side, Tokenizer, word_of_piece
from lookback.tokenizer.files import FILE_NAMES, load_tokenizer, tokenizer_file

__all__ = [
    "BOS",
    "EOS",
    "FILE_NAMES",
    "PAD",
    "SIDES",
    "UNK",
    "Side",
    "Tokenizer",
    "load_tokenizer",
    "tokenizer_file",
    "word_of_piece",
]
