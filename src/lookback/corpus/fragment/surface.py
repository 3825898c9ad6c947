"""A derivation of the fragment spelled out in English and in German.

English is read off from left to right. German is ordered by fields. The finite verb stands second, before the subject
or last, depending on the clause; so a verb phrase is first spelled as its `Fields`, and its clause then orders them.
When a verb or prefix closes the clause, a relative clause on the noun before it moves behind it, and so do
*dass*-clauses: "rief die Frau an, die im Garten saß".
"""

from typing import Literal, NamedTuple

from lookback.corpus.fragment import lexicon, morphology
from lookback.corpus.fragment.derivation import Node, Word
from lookback.corpus.fragment.morphology import Case, Noun

Token = tuple[str, tuple[Word, ...]]
"""A text, and the words of the derivation that it spells; `COMMA` spells none."""
COMMA: Token = (",", ())
Order = Literal["second", "inverted", "last"]


# --- what a noun phrase is ----------------------------------------------------------------------------------------


def _is_plural(phrase: Node) -> bool:
    if phrase.rule == "coordination":
        return True
    return phrase.parts[0].entry.plural if phrase.rule == "noun" else _is_plural(phrase.parts[0])


def _head(phrase: Node) -> Noun:
    """The noun that a relative pronoun agrees with."""
    return phrase.parts[-1].entry if phrase.rule == "noun" else _head(phrase.parts[0])


# --- English ------------------------------------------------------------------------------------------------------


def english(node: Node) -> list[Token]:
    """The tokens of a sentence."""
    out: list[Token] = []
    _english(node, out, False)
    return out


def _english(node: Node | Word, out: list[Token], plural: bool) -> None:
    """Appends the tokens of a part; `plural` is the number of the subject, for was and were."""
    if isinstance(node, Word):
        _english_word(node, out, plural)
        return
    rule, parts = node.rule, node.parts
    if rule == "noun":
        determiner, *adjectives, noun = parts
        texts = [word.entry.english for word in adjectives]
        texts.append(noun.entry.english_plural if determiner.entry.plural else noun.entry.english)
        article = determiner.entry.english
        if article == "a" and texts[0][0] in "aeiou":
            article = "an"
        if article:
            out.append((article, (determiner,)))
        out.extend((text, (word,)) for text, word in zip(texts, parts[1:], strict=True))
    elif rule == "relative":
        _english(parts[0], out, plural)
        _english_relative(parts[1], _head(parts[0]), _is_plural(parts[0]), out)
    elif rule == "clause":
        _english(parts[0], out, False)
        _english(parts[1], out, _is_plural(parts[0]))
    elif rule == "adverb":
        start = len(out)
        _english(parts[1], out, plural)
        at = start + (out[start][0] in ("was", "were"))
        out.insert(at, (parts[0].entry.english, (parts[0],)))
    elif rule == "subordinate last":
        _english(parts[0], out, False)
        if parts[1].parts[0].entry.english == "although":
            out.append(COMMA)
        _english(parts[1], out, False)
    elif rule == "subordinate first":
        _english(parts[0], out, False)
        out.append(COMMA)
        _english(parts[1], out, False)
    elif rule == "clause coordination":
        _english(parts[0], out, False)
        out.append(COMMA)
        _english(parts[1], out, False)
        _english(parts[2], out, False)
    else:
        for part in parts:
            _english(part, out, plural)


def _english_word(word: Word, out: list[Token], plural: bool) -> None:
    texts = word.entry.english.split()
    if word.progressive:
        texts = ["were" if plural else "was", *word.entry.progressive.split()]
    elif word.entry == lexicon.BE and plural:
        texts = ["were"]
    out.extend((text, (word,)) for text in texts)


def _english_relative(relative: Node, head: Noun, plural: bool, out: list[Token]) -> None:
    pronoun: Word = relative.parts[relative.rule == "oblique relative"]
    text = pronoun.entry.english
    apart = text.endswith(",")
    if text != "that":
        human = "who" if relative.rule == "subject relative" else "whom"
        text = human if head.sort == "h" else "which"
    if apart:
        out.append(COMMA)
    for part in relative.parts:
        if part is pronoun:
            out.append((text, (pronoun,)))
        else:
            own = plural if relative.rule == "subject relative" else _is_plural(relative.parts[-2])
            _english(part, out, own)
    if apart:
        out.append(COMMA)


# --- German -------------------------------------------------------------------------------------------------------


class Fields(NamedTuple):
    """The parts of a verb phrase, before its clause orders them."""

    finite: Token
    prefix: Token | None
    middle: list[Token]
    after: list[Token]
    """Clauses that follow the closing verb or prefix."""
    joined: Token | None = None
    """The conjunction before it, in a coordination."""


def german(node: Node) -> list[Token]:
    """The tokens of a sentence, a main clause or a subordinate clause."""
    rule, parts = node.rule, node.parts
    if rule == "sentence":
        return german(parts[0])
    if rule == "clause coordination":
        return [*german(parts[0]), COMMA, _particle(parts[1]), *german(parts[2])]
    if rule == "plain":
        return german(parts[0])
    if rule == "main":
        return _clause(parts[0], "second")
    if rule == "fronted":
        return [_particle(parts[0]), *_clause(parts[1], "inverted")]
    if rule == "fronted place":
        return [*_place(parts[0])[0], *_clause(parts[1], "inverted")]
    if rule == "subordinate last":
        return [*german(parts[0]), COMMA, *german(parts[1])]
    if rule == "subordinate first":
        return [*german(parts[0]), COMMA, *_clause(parts[1], "inverted")]
    if rule == "subordinate":
        return [_particle(parts[0]), *_clause(parts[1], "last")]
    raise AssertionError(rule)


def _particle(word: Word) -> Token:
    return (word.entry.german, (word,))


def _clause(clause: Node, order: Order) -> list[Token]:
    subject, phrase = clause.parts
    plural = _is_plural(subject)
    return _ordered(*_noun_phrase(subject, "nom"), _verb_phrase(phrase, plural), order)


def _ordered(subject: list[Token], relative: list[Token], phrases: list[Fields], order: Order) -> list[Token]:
    """A clause from its subject (and the relative clause on it) and its verb phrases."""
    out: list[Token] = []
    for phrase in phrases:
        finite, prefix, middle, after, joined = phrase
        if joined:
            out.append(joined)
        if order == "last":
            if not joined:
                out += [*subject, *relative]
            out += middle
            out.append((prefix[0] + finite[0], finite[1]) if prefix else finite)
            out += after
            continue
        first: list[Token] = []
        if not joined:
            first = subject
            if order == "inverted" and prefix and not middle and len(phrases) == 1:
                after = [*relative, *after]
            else:
                first = [*subject, *relative]
        out += [*first, finite] if order == "second" else [finite, *first]
        out += middle
        if prefix:
            out.append(prefix)
        out += after
    return out


def _noun_phrase(phrase: Node, case: Case) -> tuple[list[Token], list[Token]]:
    """The noun phrase, and separately the relative clause that ends it."""
    rule, parts = phrase.rule, phrase.parts
    if rule == "noun":
        determiner, *adjectives, noun = parts
        kind, gender = determiner.entry, noun.entry.gender
        article = morphology.determiner(kind, gender, case)
        out: list[Token] = [(article, (determiner,))] if article else []
        out += [(morphology.adjective(word.entry, kind, gender, case), (word,)) for word in adjectives]
        out.append((noun.entry.form(kind.plural, case), (noun,)))
        return out, []
    if rule == "relative":
        head = _noun_phrase(parts[0], case)[0]
        return head, _relative(parts[1], _head(parts[0]), _is_plural(parts[0]))
    first = _noun_phrase(parts[0], case)[0]
    if rule == "located":
        second, relative = _place(parts[1])
        return [*first, *second], relative
    second, relative = _noun_phrase(parts[2], case)
    return [*first, _particle(parts[1]), *second], relative


CONTRACTIONS = {("in", "dem"): "im", ("in", "das"): "ins", ("zu", "dem"): "zum", ("zu", "der"): "zur"}


def _place(phrase: Node) -> tuple[list[Token], list[Token]]:
    """A prepositional phrase, and separately the relative clause that ends it."""
    preposition: Word = phrase.parts[0]
    out, relative = _noun_phrase(phrase.parts[1], preposition.entry.case)
    token = _particle(preposition)
    contracted = CONTRACTIONS.get((token[0], out[0][0]))
    if contracted:
        return [(contracted, token[1] + out[0][1]), *out[1:]], relative
    return [token, *out], relative


def _relative(relative: Node, head: Noun, plural: bool) -> list[Token]:
    parts = relative.parts
    if relative.rule == "subject relative":
        pronoun = (morphology.relative_pronoun(head.gender, plural, "nom"), (parts[0],))
        body = _ordered([pronoun], [], _verb_phrase(parts[1], plural), "last")
        return [COMMA, *body, COMMA]
    *opening, subject, verb = parts
    case: Case = verb.entry.case if relative.rule == "object relative" else "dat"
    out: list[Token] = [_particle(word) for word in opening[:-1]]
    out.append((morphology.relative_pronoun(head.gender, plural, case), (opening[-1],)))
    out += _ordered(*_noun_phrase(subject, "nom"), [_verb(verb, _is_plural(subject))], "last")
    return [COMMA, *out, COMMA]


def _verb(word: Word, plural: bool) -> Fields:
    verb = word.entry
    prefix = (verb.prefix, (word,)) if verb.prefix else None
    return Fields((verb.form(plural), (word,)), prefix, [], [])


def _verb_phrase(phrase: Node, plural: bool) -> list[Fields]:
    rule, parts = phrase.rule, phrase.parts
    if rule == "verb coordination":
        first, second = _verb_phrase(parts[0], plural), _verb_phrase(parts[2], plural)
        return [*first, second[0]._replace(joined=_particle(parts[1]))]
    if rule == "adverb":
        (fields,) = _verb_phrase(parts[1], plural)
        return [fields._replace(middle=[_particle(parts[0]), *fields.middle])]
    fields = _verb(parts[0], plural)
    if rule == "intransitive":
        return [fields]
    if rule == "quality":
        return [fields._replace(middle=[_particle(word) for word in parts[1:]])]
    if rule == "say":
        clause = [COMMA, _particle(parts[1]), *_clause(parts[2], "last"), COMMA]
        return [fields._replace(after=clause)]
    if rule == "transitive":
        middle, after = _noun_phrase(parts[1], parts[0].entry.case)
    elif rule == "two objects":
        middle, after = _noun_phrase(parts[2], "acc")
        middle = [*_noun_phrase(parts[1], "dat")[0], *middle]
    else:
        middle, after = _place(parts[1])
    return [fields._replace(middle=middle, after=after)]


# --- plain text ---------------------------------------------------------------------------------------------------


def text(tokens: list[Token]) -> str:
    """Plain text: adjacent commas become one, and none precedes the full stop."""
    words: list[str] = []
    comma = False
    for token, spelled in tokens:
        if not spelled:
            comma = bool(words)
            continue
        if comma:
            words[-1] += ","
            comma = False
        words.append(token)
    sentence = " ".join(words) + "."
    return sentence[0].upper() + sentence[1:]


def spelled(tokens: list[Token]) -> list[tuple[Word, ...]]:
    """For each whitespace word of the text, the words of the derivation that it spells."""
    return [words for token, words in tokens if words for _ in token.split()]
