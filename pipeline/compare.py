"""Sets the systems of an experiment against each other, by length, and each against its own training length.

Reads:   conf/<experiment>.yaml: grid, evaluate; translations/<experiment>/<run>/test.hypotheses of every run of the
         grid; data/<experiment>/prepared/test.target and test.words.npy
Writes:  reports/<experiment>/comparisons.csv (see `lookback.evaluation.comparison`); the seeds of a system are
         taken together
Example: python -m pipeline.compare --experiment demo
"""

import numpy as np

from lookback.config import Experiment
from lookback.corpus.lines import read_lines
from lookback.errors import LookbackError
from lookback.evaluation.comparison import SCORES, System, compare, write_comparisons
from lookback.evaluation.metrics import SentenceStatistics, sentence_statistics
from pipeline import stage


def main() -> None:
    given = stage.parser(__doc__).parse_args()
    experiment, layout = stage.load(given.experiment)
    systems = read_translations(experiment, layout, "test")
    training = {run.system: run.max_train_words for run in experiment.runs}
    lengths = np.load(layout.prepared / "test.words.npy")[:, 0].astype(int)
    rows = []
    for metric in SCORES:
        counted = [
            System(name, training[name], [getattr(seed, metric) for seed in seeds]) for name, seeds in systems.items()
        ]
        rows += compare(counted, lengths, experiment.evaluate, metric=metric, test_set="test")
    layout.reports.mkdir(parents=True, exist_ok=True)
    write_comparisons(layout.reports / "comparisons.csv", rows)


def read_translations(
    experiment: Experiment, layout: stage.Layout, test_set: str
) -> dict[str, list[SentenceStatistics]]:
    """Of each system, in the order of the grid, the sentence statistics of every seed on one test set.

    Raises:
        LookbackError: a run has not as many translations as there are references.
    """
    references = list(read_lines(layout.prepared / f"{test_set}.target"))
    systems: dict[str, list[SentenceStatistics]] = {}
    for run in experiment.runs:
        path = layout.translations(run.name) / f"{test_set}.hypotheses"
        try:
            counted = sentence_statistics(list(read_lines(path)), references)
        except LookbackError as error:
            raise LookbackError(f"{path}: {error}") from None
        systems.setdefault(run.system, []).append(counted)
    return systems


if __name__ == "__main__":
    stage.run(main)
