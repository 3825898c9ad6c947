"""Derivations of the fragment: drawn at random with an exact length, written by hand, and checked.

English keeps every word of a derivation, and the lexicon gives each word's number of English words. An *inside weight*
is the summed weight of all derivations of a category that are n words long, as in the inside algorithm for
probabilistic context-free grammars. These weights let us draw derivations of exactly n words, each in proportion to its
weight.
"""

from bisect import bisect
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from random import Random
from typing import Any

from lookback.corpus.fragment import lexicon
from lookback.corpus.fragment.grammar import GRAMMAR, LEXICON


class Word:
    """One use of a word in a derivation; its identity links the English and the German tokens."""

    __slots__ = ("entry", "progressive")

    def __init__(self, entry: Any, progressive: bool = False) -> None:
        self.entry = entry
        self.progressive = progressive


class Node:
    """One use of a rule: its name and its parts (nodes and words)."""

    __slots__ = ("parts", "rule")

    def __init__(self, rule: str, parts: tuple[Any, ...]) -> None:
        self.rule = rule
        self.parts = parts


# --- drawing ------------------------------------------------------------------------------------------------------


@cache
def inside(category: str, length: int) -> float:
    """The summed weight of the derivations of a category with `length` English words."""
    if category in LEXICON:
        return sum(entry.weight for entry in LEXICON[category] if entry.length == length)
    return sum(rule.weight * _sequence(rule.parts, length) for rule in GRAMMAR.get(category, ()))


@cache
def _sequence(parts: tuple[str, ...], length: int) -> float:
    if len(parts) == 1:
        return inside(parts[0], length)
    total = 0.0
    for first in range(length + 1):
        if weight := inside(parts[0], first):
            total += weight * _sequence(parts[1:], length - first)
    return total


def _divisions(parts: tuple[str, ...], length: int) -> Iterator[tuple[float, tuple[tuple[str, int], ...]]]:
    """All ways to divide the words over the parts, with their weights."""
    if len(parts) == 1:
        if weight := inside(parts[0], length):
            yield weight, ((parts[0], length),)
        return
    for first in range(length + 1):
        if weight := inside(parts[0], first):
            for others, division in _divisions(parts[1:], length - first):
                yield weight * others, ((parts[0], first), *division)


@cache
def _choices(category: str, length: int) -> tuple[list[float], list[Any]]:
    """Cumulative weights and their options: lexical entries, or rules with the numbers of words of their parts."""
    weighted: list[tuple[float, Any]]
    if category in LEXICON:
        weighted = [(entry.weight, entry) for entry in LEXICON[category] if entry.length == length]
    else:
        weighted = [
            (rule.weight * weight, (rule.name, division))
            for rule in GRAMMAR[category]
            for weight, division in _divisions(rule.parts, length)
        ]
    return list(accumulate(weight for weight, _ in weighted)), [choice for _, choice in weighted]


def draw(random: Random, length: int) -> Node:
    """A derivation of a sentence of exactly `length` English words, in proportion to its weight.

    Nouns, adjectives and verbs already in the sentence are redrawn, up to three times.

    Raises:
        ValueError: the language has no sentence of that length.
    """
    if not inside("S", length):
        raise ValueError(f"no sentence of the fragment has {length} words")
    uniform = random.random
    used: set[str] = set()

    def expand(category: str, length: int) -> Any:
        cumulative, choices = _choices(category, length)
        last = len(choices) - 1
        choice = choices[bisect(cumulative, uniform() * cumulative[-1], 0, last)] if last else choices[0]
        if category not in LEXICON:
            name, division = choice
            return Node(name, tuple([expand(part, words) for part, words in division]))
        if category[0] in "NAV" and last:
            for _ in range(3):
                if choice.word.english not in used:
                    break
                choice = choices[bisect(cumulative, uniform() * cumulative[-1], 0, last)]
            used.add(choice.word.english)
        return Word(choice.word, choice.progressive)

    return expand("S", length)


# --- by hand ------------------------------------------------------------------------------------------------------


@cache
def _names() -> dict[str, Word]:
    names: dict[str, Word] = {}
    for entries in LEXICON.values():
        for _, _, word, progressive in entries:
            name = word.progressive if progressive else word.english
            if isinstance(word, lexicon.Determiner) and word.plural:
                name += "+"
            names["that:" if word == lexicon.THAT_CLAUSE else name] = Word(word, progressive)
    return names


def tree(rule: str, *parts: Any) -> Node:
    """A derivation from the name of a rule and its parts: nested tuples of the same kind, and words by their English.

    A progressive verb is named by its -ing form. A plural determiner ends in + ("the+", bare "+"), the conjunction
    *that* in a colon. The relative pronoun "who" or "which" after a comma is "which,".

    Raises:
        KeyError: a word is not in the lexicon. `derives` checks whether the rules fit together.
    """
    words = _names()
    made = []
    for part in parts:
        if isinstance(part, Node):
            made.append(part)
        elif isinstance(part, tuple):
            made.append(tree(*part))
        else:
            made.append(Word(words[part].entry, words[part].progressive))
    return Node(rule, tuple(made))


def derives(part: Node | Word, category: str = "S") -> bool:
    """Whether the grammar derives this part from the category, so whether a sentence is in the language."""
    if isinstance(part, Word):
        entries = LEXICON.get(category, ())
        return any(entry.word == part.entry and entry.progressive == part.progressive for entry in entries)
    return any(
        rule.name == part.rule
        and len(rule.parts) == len(part.parts)
        and all(derives(child, kind) for child, kind in zip(part.parts, rule.parts, strict=True))
        for rule in GRAMMAR.get(category, ())
    )
