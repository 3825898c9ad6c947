"""Test sets derived from the test set: joined sentences, and sentences without unknown words.

Joined sentences: the same sentences alone, in twos, in threes and so on, source and reference alike (Varis and Bojar
2021). A long natural sentence is also harder in other ways. Here the content stays the same, and only the length of the
model's input and output grows. Every version has exactly the same sentences, in one seeded order: line i of `joined-2`
is lines 2i and 2i + 1 of `joined-1`, with a space between.

Known sentences: those without an unknown word on either side, translated with the unknown word banned in the search
(Bahdanau et al. 2015, Table 1, "No UNK"). Only a word tokenizer has a relevant number of unknown words.

A set is a folder: `source`, `target`, `words.npy` (uint16 [N, 2], as `prepare` counts them; summed for joined
sentences) and `made_of` (the indices, from 0, of the test sentences in each line).
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
"""The `subset` of a joined set's rows whose sentences were translated one by one and joined afterwards."""


@dataclass(frozen=True)
class FurtherSet:
    """One test set of N lines."""

    name: str
    """Name of its folder and of the files with its translations."""
    test_set: str
    """`test_set` in `by_length.csv`: `joined-2`, or `test` for a part of the test set."""
    subset: str
    """`all`, or the name of the part of the test set."""
    ban_unknown: bool
    sources: list[str]
    references: list[str]
    words: NDArray[np.int64]
    """[N, 2], words of source and reference."""
    made_of: list[list[int]]
    """For each line, the indices of its test sentences."""


def joined_name(count: int) -> str:
    """The name of the set with `count` sentences per line."""
    return f"joined-{count}"


def joined_lines(words: Sequence[int], settings: Joined, experiment: str) -> list[list[list[int]]]:
    """The test sentences that make up each line of each version.

    Args:
        words: the number of source words of each test sentence.
        settings: the longest sentence, the numbers of sentences to join, and the seed of their order.
        experiment: the name that error messages begin with.

    Returns:
        one list for each of `settings.join`; fewer than `settings.groups` groups if the test set is too small.

    Raises:
        LookbackError: the test set has too few short sentences for a single group.
    """
    size = math.lcm(*settings.join)
    short = np.flatnonzero(np.asarray(words) <= settings.max_words)
    groups = min(settings.groups, len(short) // size)
    if not groups:
        raise LookbackError(
            f"conf/{experiment}.yaml: test_sets.joined: the test set has only {len(short)} sentences of at most "
            f"{settings.max_words} words, and a group takes {size}; raise max_words, join fewer, or leave it out"
        )
    order = np.random.default_rng(settings.seed).permutation(short)[: groups * size].tolist()
    return [[order[i : i + count] for i in range(0, len(order), count)] for count in settings.join]


def derive(
    prepared: Path, encoded: Path, output: Path, settings: FurtherSets, tokenize: Tokenize, experiment: str
) -> dict[str, Any]:
    """Writes the further test sets of an experiment, each into a folder of its name below `output`.

    Args:
        prepared, encoded: the folders of `prepare` and `tokenize`; only the test set is read.
        output: the folder for the sets and manifest.json.
        settings: `test_sets` of the configuration.
        tokenize: tells whether there are unknown words.
        experiment: the name that error messages begin with.

    Returns:
        the manifest: `sets`, each with its name, `test_set`, `subset`, whether to ban the unknown word, and its number
        of lines; and for joined sentences the number of `groups`, and the configured number.

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
        if known:  # an empty set cannot be translated
            write(KNOWN, known, test_set="test", subset=KNOWN, ban_unknown=True)
    (output / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def read(folder: Path) -> list[FurtherSet]:
    """The sets that `derive` wrote into `folder`.

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
