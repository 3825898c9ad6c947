"""Which words translate which, learned from pairs of sentences; and by that, how many words a translation leaves out.

The translation probabilities t(target word | source word) are those of Model 1 of Brown et al. 1993 ("The Mathematics
of Statistical Machine Translation: Parameter Estimation", section 4.1), learned by expectation maximisation. In numpy
rather than by a library: nltk's, in plain Python, needs a minute and a half for 10,000 pairs of the built-in corpus and
five iterations, this some six seconds.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Sentences = Sequence[Sequence[str]]


# --- Model 1 ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TranslationTable:
    """t(target word | source word), an entry for any two words that stand in one pair: E of them."""

    source_words: list[str]
    """In alphabetical order, as are the target words."""
    target_words: list[str]
    source: NDArray[np.int64]
    """[E], places in `source_words`, rising; their number is that of the empty cept."""
    target: NDArray[np.int64]
    """[E], places in `target_words`, rising for each source word."""
    t: NDArray[np.float64]
    """[E]; those of one source word add up to 1."""


def model1(sources: Sentences, targets: Sentences, iterations: int) -> TranslationTable:
    """Learn the translation probabilities of N pairs.

    The source has the part of the paper's e, the target that of its f. As there, a target word may also come from no
    source word, the empty cept. All translations of a word are equally probable at first, so the result depends on
    nothing but the pairs.

    Takes about 80 bytes of memory for each two words that stand in one pair: 1 GB for 20,000 pairs of 25 words.

    Args:
        sources: N sentences in words.
        targets: their N translations.
        iterations: of expectation maximisation.
    """
    source_words, source_ids = _numbered(sources)
    target_words, target_ids = _numbered(targets)
    # All links: each target position with each source word of its sentence, and with the empty cept.
    empty, size = len(source_words), len(target_words)
    links, positions, start = [], [], 0
    for source, target in zip(source_ids, target_ids, strict=True):
        source = np.append(source, empty)
        links.append((source[:, None] * size + target).ravel())
        positions.append(np.tile(np.arange(start, start + len(target), dtype=np.int32), len(source)))
        start += len(target)
    position = np.concatenate(positions)
    entries, entry = np.unique(np.concatenate(links), return_inverse=True)
    source, target = np.divmod(entries, max(size, 1))
    del links, positions

    t = np.ones(len(entries))
    for _ in range(iterations):
        share = t[entry]
        share /= np.bincount(position, share)[position]
        counts = np.bincount(entry, share)
        t = counts / np.bincount(source, counts)[source]
    return TranslationTable(source_words, target_words, source, target, t)


def _numbered(sentences: Sentences) -> tuple[list[str], list[NDArray[np.int64]]]:
    """The different words in alphabetical order, and the sentences in their places there."""
    words = sorted({word for sentence in sentences for word in sentence})
    place = {word: number for number, word in enumerate(words)}
    return words, [np.array([place[word] for word in sentence], dtype=np.int64) for sentence in sentences]


# --- words that a translation leaves out ------------------------------------------------------------------------------

Lexicon = Mapping[str, frozenset[str]]
"""For each source word the target words that translate it."""

THRESHOLD = 0.1
"""Of t(target word | source word), from which on the one translates the other. Of words taken out of the references of
the built-in corpus by chance, `dropped` finds four in five with 0.1 and less with 0.02, 0.05, 0.2, 0.3 and 0.5: a low
one lets other words of the sentence stand in for the one that is gone, a high one leaves words without translation."""
ITERATIONS = 5
MAX_LINKS = 5_000_000
"""Of the pairs that are given, evenly spread ones with so many links at most are learned from: 0.4 GB, some seconds."""

WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The words that are counted here: runs of letters and digits, lower case. Of no use where words are not set apart,
    as in Chinese."""
    return WORD.findall(text.casefold())


def learn(sources: Sequence[str], targets: Sequence[str], threshold: float = THRESHOLD) -> Lexicon:
    """The lexicon of N pairs of sentences, plain text; of those of a test set, and of further ones if there are any."""
    pairs = [(words(source), words(target)) for source, target in zip(sources, targets, strict=True)]
    links = sum((len(source) + 1) * len(target) for source, target in pairs)
    chosen = pairs[:: max(1, -(-links // MAX_LINKS))]
    table = model1([source for source, _ in chosen], [target for _, target in chosen], ITERATIONS)
    found: dict[str, list[str]] = {}
    # The last source word is the empty cept, which nobody can drop.
    for entry in np.flatnonzero((table.t >= threshold) & (table.source < len(table.source_words))):
        found.setdefault(table.source_words[table.source[entry]], []).append(table.target_words[table.target[entry]])
    return {source: frozenset(translations) for source, translations in found.items()}


def dropped(source: str, hypothesis: str, reference: str, lexicon: Lexicon) -> int:
    """How many words of the source the reference translates and the translation does not, by the lexicon.

    A word that stands c times in the source and whose translations stand r times in the reference is wanted min(c, r)
    times; what the translation has less of its translations (of any of them, so another choice among them is none
    missed) is dropped. A reference scores 0 against itself.

    A count with blind spots, not an alignment: it misses words whose translation stands there for another reason, and
    those that are not in the lexicon; a free translation in words that the lexicon does not have counts as dropped.
    With 15 % of the words of the references taken out by chance it says 12 % for the built-in corpus, 6 % for laws in
    English and French, and for long sentences a little less than for short ones. So it is there to compare systems.
    """
    have, want = Counter(words(hypothesis)), Counter(words(reference))
    count = 0
    for word, times in Counter(words(source)).items():
        translations = lexicon.get(word, frozenset())
        if wanted := min(times, sum(want[translation] for translation in translations)):
            count += max(0, wanted - sum(have[translation] for translation in translations))
    return count
