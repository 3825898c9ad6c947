"""Test sets made of the test set: what its sentences as they came cannot show.

Joined sentences: the same sentences alone, in twos, in threes and so on, source and reference alike (Varis and Bojar
2021). A long natural sentence is harder in other ways, too; here the content stays, and only the length grows of what a
model sees and writes at once. Every version has exactly the same sentences, in one seeded order: line i of `joined-2`
is lines 2i and 2i + 1 of `joined-1`, with a space between.

Known sentences: those without an unknown word on either side, translated with the unknown word banned in the search
(Bahdanau et al. 2015, Table 1, "No UNK"). Only a tokenizer of words has unknown words to speak of.

A set is a folder: `source`, `target`, `words.npy` (uint16 [N, 2], as `prepare` counts them; of joined sentences the
sum) and `made_of` (for each line the numbers, from 0, of the test sentences it is made of).
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookback.config import FurtherSets, Joined, Tokenize, Words
from lookback.corpus.lines import read_lines, write_lines, writing
from lookback.errors import LookbackError
from lookback.tokenizer import UNK

MANIFEST = "manifest.json"
KNOWN = "known"
ALONE = "alone"
"""The subset of a joined set's rows whose translations were made of single sentences, and joined afterwards."""


@dataclass(frozen=True)
class FurtherSet:
    """One set, of N lines."""

    name: str
    """Of its folder and of the files with its translations."""
    test_set: str
    """As `by_length.csv` has it: `joined-2`, or `test` for a part of the test set."""
    subset: str
    """`all`, or which part of the test set."""
    ban_unknown: bool
    sources: list[str]
    references: list[str]
    words: NDArray[np.int64]
    """[N, 2], of source and reference."""
    made_of: list[list[int]]
    """For each line the test sentences that are in it."""


def joined_name(count: int) -> str:
    """The name of the set with so many sentences a line."""
    return f"joined-{count}"


def joined_lines(words: Sequence[int], settings: Joined, experiment: str) -> list[list[list[int]]]:
    """Which test sentences each line of each version is made of.

    Args:
        words: of the source of each test sentence.
        settings: how long a sentence may be, how many are joined, in which order.
        experiment: opens an error's message.

    Returns:
        a list for each of `settings.join`; of fewer than `settings.groups` groups if the test set has no more.

    Raises:
        LookbackError: the test set has too few short sentences for a single group.
    """
    size = math.lcm(*settings.join)
    short = np.flatnonzero(np.asarray(words) <= settings.max_words)
    groups = min(settings.groups, len(short) // size)
    if not groups:
        raise LookbackError(
            f"conf/{experiment}.yaml: test_sets.joined: the test set has {len(short)} sentences of at most "
            f"{settings.max_words} words, and a group takes {size}; raise max_words, join fewer, or leave it out"
        )
    order = np.random.default_rng(settings.seed).permutation(short)[: groups * size].tolist()
    return [[order[i : i + count] for i in range(0, len(order), count)] for count in settings.join]


def derive(
    prepared: Path, encoded: Path, output: Path, settings: FurtherSets, tokenize: Tokenize, experiment: str
) -> dict[str, Any]:
    """Writes the further test sets of an experiment, each into a folder of its name below `output`.

    Args:
        prepared, encoded: the folders of `prepare` and `tokenize`; the test set is read.
        output: gets the folders and manifest.json.
        settings: `test_sets` of the configuration.
        tokenize: whether there are unknown words.
        experiment: opens an error's message.

    Returns:
        the manifest: `sets`, each with its name, `test_set`, `subset`, whether the unknown word is to be banned, and
        its number of lines; and of joined sentences how many `groups` there are, and how many were asked for.

    Raises:
        LookbackError: too few short sentences to join.
    """
    sources, references = (list(read_lines(prepared / f"test.{side}")) for side in ("source", "target"))
    words = np.load(prepared / "test.words.npy")
    sets: list[dict[str, Any]] = []
    manifest: dict[str, Any] = {"sets": sets}

    def write(name: str, lines: list[list[int]], **about: Any) -> None:
        with writing(output / name, ["source", "target", "words.npy", "made_of"]) as out:
            for file, texts in (("source", sources), ("target", references)):
                write_lines(out[file], [" ".join(texts[i] for i in line) for line in lines])
            counts = [words[line].sum(axis=0, dtype=np.int64) for line in lines]
            np.save(out["words.npy"], np.minimum(counts, np.iinfo(np.uint16).max).astype(np.uint16))
            write_lines(out["made_of"], [" ".join(map(str, line)) for line in lines])
        sets.append({"name": name, **about, "lines": len(lines)})

    output.mkdir(parents=True, exist_ok=True)
    if settings.joined:
        versions = joined_lines(words[:, 0].tolist(), settings.joined, experiment)
        manifest["groups"] = len(versions[0]) // math.lcm(*settings.joined.join)
        manifest["groups_asked_for"] = settings.joined.groups
        for count, lines in zip(settings.joined.join, versions, strict=True):
            write(joined_name(count), lines, test_set=joined_name(count), subset="all", ban_unknown=False)
    if isinstance(tokenize, Words):
        from lookback.data.encoded import EncodedSplit

        test = EncodedSplit.open(encoded, "test")
        known = [[i] for i in range(len(test)) if UNK not in test.source[i] and UNK not in test.target[i]]
        if known:  # without one there is nothing to translate
            write(KNOWN, known, test_set="test", subset=KNOWN, ban_unknown=True)
    (output / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def read(folder: Path) -> list[FurtherSet]:
    """The sets that `derive` wrote there.

    Raises:
        LookbackError: the folder has no manifest.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LookbackError(f"{folder / MANIFEST}: no such file; run the testsets stage") from None
    return [
        FurtherSet(
            name=about["name"],
            test_set=about["test_set"],
            subset=about["subset"],
            ban_unknown=about["ban_unknown"],
            sources=list(read_lines(folder / about["name"] / "source")),
            references=list(read_lines(folder / about["name"] / "target")),
            words=np.load(folder / about["name"] / "words.npy").astype(np.int64),
            made_of=[[int(i) for i in line.split()] for line in read_lines(folder / about["name"] / "made_of")],
        )
        for about in manifest["sets"]
    ]
