"""The source of the text, and its preparation for training."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lookback.settings import Count, Normalization, Settings


class FragmentCorpus(Settings):
    """The built-in English-German fragment, generated from a seed."""

    kind: Literal["fragment"]
    seed: int = 1
    train: Count = 60_000
    valid: Count = 1_200
    test_per_ten_words: Count = 200
    max_words: Annotated[int, Field(ge=10, le=60)] = 60


class HubCorpus(Settings):
    """A parallel corpus on the Hugging Face Hub, in parquet with one `translation` column."""

    kind: Literal["hub"]
    repository: str
    configuration: str
    revision: str | None = None
    """A commit hash, enforced; null takes the newest commit."""
    train_split: str = "train"
    valid_split: str = "validation"
    test_split: str = "test"
    max_train_pairs: Count | None = None


class FilePair(Settings):
    source: str
    target: str


class FilesCorpus(Settings):
    """One or more aligned pairs of text files (plain, .gz or .xz), one sentence a line."""

    kind: Literal["files"]
    root: str
    """The folder of the files; `~` and `$VARIABLES` are expanded."""
    train: Annotated[tuple[FilePair, ...], Field(min_length=1)]
    valid: Annotated[tuple[FilePair, ...], Field(min_length=1)]
    test: Annotated[tuple[FilePair, ...], Field(min_length=1)]
    max_train_pairs: Count | None = None
    licence: str = ""

    @property
    def folder(self) -> Path:
        return Path(os.path.expandvars(self.root)).expanduser()


Corpus = Annotated[FragmentCorpus | HubCorpus | FilesCorpus, Field(discriminator="kind")]


class Select(Settings):
    """Keeps the cleaned training pairs that are most like the validation set (Axelrod et al. 2011)."""

    words: Count
    """The word budget; the pair that reaches it is the last one kept."""
    side: Literal["source", "target"]
    """The side whose words are counted. Bahdanau et al. do not say whether their 348 million are English or French."""
    order: Annotated[int, Field(ge=1, le=6)] = 4
    """The order n of the n-gram language models that score similarity (n - 1 words of context)."""


class Prepare(Settings):
    """How `prepare` cleans the training pairs; validation and test keep every line unchanged."""

    normalization: Normalization = "NFC"
    word_tokenizer: Literal["whitespace", "moses"] = "whitespace"
    max_words: Count = 250
    max_ratio: Annotated[float, Field(gt=1.0)] = 3.0
    """The largest ratio of the two sides' word counts; pairs above it are dropped."""
    select: Select | None = None
    """Select pairs from those that are left, up to a word budget; omit to keep all."""


class SentencePiece(Settings):
    """One SentencePiece model, shared by source and target, trained on train only."""

    kind: Literal["sentencepiece"] = "sentencepiece"
    vocabulary_size: Annotated[int, Field(ge=16, le=65_535)] = 8_000
    model_type: Literal["unigram", "bpe"] = "bpe"
    max_training_pairs: Count = 1_000_000
    """SentencePiece trains on at most this many pairs, spread evenly over train."""


class Words(Settings):
    """The most frequent Moses tokens of train, one vocabulary per language; every other word is unknown.

    Not for the Transformer, which shares one embedding matrix between both languages.
    """

    kind: Literal["words"]
    vocabulary_size: Annotated[int, Field(ge=5, le=65_535)] = 30_004
    """The largest vocabulary size per language, including the ids of padding, unknown, begin and end. The default keeps
    the 30,000 words per language of Bahdanau et al. 2015, section 4.1."""


Tokenize = Annotated[SentencePiece | Words, Field(discriminator="kind")]
"""`kind` defaults to `sentencepiece`."""


class Joined(Settings):
    """Short test sentences alone and joined, so that length grows while content stays; see `lookback.data.testsets`."""

    join: Annotated[tuple[Count, ...], Field(min_length=2)] = (1, 2, 3, 4)
    """Numbers of sentences per line; each gives one test set, `joined-1` and so on."""
    max_words: Count
    """The most source words of a single sentence."""
    groups: Count = 20
    """Number of groups. The size of a group is the least common multiple of `join`: 12 sentences for 1 to 4."""
    seed: int = 1

    @model_validator(mode="after")
    def alone_first_and_rising(self) -> "Joined":
        if self.join[0] != 1 or list(self.join) != sorted(set(self.join)):
            raise ValueError(f"join {list(self.join)} must begin with 1, the sentences alone, and rise")
        return self


class FurtherSets(Settings):
    """Test sets derived from the test set. A word tokenizer always adds one more: the sentences without unknown
    words."""

    joined: Joined | None = None
