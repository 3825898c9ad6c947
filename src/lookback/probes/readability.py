"""What of the source's words a linear classifier reads from what the encoder hands on.

It shows that a word's identity lies there in a form that a linear map can use; neither that the decoder uses it, nor,
where the probe fails, that it is not there in another form. The probe is itself trained, so part of its success is its
own (Hewitt and Liang 2019, arXiv 1909.03368): hence the majority class beside it, a linear probe in closed form without
anything to tune, and a test that it stays at chance on shuffled labels.
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
"""Which piece of the source is to be read; of most sentences the last is a full stop."""
FIT_SENTENCES = 6_000
"""So many does a probe learn from."""


def fit_sentences(words: ArrayLike, settings: Evaluate) -> list[int]:
    """Indices of `FIT_SENTENCES` training sentences, as many of each bucket of length, of their `words` [N].

    As many: where long sentences are rare, a probe would otherwise be worse at them for that reason alone. A bucket
    with too few gives all.
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
    """How many source pieces a linear probe names right, by source length and by place in the sentence.

    A model with one vector is asked for the piece at each of `PLACES` from that vector; other models from their
    annotation (the encoder's state) at that very place, which has it at hand: the measure of what could be read. One
    probe a place, for all lengths together, as the decoder too has one set of weights for all.

    A value is the share that is right of n sentences: those that have a piece there, and one that stands there twice at
    least in `fit_sources`, since others cannot be named. Series: a place; and `<place>, majority`, for always naming
    the piece that is most frequent there in `fit_sources`.

    Args:
        model: in evaluation mode.
        sources: piece ids of the test sentences, without end mark.
        words: source words of each.
        fit_sources: piece ids of the sentences that the probe learns from, those of train that `fit_sentences` chooses.
            Longer ones than the model was trained on are among them, so that all runs have the same.
        settings: buckets and intervals.
        batch_sentences: so many at a time.
        name: what the progress bar calls it.
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

    In closed form: the classes have normal distributions of one covariance, each component scaled to variance 1, and a
    hundredth of the covariance is that of independent components. Ridge regression on one-hot labels would read less
    from the same vectors, since with many classes it hides some behind others (Hastie et al. 2009, The Elements of
    Statistical Learning, section 4.2). Labels that occur once are left out.
    """
    kinds, kind, counts = np.unique(fit_labels, return_inverse=True, return_counts=True)
    if (counts > 1).sum() < 2:  # nothing to tell apart
        return np.full(len(vectors), kinds[counts.argmax()])
    fitted = counts[kind] > 1
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.01)
    return make_pipeline(StandardScaler(), analysis).fit(fit_vectors[fitted], fit_labels[fitted]).predict(vectors)


@torch.inference_mode()
def vectors_and_pieces(
    model: TranslationModel[Any, Any], sources: Sequence[Sequence[int]], batch_sentences: int, name: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """For each of `PLACES` in each sentence what is read, [N, places, D], and the piece there, [N, places].

    Where a sentence has no piece there, `PAD` stands for it.
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
