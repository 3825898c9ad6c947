"""What went wrong in one translation, in a few words, by comparing it with its reference.

A reader's aid beside the examples of a report: each tag is a plain count with a definition, not a judgement. On free
text a good translation may use other words than the reference, and will carry tags for it.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

WORD = re.compile(r"\w+|[^\w\s]")
"""A run of letters and digits, or a single other mark."""

SHORTEST, LONGEST = 0.8, 1.25
"""Of the reference's words: a translation with fewer is too short, with more too long."""
LOOP = 4
"""So many words in a row that only repeat the words before them make a loop."""


@dataclass(frozen=True)
class Diagnosis:
    """One translation against its reference, in words and punctuation marks as `WORD` finds them, case kept."""

    words: int
    """In the translation."""
    reference_words: int
    missing: int
    """Words of the reference that the translation does not have, each as often as it lacks."""
    added: int
    """Words of the translation that the reference does not have, each as often as it is too much."""
    looping: bool
    """A stretch of words follows directly on itself, so that `LOOP` words or more (and all of the stretch) only repeat
    those before them; and the reference does nothing of the kind."""
    cut_off: bool
    """The search stopped at its length limit before the translation ended."""
    exact: bool
    """Equal to the reference up to white space."""

    @property
    def tags(self) -> tuple[str, ...]:
        """What to print: the gravest first; ("exact",) if nothing is wrong."""
        if self.exact:
            return ("exact",)
        if not self.words:
            return ("empty",)
        found = []
        if self.cut_off:
            found.append("cut off")
        if self.looping:
            found.append("loops")
        if self.words < SHORTEST * self.reference_words:
            found.append("too short")
        if self.words > LONGEST * self.reference_words:
            found.append("too long")
        if self.missing:
            found.append(f"{self.missing} of {self.reference_words} words missing")
        if self.added:
            found.append(f"{self.added} added")
        return tuple(found) or ("other order",)


def diagnose(hypothesis: str, reference: str, cut_off: bool = False) -> Diagnosis:
    """Compare one translation with its reference."""
    words, reference_words = WORD.findall(hypothesis), WORD.findall(reference)
    have, want = Counter(words), Counter(reference_words)
    return Diagnosis(
        words=len(words),
        reference_words=len(reference_words),
        missing=(want - have).total(),
        added=(have - want).total(),
        looping=looping(words, reference_words),
        cut_off=cut_off,
        exact=hypothesis.split() == reference.split(),
    )


def error_tags(hypothesis: str, reference: str, cut_off: bool = False) -> list[str]:
    """The `Diagnosis.tags` of one translation."""
    return list(diagnose(hypothesis, reference, cut_off).tags)


def looping(words: Sequence[str], reference_words: Sequence[str]) -> bool:
    """See `Diagnosis.looping`."""
    return loops(words) and not loops(reference_words)


def repeated(words: Sequence[str], reference_words: Sequence[str]) -> int:
    """Words of the translation that stand there once more than in the reference, or a second time where that has none.

    Each as often as it is too much; cf. the over-translation of Tu et al. 2016 ("Modeling Coverage for Neural Machine
    Translation"), counted by people. A reference scores 0 against itself.
    """
    want = Counter(reference_words)
    return sum(times - max(want[word], 1) for word, times in Counter(words).items() if times > max(want[word], 1))


def loops(words: Sequence[str]) -> bool:
    """Whether some stretch of n words is followed by itself over at least max(`LOOP`, n) words.

    So: one word five times, two words three times, four words or more twice.
    """
    if len(words) - len(set(words)) < LOOP:  # nothing stands there again so often
        return False
    for period in range(1, len(words) // 2 + 1):
        repeats = (word == before for word, before in zip(words[period:], words, strict=False))
        if any(same and len(list(run)) >= max(LOOP, period) for same, run in groupby(repeats)):
            return True
    return False
