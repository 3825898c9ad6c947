"""Translates a test set with a trained model, and computes the model's loss on the references."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

from lookback.config import Hardware, Translate
from lookback.console import bar
from lookback.decoding.beam_search import Hypothesis, beam_search
from lookback.decoding.translator import Alignment, Translation
from lookback.models import TranslationModel
from lookback.models.saved import DESCRIPTION, load_model, place
from lookback.tokenizer import BOS, EOS, PAD, UNK, Side


class Pieces(Protocol):
    """The part of `Tokenizer` that translation uses."""

    def decode(self, ids: Sequence[int]) -> str: ...

    def pieces(self, ids: Sequence[int], side: Side) -> list[str]: ...


def evenly_by_length(words: ArrayLike, count: int) -> list[int]:
    """Indices of `count` sentences (or all of a smaller set) at even steps from the shortest to the longest."""
    order = np.argsort(np.asarray(words), kind="stable")
    steps = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return [int(i) for i in order[steps]]


def batches_by_length(lengths: Sequence[int], size: int) -> list[np.ndarray]:
    """Batches of indices of similar length, the longest first, so that a lack of memory shows at once."""
    order = np.argsort(-np.asarray(lengths), kind="stable")
    return [order[i : i + size] for i in range(0, len(order), size)]


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Rows of ids as one [B, longest] tensor."""
    tensors = [torch.as_tensor(np.asarray(row, dtype=np.int64)) for row in rows]
    return pad_sequence(tensors, batch_first=True, padding_value=PAD).to(device)


def _banned(settings: Translate) -> tuple[int, ...]:
    return (UNK,) if settings.ban_unknown else ()


def in_batches(name: str, lengths: Sequence[int], size: int, work: Callable[[np.ndarray], None]) -> None:
    """Calls `work` with the indices [B] of each batch of sentences, under a progress bar labelled `name`."""
    with bar(name, len(lengths), " sentences") as progress:
        for indices in batches_by_length(lengths, size):
            work(indices)
            progress.update(len(indices))


@torch.inference_mode()
def translate(
    model: TranslationModel, tokenizer: Pieces, sources: Sequence[Sequence[int]], settings: Translate, name: str
) -> list[Translation]:
    """Beam search over all sentences, in batches of similar length.

    Args:
        sources: piece ids of each sentence, without the end mark.
        name: the label of the progress bar.
    """
    device = next(model.parameters()).device
    found: dict[int, Translation] = {}

    def work(indices: np.ndarray) -> None:
        source = padded([[*sources[i], EOS] for i in indices], device)
        for i, best in zip(indices, beam_search(model, source, settings, banned=_banned(settings)), strict=True):
            text = tokenizer.decode(best.tokens)
            found[int(i)] = Translation(text, len(best.tokens), best.score, best.cut_off)

    in_batches(name, [len(s) for s in sources], settings.batch_sentences, work)
    return [found[i] for i in range(len(sources))]


@torch.inference_mode()
def translate_with_alignment(
    model: TranslationModel, tokenizer: Pieces, source: Sequence[int], settings: Translate
) -> tuple[Translation, Alignment | None]:
    """Translates one sentence and returns its alignment; `None` for a model without attention."""
    device = next(model.parameters()).device
    batch = padded([[*source, EOS]], device)
    best: Hypothesis = beam_search(model, batch, settings, alignments=True, banned=_banned(settings))[0]
    translation = Translation(tokenizer.decode(best.tokens), len(best.tokens), best.score, best.cut_off)
    if best.alignment is None:
        return translation, None
    weights = [[round(w, 3) for w in row] for row in best.alignment.tolist()]
    source_pieces = tokenizer.pieces([*source, EOS], "source")
    target_pieces = tokenizer.pieces([*best.tokens, EOS], "target")
    return translation, Alignment(source_pieces, target_pieces, weights)


@torch.inference_mode()
def reference_loss(
    model: TranslationModel,
    sources: Sequence[Sequence[int]],
    references: Sequence[Sequence[int]],
    batch_sentences: int,
    name: str,
) -> tuple[np.ndarray, np.ndarray]:
    """The model's loss on the references, teacher forced.

    Returns:
        nats [N], summed over the pieces of each reference with its end mark; and the number of those pieces [N].
    """
    device = next(model.parameters()).device
    nats = np.zeros(len(sources))

    def work(indices: np.ndarray) -> None:
        source = padded([[*sources[i], EOS] for i in indices], device)
        target_in = padded([[BOS, *references[i]] for i in indices], device)
        target_out = padded([[*references[i], EOS] for i in indices], device)
        logits = model(source, target_in).float()
        loss = cross_entropy(logits.transpose(1, 2), target_out, ignore_index=PAD, reduction="none")
        nats[indices] = loss.sum(1).double().cpu().numpy()

    in_batches(name, [max(len(s), len(r)) for s, r in zip(sources, references, strict=True)], batch_sentences, work)
    return nats, np.array([len(r) + 1 for r in references])


@dataclass(frozen=True)
class Network:
    """A trained network as a `lookback.decoding.translator.Translator`."""

    model: TranslationModel
    tokenizer: Pieces

    FILE_NAME: ClassVar[str] = DESCRIPTION

    @classmethod
    def load(cls, folder: Path, tokenizer: Pieces, hardware: Hardware) -> "Network":
        return cls(place(load_model(folder), hardware), tokenizer)

    def translate(self, sources: Sequence[Sequence[int]], settings: Translate, name: str) -> list[Translation]:
        return translate(self.model, self.tokenizer, sources, settings, name)

    def translate_with_alignment(
        self, source: Sequence[int], settings: Translate
    ) -> tuple[Translation, Alignment | None]:
        return translate_with_alignment(self.model, self.tokenizer, source, settings)

    def reference_loss(
        self, sources: Sequence[Sequence[int]], references: Sequence[Sequence[int]], batch_sentences: int, name: str
    ) -> tuple[np.ndarray, np.ndarray]:
        return reference_loss(self.model, sources, references, batch_sentences, name)
