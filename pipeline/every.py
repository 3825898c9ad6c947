"""All test sentences with the translations of all systems, for a page outside git."""

from pathlib import Path
from typing import Any

import numpy as np

from lookback import config
from lookback.corpus.lines import read_lines
from lookback.csv_tables import read_table
from lookback.errors import LookbackError
from lookback.evaluation.diagnosis import error_tags
from lookback.report.results import make_command


def read_every(experiment: config.Experiment, prepared: Path, translations: Path) -> dict[str, list[dict[str, Any]]]:
    """By run name: all test sentences in the form of examples.json, without alignments.

    Args:
        experiment: its runs with the first seed are read.
        prepared: the folder that the stage `prepare` wrote.
        translations: the folder that the stage `translate` wrote, with a folder for each run.

    Raises:
        LookbackError: translations are missing, or their number differs from that of the sentences.
    """
    seed = experiment.grid.seeds[0]
    for path in (prepared / "test.source", translations):
        if not path.exists():
            raise LookbackError(f"{path}: not here, but --every-sentence needs it; make it with `dvc repro`")
    sources, references = (list(read_lines(prepared / f"test.{side}")) for side in ("source", "target"))
    words = np.load(prepared / "test.words.npy")[:, 0].tolist()
    found = {}
    for run in (run for run in experiment.runs if run.seed == seed):
        folder = translations / run.name
        if not (folder / "test.csv").exists():
            raise LookbackError(f"{folder}: no translations; make them with `{make_command(run, 'translate')}`")
        hypotheses = list(read_lines(folder / "test.hypotheses"))
        table = read_table(folder / "test.csv", {"cut_off": int}, f"translate@{run.experiment}-{run.name}")
        cut_off = [row["cut_off"] == 1 for row in table]
        if not len(hypotheses) == len(cut_off) == len(sources):
            raise LookbackError(
                f"{folder}: {len(hypotheses)} translations of {len(sources)} sentences; make them again"
            )
        found[run.name] = [
            {
                "index": index,
                "source": source,
                "reference": reference,
                "hypothesis": hypothesis,
                "source_words": count,
                "cut_off": cut,
                "tags": error_tags(hypothesis, reference, cut),
            }
            for index, (source, reference, hypothesis, count, cut) in enumerate(
                zip(sources, references, hypotheses, words, cut_off, strict=True)
            )
        ]
    return found
