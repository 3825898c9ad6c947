"""The single file of a tokenizer; its name tells the kind."""

from pathlib import Path

from lookback.config import Normalization
from lookback.errors import LookbackError
from lookback.tokenizer import sentencepiece, words
from lookback.tokenizer.base import Tokenizer

FILE_NAMES = (sentencepiece.FILE_NAME, words.FILE_NAME)


def tokenizer_file(folder: Path) -> Path:
    """The tokenizer in a folder with an encoded corpus or a trained model.

    Raises:
        LookbackError: there is no tokenizer, or one of each kind.
    """
    found = [folder / name for name in FILE_NAMES if (folder / name).exists()]
    if not found:
        raise LookbackError(f"{folder}: has no {' or '.join(FILE_NAMES)}; run the tokenize stage")
    if len(found) > 1:
        raise LookbackError(f"{folder}: has both {' and '.join(FILE_NAMES)}; delete the folder and make it again")
    return found[0]


def load_tokenizer(folder: Path, normalization: Normalization = "NFC") -> Tokenizer:
    """The tokenizer in a folder with an encoded corpus or a trained model.

    Args:
        folder: holds `tokenizer.model` or `tokenizer.json`.
        normalization: the Unicode normal form of train. Only a word tokenizer stores it; a SentencePiece model does
            not.

    Raises:
        LookbackError: there is no tokenizer, or it cannot be read.
    """
    path = tokenizer_file(folder)
    if path.name == words.FILE_NAME:
        return words.WordTokenizer.load(path)
    return sentencepiece.SentencePieceTokenizer.load(path, normalization)
