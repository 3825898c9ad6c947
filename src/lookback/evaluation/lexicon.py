"""Which words translate which, by IBM Model 1; and how many source words a translation leaves out."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from lookback.corpus.ibm_model1 import model1

Lexicon = Mapping[str, frozenset[str]]
"""For each source word the target words that translate it."""


THRESHOLD = 0.1
"""The smallest t(target word | source word) with which one word counts as a translation of the other. When words are
removed at random from the references of the built-in corpus, `dropped` finds four in five with 0.1, and fewer with
0.02, 0.05, 0.2, 0.3 and 0.5: with a low threshold, other words of the sentence replace the missing one; with a high
one, words have no translation."""


ITERATIONS = 5


MAX_LINKS = 5_000_000
"""The lexicon is learned from evenly spread pairs with at most this many links: 0.4 GB, some seconds."""


WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The words counted here: runs of letters and digits, in lower case. Not for languages without spaces between
    words, such as Chinese."""
    return WORD.findall(text.casefold())


def learn(sources: Sequence[str], targets: Sequence[str], threshold: float = THRESHOLD) -> Lexicon:
    """The lexicon of N pairs of sentences, plain text: those of a test set, and further ones if there are any."""
    pairs = [(words(source), words(target)) for source, target in zip(sources, targets, strict=True)]
    links = sum((len(source) + 1) * len(target) for source, target in pairs)
    chosen = pairs[:: max(1, -(-links // MAX_LINKS))]
    table = model1([source for source, _ in chosen], [target for _, target in chosen], ITERATIONS)
    found: dict[str, list[str]] = {}
    # The last source word is the empty cept, which cannot be dropped.
    for entry in np.flatnonzero((table.t >= threshold) & (table.source < len(table.source_words))):
        found.setdefault(table.source_words[table.source[entry]], []).append(table.target_words[table.target[entry]])
    return {source: frozenset(translations) for source, translations in found.items()}


def dropped(source: str, hypothesis: str, reference: str, lexicon: Lexicon) -> int:
    """How many source words the reference translates and the translation does not, by the lexicon.

    If a word occurs c times in the source and its translations occur r times in the reference, then min(c, r) of its
    translations are expected. The expected ones that the translation lacks are dropped; any of the word's translations
    will do. A reference scores 0 against itself.

    This is a count with blind spots, not an alignment. It misses words whose translation occurs for another reason, and
    words that are not in the lexicon. A free translation in words that the lexicon lacks counts as dropped. With 15 %
    of the reference words removed at random it finds 12 % for the built-in corpus, 6 % for laws in English and French,
    and a little less for long sentences than for short ones. So use it to compare systems.
    """
    have, want = Counter(words(hypothesis)), Counter(words(reference))
    count = 0
    for word, times in Counter(words(source)).items():
        translations = lexicon.get(word, frozenset())
        if wanted := min(times, sum(want[translation] for translation in translations)):
            count += max(0, wanted - sum(have[translation] for translation in translations))
    return count
