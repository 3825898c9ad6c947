"""What a model's alignments are like: how sharp, and how near to the word alignment that the corpus itself knows.

Teacher forced on the references, so that all models are asked about the same words.
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
"""Which words of a sentence belong together: (source, target), each counted from 0 between white space."""

Alignment = NDArray[np.float32]
"""[T + 1, S + 1]: for each piece of the reference and the end mark the weights over the source and its end mark."""


@torch.inference_mode()
def reference_alignments(
    model: TranslationModel[Any, Any],
    sources: Sequence[Sequence[int]],
    references: Sequence[Sequence[int]],
    batch_sentences: int,
    name: str,
) -> list[Alignment]:
    """Where the model looks while it is given the references; nothing for a model that has no alignment.

    Args:
        model: in evaluation mode.
        sources: piece ids of each sentence, without end mark.
        references: the same of its translation.
        batch_sentences: so many at a time.
        name: what the progress bar calls it.
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
    """How spread out the weights are, by source length: 0 where all weight is on one position.

    A value is the mean over n sentences of the mean over the rows of a sentence, the end mark's included. Series:
    `nats`, the entropy itself, which is at most log(S + 1); and `share of log length`, divided by that, from 0 to 1.
    Of the Transformer it is the entropy of the mean over heads, which is more than the mean of their entropies.

    Args:
        alignments: of `reference_alignments`; without any there are no points.
        words: source words of each sentence.
        settings: buckets and intervals.
    """
    if not alignments:
        return []
    nats = np.array([entropies(rows).mean() for rows in alignments])
    most = np.array([np.log(rows.shape[1]) for rows in alignments])  # 0, as the entropy, where there is one position
    ones = np.ones(len(nats))
    return [
        *by_source_length("alignment_entropy", "nats", nats, ones, words, settings),
        *by_source_length(
            "alignment_entropy", "share of log length", nats / np.maximum(most, 1e-9), ones, words, settings
        ),
    ]


def entropies(rows: Alignment) -> NDArray[np.float64]:
    """Of rows of weights [T, S], in nats: [T]."""
    weights = rows.astype(np.float64)
    return -(weights * np.log(np.where(weights > 0, weights, 1.0))).sum(axis=1)


# --- error rate -------------------------------------------------------------------------------------------------------


def read_gold(path: Path, tokenizer: Tokenizer) -> list[Links]:
    """The word alignments of a file, a Pharaoh line a sentence: `0-0 2-1`, source before target.

    Nothing where there is no such file, and where the pieces are Moses tokens: the links count the words between white
    space, of which Moses tokens are parts that cannot be put together again.

    Raises:
        LookbackError: a line is something else.
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
    """How far the words that the model looks at are from those that the corpus says belong together, by source length.

    Och and Ney 2003, section 5, where the links S of the corpus are both the sure and the possible ones, A the model's:

        AER = 1 - 2 |A & S| / (|A| + |S|)

    counted over all words of n sentences. Each target word has one link in A, to the source word with the greatest
    weight, see `word_weights`; if it has no link in S, its one in A counts as an error. The end marks have no part.

    Series: `alignment`, the model's; `diagonal`, target word i of T linked with source word round(i S / T) of S, which
    knows nothing but that words keep their order; and `best`, the least that one link a target word can reach.

    Args:
        alignments: of `reference_alignments`; without any there are no points.
        sources: piece ids of each sentence, without end mark.
        references: the same of its translation.
        gold: of `read_gold`; without any there are no points.
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

    Summed over the pieces of a source word, and the mean over the pieces of a target word. The end marks are left out
    and the rest stays as it is: what a piece gives the source's end mark is lost, and such a piece counts less in the
    mean of its word.

    Args:
        alignment: with rows and columns of the end marks.
        source_words: the word of each source piece, without end mark, as `word_of_piece` has it.
        target_words: the same of the target.
    """
    of_source, of_target = (np.eye(max(found, default=-1) + 1)[list(found)] for found in (source_words, target_words))
    summed = alignment[: len(target_words), : len(source_words)] @ of_source
    return of_target.T @ summed / of_target.sum(axis=0)[:, None]


def errors(found: Links, gold: Links) -> tuple[int, int]:
    """How many links are in one of the two sets only, and how many in both sets together: AER is their quotient."""
    return len(found ^ gold), len(found) + len(gold)
