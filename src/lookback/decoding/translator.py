"""What every trained system offers, network or dictionary, so that no stage asks which it has.

It is trained and saved by the `trainer` of its entry in `lookback.architectures`, whose code is apart from this: after
an edit of the search no model is trained again.
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
    """One sentence's translation, with what evaluation needs to know of it."""

    text: str
    pieces: int
    score: float | None
    """Log-probability divided by the length penalty; nothing of a translation without a search."""
    cut_off: bool


@dataclass(frozen=True)
class Alignment:
    """Which source pieces the decoder looked at: `weights` [target pieces, source pieces], rows sum to 1."""

    source_pieces: list[str]
    target_pieces: list[str]
    weights: list[list[float]]


class Translator(Protocol):
    """A trained system, in memory, with its tokenizer. Sentences are piece ids without the end mark."""

    FILE_NAME: str
    """A file that only folders of this kind of system have."""

    @classmethod
    def load(cls, folder: Path, tokenizer: Tokenizer, hardware: Hardware) -> Self:
        """What the trainer saved in the folder, placed where it is to compute.

        Raises:
            LookbackError: a file is missing or damaged.
        """
        ...

    def translate(self, sources: Sequence[Sequence[int]], settings: Translate, name: str) -> list[Translation]:
        """All sentences; `name` is what a progress bar calls it."""
        ...

    def translate_with_alignment(
        self, source: Sequence[int], settings: Translate
    ) -> tuple[Translation, Alignment | None]:
        """One sentence, and where the decoder looked; `None` for a system without attention."""
        ...

    def reference_loss(
        self, sources: Sequence[Sequence[int]], references: Sequence[Sequence[int]], batch_sentences: int, name: str
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Nats [N] and pieces [N] of the references, teacher forced; `None` for a system that has no loss."""
        ...


def load_translator(folder: Path, tokenizer: Tokenizer, hardware: Hardware) -> Translator:
    """The system in a folder that a trainer wrote.

    Raises:
        LookbackError: there is none, or a file of it is damaged.
    """
    kinds: list[type[Translator]] = [load(path) for path in dict.fromkeys(e.translator for e in ARCHITECTURES.values())]
    for kind in kinds:
        if (folder / kind.FILE_NAME).exists():
            return kind.load(folder, tokenizer, hardware)
    raise LookbackError(f"{folder / kinds[0].FILE_NAME}: no such file; run the train stage")
