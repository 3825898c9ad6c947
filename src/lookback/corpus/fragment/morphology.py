"""The words of the fragment as objects, and how German words are inflected.

Regular forms are derived: the dative plural, the plural of verb forms, the endings of determiners and adjectives.
"""

from dataclasses import dataclass
from typing import Literal

Gender = Literal["m", "f", "n"]
Case = Literal["nom", "acc", "dat"]


@dataclass(frozen=True)
class Noun:
    english: str
    english_plural: str
    german: str
    gender: Gender
    german_plural: str
    oblique: str
    """Accusative and dative singular; differs from the nominative in weak nouns (der Junge, den Jungen)."""
    sort: str

    def form(self, plural: bool, case: Case) -> str:
        if not plural:
            return self.german if case == "nom" else self.oblique
        return self.german_plural + ("n" if case == "dat" and self.german_plural[-1] not in "ns" else "")


@dataclass(frozen=True)
class Adjective:
    english: str
    german: str
    stem: str
    """The stem that the endings are added to: dunkel, but dunkl-e."""


@dataclass(frozen=True)
class Verb:
    """The simple past; the English progressive has the same German form."""

    english: str
    progressive: str
    german: str
    prefix: str
    """The separable prefix, or an empty string."""
    case: Case
    """Case of the direct object."""

    def form(self, plural: bool) -> str:
        if not plural:
            return self.german
        return self.german + ("n" if self.german.endswith("e") else "en")


@dataclass(frozen=True)
class Particle:
    """A word with a single form: adverb, conjunction, preposition or relative pronoun."""

    english: str
    german: str
    case: Case = "dat"
    """The case that a preposition governs."""


@dataclass(frozen=True)
class Determiner:
    english: str
    german: str
    """The stem: d(er), ein, dies(er), unser; numerals and the empty determiner of bare plurals do not change."""
    kind: Literal["der", "ein", "none"]
    """Which adjective endings follow: weak (der), mixed (ein), strong (none)."""
    plural: bool


# --- German inflection --------------------------------------------------------------------------------------------

_COLUMNS = {"m": 0, "n": 1, "f": 2, "pl": 3}
_DER = {"nom": ("er", "as", "ie", "ie"), "acc": ("en", "as", "ie", "ie"), "dat": ("em", "em", "er", "en")}
_DIES = {"nom": ("er", "es", "e", "e"), "acc": ("en", "es", "e", "e"), "dat": ("em", "em", "er", "en")}
_EIN = {"nom": ("", "", "e", "e"), "acc": ("en", "", "e", "e"), "dat": ("em", "em", "er", "en")}
_WEAK = {"nom": ("e", "e", "e", "en"), "acc": ("en", "e", "e", "en"), "dat": ("en", "en", "en", "en")}
_MIXED = {"nom": ("er", "es", "e", "en"), "acc": ("en", "es", "e", "en"), "dat": ("en", "en", "en", "en")}
_STRONG = _DIES
_ADJECTIVE_ENDINGS = {"der": _WEAK, "ein": _MIXED, "none": _STRONG}


def determiner(word: Determiner, gender: Gender, case: Case) -> str:
    """The determiner before a noun of the given gender and case; empty for bare plurals."""
    column = 3 if word.plural else _COLUMNS[gender]
    if word.german == "d":
        return "d" + _DER[case][column]
    if word.german == "viel":
        return "viel" + _DIES[case][column]
    if word.kind == "none":
        return word.german
    return word.german + (_DIES if word.kind == "der" else _EIN)[case][column]


def adjective(word: Adjective, after: Determiner, gender: Gender, case: Case) -> str:
    """The attributive form: weak after der-words, mixed after ein-words, strong after numerals and without a
    determiner."""
    column = 3 if after.plural else _COLUMNS[gender]
    return word.stem + _ADJECTIVE_ENDINGS[after.kind][case][column]


def relative_pronoun(gender: Gender, plural: bool, case: Case) -> str:
    if plural and case == "dat":
        return "denen"
    return "d" + _DER[case][3 if plural else _COLUMNS[gender]]
