"""The run of a dictionary (`lookback.models.word_by_word`): learned from the encoded corpus, kept in a file, used.

It sees what the networks see: the pairs within the run's training length, after normalisation, its words put together
from their pieces.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lookback import config
from lookback.data.encoded import EncodedSplit
from lookback.decoding.translate import Translation
from lookback.errors import LookbackError
from lookback.models import word_by_word
from lookback.tokenizer import Tokenizer, load_tokenizer, tokenizer_file

FILE_NAME = "dictionary.json"


def train(
    settings: config.WordByWord, encoded: Path, run: config.Run, output: Path, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Learns the dictionary of one run and writes it.

    Args:
        settings: how many pairs and iterations.
        encoded: the folder with the encoded corpus and its tokenizer.
        run: gives the cap on training length, and the name.
        output: the folder for dictionary.json and a copy of the tokenizer, which is made.
        provenance: written into dictionary.json.

    Returns:
        of what other models record of their training, that which a dictionary has: `sentences` read, `seconds`, and an
        empty `history`; and its `entries`, a number.

    Raises:
        LookbackError: data is missing, or no training pair is within the cap.
    """
    corpus, tokenizer = EncodedSplit.open(encoded, "train"), load_tokenizer(encoded)
    pairs = corpus.within(run.max_train_words)
    if not len(pairs):
        raise LookbackError(f"{encoded}: no train pair has at most {run.max_train_words} words on either side")
    chosen = pairs[:: -(-len(pairs) // settings.pairs)]
    print(f"train {run.name}: learns a dictionary from {len(chosen):,} of {len(pairs):,} pairs", flush=True)
    began = time.monotonic()
    sources = [tokenizer.words(corpus.source[i].tolist(), "source") for i in chosen]
    targets = [tokenizer.words(corpus.target[i].tolist(), "target") for i in chosen]
    entries = word_by_word.learn(sources, targets, settings.iterations)
    seconds = time.monotonic() - began

    output.mkdir(parents=True, exist_ok=True)
    data = {"model": settings.model_dump(mode="json"), "provenance": dict(provenance), "entries": entries}
    (output / FILE_NAME).write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    tokenizer_copy = tokenizer_file(encoded)
    shutil.copyfile(tokenizer_copy, output / tokenizer_copy.name)
    return {"history": [], "entries": len(entries), "sentences": len(chosen), "seconds": seconds}


def load(folder: Path) -> dict[str, str]:
    """The dictionary of a folder that `train` wrote.

    Raises:
        LookbackError: it is not there or cannot be read.
    """
    path = folder / FILE_NAME
    try:
        return json.loads(path.read_text(encoding="utf-8"))["entries"]
    except FileNotFoundError:
        raise LookbackError(f"{path}: no such file; run the train stage") from None
    except (ValueError, KeyError, TypeError):
        raise LookbackError(f"{path}: not a dictionary; run the train stage again") from None


def translate(dictionary: Mapping[str, str], tokenizer: Tokenizer, source: Sequence[int]) -> Translation:
    """A target word for each source word, in order; a word that the dictionary does not have stays as it is.

    Args:
        dictionary: of `load`.
        tokenizer: that lies beside it.
        source: piece ids of one sentence, without the end mark.

    Returns:
        the translation; its `pieces` are words.
    """
    words = [dictionary.get(word, word) for word in tokenizer.words(source, "source")]
    return Translation(tokenizer.join(words), len(words), None, cut_off=False)
