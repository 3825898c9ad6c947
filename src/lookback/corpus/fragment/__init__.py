"""The built-in corpus: a controlled English-German fragment with real words, generated from a seed.

`lexicon` has the words, `morphology` their forms and `grammar` the rules. `derivation` draws derivations, and `surface`
spells them out in English and German. This module makes a corpus of them: train with lengths as in natural text;
validation and test balanced by length, and held out by structure and content words; and a manifest of its contents. A
derivation links the words of both languages, so validation and test come with their gold word alignment.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import accumulate, pairwise
from math import exp
from pathlib import Path
from random import Random
from typing import Any

from lookback.config import FragmentCorpus
from lookback.corpus.fragment import surface
from lookback.corpus.fragment.derivation import Node, Word, draw, tree
from lookback.corpus.fragment.morphology import Determiner, Particle, Verb
from lookback.errors import LookbackError

MIN_WORDS = 4
PEAK_WORDS = 12
"""The most frequent length of a training sentence."""
PATIENCE = 400
"""The number of failed draws in a row, for a new sentence of one length, after which the corpus counts as too large."""

SHOWCASE = tree(
    "sentence",
    ("plain", ("main", ("clause",
        ("relative", ("noun", "the", "cat"),
            ("subject relative", "that", ("position", "sitting", ("pp", "on",
                ("relative", ("noun", "the", "mat"),
                    ("subject relative", "which,", ("place", "was", ("pp", "next to", ("noun", "the", "dog"))))))))),
        ("intransitive", "jumped")))),
)  # fmt: skip
"""The cat that was sitting on the mat, which was next to the dog, jumped. It is in the language and in no split."""

CONSTRUCTIONS = (
    "attributive adjective",
    "two adjectives",
    "prepositional phrase",
    "subject relative",
    "object relative",
    "oblique relative",
    "relative in a relative",
    "noun coordination",
    "verb coordination",
    "clause coordination",
    "weil",
    "obwohl",
    "während, bevor",
    "dass",
    "inversion after an adverb",
    "inversion after a place",
    "inversion after a clause",
    "separable verb, apart",
    "separable verb, joined",
    "dative object",
    "two objects",
)

_RULES = {
    "pp": "prepositional phrase",
    "subject relative": "subject relative",
    "object relative": "object relative",
    "oblique relative": "oblique relative",
    "coordination": "noun coordination",
    "verb coordination": "verb coordination",
    "clause coordination": "clause coordination",
    "say": "dass",
    "fronted": "inversion after an adverb",
    "fronted place": "inversion after a place",
    "subordinate first": "inversion after a clause",
    "two objects": "two objects",
}
_SUBORDINATORS = {"weil": "weil", "obwohl": "obwohl", "während": "während, bevor", "bevor": "während, bevor"}
_RELATIVES = ("subject relative", "object relative", "oblique relative")


class Sentence:
    """A pair of sentences, with the information from their derivation."""

    def __init__(self, derivation: Node) -> None:
        self.derivation = derivation

    @cached_property
    def english(self) -> str:
        return surface.text(surface.english(self.derivation))

    @cached_property
    def german(self) -> str:
        return surface.text(surface.german(self.derivation))

    @cached_property
    def alignment(self) -> list[tuple[int, int]]:
        """The gold alignment: pairs (English word, German word), counted from 0 by white space, in rising order.

        Two words are linked if they spell the same word of the derivation, or part of it: both words of "was sitting"
        with "saß", a verb also with its separated prefix, "in" and "the" with "im". Every word of both sentences has a
        link; punctuation belongs to the word that it is attached to, and has no links of its own.
        """
        target: dict[int, list[int]] = {}
        for index, words in enumerate(surface.spelled(surface.german(self.derivation))):
            for word in words:
                target.setdefault(id(word), []).append(index)
        source = surface.spelled(surface.english(self.derivation))
        return [(i, j) for i, words in enumerate(source) for word in words for j in target.get(id(word), ())]

    @property
    def key(self) -> str:
        """The key for holding out: the rules, and all words except determiners and relative pronouns.

        Sentences have the same key if they differ only in number, determiners, the progressive, or the commas around a
        relative clause.
        """
        return self._analysis[0]

    @property
    def constructions(self) -> frozenset[str]:
        """The members of `CONSTRUCTIONS` that the sentence has."""
        return self._analysis[1]

    @cached_property
    def _analysis(self) -> tuple[str, frozenset[str]]:
        key: list[str] = []
        found: set[str] = set()

        def visit(part: Node | Word, relative: bool, final: bool) -> None:
            """`relative`: inside a relative clause; `final`: inside a clause with the verb at the end."""
            if isinstance(part, Word):
                word = part.entry
                if isinstance(word, Determiner) or (isinstance(word, Particle) and word.german == "d"):
                    return
                key.append(word.english)
                if isinstance(word, Verb):
                    if word.prefix:
                        found.add("separable verb, joined" if final else "separable verb, apart")
                    if word.case == "dat":
                        found.add("dative object")
                elif isinstance(word, Particle) and word.german in _SUBORDINATORS:
                    found.add(_SUBORDINATORS[word.german])
                return
            rule = part.rule
            key.append(f"({rule}")
            if rule in _RULES:
                found.add(_RULES[rule])
            if rule == "noun" and len(part.parts) > 2:
                found.add("attributive adjective" if len(part.parts) == 3 else "two adjectives")
            if rule in _RELATIVES:
                if relative:
                    found.add("relative in a relative")
                relative = final = True
            for child in part.parts:
                visit(child, relative, final or rule == "subordinate" or (rule == "say" and isinstance(child, Node)))
            key.append(")")

        visit(self.derivation, False, False)
        return " ".join(key), frozenset(found)


def _lengths(random: Random, count: int, low: int, high: int, weight: Callable[[int], float]) -> list[int]:
    """`count` lengths from low to high, distributed by `weight`, in random order."""
    bounds = list(accumulate((weight(length) for length in range(low, high + 1)), initial=0.0))
    places = [round(count * bound / bounds[-1]) for bound in bounds]
    lengths = [low + i for i, (start, end) in enumerate(pairwise(places)) for _ in range(end - start)]
    random.shuffle(lengths)
    return lengths


def _even(length: int) -> float:
    return 1.0


def _natural(length: int) -> float:
    """Many sentences of 10 to 20 words and few long ones, as in natural text: a gamma distribution."""
    return length * exp(-length / PEAK_WORDS)


def _sentences(
    random: Random, lengths: list[int], max_words: int, held_out: set[str], hold_out: bool
) -> Iterator[Sentence]:
    """A new sentence for each length; its key is not in `held_out`, and is added there if `hold_out`."""
    seen: set[str] = set()
    for length in lengths:
        for _ in range(PATIENCE):
            sentence = Sentence(draw(random, length))
            if sentence.german.count(" ") >= max_words or sentence.english in seen or sentence.key in held_out:
                continue
            seen.add(sentence.english)
            if hold_out:
                held_out.add(sentence.key)
            yield sentence
            break
        else:
            raise LookbackError(
                f"corpus: the fragment has too few sentences of {length} words for this many; "
                "lower train, valid or test_per_ten_words, or raise max_words"
            )


def _four_grams(line: str) -> list[tuple[str, ...]]:
    words = line.split()
    return list(zip(words, words[1:], words[2:], words[3:], strict=False))


def _overlap(test: Path, train: Path) -> dict[str, float]:
    """The share of the test 4-grams (whitespace words) that also occur in train, by types and by tokens."""
    counts: Counter[tuple[str, ...]] = Counter()
    with test.open(encoding="utf-8") as file:
        for line in file:
            counts.update(_four_grams(line))
    found: set[tuple[str, ...]] = set()
    with train.open(encoding="utf-8") as file:
        for line in file:
            found.update(gram for gram in _four_grams(line) if gram in counts)
    tokens = sum(counts[gram] for gram in found)
    return {"types": len(found) / max(len(counts), 1), "tokens": tokens / max(sum(counts.values()), 1)}


def _write(folder: Path, split: str, sentences: Iterable[Sentence]) -> dict[str, Any]:
    """Writes a split and returns its entry in the manifest."""
    count = 0
    lengths: dict[str, Counter[int]] = {"source": Counter(), "target": Counter()}
    words: dict[str, set[str]] = {"source": set(), "target": set()}
    constructions: Counter[str] = Counter()
    alignments: list[str] = []
    with (
        (folder / f"{split}.source").open("w", encoding="utf-8", newline="\n") as source,
        (folder / f"{split}.target").open("w", encoding="utf-8", newline="\n") as target,
    ):
        for sentence in sentences:
            count += 1
            source.write(sentence.english + "\n")
            target.write(sentence.german + "\n")
            for side, line in (("source", sentence.english), ("target", sentence.german)):
                tokens = line.split()
                lengths[side][len(tokens)] += 1
                words[side].update(token.rstrip(".,") for token in tokens)
            constructions.update(sentence.constructions)
            if split != "train":
                alignments.append(" ".join(f"{i}-{j}" for i, j in sentence.alignment) + "\n")
    if split != "train":
        (folder / f"{split}.alignment").write_text("".join(alignments), encoding="ascii", newline="\n")
    return {
        "pairs": count,
        "words": {side: sum(n * number for n, number in counter.items()) for side, counter in lengths.items()},
        "vocabulary": {side: len(found) for side, found in words.items()},
        "lengths": {side: {str(n): counter[n] for n in sorted(counter)} for side, counter in lengths.items()},
        "constructions": {name: constructions[name] / max(count, 1) for name in CONSTRUCTIONS},
    }


def draw_splits(settings: FragmentCorpus) -> Iterator[tuple[str, Iterator[Sentence]]]:
    """The sentences of test, valid and train, in this order; consume each split before starting the next.

    Test has `test_per_ten_words` sentences for each of 4-10, 11-20, … English words, spread evenly within; validation
    is spread evenly over all lengths; train has lengths as in natural text (`_natural`). Each split has its own random
    numbers, so test stays the same when train grows.
    """
    top = settings.max_words
    tens = [(max(start, MIN_WORDS), min(start + 9, top)) for start in range(1, top + 1, 10)]
    buckets = {
        "test": [(settings.test_per_ten_words, low, high, _even) for low, high in tens],
        "valid": [(settings.valid, MIN_WORDS, top, _even)],
        "train": [(settings.train, MIN_WORDS, top, _natural)],
    }
    held_out = {Sentence(SHOWCASE).key}
    for name, bounds in buckets.items():
        random = Random(f"{settings.seed} {name}")  # seeding by text gives the same numbers on every machine
        lengths = [length for spread in bounds for length in _lengths(random, *spread)]
        yield name, _sentences(random, lengths, top, held_out, hold_out=name != "train")


def generate(settings: FragmentCorpus, folder: Path) -> dict[str, Any]:
    """Writes {train,valid,test}.{source,target} into `folder` (English, German) and returns the manifest.

    Also writes {valid,test}.alignment: `Sentence.alignment`, one line per sentence, in the Pharaoh format ("0-0 1-2
    1-5"). The same settings give the same bytes on every machine. No side of a pair has more than `max_words` words.

    Raises:
        LookbackError: the settings ask for more sentences than the fragment has.
    """
    folder.mkdir(parents=True, exist_ok=True)
    splits = {name: _write(folder, name, sentences) for name, sentences in draw_splits(settings)}
    return {
        "kind": "fragment",
        "seed": settings.seed,
        "settings": settings.model_dump(),
        "splits": {name: splits[name] for name in ("train", "valid", "test")},
        "held_out": (
            "No sentence of train shares its structure together with its content words with a sentence of valid or "
            "test, or with the showcase sentence; valid and test share none either. Compared are the derivations with "
            "every word but determiners and relative pronouns; number and the progressive count as the same."
        ),
        "showcase": Sentence(SHOWCASE).english,
        "four_gram_overlap": {
            side: _overlap(folder / f"test.{side}", folder / f"train.{side}") for side in ("source", "target")
        },
    }


def describe(manifest: dict[str, Any]) -> str:
    """The manifest as a small plain-text table: the share of sentences with each construction, and the overlap."""
    splits = manifest["splits"]
    width = max(len(name) for name in CONSTRUCTIONS)
    lines = [f"{'share of sentences with':<{width}}" + "".join(f"{split:>8}" for split in splits)]
    for name in CONSTRUCTIONS:
        shares = "".join(f"{splits[split]['constructions'][name]:>8.1%}" for split in splits)
        lines.append(f"{name:<{width}}{shares}")
    lines.append(f"{'sentences':<{width}}" + "".join(f"{splits[split]['pairs']:>8,}" for split in splits))
    overlap = manifest["four_gram_overlap"]
    for side in ("source", "target"):
        lines.append(
            f"4-grams of test ({side}) that occur in train: {overlap[side]['tokens']:.1%} of tokens, "
            f"{overlap[side]['types']:.1%} of types"
        )
    return "\n".join(lines)
