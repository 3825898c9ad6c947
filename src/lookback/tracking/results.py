"""Logs the results of the stages evaluate and report to MLflow."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lookback.csv_tables import Row
from lookback.evaluation.by_length import overall
from lookback.evaluation.systems import Score, System
from lookback.stats.buckets import Bucket
from lookback.tracking.run import Run, Status, flatten, logged, stored_run
from lookback.tracking.store import ROLE_TAG, Connection, open_experiment

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities import Run as StoredRun

PATIENCE = 20.0
"""Seconds for a call to the server: longer than in training, since files are uploaded and no training waits."""

SCORES = (
    *("bleu", "chrf", "length_ratio", "brevity_penalty", "exact_match", "empty", "cut_off", "looping"),
    *("dropped", "repeated", "reference_loss"),
)
SERIES = ("bleu", "chrf", "reference_loss")
"""Scores that are also logged by length."""

TRAINING_RUN_TAG = "lookback.training_run"

MOST_IN_LINK = 100
"""The most runs in the link to their chart: MLflow keeps 5,000 characters of a description."""


def log_evaluation(
    uri: str, experiment: str, name: str, run_id: str | None, rows: Sequence[Row], output: Path
) -> str | None:
    """Add the scores, translations and pictures of a trained system to the MLflow run of its training.

    BLEU against length is the metric `bleu_by_length` with the length as its step. If the store does not have the run
    (a fresh clone, results from DVC's cache), or the run has other scores (evaluated with other buckets), a second run
    gets the scores. It has the same name and is tagged with the training's id.

    Args:
        uri: the store.
        experiment: the experiment's name.
        name: the name of the run, in the grid and in MLflow.
        run_id: the id of the training's run, if known.
        rows: from `rows_by_length`, for one system.
        output: the run's folder of results; all its files are uploaded, `examples.json` also as text and pictures.

    Returns:
        The id of the run with the scores, or None if the store failed.
    """
    with EvaluationRun(uri, experiment, name, run_id, rows, output) as run:
        for (name, step), value in run.scores.items():
            run.log_metrics({name: value}, step)
        run.flush()
        if run.failure:
            return None
        for file in sorted(output.iterdir()):
            run.log_artifact(file, "results")
        run.log_figure(picture_of_length(rows), "pictures/bleu_by_length.png")
        examples = _read_json(output / "examples.json") or []
        run.log_text("\n".join(_as_text(example) for example in examples), "translations.txt")
        for file, figure in _pictures_of_alignments(name, examples):
            run.log_figure(figure, f"pictures/{file}")
        return run.run_id


def log_report(uri: str, experiment: str, title: str, folder: Path) -> None:
    """Put the report of an experiment, its tables and its figures into the experiment's report run.

    Files of an earlier report that this one does not have are deleted. The experiment's description gets links to its
    runs, to a chart of their BLEU against length, and to the report.

    Args:
        uri: the store.
        experiment: the experiment's name.
        title: the experiment's title; the description begins with it.
        folder: of the report; everything is uploaded except runs/, whose files are in MLflow runs of their own.
    """
    connection = Connection(uri, f"the report of {experiment}", PATIENCE)
    opened = connection.ask(lambda client: open_experiment(client, uri, experiment))
    if opened is None:
        return
    experiment_id, run_id = opened
    files = {file.relative_to(folder): file for file in sorted(folder.rglob("*")) if file.is_file()}
    files = {name: file for name, file in files.items() if name.parts[0] != "runs"}
    for name, file in files.items():
        where = None if len(name.parts) == 1 else name.parent.as_posix()
        connection.ask(lambda client, file=file, where=where: client.log_artifact(run_id, str(file), where))
    connection.ask(lambda client: _describe(client, experiment_id, run_id, title))
    connection.ask(lambda client: _delete_others(client, uri, run_id, {name.as_posix() for name in files}))


def _describe(client: "MlflowClient", experiment_id: str, run_id: str, title: str) -> None:
    """Write the description of an experiment, which its page shows as one line of Markdown at the top.

    MLflow opens with pages for other kinds of work and draws charts over time. The links lead to the runs and to a
    chart over steps.
    """
    newest: dict[str, str] = {}
    for run in client.search_runs([experiment_id], f"tags.`{ROLE_TAG}` = 'run'", order_by=["start_time DESC"]):
        if "bleu_by_length" in run.data.metrics:
            newest.setdefault(str(run.info.run_name), run.info.run_id)
    runs = [newest[name] for name in sorted(newest)][:MOST_IN_LINK]
    chart = {"runs": runs, "experiments": [experiment_id], "metric": "bleu_by_length"}
    chart["plot_metric_keys"] = ["bleu_by_length"]
    query = "&".join(f"{key}={quote(json.dumps(value, separators=(',', ':')), ',')}" for key, value in chart.items())
    links = {
        "all runs": f"#/experiments/{experiment_id}/runs?workflowType=machine_learning",
        "BLEU by source length": f"#/metric?{query}&x_axis=step&show_point=true",
        "report": f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/report.html",
    }
    if not runs:  # the runs of these results are in another store
        del links["BLEU by source length"]
    text = f"{title}: {', '.join(f'[{name}]({link})' for name, link in links.items())}"
    client.set_experiment_tag(experiment_id, "mlflow.note.content", text)


def _delete_others(client: "MlflowClient", uri: str, run_id: str, kept: set[str]) -> None:
    """Delete the files of a run, except `kept`."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    found: list[str] = []
    folders: list[str | None] = [None]
    while folders:
        for item in client.list_artifacts(run_id, folders.pop()):
            (folders if item.is_dir else found).append(item.path)
    repository = get_artifact_repository(str(client.get_run(run_id).info.artifact_uri), tracking_uri=uri)
    for path in set(found) - kept:
        repository.delete_artifacts(path)


class EvaluationRun(Run):
    """The MLflow run of a training, or a second run if that one has other scores."""

    def __init__(
        self, uri: str, experiment: str, name: str, run_id: str | None, rows: Sequence[Row], output: Path
    ) -> None:
        total = overall(rows)
        tags = {"bleu_signature": total["signature"], "chrf_signature": total["chrf_signature"]}
        super().__init__(uri, experiment, name, tags=tags, run_id=run_id, server_patience=PATIENCE)
        self.scores = scores(rows)
        self._training_run = run_id or "unknown"
        self._run = (_read_json(output / "run.json") or {}).get("run", {})
        self._is_training_run = False

    def find(self, client: "MlflowClient", experiment_id: str) -> "StoredRun | None":
        beside = f"tags.`{TRAINING_RUN_TAG}` = '{self._training_run}' and tags.`lookback.run` = '{self.name}'"
        for run in [stored_run(client, self._run_id), *client.search_runs([experiment_id], beside)]:
            if run is None:
                continue
            there = logged(client, run, {key for key, _ in self.scores} & run.data.metrics.keys())
            if all(math.isclose(self.scores.get(point, math.nan), value) for point, value in there.items()):
                self._there = set(there)
                self._is_training_run = run.info.run_id == self._training_run
                return run
        self._params = flatten({"run": self._run})
        return None

    def tags_of_new(self) -> dict[str, str]:
        note = "Scores without the training: its run is not in this store, or holds other scores."
        source = f"evaluate@{self.experiment}-{self.name}"
        tags = {TRAINING_RUN_TAG: self._training_run, "mlflow.note.content": note, "mlflow.source.name": source}
        return super().tags_of_new() | tags

    def finish(self, status: Status = "FINISHED") -> None:
        """Leave start, end and status of a training's run as they are: they say how long the training took."""
        self.flush()
        if not self._is_training_run:
            super().finish(status)


def scores(rows: Sequence[Row]) -> dict[tuple[str, int], float]:
    """The metrics of one system's rows, by name and step; the step is 0 for the scores of all sentences."""
    total = overall(rows)
    found = {(f"{total['test_set']}/{name}", 0): total[name] for name in SCORES}
    for row in _buckets(rows):
        found |= {(f"{name}_by_length", _length(row, rows)): row[name] for name in SERIES}
    return {point: value for point, value in found.items() if value is not None}


def _buckets(rows: Sequence[Row]) -> list[Row]:
    """The rows of buckets with sentences, without the row of all lengths and those in further units."""
    unit = overall(rows)["bucket_by"]
    return [row for row in rows if row["n"] and row["bucket_low"] is not None and row["bucket_by"] == unit]


def _length(row: Row, rows: Sequence[Row]) -> int:
    """The upper bound of a bucket; an open bucket counts as being as wide as the one before it."""
    if row["bucket_high"] is not None:
        return row["bucket_high"]
    before = [other for other in rows if other["bucket_high"] == row["bucket_low"] - 1]
    width = before[0]["bucket_high"] - before[0]["bucket_low"] + 1 if before else 1
    return row["bucket_low"] + width - 1


def picture_of_length(rows: Sequence[Row]) -> "Figure":
    """BLEU against length for one system, drawn as in the report."""
    from lookback.rendering import chart, figures
    from lookback.rendering.looks import looks

    total, shown = overall(rows), _buckets(rows)
    system = System(total["model"], total["max_train_words"])
    styles = looks([system])
    line = chart.of_scores(system.name, styles[system], [Score.of_row(row, "bleu") for row in shown])
    buckets = [Bucket(row["bucket_low"], row["bucket_high"]) for row in shown]
    unit = total["bucket_by"].replace("_", " ")
    return figures.draw(chart.by_length([line], buckets, styles, chart.Axis("BLEU", top=100, digits=1), unit), 6.0)


def _pictures_of_alignments(system: str, examples: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
    """A picture for each showcase sentence that was translated with an alignment."""
    import numpy as np

    from lookback.rendering.figures import Alignment, alignments

    for number, example in enumerate(example for example in examples if example["showcase"]):
        found = example["alignment"]
        if found:
            weights = np.array(found["percent"]) / 100
            item = Alignment(system, found["source_pieces"], found["target_pieces"], weights)
            yield f"alignment-{number + 1}.png", alignments([item], 7.0)


def _as_text(example: Mapping[str, Any]) -> str:
    went_wrong = f" ({', '.join(example['tags'])})" if example.get("tags") else ""
    return (
        f"{example['source_words']} words{went_wrong}\n"
        f"  source       {example['source']}\n"
        f"  reference    {example['reference'] or 'none'}\n"
        f"  translation  {example['hypothesis']}\n"
    )


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
