"""One line of text through a trained model: its translation and where the decoder looked, for people and programs."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lookback.config import Hardware, Normalization, Translate
from lookback.corpus.clean import normaliser
from lookback.decoding.translator import Translation, load_translator
from lookback.decoding.word_alignment import WordAlignment, by_words
from lookback.errors import LookbackError
from lookback.tokenizer import UNK, load_tokenizer

SHADES = " ░▒▓█"
"""Of a weight of 0, 1/4, 1/2, 3/4 and 1, whichever is nearest."""
MOST = 3
"""At most so many source words are named beside a target word,"""
LEAST = 0.1
"""and, after the first, none with less weight than this."""
NO_ALIGNMENT = "(no alignment: this model has no attention)"


@dataclass(frozen=True)
class Sentence:
    """A line of text with its translation."""

    text: str
    translation: Translation
    alignment: WordAlignment | None
    """Nothing of a dictionary or an RNN encoder-decoder."""
    unknown: tuple[str, ...]
    """Words of the text, between spaces, that the tokenizer does not know in whole or in part."""


def translator(
    folder: Path, settings: Translate, normalization: Normalization, hardware: Hardware
) -> Callable[[str], Sentence]:
    """What translates a line with the model of a folder, a network or a dictionary.

    Control characters and runs of spaces become a space before, as in training text.

    Args:
        folder: that the train stage wrote; nothing else is read.
        settings: of the search.
        normalization: the Unicode normal form of the training text; a tokenizer of words knows its own.
        hardware: where a network computes.

    Raises:
        LookbackError: a file of the folder is missing or damaged; when translating, the text is empty or no UTF-8.
    """
    tokenizer, cleaned = load_tokenizer(folder, normalization), normaliser(None)
    system = load_translator(folder, tokenizer, hardware)

    def translated(text: str) -> Sentence:
        try:
            text.encode()
        except UnicodeEncodeError:  # Python keeps bytes that it cannot decode as surrogates
            raise LookbackError(f"text {text!r}: not UTF-8; convert it first") from None
        line = cleaned(text)
        (ids,) = tokenizer.encode([line], "source")
        if not ids:
            raise LookbackError(f"text {text!r}: there is no word in it; give a sentence")
        words, unknown = line.split(" "), []
        if UNK in ids:
            unknown = [w for w, of in zip(words, tokenizer.encode(words, "source"), strict=True) if UNK in of]
        translation, found = system.translate_with_alignment(ids, settings)
        aligned = found and by_words(found.source_pieces, found.target_pieces, found.weights)
        if aligned and len(aligned.source) == len(words) + 1:  # as they stand in the text, unknown ones too
            aligned = replace(aligned, source=(*words, aligned.source[-1]))
        return Sentence(text, translation, aligned, tuple(dict.fromkeys(unknown)))

    return translated


def as_text(sentence: Sentence, width: int) -> str:
    """The translation on a line, below it the alignment's `table`, or that there is none."""
    return f"{sentence.translation.text}\n{table(sentence.alignment, width) if sentence.alignment else NO_ALIGNMENT}"


def as_json(sentence: Sentence) -> str:
    """A JSON object on one line; `words` and `weights` [target, source] are null where there is no alignment."""
    aligned, translation = sentence.alignment, sentence.translation
    data = {
        "text": sentence.text,
        "translation": translation.text,
        "score": translation.score,
        "words": aligned and {"source": aligned.source, "target": aligned.target},
        "weights": aligned and aligned.weights.round(4).tolist(),
    }
    return json.dumps(data, ensure_ascii=False)


def table(alignment: WordAlignment, width: int) -> str:
    """The alignment for a terminal of that width: for each target word the source words of most weight.

    Where it fits there is a map between them, a column a source word; numbers above it count the columns. A source word
    that is there several times has its number behind it.
    """
    longest = max(8, width // 4)
    words = [_shortened(word, longest) for word in alignment.source]
    counts = Counter(words)
    names = [f"{word} ({n})" if counts[word] > 1 else word for n, word in enumerate(words, 1)]
    targets = [_shortened(word, longest) for word in alignment.target]
    lists = [_most(row, names) for row in alignment.weights]

    margin = max(map(len, targets), default=0) + 2
    room, mapped = width - margin, len(words) + 2
    lines = []
    if mapped + max((len(items[0]) for items in lists), default=0) <= room:
        room -= mapped
        columns = "1   " + "".join(f"{n:<5}" for n in range(5, len(words) + 1, 5))
        lines.append(" " * margin + columns.rstrip())
        shades = ["".join(SHADES[round(4 * min(w, 1.0))] for w in row) + "  " for row in alignment.weights]
    else:
        shades = [""] * len(targets)
    for word, shade, items in zip(targets, shades, lists, strict=True):
        named = items[0]
        for item in items[1:]:
            if len(named) + 2 + len(item) <= room:
                named += f"  {item}"
        lines.append(f"{word:<{margin}}{shade}{named}")
    return "\n".join(lines)


def _most(row: np.ndarray, names: Sequence[str]) -> list[str]:
    """The source words of most weight in a row, with percents."""
    order = np.argsort(-row, kind="stable")[:MOST]
    return [f"{names[i]} {100 * row[i]:.0f}%" for place, i in enumerate(order) if not place or row[i] >= LEAST]


def _shortened(word: str, longest: int) -> str:
    return word if len(word) <= longest else word[: longest - 1] + "…"
