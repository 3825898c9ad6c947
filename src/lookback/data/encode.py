"""The encoded corpus that training reads; the tokenize stage writes it together with the tokenizer.

An encoded split is a flat array of ids and an array of offsets for each side, in `.npy` files that are memory-mapped:
36M pairs need no memory to open.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookback import config
from lookback.console import bar
from lookback.corpus.lines import read_lines
from lookback.tokenizer import files, sentencepiece, words
from lookback.tokenizer.base import SIDES, UNK, Side, Tokenizer, blocks

SPLITS = ("train", "valid", "test")

_MANY_PAIRS = 100_000
"""The smallest number of lines for which further processes for the Moses tokenizer pay off."""


@dataclass(frozen=True)
class Encoded:
    """Statistics of an encoded text."""

    pieces: int
    unknown: int
    """Number of UNK pieces."""
    known: NDArray[np.bool_]
    """[N], true for lines without UNK."""


def encode_split(
    encode: Callable[[list[str]], list[list[int]]], text: Path, ids_path: Path, offsets_path: Path
) -> Encoded:
    """Encodes a text file into a flat uint16 array of ids and int64 offsets [N+1]."""
    lengths: list[NDArray[np.int64]] = []
    known: list[NDArray[np.bool_]] = []
    unknown = 0
    body = ids_path.with_suffix(".part")
    with body.open("wb") as out, bar(f"tokenize: {text.name}", None, " lines") as progress:
        for block in blocks(read_lines(text)):
            progress.update(len(block))
            encoded = encode(block)
            lengths.append(np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)))
            known.append(np.array([UNK not in line for line in encoded]))
            ids = np.array([i for line in encoded for i in line], dtype=np.uint16)
            unknown += int(np.count_nonzero(ids == UNK))
            ids.tofile(out)
    offsets = np.concatenate([np.zeros(1, np.int64), *lengths]).cumsum()
    np.save(offsets_path, offsets)
    # The .npy header needs the length, which is known only now.
    with ids_path.open("wb") as out, body.open("rb") as part:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint16)), "fortran_order": False}
        np.lib.format.write_array_header_1_0(out, {**header, "shape": (int(offsets[-1]),)})
        shutil.copyfileobj(part, out)
    body.unlink()
    return Encoded(int(offsets[-1]), unknown, np.concatenate([np.zeros(0, np.bool_), *known]))


def tokenize(
    prepared: Path,
    encoded: Path,
    pairs: int,
    settings: config.Tokenize,
    normalization: config.Normalization,
    languages: Mapping[Side, str],
) -> dict:
    """Trains the tokenizer on prepared/train.* and encodes all splits into the folder `encoded`.

    Args:
        prepared: the folder that `prepare` wrote.
        encoded: the output folder, created if missing.
        pairs: the number of pairs in train.
        settings: which tokenizer.
        normalization: the Unicode normal form of train.
        languages: codes such as `fr`; SentencePiece ignores them.

    Returns:
        a manifest: vocabulary, fingerprint, and for each split and side the pieces and pieces a word; for words also
        the number of distinct words in train, the share of UNK pieces, and the number of sentence pairs without UNK.
    """
    encoded.mkdir(parents=True, exist_ok=True)
    for name in files.FILE_NAMES:  # a leftover of the other kind would be ambiguous
        (encoded / name).unlink(missing_ok=True)
    if isinstance(settings, config.Words):
        different = _make_words(prepared, encoded, pairs, settings, normalization, languages)
        tokenizer = files.load_tokenizer(encoded, normalization)
        sizes = {"source": tokenizer.source_vocabulary, "target": tokenizer.target_vocabulary}
        manifest = {"kind": "words", "vocabulary_size": sizes, "different_words_in_train": different}
    else:
        texts = prepared / "train.source", prepared / "train.target"
        sentencepiece.train_sentencepiece(*texts, pairs, settings, encoded / sentencepiece.FILE_NAME)
        tokenizer = files.load_tokenizer(encoded, normalization)
        manifest = {"model_type": settings.model_type, "vocabulary_size": tokenizer.source_vocabulary}
    manifest |= {"fingerprint": tokenizer.fingerprint, "splits": {}}
    for split in SPLITS:
        word_counts = np.load(prepared / f"{split}.words.npy")
        np.save(encoded / f"{split}.words.npy", word_counts)
        found = {side: _encode_side(tokenizer, prepared, encoded, split, side) for side in SIDES}
        facts = {}
        for column, side in enumerate(SIDES):
            per_word = found[side].pieces / max(1, int(word_counts[:, column].sum(dtype=np.int64)))
            facts[side] = {"pieces": found[side].pieces, "pieces_per_word": round(per_word, 3)}
            if isinstance(settings, config.Words):
                facts[side]["unknown_share"] = round(found[side].unknown / max(1, found[side].pieces), 5)
        if isinstance(settings, config.Words):
            facts["pairs_without_unknown"] = int((found["source"].known & found["target"].known).sum())
        manifest["splits"][split] = facts
    return manifest


def _make_words(
    prepared: Path,
    encoded: Path,
    pairs: int,
    settings: config.Words,
    normalization: config.Normalization,
    languages: Mapping[Side, str],
) -> dict[Side, int]:
    """Writes the tokenizer, and the tokens of train to encoded/train.<side>.tokens.

    Returns:
        the number of distinct words of each side of train.
    """
    processes = _cores() if pairs >= _MANY_PAIRS else 1
    counts: dict[Side, Counter[str]] = {"source": Counter(), "target": Counter()}
    for side in SIDES:
        lines = words.tokenized(read_lines(prepared / f"train.{side}"), languages[side], processes)
        with (
            _tokens_file(encoded, side).open("w", encoding="utf-8", newline="\n") as out,
            bar(f"tokenize: counts the words of train.{side}", pairs, " lines") as progress,
        ):
            for line in lines:
                counts[side].update(line.split())
                out.write(line + "\n")
                progress.update()
    words.write_words(counts, settings.vocabulary_size, languages, normalization, encoded / words.FILE_NAME)
    return {side: len(counts[side]) for side in SIDES}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tokens_file(encoded: Path, side: Side) -> Path:
    return encoded / f"train.{side}.tokens"


def _encode_side(tokenizer: Tokenizer, prepared: Path, encoded: Path, split: str, side: Side) -> Encoded:
    stem = f"{split}.{side}"
    arrays = encoded / f"{stem}.ids.npy", encoded / f"{stem}.offsets.npy"
    if split == "train" and isinstance(tokenizer, words.WordTokenizer):
        tokens = _tokens_file(encoded, side)
        found = encode_split(partial(tokenizer.encode_tokens, side=side), tokens, *arrays)
        tokens.unlink()
        return found
    return encode_split(partial(tokenizer.encode, side=side), prepared / stem, *arrays)
