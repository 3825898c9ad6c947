"""Translations side by side: all systems' outputs for one sentence, and their differences from the reference."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lookback.config import Showcase, bare_words
from lookback.decoding.word_alignment import END, WordAlignment, by_words
from lookback.evaluation.systems import System
from lookback.rendering.figures import Alignment
from lookback.rendering.wording import code, decimal, escape_markdown, listed
from lookback.report.claims import longest
from lookback.report.results import Results, RunResult
from lookback.tokenizer.base import WORD_MARK, word_of_piece

ALIGNED_WORDS = 20
"""Alignments are drawn for the showcase sentence and for the test sentence closest to this length."""
MAX_ALIGNED_PIECES = 64
"""Longer sentences are not drawn: their pieces would not be legible."""
FEW = 150
"""Words of all examples in the Markdown, including sources and references; the page has the rest."""


@dataclass(frozen=True)
class Part:
    """Words of a translation that the reference has at this place, or does not have; or words that are missing."""

    text: str
    kind: str
    """`same`, `differs`, or `missing`; the text of the last is the missing words."""

    @property
    def words(self) -> int:
        return len(self.text.split())


@dataclass(frozen=True)
class Output:
    """A translation, and the systems that produced exactly this text."""

    systems: tuple[str, ...]
    text: str
    parts: tuple[Part, ...]
    tags: tuple[str, ...]
    everyone: bool
    """All systems wrote this, and there are several."""
    equal: bool
    """Equal to the reference up to white space."""


@dataclass(frozen=True)
class Example:
    """A source sentence and its translations."""

    label: str
    source: str
    reference: str
    words: int
    showcase: bool
    outputs: tuple[Output, ...]
    highlighted: bool
    """The page shows it open."""
    alignments: dict[str, WordAlignment]
    """By system, for systems that have an alignment of this sentence."""


def examples(
    results: Results, highlighted: int = 8, every: Mapping[str, Sequence[dict[str, Any]]] | None = None
) -> list[Example]:
    """The examples of all systems (first seed), from short to long; showcase sentences first.

    `highlighted` test sentences, spread over the lengths, are marked to be shown open. `every` has further sentences by
    the name of the run, in the form of examples.json.
    """
    found: dict[tuple[Any, str], dict[System, dict[str, Any]]] = {}
    for result in first_seed(results):
        for item in (*result.examples, *(every or {}).get(result.run.name, ())):
            found.setdefault(_key(item), {}).setdefault(result.system, item)
    ordered = sorted(found.values(), key=lambda items: _order(next(iter(items.values()))))
    tested = [items for items in ordered if not next(iter(items.values())).get("showcase")]
    steps = np.linspace(0, len(tested) - 1, min(highlighted, len(tested))).round().astype(int) if tested else []
    opened = {id(tested[step]) for step in steps}
    return [_example(items, id(items) in opened) for items in ordered]


def few(results: Results, examples: Sequence[Example]) -> list[Example]:
    """The highlighted examples in the Markdown, from the shortest until `FEW` words are reached; only with the systems
    trained on the longest sentences."""
    systems, told, words = {system.name for system in longest(results)}, [], 0
    for example in sorted((it for it in examples if it.highlighted), key=lambda it: it.words):
        outputs = [
            replace(output, systems=tuple(name for name in output.systems if name in systems))
            for output in example.outputs
            if systems & set(output.systems)
        ]
        texts = (example.source, example.reference, *(it.text for it in outputs if not it.equal))
        words += sum(len(text.split()) for text in texts)
        if told and words > FEW:
            break
        told.append(replace(example, outputs=tuple(outputs)))
    return told


def first_seed(results: Results) -> list[RunResult]:
    """One run for each system, that of the grid's first seed, in the order of the systems."""
    return [runs[0] for system in results.systems if (runs := results.of(system))]


def _key(item: dict[str, Any]) -> tuple[Any, str]:
    return item.get("index"), item["source"]


def _order(item: dict[str, Any]) -> tuple[bool, int, int, str]:
    index = item.get("index")
    return not item.get("showcase"), item.get("source_words") or 0, -1 if index is None else index, item["source"]


def _example(items: dict[System, dict[str, Any]], highlighted: bool) -> Example:
    first = next(iter(items.values()))
    reference, showcase = first.get("reference") or "", bool(first.get("showcase"))
    groups: dict[str, list[System]] = {}
    for system, item in items.items():
        groups.setdefault(item["hypothesis"], []).append(system)
    outputs = []
    for text, systems in groups.items():
        tags = dict.fromkeys(tag for system in systems for tag in items[system].get("tags") or () if tag != "exact")
        if any(items[system].get("cut_off") for system in systems):
            tags.setdefault("cut off")
        outputs.append(
            Output(
                systems=tuple(system.name for system in systems),
                everyone=len(systems) == len(items) > 1,
                text=text,
                parts=tuple(compare(text, reference)) if reference else (Part(text, "same"),),
                tags=tuple(tags),
                equal=bool(reference) and text.split() == reference.split(),
            )
        )
    words = first.get("source_words") or len(first["source"].split())
    label = "showcase" if showcase else f"test sentence {first['index'] + 1}"
    alignments = {system.name: found for system, item in items.items() if (found := _of_words(item))}
    source = first["source"]
    return Example(label, source, reference, words, showcase, tuple(outputs), highlighted or showcase, alignments)


def _of_words(item: dict[str, Any]) -> WordAlignment | None:
    """The alignment of one output by words, if its words match those of the texts."""
    if not (data := item.get("alignment")):
        return None
    found = by_words(data["source_pieces"], data["target_pieces"], np.array(data["percent"]) / 100)
    words = [[word for word in side if word != END] for side in (found.source, found.target)]
    return found if list(map(len, words)) == [len(item[side].split()) for side in ("source", "hypothesis")] else None


def compare(hypothesis: str, reference: str) -> Iterable[Part]:
    """Split the translation into stretches of words that the reference has, or does not have, at that place."""
    ours, theirs = hypothesis.split(), reference.split()
    for kind, start, end, from_, to in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Part(" ".join(ours[start:end]), "same")
            continue
        if end > start:
            yield Part(" ".join(ours[start:end]), "differs")
        if (to - from_) > (end - start):
            yield Part(" ".join(theirs[from_ + (end - start) : to]), "missing")


# --- alignments -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AlignedSentence:
    source: str
    label: str
    words: int
    items: tuple[Alignment, ...]


def aligned(results: Results) -> list[AlignedSentence]:
    """The alignments to draw: the first showcase sentence and a test sentence of medium length.

    For each model with alignments, they are from the run with the longest training length and the first seed.
    """
    words = max(system.max_train_words for system in results.systems)
    runs = [run for run in first_seed(results) if run.system.max_train_words == words]
    found: dict[tuple[Any, str], list[tuple[RunResult, dict[str, Any]]]] = {}
    for run in runs:
        for item in run.examples:
            data = item.get("alignment")
            if data and max(len(data["source_pieces"]), len(data["target_pieces"])) <= MAX_ALIGNED_PIECES:
                found.setdefault(_key(item), []).append((run, item))
    groups = list(found.values())
    most = max((len(group) for group in groups), default=0)
    groups = [group for group in groups if len(group) == most]
    shown = [group for group in groups if group[0][1].get("showcase")][:1]
    tested = [group for group in groups if not group[0][1].get("showcase")]
    tested.sort(key=lambda group: (abs(group[0][1]["source_words"] - ALIGNED_WORDS), _order(group[0][1])))
    shown += tested[:1]
    return [
        AlignedSentence(
            source=group[0][1]["source"],
            label="showcase" if group[0][1].get("showcase") else f"test sentence {group[0][1]['index'] + 1}",
            words=group[0][1]["source_words"],
            items=tuple(_alignment(run.system, item["alignment"]) for run, item in group),
        )
        for group in shown
    ]


def _alignment(system: System, data: dict[str, Any]) -> Alignment:
    return Alignment(system.name, data["source_pieces"], data["target_pieces"], np.array(data["percent"]) / 100)


# --- where the row of one word peaks ----------------------------------------------------------------------------------


def watched(results: Results) -> dict[str, list[str]]:
    """For each showcase sentence with a word to watch: the question, and an answer for each system (first seed).

    They use the mark-up of `claims`; words of the texts are escaped.
    """
    told = {}
    for showcase in results.experiment.translate.showcase:
        answers = []
        for run in first_seed(results):
            items = (item for item in run.examples if item.get("showcase") and item["source"] == showcase.text)
            if showcase.source_word and (item := next(items, None)):
                answers.append(_answer(run.system, item, showcase))
        if answers:
            told[
                f"Does the translation have {_word(showcase.target_word)}, and does its row of the alignment peak at "
                f"{_word(showcase.source_word)}? The sentence is “{escape_markdown(showcase.text)}”, translated with "
                f"seed {results.seeds[0]}. Weights are summed over the pieces of a source word and averaged over those "
                "of the target word; punctuation counts apart from the word that it is attached to. One sentence "
                "illustrates; it measures nothing."
            ] = answers
    return told


def _answer(system: System, item: dict[str, Any], showcase: Showcase) -> str:
    name, word, alignment = code(system.name), _word(showcase.target_word), item.get("alignment")
    count = bare_words(item["hypothesis"]).count(showcase.target_word or "")
    if not count:
        return f"{name} does not write {word}" + (": no row to look at." if alignment else "; it has no alignment.")
    writes = f"{name} writes {word}" + (f" {count} times" if count > 1 else "")
    if not alignment:
        return f"{writes}; it has no alignment."
    source, target = _units(alignment["source_pieces"]), _units(alignment["target_pieces"])
    percent = np.array(alignment["percent"])
    peaks = []
    for row in (unit for unit in target if unit.text == showcase.target_word):
        weights = [float(percent[np.ix_(row.places, unit.places)].sum(1).mean()) / 100 for unit in source]
        best = int(np.argmax(weights))
        words = max(unit.number for unit in source)
        peak = f"{_named(source[best], words)} with {decimal(weights[best], 2)}"
        if source[best].text != showcase.source_word:
            there = sum(w for w, unit in zip(weights, source, strict=True) if unit.text == showcase.source_word)
            peak += f", not at {_word(showcase.source_word)}, which has {decimal(there, 2)}"
        peaks.append(peak)
    if not peaks:
        return f"{writes}; its alignment has no row for the whole word."
    return f"{writes}; {'its row peaks' if len(peaks) == 1 else 'its rows peak'} at {listed(peaks)}."


@dataclass(frozen=True)
class _Unit:
    """A word of an alignment, punctuation attached to a word, or the end mark."""

    text: str
    places: list[int]
    """The indices of its pieces."""
    number: int
    """The position of the word in the sentence, from 1; for punctuation, that of its word; for the end mark, 0."""
    word: bool


def _units(pieces: list[str]) -> list[_Unit]:
    of_word: dict[int, list[int]] = {}
    for place, word in enumerate(word_of_piece(pieces)):
        of_word.setdefault(word, []).append(place)
    units = []
    for word, places in of_word.items():
        inner = [place for place in places if bare_words(pieces[place].replace(WORD_MARK, ""))] or places
        core = [place for place in places if inner[0] <= place <= inner[-1]]
        for group in (core, *([place] for place in places if place not in core)):
            text = "".join(pieces[place] for place in group).replace(WORD_MARK, "")
            units.append(_Unit("".join(bare_words(text)) or text, group, word + 1, word >= 0 and group is core))
    return units


def _named(unit: _Unit, words: int) -> str:
    if not unit.number:
        return "the end mark"
    if not unit.word:
        return f"the {_word(unit.text)} at word {unit.number} of {words}"
    return f"{_word(unit.text)} (word {unit.number} of {words})"


def _word(text: str | None) -> str:
    return f"*{escape_markdown(text or '')}*"
