"""Encoded sentence pairs on disk, memory-mapped, and the padded tensors that models take.

Lengths in this file count the end-of-sentence mark.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lookback.errors import LookbackError
from lookback.tokenizer import PAD
from lookback.tokenizer.base import BOS, EOS

Lengths = NDArray[np.int32]


Indices = NDArray[np.int32]


class Batch(NamedTuple):
    """Padded tensors of piece ids, int64, and the loss denominator."""

    source: Tensor
    """[B, S]: pieces, EOS, padding."""
    target_in: Tensor
    """[B, T]: BOS, pieces, padding."""
    target_out: Tensor
    """[B, T]: pieces, EOS, padding."""
    target_tokens: int
    """Number of real target tokens in the whole step, over all devices."""


@dataclass(frozen=True)
class EncodedSide:
    """One language of a split: flat piece ids [pieces] and offsets [N+1], memory-mapped."""

    ids: NDArray[np.uint16]
    offsets: NDArray[np.int64]

    @classmethod
    def open(cls, folder: Path, stem: str) -> "EncodedSide":
        ids, offsets = (_map(folder / f"{stem}.{part}.npy") for part in ("ids", "offsets"))
        if len(offsets) == 0 or offsets[-1] != len(ids):
            raise LookbackError(f"{folder / stem}.ids.npy: does not fit its offsets; run the tokenize stage again")
        return cls(ids, offsets)

    def __getitem__(self, index: int) -> NDArray[np.int64]:
        """The piece ids of one sentence, without BOS and EOS."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]].astype(np.int64)

    def lengths(self) -> Lengths:
        """Lengths [N], counting the end-of-sentence mark."""
        return (np.diff(self.offsets) + 1).astype(np.int32)

    def padded(self, indices: Indices) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The sentences as one matrix [B, longest + 1], padded with `PAD`; and their lengths without the mark [B].

        Every row ends in at least one `PAD`, as room for the mark.
        """
        starts = self.offsets[indices]
        lengths = self.offsets[indices + 1] - starts
        columns = np.arange(int(lengths.max(initial=0)) + 1)
        real = columns < lengths[:, None]
        matrix = np.full(real.shape, PAD, np.int64)
        matrix[real] = self.ids[(starts[:, None] + columns)[real]]
        return matrix, lengths


@dataclass(frozen=True)
class EncodedSplit:
    """The aligned pairs of one split."""

    source: EncodedSide
    target: EncodedSide
    words: NDArray[np.uint16]
    """[N, 2], words of source and target."""

    @classmethod
    def open(cls, folder: Path, split: str) -> "EncodedSplit":
        """Maps the arrays of a split (`train`, `valid`, `test`) that the tokenize stage wrote into `folder`.

        Raises:
            LookbackError: an array is missing, unreadable or does not fit the others.
        """
        source, target = (EncodedSide.open(folder, f"{split}.{side}") for side in ("source", "target"))
        words = _map(folder / f"{split}.words.npy")
        if not len(source.offsets) == len(target.offsets) == len(words) + 1:
            raise LookbackError(
                f"{folder}: {split} has {len(source.offsets) - 1} sources, {len(target.offsets) - 1} targets and "
                f"{len(words)} word counts; run the tokenize stage again"
            )
        return cls(source, target, words)

    def __len__(self) -> int:
        return len(self.words)

    def within(self, max_words: int) -> Indices:
        """The pairs with at most `max_words` words on both sides."""
        return np.flatnonzero(self.words.max(axis=1) <= max_words).astype(np.int32)

    def batch(self, indices: Indices, rank: int = 0, world_size: int = 1) -> Batch:
        """The pairs `indices` [B] as padded tensors; with several devices, each takes every `world_size`-th row.

        A device without a row gets one whose target is all padding. It adds no loss and no gradient, but the device
        still takes part in the exchange of gradients.
        """
        tokens = int((self.target.offsets[indices + 1] - self.target.offsets[indices]).sum()) + len(indices)
        share = indices[rank::world_size]
        if len(share) == 0:
            source, target_in, target_out = ([[EOS]], [[BOS]], [[PAD]])
            return Batch(torch.tensor(source), torch.tensor(target_in), torch.tensor(target_out), tokens)
        source, source_lengths = self.source.padded(share)
        target_out, target_lengths = self.target.padded(share)
        target_in = np.roll(target_out, 1, axis=1)
        target_in[:, 0] = BOS
        rows = np.arange(len(share))
        source[rows, source_lengths] = EOS
        target_out[rows, target_lengths] = EOS
        return Batch(torch.from_numpy(source), torch.from_numpy(target_in), torch.from_numpy(target_out), tokens)


def _map(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r")
    except FileNotFoundError:
        raise LookbackError(f"{path}: no such file; run the tokenize stage") from None
    except ValueError as error:
        raise LookbackError(f"{path}: not a readable array ({error}); run the tokenize stage again") from None
