"""What went wrong in one translation, in a few words, by comparison with its reference.

The tags help the reader of a report's examples. Each is a plain count with a definition, not a judgement. On free text
a good translation may use other words than the reference, and gets tags for them.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

WORD = re.compile(r"\w+|[^\w\s]")
"""A run of letters and digits, or a single other mark."""

SHORTEST, LONGEST = 0.8, 1.25
"""Shares of the reference's words: a translation with fewer is too short, with more too long."""
LOOP = 4
"""A loop is at least this many words in a row that only repeat the words before them."""


@dataclass(frozen=True)
class Diagnosis:
    """One translation against its reference, in words and punctuation marks as `WORD` finds them, case kept."""

    words: int
    """The number in the translation."""
    reference_words: int
    missing: int
    """Words of the reference that the translation lacks, with multiplicity."""
    added: int
    """Words of the translation that the reference lacks, with multiplicity."""
    looping: bool
    """A stretch of words is followed by itself, so that at least `LOOP` words (and the whole stretch) only repeat those
    before them; and the reference has no such loop."""
    cut_off: bool
    """The search stopped at its length limit before the translation ended."""
    exact: bool
    """Equal to the reference up to white space."""

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags to print, the most serious first; ("exact",) if nothing is wrong."""
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
    """The number of surplus words: occurrences beyond those in the reference, and beyond the first.

    Compare the over-translation of Tu et al. 2016 ("Modeling Coverage for Neural Machine Translation"), which people
    counted. A reference scores 0 against itself.
    """
    want = Counter(reference_words)
    return sum(times - max(want[word], 1) for word, times in Counter(words).items() if times > max(want[word], 1))


def loops(words: Sequence[str]) -> bool:
    """Whether some stretch of n words is followed by itself over at least max(`LOOP`, n) words.

    That is: one word five times, two words three times, four words or more twice.
    """
    if len(words) - len(set(words)) < LOOP:  # too few repeated words for a loop
        return False
    for period in range(1, len(words) // 2 + 1):
        repeats = (word == before for word, before in zip(words[period:], words, strict=False))
        if any(same and len(list(run)) >= max(LOOP, period) for same, run in groupby(repeats)):
            return True
    return False
