"""Selecting the training pairs that are most like the development set, by bilingual cross-entropy difference.

Bahdanau et al. 2015, section 4.1, train on 348 of 850 million words, chosen by the method of Axelrod et al. 2011. A
pair of source s and target t has the score (after Moore and Lewis 2010, who score one side)

    [H_in(s) - H_out(s)] + [H_in(t) - H_out(t)]

where H is the cross-entropy in nats per word, counting the end of the sentence, under a language model of the domain
(`in`) or of train at large (`out`). The pairs with the lowest scores are kept, up to the word budget.

- In-domain text is the development set (`valid`), normalized like train; the test set is never used.
- Out-of-domain text is a sample of train with as many words, taken at even distances: nothing is random, and every part
  of a compiled corpus has its share. (The sampled pairs' own scores are biased upwards, since that model knows them;
  they are a few thousand of millions.)
- Both models of a side share one vocabulary: the words that occur at least twice in the development set. All others are
  one unknown word (Moore and Lewis 2010), so the two cross-entropies are over the same events.
- Words are the tokens of `prepare.word_tokenizer`, with their case kept, as everywhere in the project. The models are
  4-grams by default, with Kneser-Ney smoothing (`lookback.corpus.ngram`).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookback.config import Select
from lookback.console import bar
from lookback.corpus.lines import SIDES, LineReader, aligned_blocks
from lookback.corpus.ngram import NgramModel, Vocabulary
from lookback.errors import LookbackError

Split = Callable[[str], list[str]]
"""A function from a text to its words."""


class Domain:
    """One side of the development set: its vocabulary and its language model."""

    def __init__(self, path: Path, order: int, split: Split, normalise: Callable[[str], str]) -> None:
        """
        Raises:
            LookbackError: no word occurs twice in the file.
        """
        with LineReader(path) as reader:
            sentences = [split(normalise(line)) for block in iter(reader.block, []) for line in block]
        self.split = split
        self.vocabulary = Vocabulary(sentences)
        if not self.vocabulary.words:
            raise LookbackError(
                f"{path}: no word occurs there twice, so it cannot guide the selection; take a larger "
                f"validation set, or remove prepare.select"
            )
        self.model = self.train(sentences, order)

    def train(self, sentences: list[list[str]], order: int) -> NgramModel:
        """A model of other text over the vocabulary of the domain."""
        return NgramModel(self.vocabulary.encode(sentences), len(self.vocabulary), order)

    def difference(self, lines: list[str], outside: NgramModel) -> NDArray[np.float64]:
        """H_in - H_out of each line: float64 [lines]."""
        text = self.vocabulary.encode(map(self.split, lines))
        return self.model.cross_entropy(text) - outside.cross_entropy(text)


def domains(
    raw: Path, order: int, splits: tuple[Split, Split], normalise: Callable[[str], str]
) -> tuple[Domain, Domain]:
    """The two sides of `raw`/valid.{source,target}."""
    source, target = (
        Domain(raw / f"valid.{side}", order, split, normalise) for side, split in zip(SIDES, splits, strict=True)
    )
    return source, target


def select(prepared: Path, domains: tuple[Domain, Domain], settings: Select) -> tuple[NDArray[np.bool_], dict]:
    """Which of the cleaned pairs are kept.

    Reads `prepared`/train.{source,target} and {train,valid}.words.npy; the budget is in those word counts. Among equal
    scores, earlier pairs are kept first; the pair that reaches the budget is the last. A budget as large as train keeps
    all pairs, and a message says so.

    The text is streamed. Memory is 8 bytes per pair for scores and words, 26 more while the scores are sorted, and a
    block of lines: 1.2 GB for 36 million. One core scores 25,000 pairs of 18 words a side per second, or 4,000 of 16
    with Moses tokens (measured, 4-grams), so 36 million pairs of 28 words take about forty minutes, or between four and
    five hours.

    Returns:
        which pairs are kept, bool [N]; and for the manifest: the settings, whether the budget was `reached`, the
        highest kept score, the words kept on each side, and the training text of the models.
    """
    words = np.load(prepared / "train.words.npy")
    side = SIDES.index(settings.side)
    pairs, available = len(words), int(words[:, side].sum(dtype=np.int64))
    report = {"settings": settings.model_dump(), "reached": available > settings.words, "threshold": None}
    if available > settings.words:
        in_domain = int(np.load(prepared / "valid.words.npy").sum(dtype=np.int64))
        number = min(pairs, max(1, round(pairs * in_domain / int(words.sum(dtype=np.int64)))))
        outside = _outside(prepared, domains, np.arange(number) * pairs // number, settings.order)
        scores = _scores(prepared, domains, outside, pairs)
        keep = lowest(scores, words[:, side], settings.words)
        report["threshold"] = round(float(scores[keep].max()), 6)
        report["sampled_pairs"] = number
        report["vocabulary"] = {name: len(domain.vocabulary) for name, domain in zip(SIDES, domains, strict=True)}
    else:
        print(
            f"prepare: train has {available:,} words on the {settings.side} side, no more than prepare.select.words "
            f"({settings.words:,}): every pair is kept",
            flush=True,
        )
        keep = np.ones(pairs, dtype=bool)
    kept = words[keep].sum(axis=0, dtype=np.int64)
    report["words_kept"] = {name: int(number) for name, number in zip(SIDES, kept, strict=True)}
    return keep, report


def lowest(scores: NDArray[np.float32], words: NDArray[np.uint16], budget: int) -> NDArray[np.bool_]:
    """The lowest-scoring pairs, from scores [N], whose words [N] reach the budget: bool [N]."""
    rising = np.argsort(scores, kind="stable")
    reached = np.cumsum(words[rising], dtype=np.int64)
    keep = np.zeros(len(scores), dtype=bool)
    keep[rising[: np.searchsorted(reached, budget) + 1]] = True
    return keep


def _outside(
    prepared: Path, domains: tuple[Domain, Domain], sample: NDArray[np.int64], order: int
) -> tuple[NgramModel, NgramModel]:
    """The models of both sides of the pairs at the positions `sample` of train."""
    sentences: tuple[list[list[str]], list[list[str]]] = ([], [])
    start = 0
    with LineReader(prepared / "train.source") as source, LineReader(prepared / "train.target") as target:
        for block in aligned_blocks(source, target):
            end = start + len(block[0])
            here = sample[(sample >= start) & (sample < end)] - start
            for chosen, domain, lines in zip(sentences, domains, block, strict=True):
                chosen.extend(domain.split(lines[i]) for i in here.tolist())
            start = end
    return domains[0].train(sentences[0], order), domains[1].train(sentences[1], order)


def _scores(
    prepared: Path, domains: tuple[Domain, Domain], outside: tuple[NgramModel, NgramModel], pairs: int
) -> NDArray[np.float32]:
    """The score of each pair of train: float32 [pairs]."""
    scores = np.empty(pairs, dtype=np.float32)
    start = 0
    with (
        LineReader(prepared / "train.source") as source,
        LineReader(prepared / "train.target") as target,
        bar("prepare: select", pairs, " pairs") as progress,
    ):
        for block in aligned_blocks(source, target):
            sides = zip(domains, block, outside, strict=True)
            differences = [domain.difference(lines, model) for domain, lines, model in sides]
            end = start + len(block[0])
            scores[start:end] = differences[0] + differences[1]
            progress.update(end - start)
            start = end
    return scores
