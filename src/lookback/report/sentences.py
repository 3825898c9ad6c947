"""Translations side by side: the outputs of all systems for one sentence, with what differs from the reference."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lookback.report.figures import Alignment
from lookback.report.results import CellResult, Results, System

ALIGNED_WORDS = 20
"""Besides the showcase sentence, alignments are drawn for the test sentence that is nearest to this length."""
MAX_ALIGNED_PIECES = 64
"""Longer sentences are not drawn: their pieces could not be read."""


@dataclass(frozen=True)
class Part:
    """A stretch of a translation: in the reference at this place, or not; or a place where words are missing."""

    text: str
    kind: str
    """`same`, `differs`, or `missing`, whose text is the missing words."""

    @property
    def words(self) -> int:
        return len(self.text.split())


@dataclass(frozen=True)
class Output:
    """A translation, with the systems that wrote exactly this."""

    systems: tuple[str, ...]
    text: str
    parts: tuple[Part, ...]
    tags: tuple[str, ...]
    everyone: bool
    """Whether all of several systems wrote this."""
    equal: bool
    """Equal to the reference up to white space."""


@dataclass(frozen=True)
class Example:
    """A source sentence and what was made of it."""

    label: str
    source: str
    reference: str
    words: int
    showcase: bool
    outputs: tuple[Output, ...]
    highlighted: bool
    """One of the few that are open from the start."""


def examples(results: Results, highlighted: int = 8) -> list[Example]:
    """The examples of all systems (of the first seed), from short to long; showcase sentences first.

    As many test sentences as `highlighted` says, spread over the lengths, are marked to be shown at once.
    """
    found: dict[tuple[Any, str], dict[System, dict[str, Any]]] = {}
    for result in first_seed(results):
        for item in result.examples:
            found.setdefault(_key(item), {})[result.system] = item
    ordered = sorted(found.values(), key=lambda items: _order(next(iter(items.values()))))
    tested = [items for items in ordered if not next(iter(items.values())).get("showcase")]
    steps = np.linspace(0, len(tested) - 1, min(highlighted, len(tested))).round().astype(int) if tested else []
    opened = {id(tested[step]) for step in steps}
    return [_example(items, id(items) in opened) for items in ordered]


def first_seed(results: Results) -> list[CellResult]:
    """One cell a system, the one of the grid's first seed, in the order of the systems."""
    return [cells[0] for system in results.systems if (cells := results.of(system))]


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
    return Example(label, first["source"], reference, words, showcase, tuple(outputs), highlighted or showcase)


def compare(hypothesis: str, reference: str) -> Iterable[Part]:
    """The translation in stretches of words that the reference has too, or has not, at that place in the order."""
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
    """The alignments to draw: of the first showcase sentence and of a test sentence of medium length.

    Of each model that has alignments, the cell trained on the longest sentences with the first seed.
    """
    words = max(system.max_train_words for system in results.systems)
    cells = [cell for cell in first_seed(results) if cell.system.max_train_words == words]
    found: dict[tuple[Any, str], list[tuple[CellResult, dict[str, Any]]]] = {}
    for cell in cells:
        for item in cell.examples:
            data = item.get("alignment")
            if data and max(len(data["source_pieces"]), len(data["target_pieces"])) <= MAX_ALIGNED_PIECES:
                found.setdefault(_key(item), []).append((cell, item))
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
            items=tuple(_alignment(cell.system, item["alignment"]) for cell, item in group),
        )
        for group in shown
    ]


def _alignment(system: System, data: dict[str, Any]) -> Alignment:
    return Alignment(system.name, data["source_pieces"], data["target_pieces"], np.array(data["percent"]) / 100)
