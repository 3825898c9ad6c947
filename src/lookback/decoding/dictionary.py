"""A dictionary: each source word's best translation, in the order of the source. No network and no search.

Machine translation began with dictionaries, and this one is the baseline for the networks: what they score above it
comes from word order, agreement, and the choice between several translations of a word.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lookback import config
from lookback.decoding.translator import Translation
from lookback.errors import LookbackError
from lookback.tokenizer import Tokenizer
from lookback.tokenizer.words import UNKNOWN_MARK
from lookback.training.dictionary import FILE_NAME


@dataclass(frozen=True)
class Dictionary:
    """A `lookback.decoding.translator.Translator`; the `pieces` of its translations are words."""

    entries: Mapping[str, str]
    tokenizer: Tokenizer

    FILE_NAME: ClassVar[str] = FILE_NAME

    @classmethod
    def load(cls, folder: Path, tokenizer: Tokenizer, hardware: config.Hardware) -> "Dictionary":
        path = folder / FILE_NAME
        try:
            return cls(json.loads(path.read_text(encoding="utf-8"))["entries"], tokenizer)
        except FileNotFoundError:
            raise LookbackError(f"{path}: no such file; run the train stage") from None
        except (ValueError, KeyError, TypeError):
            raise LookbackError(f"{path}: not a dictionary; run the train stage again") from None

    def translate(self, sources: Sequence[Sequence[int]], settings: config.Translate, name: str) -> list[Translation]:
        return [self.translate_with_alignment(source, settings)[0] for source in sources]

    def translate_with_alignment(self, source: Sequence[int], settings: config.Translate) -> tuple[Translation, None]:
        """A target word for each source word, in order; words outside the dictionary are copied."""
        banned = UNKNOWN_MARK if settings.ban_unknown else None
        found = [(word, self.entries.get(word, word)) for word in self.tokenizer.words(source, "source")]
        words = [word if target == banned else target for word, target in found]
        return Translation(self.tokenizer.join(words), len(words), None, cut_off=False), None

    def reference_loss(
        self, sources: Sequence[Sequence[int]], references: Sequence[Sequence[int]], batch_sentences: int, name: str
    ) -> None:
        return None
