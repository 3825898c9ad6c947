"""Scores one run's translations by length of the source sentence, and adds the scores to its MLflow run.

Reads:   conf/<experiment>.yaml: evaluate; translations/<experiment>/<run>/; data/<experiment>/prepared/test.* and
         testsets/; for buckets in source pieces, data/<experiment>/encoded/test.source.offsets.npy
Writes:  reports/<experiment>/runs/<run>/: metrics.json, by_length.csv, curves.csv, run.json, examples.json
Example: python -m pipeline.evaluate --experiment demo --run bahdanau-60-s1
"""

from pathlib import Path
from typing import Any

import numpy as np

from lookback.config import Run
from lookback.corpus.lines import read_lines
from lookback.csv_tables import read_table
from lookback.data import testsets
from lookback.evaluation.run import FurtherTranslations, evaluate
from lookback.tracking import log_evaluation, tracking_uri
from pipeline import stage


def main() -> None:
    given = stage.parser(__doc__, run=True).parse_args()
    experiment, layout = stage.load(given.experiment)
    run = experiment.run(given.run)
    translations, output = layout.translations(run.name), layout.results(run.name)
    output.mkdir(parents=True, exist_ok=True)
    training = stage.read_json(layout.model(run.name) / "training.json")
    words = np.load(layout.prepared / "test.words.npy").astype(int)
    lengths = {"reference_words": words[:, 1]}
    if "source_pieces" in experiment.evaluate.further_buckets:
        lengths["source_pieces"] = np.diff(np.load(layout.encoded / "test.source.offsets.npy"))
    rows = evaluate(
        run,
        experiment.evaluate,
        sources=list(read_lines(layout.prepared / "test.source")),
        references=list(read_lines(layout.prepared / "test.target")),
        source_words=words[:, 0],
        further_lengths=lengths,
        **_translated(translations, "test", run),
        examples=stage.read_json(translations / "examples.json"),
        training=training,
        output=output,
        target_language=experiment.target_language,
        further=[
            FurtherTranslations(of, **_translated(translations, of.name, run)) for of in testsets.read(layout.testsets)
        ],
    )
    log_evaluation(
        tracking_uri(stage.project_root()), experiment.name, run.name, training["mlflow_run_id"], rows, output
    )


def _translated(folder: Path, name: str, run: Run) -> dict[str, Any]:
    """The output of `translate` for one test set; None for a blank column, such as a dictionary's losses."""
    columns: dict[str, type] = dict.fromkeys(("cut_off", "reference_nats", "reference_pieces"), float)
    table = read_table(folder / f"{name}.csv", columns, f"translate@{run.experiment}-{run.name}")
    search = {column: [row[column] for row in table] for column in columns}
    return {
        "hypotheses": list(read_lines(folder / f"{name}.hypotheses")),
        "search": {column: None if None in values else values for column, values in search.items()},
    }


if __name__ == "__main__":
    stage.run(main)
