"""A dictionary: each source word's best translation, in the order of the source. No network and no search.

It is where translation by machine began, and what a reader may hold the networks against: all that they score beyond it
is order, agreement, and the choice between several translations of a word.

The translation probabilities are those of Model 1 of Brown et al. 1993, as `lookback.corpus.ibm_model1` learns them.
"""

import numpy as np

from lookback.corpus.ibm_model1 import Sentences, model1


def learn(sources: Sentences, targets: Sentences, iterations: int) -> dict[str, str]:
    """For each word of the sources, the target word that it most probably gives.

    Of two that are equally probable, the first in the alphabet is taken.

    Args:
        sources: N sentences in words.
        targets: their N translations.
        iterations: of expectation maximisation.

    Returns:
        the dictionary, with the source words in alphabetical order.
    """
    table = model1(sources, targets, iterations)
    # A word's entries stand together in alphabetical order of the target; the sort by t is stable.
    best = np.lexsort((-table.t, table.source))
    first = best[np.unique(table.source, return_index=True)[1]]
    return {
        table.source_words[s]: table.target_words[t]
        for s, t in zip(table.source[first], table.target[first], strict=True)
        if s != len(table.source_words)
    }
