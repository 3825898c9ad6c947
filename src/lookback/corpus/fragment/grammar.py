"""The rules of the fragment: a weighted context-free grammar over *abstract* syntax.

A derivation says who does what with which words, not in which order; `surface` spells it out in English and German.
English keeps the order of a rule's parts (except an adverb of manner, which follows "was").

Categories carry the features that rules must agree on: `NP.h.2` is a noun phrase about a human that may hold clauses
nested two deep, `VP.a.1` a verb phrase whose subject is an animal. The last part is a *level*: 0 to 3, or "light" for
phrases that hold neither clauses nor coordinations.

    S           sentence: main clauses, joined by ", and" and ", but"
    Main        a clause with at most one subordinate clause before or after it (Sub)
    Plain       a clause, possibly with an adverb or a place (Scene) in front
    Clause      subject and verb phrase
    VP, VS      verb phrase; VS is not a coordination. VM and VF: those that go with an adverb of manner, of frequency
    NP, NQ      noun phrase; NQ, inside prepositional phrases, is not a coordination. NK: the last part of one
    Core        determiner, adjectives, noun
    Rel, Rel/every  relative clause with "that"; set off by commas with "who" or "which", so not after "every"
    At.x, To.p, With  prepositional phrase: where something of sort x is, where to (with preposition p), with whom

X/every is X without the determiner "every", X/bare without the empty one. Lexical categories: Det, N, A (A1 before A2),
V.frame.subject.object, P.preposition, and the particles; V.frame~ are the verbs that go with an adverb of manner,
V.frame! has no progressive.

Three limits make the English unambiguous wherever the German depends on the reading:

- a relative clause belongs to the noun right before it, for nothing else can stand between the two;
- all but the last part of a coordination of noun or verb phrases are light, so "and" joins the nearest phrases;
- main clauses are joined by a comma and a conjunction, which nothing else is.
"""

from typing import Any, NamedTuple

from lookback.corpus.fragment import lexicon
from lookback.corpus.fragment.lexicon import SORTS

DEPTH = 3
"""The maximum nesting depth of clauses."""
PROGRESSIVE = 0.25
"""The share of progressive uses among verbs that have a progressive."""


class Entry(NamedTuple):
    """A word in a lexical category."""

    weight: float
    length: int
    """Number of English words."""
    word: Any
    progressive: bool


class Rule(NamedTuple):
    weight: float
    name: str
    parts: tuple[str, ...]


def _normalised(table: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """The table with the weights of each category scaled to sum to 1."""
    totals = {category: sum(option.weight for option in options) for category, options in table.items()}
    return {
        category: [option._replace(weight=option.weight / totals[category]) for option in options]
        for category, options in table.items()
    }


def _lexicon() -> dict[str, list[Entry]]:
    table: dict[str, list[Entry]] = {}

    def add(category: str, weight: float, word: Any, progressive: bool = False) -> None:
        length = len(word.progressive.split()) + 1 if progressive else len(word.english.split())
        table.setdefault(category, []).append(Entry(weight, length, word, progressive))

    def ranked(category: str, words: list[Any], flat: int = 1) -> None:
        """Weights by Zipf's law, with a flattened head so that no word is half of its category."""
        for rank, word in enumerate(words, start=1):
            add(category, 1.0 / (rank + flat), word)

    for sort in SORTS:
        ranked(f"N.{sort}", lexicon.NOUNS[sort], flat=3)
        outer = [word for word, sorts in lexicon.ADJECTIVES_OUTER if sort in sorts]
        inner = [word for word, sorts in lexicon.ADJECTIVES_INNER if sort in sorts]
        ranked(f"A1.{sort}", outer)
        ranked(f"A2.{sort}", inner)
        ranked(f"A.{sort}", sorted(outer + inner, key=lambda word: (outer if word in outer else inner).index(word)))

    for frame, verbs in lexicon.VERBS.items():
        for rank, (verb, subjects, objects) in enumerate(verbs, start=1):
            targets = [f".{target}" for target in (objects.split() if frame == "motion" else objects)] or [""]
            manner = verb.progressive if frame == "transitive" else verb.english in lexicon.DELIBERATE
            for subject in subjects:
                for target in targets:
                    for mark in ("", "~", "!") if manner else ("", "!"):
                        category = f"V.{frame}{mark}.{subject}{target}"
                        share = PROGRESSIVE if verb.progressive and mark != "!" else 0.0
                        add(category, (1 - share) / (rank + 3), verb)
                        if share:
                            add(category, share / (rank + 3), verb, progressive=True)

    for weight, determiner in lexicon.DETERMINERS:
        for category, without in (("Det", None), ("Det/every", "every"), ("Det/bare", "")):
            if determiner.english != without:
                add(category, weight, determiner)
    for name, preposition in lexicon.PREPOSITIONS.items():
        add(f"P.{name}", 1.0, preposition)
    for weight, word in lexicon.SUBORDINATORS:
        add("subordinator", weight, word)
    for category, words in lexicon.PARTICLES.items():
        ranked(category, words)
    return _normalised(table)


LEXICON = _lexicon()

Option = tuple[float, str, tuple[str, ...]]
"""A rule before it is added: weight, name, parts."""


def _places(figure: str, ground: str, table: str | None = None) -> list[Option]:
    """Prepositional phrases for the place of something of sort `figure`; `ground` is the category inside them."""
    options: list[Option] = []
    for rank, entry in enumerate((table or lexicon.FIGURES[figure]).split(), start=1):
        preposition, sorts = entry.split(":")
        options += [(1 / (rank + 0.5) / len(sorts), "pp", (f"P.{preposition}", ground.format(sort))) for sort in sorts]
    return options


def _transitive(subject: str, noun: str, manner: str = "") -> list[Option]:
    """Verb phrases with one object, in the accusative or the dative; a sort with more verbs has a larger share."""
    options: list[Option] = []
    for frame, weight in ((f"transitive{manner}", 1.0), ("dative", 0.6)):
        for sort in SORTS:
            verb = f"V.{frame}.{subject}.{sort}"
            verbs = len(LEXICON.get(verb, ()))
            options.append((weight * verbs**0.5, "transitive", (verb, noun.format(sort))))
    return options


def _grammar() -> dict[str, list[Rule]]:
    rules: dict[str, list[Rule]] = {}

    def add(category: str, weight: float, name: str, *parts: str) -> None:
        share(category, weight, [(1.0, name, parts)])

    def share(category: str, weight: float, options: list[Option]) -> None:
        """Divides a weight among the options that have words."""
        options = [o for o in options if all(part in LEXICON or part[:2] not in ("A.", "V.") for part in o[2])]
        total = sum(option[0] for option in options)
        for part, name, parts in options:
            rules.setdefault(category, []).append(Rule(weight * part / total, name, parts))

    def core(category: str, sort: str, weight: float, determiner: str = "Det") -> None:
        add(category, 0.60 * weight, "noun", determiner, f"N.{sort}")
        add(category, 0.33 * weight, "noun", determiner, f"A.{sort}", f"N.{sort}")
        add(category, 0.07 * weight, "noun", determiner, f"A1.{sort}", f"A2.{sort}", f"N.{sort}")

    def noun_phrases(sort: str, level: int | str) -> None:
        phrase, inside, last = f"NP.{sort}.{level}", f"NQ.{sort}.{level}", f"NK.{sort}.{level}"
        core(phrase, sort, 60)
        add(phrase, 8, "located", f"Core.{sort}", f"Near.{sort}.{level}")
        share(f"Near.{sort}.{level}", 8, _places(sort, f"NQ.{{}}.{level}"))
        companions = lexicon.COMPANIONS.get(sort, "")
        share(f"Near.{sort}.{level}", 2, [(1, "pp", ("P.with", f"NQ.{other}.{level}")) for other in companions])
        share(f"At.{sort}.{level}", 1, _places(sort, f"NQ.{{}}.{level}"))
        core(inside, sort, 60)
        if level == "light":
            return
        add(phrase, 7, "coordination", f"Core/every.{sort}", "and", last)
        add(inside, 3, "located", f"Core.{sort}", f"Near.{sort}.light")
        core(last, sort, 60, "Det/every")
        if level:
            for category, weight, free in ((phrase, 19, "Core"), (inside, 16, "Core"), (last, 6, "Core/every")):
                add(category, 0.6 * weight, "relative", f"{free}.{sort}", f"Rel.{sort}.{level}")
                add(category, 0.4 * weight, "relative", f"Core/every.{sort}", f"Rel/every.{sort}.{level}")

    def relative_clauses(sort: str, level: int) -> None:
        for category, that, which in (("Rel", "that", "which"), ("Rel/every", "which,", "which,")):
            category += f".{sort}.{level}"
            add(category, 60, "subject relative", that, f"VP.{sort}.{level - 1}")
            objects = [
                (weight * len(LEXICON.get(f"V.{frame}.{subject}.{sort}", ())) ** 0.5, "object relative",
                 (that, f"NP.{subject}.light", f"V.{frame}.{subject}.{sort}"))
                for subject in "ha" for frame, weight in (("transitive", 1.0), ("dative", 0.6))
            ]  # fmt: skip
            share(category, 30, objects)
            obliques = [
                (weight, "oblique relative", (parts[0], which, f"NP.{figure}.light", f"V.position.{figure}"))
                for figure in "hao" for weight, _, parts in _places(figure, "{}") if parts[1] == sort
            ]  # fmt: skip
            share(category, 10, obliques)

    def simple_verb_phrases(category: str, sort: str, level: int | str, manner: str = "") -> None:
        """Verb phrases that contain no verb phrase or clause."""
        noun = f"NP.{{}}.{level}"
        verbs = f"V.intransitive{manner}.{sort}"
        share(category, 15 * min(1, len(LEXICON.get(verbs, ())) / 12), [(1, "intransitive", (verbs,))])
        share(category, 15, [(1, "position", (f"V.position{manner}.{sort}", f"At.{sort}.{level}"))])
        share(category, 15, [
            (weight / len(grounds), "motion", (f"V.motion.{sort}.{preposition}", f"To.{preposition}.{ground}.{level}"))
            for preposition, (weight, grounds) in lexicon.DIRECTIONS.items() for ground in grounds
        ])  # fmt: skip
        share(category, 35 if sort in "ha" else 10, _transitive(sort, noun, manner))

    def verb_phrases(sort: str, level: int) -> None:
        for category in (f"VP.{sort}.{level}", f"VS.{sort}.{level}"):
            simple_verb_phrases(category, sort, level)
            share(category, 5, [(1, "company", (f"V.company.{sort}", f"With.{level}"))])
            share(category, 6, [
                (1, "two objects", (f"V.two objects.{sort}.{target}", "Core/bare.h", f"NP.{target}.{level}"))
                for target in SORTS
            ])  # fmt: skip
            add(category, 6, "quality", "be", f"A.{sort}")
            add(category, 3, "quality", "be", "very", f"A.{sort}")
            add(category, 7, "place", "be", f"At.{sort}.{level}")
            if sort in "ha":
                add(category, 5, "adverb", "manner", f"VM.{sort}.{level}")
                add(category, 4, "adverb", "frequency", f"VF.{sort}.{level}")
            if level:
                share(category, 14, [(1, "say", (f"V.say.{sort}", "dass", f"Clause.{level - 1}"))])
        if sort in "haosl":
            add(f"VP.{sort}.{level}", 8, "verb coordination", f"VP.{sort}.light", "and", f"VS.{sort}.{level}")
        simple_verb_phrases(f"VM.{sort}.{level}", sort, level, "~")
        share(f"VF.{sort}.{level}", 1, [(1, "intransitive", (f"V.intransitive!.{sort}",))])
        share(f"VF.{sort}.{level}", 1, [(1, "position", (f"V.position!.{sort}", f"At.{sort}.{level}"))])

    for sort in SORTS:
        core(f"Core.{sort}", sort, 1)
        core(f"Core/every.{sort}", sort, 1, "Det/every")
        core(f"Core/bare.{sort}", sort, 1, "Det/bare")
        simple_verb_phrases(f"VP.{sort}.light", sort, "light")
    for level in ("light", *range(DEPTH + 1)):
        for sort in SORTS:
            noun_phrases(sort, level)
        for preposition, (_, grounds) in lexicon.DIRECTIONS.items():
            for ground in grounds:
                add(f"To.{preposition}.{ground}.{level}", 1, "pp", f"P.{preposition}", f"NQ.{ground}.{level}")
        share(f"With.{level}", 1, [(1, "pp", ("P.with", f"NQ.{companion}.{level}")) for companion in "ha"])
    subjects = {"h": 48, "a": 25, "o": 7, "f": 4, "s": 5, "l": 3, "g": 2, "p": 6}
    for level in range(DEPTH + 1):
        for sort in SORTS:
            if level:
                relative_clauses(sort, level)
            verb_phrases(sort, level)
            add(f"Clause.{level}", subjects[sort], "clause", f"NP.{sort}.{level}", f"VP.{sort}.{level}")

    share("Scene", 1, _places("", "NQ.{}.light", lexicon.SCENES))
    add("Plain", 60, "main", f"Clause.{DEPTH}")
    add("Plain", 25, "fronted", "fronted", f"Clause.{DEPTH}")
    add("Plain", 8, "fronted place", "Scene", f"Clause.{DEPTH}")
    add("Sub", 1, "subordinate", "subordinator", f"Clause.{DEPTH - 1}")
    add("Main", 60, "plain", "Plain")
    add("Main", 13, "subordinate last", "Plain", "Sub")
    add("Main", 13, "subordinate first", "Sub", f"Clause.{DEPTH}")
    add("S", 80, "sentence", "Main")
    add("S", 20, "clause coordination", "Main", "joint", "S")
    return _normalised(rules)


GRAMMAR = _grammar()
