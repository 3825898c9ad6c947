"""One SentencePiece model for source and target (Kudo and Richardson 2018)."""

import hashlib
import io
import unicodedata
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import sentencepiece as spm

from lookback.config import Normalization, SentencePiece
from lookback.corpus.lines import read_lines
from lookback.errors import LookbackError
from lookback.tokenizer.base import BOS, EOS, PAD, UNK, Side, Tokenizer

FILE_NAME = "tokenizer.model"

# The model file stores this value, so it is fixed: the same text gives the same bytes on every machine.
_TRAINER_THREADS = 4


class SentencePieceTokenizer(Tokenizer):
    """Subword pieces shared by both languages."""

    def __init__(self, model: bytes, normalization: Normalization = "NFC") -> None:
        self._processor = spm.SentencePieceProcessor(model_proto=model)
        self._normalization: Normalization = normalization
        self.source_vocabulary = self.target_vocabulary = self._processor.get_piece_size()
        self.fingerprint = hashlib.sha256(model).hexdigest()

    @classmethod
    def load(cls, path: Path, normalization: Normalization = "NFC") -> "SentencePieceTokenizer":
        try:
            return cls(path.read_bytes(), normalization)
        except (OSError, RuntimeError) as error:
            raise LookbackError(
                f"{path}: not a readable SentencePiece model ({error}); run the tokenize stage"
            ) from None

    def encode(self, lines: Sequence[str], side: Side) -> list[list[int]]:
        if self._normalization:
            lines = [unicodedata.normalize(self._normalization, line) for line in lines]
        return self._processor.encode(list(lines))

    def decode(self, ids: Sequence[int]) -> str:
        return self._processor.decode([int(i) for i in ids])

    def pieces(self, ids: Sequence[int], side: Side) -> list[str]:
        return [self._processor.id_to_piece(int(i)) for i in ids]

    def words(self, ids: Sequence[int], side: Side) -> list[str]:
        return self.decode(ids).split()

    def join(self, words: Sequence[str]) -> str:
        return " ".join(words)


def train_sentencepiece(source: Path, target: Path, pairs: int, settings: SentencePiece, output: Path) -> None:
    """Trains the shared model on both sides of the training text and writes it to `output`.

    Args:
        pairs: number of pairs in the files; above `settings.max_training_pairs`, only every n-th pair is read.

    Raises:
        LookbackError: the text is too small for the vocabulary.
    """
    every = -(-pairs // settings.max_training_pairs)
    print(f"tokenize: trains {settings.vocabulary_size:,} pieces on {pairs // every:,} pairs", flush=True)
    sentences = (line for path in (source, target) for line in islice(read_lines(path), 0, None, every))
    model = io.BytesIO()
    try:
        spm.SentencePieceTrainer.train(
            sentence_iterator=sentences,
            model_writer=model,
            model_type=settings.model_type,
            vocab_size=settings.vocabulary_size,
            character_coverage=1.0,
            normalization_rule_name="identity",  # `prepare` has normalized train; a reference is never rewritten
            input_sentence_size=2 * settings.max_training_pairs,  # which `sentences` never exceeds
            shuffle_input_sentence=False,
            num_threads=_TRAINER_THREADS,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].split("] ")[-1]
        raise LookbackError(
            f"{source}: SentencePiece cannot make tokenize.vocabulary_size = {settings.vocabulary_size} pieces of this "
            f"text: {reason}"
        ) from None
    output.write_bytes(model.getvalue())
