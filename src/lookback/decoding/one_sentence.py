"""Translates one line of text with a trained model, and formats translation and alignment as text or JSON."""

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
"""Symbols for weights of 0, 1/4, 1/2, 3/4 and 1; a weight is rounded to the nearest."""
MOST = 3
"""The most source words listed beside a target word."""
LEAST = 0.1
"""The least weight of a listed source word after the first."""
NO_ALIGNMENT = "(no alignment: this model has no attention)"


@dataclass(frozen=True)
class Sentence:
    """A line of text and its translation."""

    text: str
    translation: Translation
    alignment: WordAlignment | None
    """None for a dictionary or an RNN encoder-decoder."""
    unknown: tuple[str, ...]
    """Words of the text, split at spaces, that contain a piece unknown to the tokenizer."""


def translator(
    folder: Path, settings: Translate, normalization: Normalization, hardware: Hardware
) -> Callable[[str], Sentence]:
    """A function that translates a line with the model in a folder, a network or a dictionary.

    It first replaces control characters and runs of spaces by one space, as in training text.

    Args:
        folder: the folder that the train stage wrote; nothing else is read.
        settings: the search settings.
        normalization: the Unicode normal form of the training text; a word tokenizer stores its own.
        hardware: the device of a network.

    Raises:
        LookbackError: a file of the folder is missing or damaged; when translating, the text is empty or not UTF-8.
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
            raise LookbackError(f"text {text!r}: contains no word; give a sentence")
        words, unknown = line.split(" "), []
        if UNK in ids:
            unknown = [w for w, of in zip(words, tokenizer.encode(words, "source"), strict=True) if UNK in of]
        translation, found = system.translate_with_alignment(ids, settings)
        aligned = found and by_words(found.source_pieces, found.target_pieces, found.weights)
        if aligned and len(aligned.source) == len(words) + 1:  # show the words of the text, including unknown ones
            aligned = replace(aligned, source=(*words, aligned.source[-1]))
        return Sentence(text, translation, aligned, tuple(dict.fromkeys(unknown)))

    return translated


def as_text(sentence: Sentence, width: int) -> str:
    """The translation on one line, followed by the alignment `table` or a note that there is none."""
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
    """The alignment for a terminal of the given width: for each target word the source words of largest weight.

    If it fits, a map stands between them, with one numbered column per source word. Repeated source words are followed
    by their column number.
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
    """The source words of largest weight in a row, with percentages."""
    order = np.argsort(-row, kind="stable")[:MOST]
    return [f"{names[i]} {100 * row[i]:.0f}%" for place, i in enumerate(order) if not place or row[i] >= LEAST]


def _shortened(word: str, longest: int) -> str:
    return word if len(word) <= longest else word[: longest - 1] + "…"
