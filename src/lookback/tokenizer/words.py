"""A vocabulary of the most frequent words of each language; all others are unknown (Bahdanau et al. 2015, section 4.1).

Words are the tokens of the Moses tokenizer, in its port sacremoses: punctuation marks and clitics are separate tokens,
case is kept, hyphenated words stay whole. Source and target each have a vocabulary.

Detokenizing is a guess. Of the lines of newstest2014, tokenized and detokenized, 98 % of the English and of the German
and 91 % of the French are recovered, ignoring the kind of spaces (`3 €` and `160 km/h` are not). Scored against the
originals, they have 99.9, 99.8 and 99.6 BLEU.

sacremoses takes some 8,000 lines of 25 words a second on one core: 2 h 30 min for both sides of 36M pairs. So train is
tokenized only once, on all cores, into temporary files of the size of the prepared text. Counting and encoding, on one
core, take another 20 minutes and memory for one entry per distinct word.
"""

import hashlib
import signal
import unicodedata
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from lookback.config import Normalization
from lookback.errors import LookbackError
from lookback.tokenizer.base import BOS, EOS, PAD, SIDES, UNK, Side, Tokenizer, blocks

FILE_NAME = "tokenizer.json"

UNKNOWN_MARK = "⁇"
"""The text of an unknown word; SentencePiece uses the same."""

SPECIAL = ("<pad>", UNKNOWN_MARK, "<s>", "</s>")
"""Ids 0 to 3."""


class _File(BaseModel):
    """The content of tokenizer.json; the word at index i of a list has the id i + 4."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["words"]
    normalization: Normalization
    source_language: str
    target_language: str
    source_words: list[str]
    target_words: list[str]


class WordTokenizer(Tokenizer):
    """Whole words, with one vocabulary per side."""

    def __init__(self, content: bytes) -> None:
        """Reads the content of a tokenizer file; raises `pydantic.ValidationError` for any other content."""
        about = _File.model_validate_json(content)
        self._normalization: Normalization = about.normalization
        self._languages: dict[Side, str] = {"source": about.source_language, "target": about.target_language}
        self._pieces: dict[Side, list[str]] = {
            "source": [*SPECIAL, *about.source_words],
            "target": [*SPECIAL, *about.target_words],
        }
        self._ids: dict[Side, dict[str, int]] = {
            side: {pieces[i]: i for i in range(len(SPECIAL), len(pieces))} for side, pieces in self._pieces.items()
        }
        self.source_vocabulary, self.target_vocabulary = (len(self._pieces[side]) for side in SIDES)
        self.fingerprint = hashlib.sha256(content).hexdigest()

    @classmethod
    def load(cls, path: Path) -> "WordTokenizer":
        try:
            return cls(path.read_bytes())
        except OSError as error:
            reason = error.strerror
        except ValidationError as error:
            first = error.errors()[0]
            reason = ".".join(map(str, first["loc"])) + ": " * bool(first["loc"]) + first["msg"]
        raise LookbackError(f"{path}: not a readable word tokenizer ({reason}); run the tokenize stage again")

    def encode(self, lines: Sequence[str], side: Side) -> list[list[int]]:
        if self._normalization:
            lines = [unicodedata.normalize(self._normalization, line) for line in lines]
        return self.encode_tokens(_tokens(self._languages[side], lines), side)

    def encode_tokens(self, lines: Sequence[str], side: Side) -> list[list[int]]:
        """As `encode`, for lines from `tokenized`."""
        ids = self._ids[side]
        return [[ids.get(word, UNK) for word in line.split()] for line in lines]

    def decode(self, ids: Sequence[int]) -> str:
        return self.join(self.words(ids, "target"))

    def pieces(self, ids: Sequence[int], side: Side) -> list[str]:
        return [self._pieces[side][int(i)] for i in ids]

    def words(self, ids: Sequence[int], side: Side) -> list[str]:
        return self.pieces([i for i in ids if i not in (PAD, BOS, EOS)], side)

    def join(self, words: Sequence[str]) -> str:
        return _detokenizer(self._languages["target"]).detokenize(list(words), unescape=False)


def write_words(
    counts: Mapping[Side, Counter[str]],
    vocabulary_size: int,
    languages: Mapping[Side, str],
    normalization: Normalization,
    output: Path,
) -> None:
    """Writes a tokenizer of the most frequent words.

    Args:
        counts: the count of each word in train.
        vocabulary_size: the most ids per language, special ids included.
        languages: codes such as `fr`.
        normalization: the Unicode normal form of train.
        output: the file; the same words give the same bytes.
    """
    about = _File(
        kind="words",
        normalization=normalization,
        source_language=languages["source"],
        target_language=languages["target"],
        source_words=most_frequent(counts["source"], vocabulary_size - len(SPECIAL)),
        target_words=most_frequent(counts["target"], vocabulary_size - len(SPECIAL)),
    )
    output.write_text(about.model_dump_json(indent=1) + "\n", encoding="utf-8", newline="\n")


def most_frequent(counts: Counter[str], number: int) -> list[str]:
    """The words by descending frequency; ties are in code-point order."""
    return sorted(counts, key=lambda word: (-counts[word], word))[:number]


# --- the Moses tokenizer ----------------------------------------------------------------------------------------------


def tokenized(lines: Iterable[str], language: str, processes: int = 1) -> Iterator[str]:
    """The Moses tokens of each line, joined by spaces, in the order of the lines.

    With several processes, each holds a few blocks of lines in memory.
    """
    work = partial(_tokens, language)
    if processes == 1:
        for block in blocks(lines):
            yield from work(block)
        return
    # Spawn, not fork: a fork copies locks that another thread may hold. Only the parent handles an interrupt.
    context, ignore = get_context("spawn"), (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(processes, context, initializer=signal.signal, initargs=ignore) as pool:
        waiting: deque[Future[list[str]]] = deque()
        for block in blocks(lines):
            waiting.append(pool.submit(work, block))
            if len(waiting) > 2 * processes:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _tokens(language: str, lines: Sequence[str]) -> list[str]:
    # No token contains white space of any kind.
    tokenize = _tokenizer(language).tokenize
    return [" ".join(tokenize(line, escape=False)) for line in lines]


# sacremoses is imported where it is used: most experiments do not need it.
@lru_cache
def _tokenizer(language: str) -> Any:
    from sacremoses import MosesTokenizer

    return MosesTokenizer(lang=language)


@lru_cache
def _detokenizer(language: str) -> Any:
    from sacremoses import MosesDetokenizer

    return MosesDetokenizer(lang=language)
