"""A system's translations of single sentences, joined like the lines of a set of joined sentences."""

from collections.abc import Sequence

from lookback.data.testsets import FurtherSet


def put_together(translations: Sequence[str], singles: FurtherSet, lines: FurtherSet) -> list[str]:
    """The translations of N single sentences, one for each line of `singles`, joined as the sentences of `lines` are.

    These lines and the translations of the same lines at once are scored on the same references. So only translating
    the sentences at once can make the scores differ.
    """
    of_sentence = {line[0]: text for line, text in zip(singles.made_of, translations, strict=True)}
    return [" ".join(of_sentence[i] for i in line) for line in lines.made_of]
