"""Compares the systems of an experiment with each other, by length, and each with its own training length.

Reads:   conf/<experiment>.yaml: grid, evaluate; translations/<experiment>/<run>/ of every run of the grid:
         test.hypotheses, and those of the sets of joined sentences; data/<experiment>/prepared/test.target and
         test.words.npy; data/<experiment>/testsets/
Writes:  reports/<experiment>/comparisons.csv (see `lookback.evaluation.comparison`); the seeds of a system are pooled
Example: python -m pipeline.compare --experiment demo
"""

from collections.abc import Sequence

import numpy as np

from lookback.config import Experiment, Run
from lookback.corpus.lines import read_lines
from lookback.data import testsets
from lookback.evaluation.comparison import SCORES, Joined, System, compare, compare_joined, write_comparisons
from lookback.evaluation.joined import put_together
from lookback.evaluation.metrics import SentenceStatistics, check_counts, sentence_statistics
from pipeline import stage


def main() -> None:
    given = stage.parser(__doc__).parse_args()
    experiment, layout = stage.load(given.experiment)
    training = {run.system: run.max_train_words for run in experiment.runs}
    lengths = np.load(layout.prepared / "test.words.npy")[:, 0].astype(int)
    systems = score(experiment, layout)
    joined = score_joined(experiment, layout)
    rows = []
    for metric in SCORES:
        counted = [
            System(name, training[name], [getattr(seed, metric) for seed in seeds]) for name, seeds in systems.items()
        ]
        rows += compare(counted, lengths, experiment.evaluate, metric=metric, test_set="test")
        lines = [
            Joined(name, test_set, *([getattr(seed, metric) for seed in seeds] for seeds in zip(*pairs, strict=True)))
            for (name, test_set), pairs in joined.items()
        ]
        rows += compare_joined(lines, experiment.evaluate, metric=metric)
    layout.reports.mkdir(parents=True, exist_ok=True)
    write_comparisons(layout.reports / "comparisons.csv", rows)


def score(experiment: Experiment, layout: stage.Layout) -> dict[str, list[SentenceStatistics]]:
    """The sentence statistics of every seed on the test set, by system in the order of the grid.

    Raises:
        LookbackError: a run's number of translations differs from that of the references.
    """
    references = list(read_lines(layout.prepared / "test.target"))
    systems: dict[str, list[SentenceStatistics]] = {}
    for run in experiment.runs:
        translations = _translations(layout, run, "test", references)
        systems.setdefault(run.system, []).append(sentence_statistics(translations, references))
    return systems


def score_joined(
    experiment: Experiment, layout: stage.Layout
) -> dict[tuple[str, str], list[tuple[SentenceStatistics, SentenceStatistics]]]:
    """The statistics of every seed, by system and set of joined sentences: translated one by one, and joined.

    Raises:
        LookbackError: a run's number of translations differs from that of the lines.
    """
    sets = {it.test_set: it for it in testsets.read(layout.testsets) if it.test_set != "test"}
    single = sets.pop(testsets.joined_name(1), None)
    found: dict[tuple[str, str], list[tuple[SentenceStatistics, SentenceStatistics]]] = {}
    if single is None:
        return found
    for run in experiment.runs:
        alone = _translations(layout, run, single.name, single.references)
        for name, lines in sets.items():
            together = _translations(layout, run, lines.name, lines.references)
            pair = [
                sentence_statistics(texts, lines.references) for texts in (put_together(alone, single, lines), together)
            ]
            found.setdefault((run.system, name), []).append((pair[0], pair[1]))
    return found


def _translations(layout: stage.Layout, run: Run, name: str, references: Sequence[str]) -> list[str]:
    path = layout.translations(run.name) / f"{name}.hypotheses"
    translations = list(read_lines(path))
    check_counts(str(path), translations, references)
    return translations


if __name__ == "__main__":
    stage.run(main)
