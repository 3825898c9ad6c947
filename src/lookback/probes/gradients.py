"""Which source pieces a target word depends on: the gradient of its log-probability by the source embeddings.

A gradient says what a small change would do to this word of this sentence, not what the model would do without the
piece. Jain and Wallace 2019 (arXiv 1902.10186) show how far gradients and attention differ. Every model has a gradient,
also one without attention.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lookback.config import Evaluate
from lookback.decoding.translate import Pieces, evenly_by_length, in_batches, padded
from lookback.models import TranslationModel
from lookback.models.rnn import reverse_within
from lookback.probes.alignments import Links
from lookback.probes.points import Point, ratio
from lookback.tokenizer import BOS, EOS, PAD
from lookback.tokenizer.base import word_of_piece

MEASURE = "gradient_by_distance"
FROM_END = "pieces from the end"
FROM_ALIGNED = "pieces from the aligned word"
SENTENCES = 100
"""The number of sentences used, from the shortest to the longest."""
ASKED = ("first word", "middle word", "last word")
"""The words of the reference that are measured; a shorter reference is skipped."""
DISTANCES = (0, 1, 2, *(2**power for power in range(2, 15)))
"""Inclusive upper bounds of the bins of distance: 0, 1, 2, 3 to 4, 5 to 8, and so on, each twice as wide."""


def gradient_by_distance(
    model: TranslationModel[Any, Any],
    tokenizer: Pieces,
    sources: Sequence[Sequence[int]],
    references: Sequence[Sequence[int]],
    gold: Sequence[Links],
    settings: Evaluate,
    batch_sentences: int,
    name: str,
) -> list[Point]:
    """How the gradient of a target word is distributed over the source, by distance.

    The model is teacher forced on the references. The log-probability of the first, the middle and the last word
    (summed over its pieces) has a gradient by the embedding of each source position, including the end mark. The 2-norm
    of that gradient, divided by the sum over the sentence, is the share of the position. A value is the mean share of a
    position at that distance, over the positions of all sentences that have one; n counts sentences.

    Two kinds of distance:

    - from the end of the source: 0 is the end mark, whichever way the model reads. There is one series for each of the
      three target words.
    - from the source word that the gold alignment links with the target word: 0 is any of its pieces, and the nearest
      of several linked words counts. The series `gradient` takes the three target words together.

    For each, the series `even` shows the same positions if all positions of a sentence had an equal share.

    Args:
        model: in evaluation mode.
        sources: piece ids of the sentences, without end mark; `SENTENCES` of them are chosen.
        references: the same of their translations.
        gold: the links of each sentence, from `read_gold`; if empty, there is no series by alignment.
        settings: resamples, confidence and seed of the intervals.
        batch_sentences: sentences in a batch.
        name: the label of the progress bar.
    """
    words = [word_of_piece(tokenizer.pieces(reference, "target")) for reference in references]
    long_enough = [i for i, found in enumerate(words) if max(found, default=-1) + 1 >= len(ASKED)]
    chosen = [long_enough[i] for i in evenly_by_length([len(sources[i]) for i in long_enough], SENTENCES)]
    asked_words = {i: (0, max(words[i]) // 2, max(words[i])) for i in chosen}
    device = next(model.parameters()).device
    norms: dict[int, NDArray[np.float64]] = {}

    def work(batch: NDArray[np.int64]) -> None:
        rows = [chosen[i] for i in batch]
        target_out = padded([[*references[i], EOS] for i in rows], device)
        asked = torch.zeros(len(ASKED), *target_out.shape, dtype=torch.bool, device=device)
        for row, i in enumerate(rows):
            for which, word in enumerate(asked_words[i]):
                asked[which, row, : len(words[i])] = torch.tensor(words[i], device=device) == word
        source = padded([[*sources[i], EOS] for i in rows], device)
        target_in = padded([[BOS, *references[i]] for i in rows], device)
        found = gradient_norms(model, source, target_in, target_out, asked).double().cpu().numpy()
        norms.update((i, found[:, row, : len(sources[i]) + 1]) for row, i in enumerate(rows))

    in_batches(name, [len(sources[i]) for i in chosen], batch_sentences, work)

    from_end: dict[str, list[_Shares]] = {series: [] for series in ASKED}
    from_aligned: list[_Shares] = []
    for i in chosen:
        source_words = word_of_piece(tokenizer.pieces(sources[i], "source"))
        for series, word, of_word in zip(ASKED, asked_words[i], norms[i], strict=True):
            if not of_word.any():  # the model is so certain that the gradient is 0
                continue
            shares, places = of_word / of_word.sum(), np.arange(len(of_word))
            from_end[series].append(_Shares(i, places[::-1], shares))
            linked = {source for source, target in gold[i] if target == word} if gold else set()
            aligned = np.flatnonzero(np.isin(source_words, [*linked]))
            if len(aligned):
                from_aligned.append(_Shares(i, np.abs(places[:, None] - aligned).min(axis=1), shares))
    points = [point for series in ASKED for point in _by_distance(series, FROM_END, from_end[series], settings)]
    points += _by_distance("even", FROM_END, _even(from_end[ASKED[0]]), settings)
    points += _by_distance("gradient", FROM_ALIGNED, from_aligned, settings)
    return points + _by_distance("even", FROM_ALIGNED, _even(from_aligned), settings)


def gradient_norms(
    model: TranslationModel[Any, Any], source: Tensor, target_in: Tensor, target_out: Tensor, asked: Tensor
) -> Tensor:
    """The 2-norms of the gradients of log-probabilities by the embedding of each source position.

    Args:
        model: in evaluation mode; otherwise dropout is measured too.
        source: [B, S], with end mark.
        target_in: [B, T], teacher forced.
        target_out: [B, T], the pieces whose log-probability is taken.
        asked: [K, B, T] bool; for each k, the log-probabilities of the marked pieces of a sentence are summed.

    Returns:
        [K, B, S], in the order of the source; 0 on padding.
    """
    # A batch needs one backward pass for each k: no sentence's log-probability depends on another's embeddings. cuDNN
    # has a backward pass through recurrent networks only in training mode; torch's own kernels have it in both.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        with _source_embeddings(model) as seen:
            memory = model.encode(source)
        log_p = model.decode(memory, target_in).log_softmax(-1).gather(2, target_out[..., None])[..., 0]
        gradients = [torch.autograd.grad((log_p * some).sum(), seen, retain_graph=True)[0] for some in asked]
    norms = torch.stack([gradient.norm(dim=-1) for gradient in gradients])
    if getattr(model, "reverse_source", False):  # it was embedded in reading order
        lengths = (source != PAD).sum(1)
        norms = torch.stack([reverse_within(of_word[..., None], lengths - 1)[..., 0] for of_word in norms])
    return norms


@contextmanager
def _source_embeddings(model: TranslationModel[Any, Any]) -> Iterator[list[Tensor]]:
    """Within this context, the list gets what the model embeds, detached from the weights: gradients end there.

    For `encode` only: the Transformer has one embedding for both languages.
    """
    embedding = getattr(model, "source_embedding", None) or model.embedding
    assert isinstance(embedding, nn.Embedding)
    seen: list[Tensor] = []

    def keep(module: nn.Module, given: Any, embedded: Tensor) -> Tensor:
        seen.append(embedded.detach().requires_grad_())
        return seen[-1]

    handle = embedding.register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


class _Shares(NamedTuple):
    """The distances and shares of the positions of one source, for one target word."""

    sentence: int
    distances: NDArray[np.int64]
    shares: NDArray[np.float64]


def _even(all_shares: Sequence[_Shares]) -> list[_Shares]:
    return [found._replace(shares=np.full(len(found.shares), 1 / len(found.shares))) for found in all_shares]


def _by_distance(series: str, x_by: str, all_shares: Sequence[_Shares], settings: Evaluate) -> list[Point]:
    """A point for each bin of distance; its x is the mean distance of the positions in it."""
    rows = {sentence: row for row, sentence in enumerate(sorted({found.sentence for found in all_shares}))}
    sums, counts, distances = np.zeros((3, len(DISTANCES), len(rows)))
    for found in all_shares:
        bins, row = np.searchsorted(DISTANCES, found.distances), rows[found.sentence]
        np.add.at(sums[:, row], bins, found.shares)
        np.add.at(counts[:, row], bins, 1)
        np.add.at(distances[:, row], bins, found.distances)
    points = []
    for index in range(len(DISTANCES)):
        if total := counts[index].sum():
            x = float(distances[index].sum() / total)
            points += ratio(MEASURE, series, x_by, x, sums[index], counts[index], settings, (index,))
    return points
