"""The interface of every trained system, network or dictionary; stages use nothing else.

The `trainer` in a system's entry of `lookback.architectures` trains and saves it. That code is separate, so an edit of
the search does not retrain any model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from lookback.architectures import ARCHITECTURES, load
from lookback.config import Hardware, Translate
from lookback.errors import LookbackError
from lookback.tokenizer import Tokenizer


@dataclass(frozen=True)
class Translation:
    """One sentence's translation, with the data that evaluation needs."""

    text: str
    pieces: int
    score: float | None
    """Log-probability divided by the length penalty; None for a translation without a search."""
    cut_off: bool


@dataclass(frozen=True)
class Alignment:
    """The decoder's attention over source pieces: `weights` [target pieces, source pieces]; rows sum to 1."""

    source_pieces: list[str]
    target_pieces: list[str]
    weights: list[list[float]]


class Translator(Protocol):
    """A trained system in memory, with its tokenizer. Sentences are piece ids without the end mark."""

    FILE_NAME: str
    """A file that identifies the folder of this kind of system."""

    @classmethod
    def load(cls, folder: Path, tokenizer: Tokenizer, hardware: Hardware) -> Self:
        """Loads the system that the trainer saved in the folder, onto the configured device.

        Raises:
            LookbackError: a file is missing or damaged.
        """
        ...

    def translate(self, sources: Sequence[Sequence[int]], settings: Translate, name: str) -> list[Translation]:
        """Translates all sentences; `name` labels the progress bar."""
        ...

    def translate_with_alignment(
        self, source: Sequence[int], settings: Translate
    ) -> tuple[Translation, Alignment | None]:
        """Translates one sentence and returns its alignment; `None` for a system without attention."""
        ...

    def reference_loss(
        self, sources: Sequence[Sequence[int]], references: Sequence[Sequence[int]], batch_sentences: int, name: str
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Nats [N] and pieces [N] of the references, teacher forced; `None` for a system without a loss."""
        ...


def load_translator(folder: Path, tokenizer: Tokenizer, hardware: Hardware) -> Translator:
    """The system in a folder that a trainer wrote.

    Raises:
        LookbackError: there is no system, or one of its files is damaged.
    """
    kinds: list[type[Translator]] = [load(path) for path in dict.fromkeys(e.translator for e in ARCHITECTURES.values())]
    for kind in kinds:
        if (folder / kind.FILE_NAME).exists():
            return kind.load(folder, tokenizer, hardware)
    raise LookbackError(f"{folder / kinds[0].FILE_NAME}: no such file; run the train stage")
