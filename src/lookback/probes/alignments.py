"""A model's alignments: how sharp they are, and how close to the word alignment of the corpus.

All models are teacher forced on the references, so that their alignments are of the same words.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lookback.config import Evaluate
from lookback.console import bar
from lookback.corpus.lines import read_lines
from lookback.decoding.translate import Pieces, batches_by_length, padded
from lookback.errors import LookbackError
from lookback.models import TranslationModel
from lookback.probes.points import Point, by_source_length
from lookback.tokenizer import BOS, EOS, Tokenizer
from lookback.tokenizer.base import word_of_piece
from lookback.tokenizer.words import WordTokenizer

Links = frozenset[tuple[int, int]]
"""Pairs of words that translate each other: (source, target) indices from 0, words being split at white space."""

Alignment = NDArray[np.float32]
"""[T + 1, S + 1]: for each piece of the reference and its end mark, the weights over the source and its end mark."""


@torch.inference_mode()
def reference_alignments(
    model: TranslationModel[Any, Any],
    sources: Sequence[Sequence[int]],
    references: Sequence[Sequence[int]],
    batch_sentences: int,
    name: str,
) -> list[Alignment]:
    """The model's alignments, teacher forced on the references; empty for a model without alignment.

    Args:
        model: in evaluation mode.
        sources: piece ids of each sentence, without end mark.
        references: the same of its translation.
        batch_sentences: sentences in a batch.
        name: the label of the progress bar.
    """
    device = next(model.parameters()).device
    found: dict[int, Alignment] = {}
    sizes = [max(len(s), len(r)) for s, r in zip(sources, references, strict=True)]
    with bar(name, len(sources), " sentences") as progress:
        for indices in batches_by_length(sizes, batch_sentences):
            source = padded([[*sources[i], EOS] for i in indices], device)
            target_in = padded([[BOS, *references[i]] for i in indices], device)
            _, weights = model.decode_with_alignment(model.encode(source), target_in)
            if weights is None:
                return []
            for i, rows in zip(indices, weights.float().cpu().numpy(), strict=True):
                found[int(i)] = rows[: len(references[i]) + 1, : len(sources[i]) + 1].copy()
            progress.update(len(indices))
    return [found[i] for i in range(len(sources))]


# --- entropy ----------------------------------------------------------------------------------------------------------


def alignment_entropy(alignments: Sequence[Alignment], words: Sequence[int], settings: Evaluate) -> list[Point]:
    """The entropy of the weights by source length: 0 where all weight is on one position.

    A value is the mean over n sentences of the mean over the rows of a sentence, including the row of the end mark. The
    series `nats` is the entropy itself, at most log(S + 1). The series `share of log length` is the entropy divided by
    that, from 0 to 1. For the Transformer it is the entropy of the mean over heads, which is at least the mean of their
    entropies.

    Args:
        alignments: from `reference_alignments`; if empty, there are no points.
        words: source words of each sentence.
        settings: buckets and intervals.
    """
    if not alignments:
        return []
    nats = np.array([entropies(rows).mean() for rows in alignments])
    most = np.array([np.log(rows.shape[1]) for rows in alignments])  # 0 where there is one position, as is the entropy
    ones = np.ones(len(nats))
    return [
        *by_source_length("alignment_entropy", "nats", nats, ones, words, settings),
        *by_source_length(
            "alignment_entropy", "share of log length", nats / np.maximum(most, 1e-9), ones, words, settings
        ),
    ]


def entropies(rows: Alignment) -> NDArray[np.float64]:
    """The entropy of each row of weights [T, S], in nats: [T]."""
    weights = rows.astype(np.float64)
    return -(weights * np.log(np.where(weights > 0, weights, 1.0))).sum(axis=1)


# --- error rate -------------------------------------------------------------------------------------------------------


def read_gold(path: Path, tokenizer: Tokenizer) -> list[Links]:
    """The word alignments in a file, a line in Pharaoh format for each sentence: `0-0 2-1`, source before target.

    Empty if there is no such file, or if the pieces are Moses tokens: the links count words split at white space, and
    Moses tokens are parts of these that cannot be joined again.

    Raises:
        LookbackError: a line has another format.
    """
    if not path.exists() or isinstance(tokenizer, WordTokenizer):
        return []
    return [_links(path, number, line) for number, line in enumerate(read_lines(path), 1)]


def _links(path: Path, number: int, line: str) -> Links:
    links = []
    for link in line.split():
        source, _, target = link.partition("-")
        if not (source.isdecimal() and target.isdecimal()):
            raise LookbackError(f"{path}: line {number}: {link!r} is no link such as 2-1; run the prepare stage again")
        links.append((int(source), int(target)))
    return frozenset(links)


def alignment_error_rate(
    alignments: Sequence[Alignment],
    tokenizer: Pieces,
    sources: Sequence[Sequence[int]],
    references: Sequence[Sequence[int]],
    gold: Sequence[Links],
    words: Sequence[int],
    settings: Evaluate,
) -> list[Point]:
    """The alignment error rate by source length: how far the model's links are from those of the corpus.

    Och and Ney 2003, section 5. The links S of the corpus are both the sure and the possible ones; A are the model's:

        AER = 1 - 2 |A & S| / (|A| + |S|)

    counted over all words of n sentences. Each target word has one link in A, to the source word with the largest
    weight (see `word_weights`). If it has no link in S, its link in A is an error. End marks are ignored.

    Series: `alignment` is the model's. `diagonal` links target word i of T with source word round(i S / T) of S: it
    knows only that words keep their order. `best` is the lowest rate possible with one link for each target word.

    Args:
        alignments: from `reference_alignments`; if empty, there are no points.
        sources: piece ids of each sentence, without end mark.
        references: the same of its translation.
        gold: from `read_gold`; if empty, there are no points.
        words: source words of each sentence.
        settings: buckets and intervals.

    Raises:
        LookbackError: alignments and sentences do not match.
    """
    if not alignments or not gold:
        return []
    if len(gold) != len(sources):
        raise LookbackError(
            f"test.alignment: {len(gold):,} lines, but the test set has {len(sources):,} sentences; run the prepare "
            "stage again"
        )
    series: dict[str, list[tuple[int, int]]] = {"alignment": [], "diagonal": [], "best": []}
    for i, (rows, links) in enumerate(zip(alignments, gold, strict=True)):
        source_words = word_of_piece(tokenizer.pieces(sources[i], "source"))
        target_words = word_of_piece(tokenizer.pieces(references[i], "target"))
        S, T = (max(found, default=-1) + 1 for found in (source_words, target_words))
        if any(source >= S or target >= T for source, target in links):
            raise LookbackError(
                f"test.alignment: line {i + 1}: a link beyond the {S} source and {T} target words; run the prepare "
                "stage again"
            )
        seen = word_weights(rows, source_words, target_words).argmax(axis=1) if S else ()
        looked = frozenset((int(source), target) for target, source in enumerate(seen))
        diagonal = frozenset((min(round(target * S / T), S - 1), target) for target in range(T))
        linked = len({target for _, target in links})
        series["alignment"].append(errors(looked, links))
        series["diagonal"].append(errors(diagonal, links))
        series["best"].append((T + len(links) - 2 * linked, T + len(links)))
    points = []
    for name, counts in series.items():
        wrong, all_links = np.array(counts).T
        points += by_source_length("alignment_error_rate", name, wrong, all_links, words, settings)
    return points


def word_weights(alignment: Alignment, source_words: Sequence[int], target_words: Sequence[int]) -> Alignment:
    """Weights between words, [target words, source words], from those between pieces.

    Weights are summed over the pieces of a source word and averaged over the pieces of a target word. End marks are
    left out, and the rest is not scaled again: a piece that gives weight to the source's end mark counts less in the
    mean of its word.

    Args:
        alignment: with rows and columns of the end marks.
        source_words: the word of each source piece, without end mark, from `word_of_piece`.
        target_words: the same of the target.
    """
    of_source, of_target = (np.eye(max(found, default=-1) + 1)[list(found)] for found in (source_words, target_words))
    summed = alignment[: len(target_words), : len(source_words)] @ of_source
    return of_target.T @ summed / of_target.sum(axis=0)[:, None]


def errors(found: Links, gold: Links) -> tuple[int, int]:
    """The number of links in only one of the sets, and the sum of both sizes: the AER is their quotient."""
    return len(found ^ gold), len(found) + len(gold)
