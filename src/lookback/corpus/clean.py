"""Cleaning: normalizes, filters and, where configured, selects the training pairs; only counts validation and test.

Cleaning may choose the training data but never the evaluation data. So every line of valid and test reaches the scores
byte for byte, and every dropped training pair is counted under its reason.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from lookback.config import Prepare
from lookback.console import bar
from lookback.corpus import selection, words
from lookback.corpus.lines import (
    SIDES,
    SPLITS,
    LineReader,
    aligned_blocks,
    refuse_unequal,
    sha256,
    write_lines,
    writing,
)
from lookback.corpus.seen import Seen, fingerprints
from lookback.errors import LookbackError

REASONS = ("empty", "over-long", "badly proportioned", "in valid or test", "duplicate")
"""Why a training pair is dropped, in the order of the filters: each sees the pairs that the earlier ones left."""

NOT_SELECTED = "not selected"
"""The last reason, if `prepare.select` is given."""

SHORT_WORDS = 5
"""Pairs with at most this many words on both sides are never badly proportioned: one word may need four."""

_LARGEST_COUNT = 65_535
_NOT_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SPACES = re.compile(" {2,}")


def normaliser(form: Literal["NFC", "NFKC"] | None) -> Callable[[str], str]:
    """The normalization of a training sentence.

    Applies the Unicode normal form `form` (NFC, NFKC or none). Control characters, tabs and line separators become
    spaces; runs of spaces become one; white space at both ends is removed. No-break spaces inside stay, because valid
    and test have them too and are never rewritten (NFKC turns them into spaces).
    """

    def normalise(text: str) -> str:
        if form and not text.isascii():
            text = unicodedata.normalize(form, text)
        if not text.isprintable():
            text = _NOT_TEXT.sub(" ", text)
        if "  " in text:
            text = _SPACES.sub(" ", text)
        return text.strip()

    return normalise


def prepare(raw: Path, prepared: Path, settings: Prepare, source_language: str, target_language: str) -> dict:
    """Cleans train, copies valid and test, and counts the words of all three.

    Reads `raw`/{train,valid,test}.{source,target}; writes the same names to `prepared`, and {split}.words.npy there:
    uint16 [N, 2], the words of source and target of each pair (65,535 stands for more). {valid,test}.alignment, if the
    corpus has them, are copied: those splits keep every line, so line numbers stay correct. Train keeps its order; the
    first of equal pairs stays. The text is streamed: memory holds a block of lines, valid and test, and 13 to 27 bytes
    per kept training pair (`lookback.corpus.seen`), so less than 1 GB for 36 million pairs. On one core, 36 million
    pairs take about seven minutes with whitespace words, an hour or two with Moses tokens.

    With `settings.select`, train is then scored and rewritten with the selected pairs
    (`lookback.corpus.selection`).

    The filters, in order: a side without text; more than `max_words` words on a side; one side with more than
    `max_ratio` times the words of the other (unless both have at most `SHORT_WORDS`); a source that is also a source
    of valid or test, or a target that is a target there, after the same normalization; a duplicate pair.

    Returns:
        the manifest: pairs dropped by each filter and left after it; the selection, if any; word statistics;
        SHA-256 of every file; `corpus_fingerprint` over all text and `test_fingerprint` over the test set.

    Raises:
        LookbackError: a raw file is missing, damaged, not UTF-8, has NUL bytes; two sides differ in their number of
            lines; valid or test is empty or has a blank line; no training pair is left; valid is too small to select
            by.
    """
    select = settings.select
    splitters = (
        words.splitter(settings.word_tokenizer, source_language),
        words.splitter(settings.word_tokenizer, target_language),
    )
    counters = (
        words.counter(settings.word_tokenizer, source_language),
        words.counter(settings.word_tokenizer, target_language),
    )
    normalise = normaliser(settings.normalization)
    for name in _text_names(SPLITS):
        if not (raw / name).is_file():
            raise LookbackError(f"{raw / name}: no such file; the download stage writes it, run that first")

    aligned = [name for name in ("valid.alignment", "test.alignment") if (raw / name).is_file()]
    names = [*_text_names(SPLITS), *(f"{split}.words.npy" for split in SPLITS), *aligned]
    with writing(prepared, names) as out:
        splits = {split: _SplitWriter(out, split, counters) for split in SPLITS}
        held_out: tuple[set[str], set[str]] = (set(), set())
        for split in ("valid", "test"):
            _copy_held_out(raw, splits[split], normalise, held_out)
        domains = selection.domains(raw, select.order, splitters, normalise) if select else None
        train = _TrainFilter(settings, normalise, held_out)
        _filter_train(raw, splits["train"], train)
        for written in splits.values():
            written.finish()
        for name in aligned:
            out[name].write((raw / name).read_bytes())

    report = train.report()
    selected = {}
    if select and domains:
        keep, selected["selection"] = selection.select(prepared, domains, select)
        splits["train"] = _rewrite_train(prepared, keep, counters)
        kept = splits["train"].pairs
        report["steps"].append({"reason": NOT_SELECTED, "dropped": report["kept"] - kept, "left": kept})
        report["kept"] = kept
    fingerprints_of = {name: sha256(prepared / name) for name in names}
    return {
        "settings": settings.model_dump(exclude={"select"}),
        "languages": {"source": source_language, "target": target_language},
        "train": report,
        **selected,
        "pairs": {split: splits[split].pairs for split in SPLITS},
        "words": {split: splits[split].statistics() for split in SPLITS},
        "files": fingerprints_of,
        "corpus_fingerprint": _combined(fingerprints_of, _text_names(SPLITS)),
        "test_fingerprint": _combined(fingerprints_of, _text_names(("test",))),
    }


def _text_names(splits: tuple[str, ...]) -> list[str]:
    return [f"{split}.{side}" for split in splits for side in SIDES]


# --- filtering train --------------------------------------------------------------------------------------------------


@dataclass
class _TrainFilter:
    settings: Prepare
    normalise: Callable[[str], str]
    held_out: tuple[set[str], set[str]]
    seen: Seen = field(default_factory=Seen)
    raw: int = 0
    normalised: int = 0
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))

    def keep(
        self, source: list[str], target: list[str], counters: tuple[Callable[[str], int], Callable[[str], int]]
    ) -> tuple[list[str], list[str], NDArray[np.int64]]:
        """The kept pairs of a block: sources, targets and their numbers of words [N, 2]."""
        self.raw += len(source)
        normalise, max_words, max_ratio = self.normalise, self.settings.max_words, self.settings.max_ratio
        count_source, count_target = counters
        held_sources, held_targets = self.held_out
        kept: list[tuple[str, str]] = []
        counts: list[tuple[int, int]] = []
        normalised = empty = over_long = badly_proportioned = in_held_out = 0
        for raw_source, raw_target in zip(source, target, strict=True):
            s, t = normalise(raw_source), normalise(raw_target)
            if s != raw_source or t != raw_target:
                normalised += 1
            if not s or not t:
                empty += 1
                continue
            m, n = count_source(s), count_target(t)
            if not m or not n:  # only characters that the Moses tokenizer removes
                empty += 1
                continue
            shorter, longer = (m, n) if m < n else (n, m)
            if longer > max_words:
                over_long += 1
            elif longer > SHORT_WORDS and longer > max_ratio * shorter:
                badly_proportioned += 1
            elif s in held_sources or t in held_targets:
                in_held_out += 1
            else:
                kept.append((s, t))
                counts.append((m, n))
        self.normalised += normalised
        new = self.seen.add(fingerprints(f"{s}\n{t}" for s, t in kept)) if kept else np.zeros(0, dtype=bool)
        found = (empty, over_long, badly_proportioned, in_held_out, len(kept) - int(new.sum()))
        for reason, number in zip(REASONS, found, strict=True):
            self.dropped[reason] += number
        left = [pair for pair, is_new in zip(kept, new.tolist(), strict=True) if is_new]
        return [s for s, _ in left], [t for _, t in left], np.array(counts, np.int64).reshape(-1, 2)[new]

    def report(self) -> dict:
        """Counts of pairs: `steps` gives for each reason the pairs `dropped` and the pairs `left` after it."""
        steps, left = [], self.raw
        for reason in REASONS:
            left -= self.dropped[reason]
            steps.append({"reason": reason, "dropped": self.dropped[reason], "left": left})
        return {"raw": self.raw, "changed_by_normalization": self.normalised, "steps": steps, "kept": left}


def _filter_train(raw: Path, output: "_SplitWriter", train: _TrainFilter) -> None:
    with (
        LineReader(raw / "train.source") as source,
        LineReader(raw / "train.target") as target,
        bar("prepare: train", source.size_on_disk + target.size_on_disk) as progress,
    ):
        for left, right in aligned_blocks(source, target):
            output.write(*train.keep(left, right, output.counters))
            progress.set_postfix_str(f"{output.pairs:,} of {train.raw:,} pairs kept", refresh=False)
            progress.update(source.position_on_disk + target.position_on_disk - progress.n)
    if not output.pairs:
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in train.dropped.items() if number)
        raise LookbackError(
            f"{raw / 'train.source'}: no training pair is left of {train.raw:,}"
            + (f" ({reasons}); check the corpus and the settings of prepare" if reasons else ": the file is empty")
        )


def _rewrite_train(
    prepared: Path, keep: NDArray[np.bool_], counters: tuple[Callable[[str], int], Callable[[str], int]]
) -> "_SplitWriter":
    """Rewrites train with only the kept pairs, bool [N], in the same order."""
    counts = np.load(prepared / "train.words.npy")
    start = 0
    with writing(prepared, [*_text_names(("train",)), "train.words.npy"]) as out:
        output = _SplitWriter(out, "train", counters)
        with (
            LineReader(prepared / "train.source") as source,
            LineReader(prepared / "train.target") as target,
            bar("prepare: write", len(keep), " pairs") as progress,
        ):
            for left, right in aligned_blocks(source, target):
                here = slice(start, start + len(left))
                chosen = keep[here].tolist()
                output.write(
                    list(compress(left, chosen)),
                    list(compress(right, chosen)),
                    counts[here][keep[here]].astype(np.int64),
                )
                progress.update(len(left))
                start += len(left)
        output.finish()
    return output


# --- valid and test ---------------------------------------------------------------------------------------------------


def _copy_held_out(
    raw: Path, output: "_SplitWriter", normalise: Callable[[str], str], held_out: tuple[set[str], set[str]]
) -> None:
    """Copies a split byte for byte and adds its normalized sides to `held_out`."""
    paths = [raw / f"{output.split}.{side}" for side in SIDES]
    with LineReader(paths[0]) as source, LineReader(paths[1]) as target:
        while True:
            before = source.lines_read
            blocks = source.raw_block(), target.raw_block()
            if len(blocks[0]) != len(blocks[1]):
                refuse_unequal(source, target)
            if not blocks[0]:
                break
            texts = source.decode(blocks[0]), target.decode(blocks[1])
            for path, text, held in zip(paths, texts, held_out, strict=True):
                for number, line in enumerate(text, before + 1):
                    normalised = normalise(line)
                    if not normalised:
                        raise LookbackError(
                            f"{path}: line {number}: empty, but validation and test keep every line; remove the pair "
                            f"where the corpus comes from, and download again"
                        )
                    held.add(normalised)
            output.copy(blocks, texts)
        if not output.pairs:
            raise LookbackError(f"{paths[0]}: empty; {output.split} needs at least one pair")


# --- writing ----------------------------------------------------------------------------------------------------------


class _SplitWriter:
    """Writes the text and the word counts of one split, and keeps the statistics."""

    def __init__(
        self,
        files: dict[str, BinaryIO],
        split: str,
        counters: tuple[Callable[[str], int], Callable[[str], int]],
    ) -> None:
        self.split = split
        self.counters = counters
        self.pairs = 0
        self._text = files[f"{split}.source"], files[f"{split}.target"]
        self._words = files[f"{split}.words.npy"]
        self._histograms = np.zeros((2, _LARGEST_COUNT + 1), dtype=np.int64)
        self._write_header()

    def _write_header(self) -> None:
        # A .npy header holds the length; numpy pads the header so that the first axis can grow in place.
        header = {"descr": "<u2", "fortran_order": False, "shape": (self.pairs, 2)}
        self._words.seek(0)
        np.lib.format.write_array_header_1_0(self._words, header)

    def write(self, source: list[str], target: list[str], counts: NDArray[np.int64]) -> None:
        for file, lines in zip(self._text, (source, target), strict=True):
            write_lines(file, lines)
        self._add(counts)

    def copy(self, blocks: tuple[list[bytes], list[bytes]], texts: tuple[list[str], list[str]]) -> None:
        for file, block in zip(self._text, blocks, strict=True):
            file.write(b"".join(block))
        sides = [[count(line) for line in text] for count, text in zip(self.counters, texts, strict=True)]
        self._add(np.array(sides, dtype=np.int64).T)

    def _add(self, counts: NDArray[np.int64]) -> None:
        self.pairs += len(counts)
        clipped = np.minimum(counts, _LARGEST_COUNT)
        self._words.write(np.ascontiguousarray(clipped, dtype="<u2").tobytes())
        for histogram, side in zip(self._histograms, clipped.T, strict=True):
            histogram += np.bincount(side, minlength=len(histogram))

    def finish(self) -> None:
        self._write_header()

    def statistics(self) -> dict:
        return {side: _statistics(histogram) for side, histogram in zip(SIDES, self._histograms, strict=True)}


def _statistics(histogram: NDArray[np.int64]) -> dict:
    """Statistics of a histogram of words per sentence: total, mean, quantiles, and sentences per ten-word range."""
    sentences, lengths = int(histogram.sum()), np.arange(len(histogram))
    total = int((histogram * lengths).sum())
    cumulative = np.cumsum(histogram)

    def quantile(share: float) -> int:
        return int(np.searchsorted(cumulative, share * sentences))

    tens = {}
    for low in range(1, int(np.flatnonzero(histogram)[-1]) + 1, 10):
        if number := int(histogram[low : low + 10].sum()):
            tens[f"{low}-{low + 9}"] = number
    return {
        "total": total,
        "mean": round(total / sentences, 2),
        "median": quantile(0.5),
        "p90": quantile(0.9),
        "p99": quantile(0.99),
        "max": int(np.flatnonzero(histogram)[-1]),
        "by_ten_words": tens,
    }


def _combined(fingerprints_of: dict[str, str], names: list[str]) -> str:
    """One fingerprint of several files: SHA-256 over `name sha256` lines."""
    text = "".join(f"{name} {fingerprints_of[name]}\n" for name in names)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
