"""Learns a dictionary: for each source word its most probable translation, by Model 1. No network, no batches.

It sees the same data as the networks: the normalized pairs within the run's training length, with words merged from
their pieces. `lookback.corpus.ibm_model1` learns the translation probabilities, by Model 1 of Brown et al. 1993;
`lookback.decoding.dictionary` translates with the dictionary.
"""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning.loggers import Logger

from lookback import config
from lookback.corpus.ibm_model1 import Sentences, model1
from lookback.data.encoded import EncodedSplit
from lookback.errors import LookbackError
from lookback.tokenizer import load_tokenizer, tokenizer_file

FILE_NAME = "dictionary.json"


def learn(sources: Sentences, targets: Sentences, iterations: int) -> dict[str, str]:
    """The most probable target word for each source word.

    Ties go to the alphabetically first word.

    Args:
        sources: N sentences in words.
        targets: their N translations.
        iterations: the number of iterations of expectation maximisation.

    Returns:
        the dictionary, with the source words in alphabetical order.
    """
    table = model1(sources, targets, iterations)
    # A word's entries are adjacent, in alphabetical order of the target; the sort by t is stable.
    best = np.lexsort((-table.t, table.source))
    first = best[np.unique(table.source, return_index=True)[1]]
    return {
        table.source_words[s]: table.target_words[t]
        for s, t in zip(table.source[first], table.target[first], strict=True)
        if s != len(table.source_words)
    }


@dataclass(frozen=True)
class Result:
    """The part of a network's training record that applies to a dictionary."""

    history: tuple[()]
    entries: int
    sentences: int
    """Pairs read."""
    seconds: float


def train(
    settings: config.WordByWord,
    train_settings: None,
    hardware: config.Hardware,
    encoded: Path,
    run: config.Run,
    resume_folder: Path,
    output: Path,
    provenance: Mapping[str, Any],
    logger: Logger | None = None,
    fast_dev_run: bool = False,
) -> Result:
    """Learns the dictionary of one run and writes it. The arguments are those of `lookback.training.run.train`.

    Args:
        settings: the numbers of pairs and iterations.
        train_settings: unused, as there are no batches.
        hardware: unused.
        encoded: the folder with the encoded corpus and its tokenizer.
        run: gives the cap on training length, and the name.
        resume_folder: unused, as training takes seconds.
        output: the folder for dictionary.json and a copy of the tokenizer; created here.
        provenance: written into dictionary.json.
        logger: receives the number of entries.
        fast_dev_run: ignored.

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
    entries = learn(sources, targets, settings.iterations)
    seconds = time.monotonic() - began

    output.mkdir(parents=True, exist_ok=True)
    data = {"model": settings.model_dump(mode="json"), "provenance": dict(provenance), "entries": entries}
    (output / FILE_NAME).write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    tokenizer_copy = tokenizer_file(encoded)
    shutil.copyfile(tokenizer_copy, output / tokenizer_copy.name)
    if logger:
        logger.log_metrics({"train/entries": len(entries)})
        logger.finalize("success")
    return Result(history=(), entries=len(entries), sentences=len(chosen), seconds=seconds)
