"""The Lightning data module: training batches and the validation set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
from torch.utils.data import DataLoader, Dataset

from lookback import config
from lookback.data.batches import Batches, SentenceBatches, TokenBudgetBatches, by_length
from lookback.data.encoded import Batch, EncodedSplit, Indices, Lengths
from lookback.errors import LookbackError


class _Batches(Dataset[Batch]):
    """Item i is the batch `indices[i]` of a split, or this device's share of it."""

    def __init__(self, split: EncodedSplit, indices: Sequence[Indices] | Batches, pairs: Indices | None):
        self._split, self._indices, self._pairs = split, indices, pairs
        self.rank, self.world_size = 0, 1

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, item: int) -> Batch:
        indices = self._indices[item]
        if self._pairs is not None:
            indices = self._pairs[indices]
        return self._split.batch(indices, self.rank, self.world_size)


class TranslationData(pl.LightningDataModule):
    """Training batches of the current validation interval, and the whole validation set sorted by length."""

    def __init__(self, encoded: Path, max_train_words: int, settings: config.Train, seed: int) -> None:
        """Opens the corpus and plans the batches.

        Args:
            encoded: the folder with the encoded corpus.
            max_train_words: the most words on either side of a training pair; validation is not capped.
            settings: the budgets.
            seed: decides the order.

        Raises:
            LookbackError: an array is missing, or no training pair is within `max_train_words`.
        """
        super().__init__()
        self.interval = settings.valid_interval_steps
        train, valid = (EncodedSplit.open(encoded, split) for split in ("train", "valid"))
        pairs = train.within(max_train_words)
        if len(pairs) == 0:
            raise LookbackError(f"{encoded}: no train pair has at most {max_train_words} words on either side")
        if len(valid) == 0:
            raise LookbackError(f"{encoded}: there is no pair in valid")
        self.pairs = len(pairs)
        self.batches = _plan(train.source.lengths()[pairs], train.target.lengths()[pairs], settings, seed)
        target = valid.target.lengths()
        self.valid_tokens = int(target.sum(dtype=np.int64))
        valid_batches = by_length(
            valid.source.lengths(), target, settings.batch_target_tokens or int(self.batches.tokens.max())
        )
        self.train = _Batches(train, self.batches, pairs)
        self.valid = _Batches(valid, valid_batches, None)

    def train_dataloader(self) -> DataLoader[Batch]:
        assert self.trainer is not None
        start = self.trainer.global_step
        stop = min((start // self.interval + 1) * self.interval, len(self.batches))
        return self._loader(self.train, range(start, stop))

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._loader(self.valid, range(len(self.valid)))

    def share(self, rank: int, world_size: int) -> None:
        """Take every `world_size`-th row of each batch."""
        for batches in (self.train, self.valid):
            batches.rank, batches.world_size = rank, world_size

    def _loader(self, batches: _Batches, items: range) -> DataLoader[Batch]:
        assert self.trainer is not None
        self.share(self.trainer.global_rank, self.trainer.world_size)
        # No workers: a batch is a few numpy operations on a memory map, cheaper than sending it between processes.
        pinned = self.trainer.strategy.root_device.type == "cuda"
        return DataLoader(batches, batch_size=None, sampler=items, collate_fn=lambda batch: batch, pin_memory=pinned)


def _plan(source: Lengths, target: Lengths, settings: config.Train, seed: int) -> Batches:
    """The batches that the settings ask for."""
    budget = {"target_tokens": settings.target_tokens, "updates": settings.updates, "seed": seed}
    if settings.batch_target_tokens is not None:
        return TokenBudgetBatches(source, target, batch_target_tokens=settings.batch_target_tokens, **budget)
    assert settings.batch_sentences is not None
    return SentenceBatches(
        source, target, batch_sentences=settings.batch_sentences, sort_batches=settings.sort_batches, **budget
    )
