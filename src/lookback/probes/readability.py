"""Which source words a linear classifier reads from the encoder's output.

Success shows that a linear map can find a word's identity there. It does not show that the decoder uses it; and failure
does not show that it is not there in another form. The probe is itself trained, so part of its success is its own
(Hewitt and Liang 2019, arXiv 1909.03368). Hence the majority class as a baseline, a linear probe in closed form without
anything to tune, and a test that the probe stays at chance on shuffled labels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from lookback.config import Evaluate
from lookback.decoding.translate import evenly_by_length, in_batches, padded
from lookback.models import TranslationModel
from lookback.probes.points import Point, by_source_length
from lookback.stats.buckets import buckets
from lookback.tokenizer import EOS, PAD

PLACES = {"1st": 0, "2nd": 1, "4th": 3, "8th": 7, "8th to last": -8, "4th to last": -4, "2nd to last": -2}
"""The source pieces to read, by position; the last piece of most sentences is a full stop."""
FIT_SENTENCES = 6_000
"""The number of sentences that a probe is fitted on."""


def fit_sentences(words: ArrayLike, settings: Evaluate) -> list[int]:
    """Indices of `FIT_SENTENCES` training sentences, equally many from each bucket of length, by their `words` [N].

    If long sentences were rarer, a probe would be worse on them for that reason alone. A bucket with too few sentences
    gives all of them.
    """
    lengths = np.asarray(words)
    found = buckets(settings.bucket_edges, lengths)
    inside = [np.flatnonzero(bucket.contains(lengths)) for bucket in found]
    return [int(i) for some in inside for i in some[evenly_by_length(lengths[some], FIT_SENTENCES // len(found))]]


def readable_words(
    model: TranslationModel[Any, Any],
    sources: Sequence[Sequence[int]],
    words: Sequence[int],
    fit_sources: Sequence[Sequence[int]],
    settings: Evaluate,
    batch_sentences: int,
    name: str,
) -> list[Point]:
    """The share of source pieces that a linear probe names correctly, by source length and by place in the sentence.

    For a model with one vector, the probe reads the piece at each of `PLACES` from that vector. For other models it
    reads the annotation (the encoder's state) at the place itself: the upper limit of what can be read. There is one
    probe for each place and all lengths, just as the decoder has one set of weights for all lengths.

    A value is the share of correct answers over n sentences: those with a piece at the place that also occurs there at
    least twice in `fit_sources`, since a probe cannot name others. There is a series for each place, and one named
    `<place>, majority` for the answer that is always the most frequent piece at that place in `fit_sources`.

    Args:
        model: in evaluation mode.
        sources: piece ids of the test sentences, without end mark.
        words: source words of each.
        fit_sources: piece ids of the training sentences that the probe is fitted on, chosen by `fit_sentences`. Some
            are longer than the model's training sentences, so that all runs have the same ones.
        settings: buckets and intervals.
        batch_sentences: sentences in a batch.
        name: the label of the progress bar.
    """
    fit_vectors, fit_pieces = vectors_and_pieces(model, fit_sources, batch_sentences, f"{name}: to fit")
    vectors, pieces = vectors_and_pieces(model, sources, batch_sentences, f"{name}: to test")
    points = []
    for i, place in enumerate(PLACES):
        fit_there = fit_pieces[:, i] != PAD
        labels = fit_pieces[fit_there, i]
        counts = np.bincount(labels, minlength=pieces.max() + 1)
        there = (pieces[:, i] != PAD) & (counts[pieces[:, i]] > 1)
        if not there.any():
            continue
        right = probe(fit_vectors[fit_there, i], labels, vectors[:, i]) == pieces[:, i]
        usual = pieces[:, i] == counts.argmax()
        points += by_source_length("readable_words", place, right & there, there, words, settings)
        points += by_source_length("readable_words", f"{place}, majority", usual & there, there, words, settings)
    return points


def probe(
    fit_vectors: NDArray[np.float32], fit_labels: NDArray[np.int64], vectors: NDArray[np.float32]
) -> NDArray[np.int64]:
    """The labels [M] that linear discriminant analysis, fitted to [N, D] and [N], gives `vectors` [M, D].

    In closed form: the classes have normal distributions with one covariance. Each component is scaled to variance 1,
    and a hundredth of the covariance is that of independent components (shrinkage). Ridge regression on one-hot labels
    would read less from the same vectors, since with many classes it masks some (Hastie et al. 2009, The Elements of
    Statistical Learning, section 4.2). Labels that occur once are left out.
    """
    kinds, kind, counts = np.unique(fit_labels, return_inverse=True, return_counts=True)
    if (counts > 1).sum() < 2:  # no two classes to distinguish
        return np.full(len(vectors), kinds[counts.argmax()])
    fitted = counts[kind] > 1
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.01)
    return make_pipeline(StandardScaler(), analysis).fit(fit_vectors[fitted], fit_labels[fitted]).predict(vectors)


@torch.inference_mode()
def vectors_and_pieces(
    model: TranslationModel[Any, Any], sources: Sequence[Sequence[int]], batch_sentences: int, name: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """For each sentence and each of `PLACES`, the vector that is read, [N, places, D], and the piece, [N, places].

    The piece is `PAD` where the sentence is too short.
    """
    device = next(model.parameters()).device
    lengths = np.array([len(source) for source in sources])[:, None]
    offsets = np.array([*PLACES.values()])
    at = np.where(offsets < 0, lengths + offsets, offsets)
    there = (at >= 0) & (at < lengths)
    at = np.where(there, at, 0)
    pieces = np.array([[[*source, EOS][place] for place in row] for source, row in zip(sources, at, strict=True)])
    found: dict[int, NDArray[np.float32]] = {}

    def work(indices: NDArray[np.int64]) -> None:
        memory = model.encode(padded([[*sources[i], EOS] for i in indices], device))
        read = _read(memory, torch.from_numpy(at[indices]).to(device)).float().cpu().numpy()
        found.update(zip(indices.tolist(), read, strict=True))

    in_batches(name, [len(source) for source in sources], batch_sentences, work)
    return np.stack([found[i] for i in range(len(sources))]), np.where(there, pieces, PAD)


def _read(memory: Any, at: Tensor) -> Tensor:
    """The one vector for all places, or the state at each of the places [B, P]: [B, P, D]."""
    read: Tensor = memory[0]
    if read.dim() == 2:
        return read[:, None].expand(-1, at.shape[1], -1)
    return read.gather(1, at[..., None].expand(-1, -1, read.shape[-1]))
