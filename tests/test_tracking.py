"""Against SQLite files and a real MLflow server on localhost."""

import json
import os
import pickle
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from mlflow import MlflowClient
from mlflow.entities import Run as StoredRun
from torch.utils.data import DataLoader

from lookback.config import Evaluate
from lookback.evaluation.by_length import rows_by_length
from lookback.evaluation.tables import Row
from lookback.tracking import Run, log_evaluation, log_report, tracking_uri
from lookback.tracking.lightning import MLflowRunLogger
from lookback.tracking.results import scores
from lookback.tracking.run import flatten
from lookback.tracking.store import Connection

pytestmark = [
    # MLflow 3.17 reads its database in a way that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning"),
    # Lightning's advice on speed and logging has no place in a test of ten steps.
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    # Lightning 2.6 asks torch 2.13 in the old way.
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated:FutureWarning"),
]

Curve = list[tuple[int, float]]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that MLflow has set up, which takes it seconds; tests copy it."""
    root = tmp_path_factory.mktemp("mlflow")
    MlflowClient(tracking_uri(root))
    return root / "mlflow.db"


@pytest.fixture
def root(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with an empty database, its name with a space."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "a project"
    folder.mkdir()
    shutil.copy(empty_database, folder)
    return folder


@pytest.fixture
def uri(root: Path) -> str:
    return tracking_uri(root)


def stored(uri: str, experiment: str = "demo") -> dict[str, list[StoredRun]]:
    """The runs of an experiment, by name, the oldest first."""
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    runs: dict[str, list[StoredRun]] = {}
    if found:
        for run in client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"]):
            runs.setdefault(run.info.run_name or "", []).append(run)
    return runs


def curve(uri: str, run_id: str | None, key: str) -> Curve:
    assert run_id
    return sorted((metric.step, metric.value) for metric in MlflowClient(uri).get_metric_history(run_id, key))


def files(uri: str, run_id: str | None, folder: str | None = None) -> list[str]:
    assert run_id
    found = []
    for item in MlflowClient(uri).list_artifacts(run_id, folder):
        found += files(uri, run_id, item.path) if item.is_dir else [item.path]
    return sorted(found)


# --- where ------------------------------------------------------------------------------------------------------------


def test_the_default_is_an_absolute_sqlite_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert tracking_uri(Path()) == f"sqlite:///{tmp_path.resolve()}/mlflow.db"
    assert tracking_uri(Path("/somewhere")).startswith("sqlite:////somewhere")


def test_the_environment_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert tracking_uri(tmp_path) == "http://127.0.0.1:5000"


def test_importing_it_loads_neither_mlflow_nor_torch() -> None:
    code = "import sys, lookback.tracking; sys.exit(bool({'mlflow', 'torch', 'matplotlib'} & sys.modules.keys()))"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- a run ------------------------------------------------------------------------------------------------------------


def test_all_of_a_run_is_stored(uri: str, root: Path) -> None:
    (root / "note.txt").write_text("noted", encoding="utf-8")
    params = {"model": {"hidden": 256, "optimiser": {"betas": (0.9, 0.98)}}, "name": "x" * 900}
    tags = {"git_dirty": False, "versions": {"torch": "2"}}
    with Run(uri, "demo", "bahdanau-60-s1", params=params, tags=tags) as run:
        for step in range(3):
            run.log_metrics({"train/loss": 3.0 - step, "val/loss": 4.0}, step)
        for length, bleu in ((10, 50.0), (20, 40.0)):
            run.log_metrics({"bleu_by_length": bleu}, length)
        run.log_artifact(root / "note.txt", "notes")
        run.log_text("Die Katze", "translations.txt")
        run.log_figure(Figure(), "pictures/length.png")
    ((found,),) = [stored(uri)["bahdanau-60-s1"]]
    assert found.info.run_id == run.run_id
    assert found.info.status == "FINISHED"
    assert found.data.params["model.hidden"] == "256"
    assert found.data.params["model.optimiser.betas"] == "[0.9, 0.98]"
    assert len(found.data.params["name"]) == 500
    assert found.data.tags["git_dirty"] == "false"
    assert found.data.tags["versions.torch"] == "2"
    assert curve(uri, run.run_id, "train/loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert curve(uri, run.run_id, "bleu_by_length") == [(10, 50.0), (20, 40.0)]
    assert files(uri, run.run_id) == ["notes/note.txt", "pictures/length.png", "translations.txt"]
    assert list((root / "mlartifacts" / "demo").iterdir())
    assert run.failure is None


def test_runs_stand_beside_the_report(uri: str) -> None:
    for name in ("one", "two"):
        with Run(uri, "demo", name) as run:
            run.log_metrics({"x": 1.0}, 1)
    runs = stored(uri)
    assert set(runs) == {"demo: report", "one", "two"}
    assert not any("mlflow.parentRunId" in runs[name][0].data.tags for name in ("one", "two"))  # none is folded away


def test_a_failure_and_an_interruption_are_the_status(uri: str) -> None:
    def work(name: str, error: type[BaseException]) -> None:
        with Run(uri, "demo", name) as run:
            run.log_metrics({"x": 1.0}, 1)
            raise error

    with pytest.raises(ValueError):
        work("failed", ValueError)
    with pytest.raises(KeyboardInterrupt):
        work("killed", KeyboardInterrupt)
    runs = stored(uri)
    assert [runs[name][0].info.status for name in ("failed", "killed")] == ["FAILED", "KILLED"]


def test_a_run_that_logs_nothing_is_not_begun(uri: str) -> None:
    Run(uri, "demo", "idle").finish("FAILED")
    assert stored(uri) == {}


def test_thousands_of_values(uri: str) -> None:
    with Run(uri, "demo", "long") as run:
        for step in range(2_500):
            run.log_metrics({"train/loss": float(step)}, step)
    assert curve(uri, run.run_id, "train/loss") == [(step, float(step)) for step in range(2_500)]


def test_logging_a_value_is_cheap(uri: str) -> None:
    with Run(uri, "demo", "quick") as run:
        assert run.run_id
        start = time.perf_counter()
        for step in range(1_000):
            run.log_metrics({"train/loss": 1.0, "train/learning_rate": 1.0}, step)
        assert time.perf_counter() - start < 2.0  # 1,000 calls of MLflow take several times as long


def test_not_a_number_is_stored_too(uri: str) -> None:
    with Run(uri, "demo", "broken") as run:
        run.log_metrics({"train/loss": float("nan")}, 1)
    assert run.failure is None
    assert len(curve(uri, run.run_id, "train/loss")) == 1


def test_an_experiment_deleted_in_the_ui_comes_back(uri: str) -> None:
    client = MlflowClient(uri)
    client.delete_experiment(client.create_experiment("demo"))
    with Run(uri, "demo", "one") as run:
        run.log_metrics({"x": 1.0}, 1)
    assert list(stored(uri)) == ["demo: report", "one"]


def test_a_run_travels_to_another_process(uri: str) -> None:
    """As with Lightning's launchers that spawn processes."""
    run = Run(uri, "demo", "one")
    run.log_metrics({"x": 1.0}, 1)
    run.flush()
    again: Run = pickle.loads(pickle.dumps(run))
    again.log_metrics({"x": 2.0}, 2)
    again.finish()
    assert curve(uri, run.run_id, "x") == [(1, 1.0), (2, 2.0)]


def test_flatten() -> None:
    assert flatten({"a": {"b": {"c": 1}}, "d": None, "e": "text", "f": 1e-4}) == {
        "a.b.c": "1",
        "d": "null",
        "e": "text",
        "f": "0.0001",
    }


# --- training ---------------------------------------------------------------------------------------------------------


def training(uri: str, file: Path, steps: range, hidden: int = 8, kill: bool = False) -> str | None:
    """A training that logs its loss at these steps, and ends or is killed; the run's id."""
    params = {"model": {"hidden": hidden}}
    logger = MLflowRunLogger(uri, "demo", "run", params, {"git_commit": "abc", "dvc_exp_name": "tidal"}, file)
    for step in steps:
        logger.log_metrics({"train/loss": 100.0 - step}, step)
    logger.experiment.flush()
    if not kill:
        logger.finalize("success")
    return logger.run_id


def test_a_resumed_training_goes_on_with_its_run(uri: str, tmp_path: Path) -> None:
    """From step 30, the last checkpoint, though 40 was logged already: no step stands there twice."""
    file = tmp_path / "resume" / "run_id"
    first = training(uri, file, range(10, 50, 10), kill=True)
    assert stored(uri)["run"][0].info.status == "RUNNING"
    assert training(uri, file, range(30, 70, 10)) == first
    ((run,),) = [stored(uri)["run"]]
    assert run.info.status == "FINISHED"
    assert curve(uri, first, "train/loss") == [(step, 100.0 - step) for step in range(10, 70, 10)]


def test_a_step_that_was_never_written_is_logged_on_resume(uri: str, tmp_path: Path) -> None:
    """Step 30 was still queued when the training was killed, though 40 of another process got there."""
    file = tmp_path / "run_id"
    first = training(uri, file, range(10, 30, 10), kill=True)
    MlflowClient(uri).log_metric(first or "", "train/loss", 60.0, step=40)
    assert training(uri, file, range(30, 60, 10)) == first
    assert curve(uri, first, "train/loss") == [(step, 100.0 - step) for step in range(10, 60, 10)]


def test_a_training_that_was_complete_keeps_its_run(uri: str, tmp_path: Path) -> None:
    first = training(uri, tmp_path / "run_id", range(10, 50, 10))
    assert training(uri, tmp_path / "run_id", range(0)) == first
    assert stored(uri)["run"][0].info.status == "FINISHED"


@pytest.mark.parametrize("changed", [{"steps": range(10, 50, 10)}, {"steps": range(30, 70, 10), "hidden": 9}])
def test_another_training_gets_a_run_of_its_own(uri: str, tmp_path: Path, changed: dict[str, Any]) -> None:
    """It begins at the beginning again, or has other parameters."""
    file = tmp_path / "run_id"
    first = training(uri, file, range(10, 50, 10), kill=True)
    second = training(uri, file, **changed)
    assert second != first
    assert [run.info.status for run in stored(uri)["run"]] == ["KILLED", "FINISHED"]
    assert file.read_text(encoding="utf-8").strip() == second


def test_a_run_that_the_store_does_not_have(uri: str, tmp_path: Path) -> None:
    (tmp_path / "run_id").write_text("0123456789abcdef0123456789abcdef\n", encoding="utf-8")
    assert training(uri, tmp_path / "run_id", range(30, 50, 10))
    assert len(stored(uri)["run"]) == 1


def test_facts_are_tags(uri: str, tmp_path: Path) -> None:
    training(uri, tmp_path / "run_id", range(1, 3))
    tags = stored(uri)["run"][0].data.tags
    assert tags["git_commit"] == tags["mlflow.source.git.commit"] == "abc"
    assert tags["DVC_EXP_NAME"] == "tidal"


class Slope(pl.LightningModule):
    """Learns one number."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        loss = ((self.weight - 1) ** 2).sum()
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(logger: MLflowRunLogger, **others: Any) -> pl.Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return pl.Trainer(max_epochs=1, log_every_n_steps=1, accelerator="cpu", logger=logger, **quiet, **others)


def test_lightning_logs_through_it(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    logger = MLflowRunLogger(uri, "demo", "slope", {"lr": 0.1}, {})
    trainer(logger).fit(Slope(), DataLoader(torch.zeros(10, 1)))  # pyright: ignore[reportArgumentType]
    losses = [value for _, value in curve(uri, logger.run_id, "train/loss")]
    assert len(losses) == 10
    assert losses == sorted(losses, reverse=True)
    assert stored(uri)["slope"][0].info.status == "FINISHED"
    assert {path.name for path in tmp_path.iterdir()} == {"a project"}


def test_a_training_that_fails_is_marked(uri: str) -> None:
    class Broken(Slope):
        def on_train_batch_start(self, batch: torch.Tensor, batch_idx: int) -> None:
            if batch_idx == 5:
                raise ValueError("broken")

    logger = MLflowRunLogger(uri, "demo", "broken", {}, {})
    with pytest.raises(ValueError, match="broken"):
        trainer(logger).fit(Broken(), DataLoader(torch.zeros(10, 1)))  # pyright: ignore[reportArgumentType]
    assert stored(uri)["broken"][0].info.status == "FAILED"
    assert len(curve(uri, logger.run_id, "train/loss")) == 5


# --- evaluation and report --------------------------------------------------------------------------------------------


def results(folder: Path, edges: tuple[int, ...] = (10, 20), better: bool = False) -> tuple[list[Row], Path]:
    """Rows of a few translations, and a folder with what evaluation writes."""
    references = [f"die Katze sieht den Hund Nummer {index} im Garten ." for index in range(6)]
    hypotheses = references if better else [line.replace("Garten", "Haus") for line in references]
    rows = rows_by_length(
        experiment="demo",
        system="bahdanau-60",
        model="bahdanau",
        max_train_words=60,
        seed=1,
        source_words=[5, 6, 12, 13, 25, 26],
        hypotheses=hypotheses,
        references=references,
        settings=Evaluate(bucket_edges=edges, resamples=20),
    )
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps({"run": {"model": "bahdanau"}}), encoding="utf-8")
    alignment = {"source_pieces": ["the", "cat"], "target_pieces": ["die", "Katze"], "percent": [[100, 0], [0, 100]]}
    example = {"source": "the cat", "hypothesis": "die Katze", "source_words": 2, "showcase": True, "reference": None}
    examples = [example | {"alignment": alignment, "tags": []}, example | {"alignment": None, "tags": ["loops"]}]
    (folder / "examples.json").write_text(json.dumps(examples), encoding="utf-8")
    return rows, folder


def test_evaluation_adds_to_the_run_of_the_training(uri: str, tmp_path: Path) -> None:
    trained = training(uri, tmp_path / "run_id", range(10, 50, 10))
    ended = stored(uri)["run"][0].info.end_time
    rows, folder = results(tmp_path / "results")
    assert log_evaluation(uri, "demo", "run", trained, rows, folder) == trained
    ((run,),) = [stored(uri)["run"]]
    assert run.info.end_time == ended
    assert run.data.metrics["test/bleu"] == pytest.approx(rows[-1]["bleu"])
    assert run.data.tags["bleu_signature"] == rows[-1]["signature"]
    assert [step for step, _ in curve(uri, trained, "bleu_by_length")] == [10, 20, 30]
    assert [step for step, _ in curve(uri, trained, "train/loss")] == [10, 20, 30, 40]
    pictures = ["pictures/alignment-1.png", "pictures/bleu_by_length.png"]
    assert files(uri, trained) == [*pictures, "results/examples.json", "results/run.json", "translations.txt"]


def test_evaluating_again_adds_nothing(uri: str, tmp_path: Path) -> None:
    trained = training(uri, tmp_path / "run_id", range(10, 50, 10))
    for _ in range(2):
        assert log_evaluation(uri, "demo", "run", trained, *results(tmp_path / "results")) == trained
    assert len(curve(uri, trained, "bleu_by_length")) == 3
    assert len(curve(uri, trained, "test/bleu")) == 1


@pytest.mark.parametrize("changed", [{"edges": (6, 20)}, {"better": True}])
def test_other_scores_get_a_run_beside_it(uri: str, tmp_path: Path, changed: dict[str, Any]) -> None:
    trained = training(uri, tmp_path / "run_id", range(10, 50, 10))
    log_evaluation(uri, "demo", "run", trained, *results(tmp_path / "results"))
    rows, folder = results(tmp_path / "results", **changed)
    second, again = (log_evaluation(uri, "demo", "run", trained, rows, folder) for _ in range(2))
    assert second != trained
    assert second == again
    ((_, run),) = [stored(uri)["run"]]
    assert run.data.tags["lookback.training_run"] == trained
    assert run.info.status == "FINISHED"
    assert len(curve(uri, second, "bleu_by_length")) == 3


@pytest.mark.parametrize("run_id", ["0123456789abcdef0123456789abcdef", "not an id", None])
def test_without_the_run_of_the_training_there_is_a_new_one(uri: str, tmp_path: Path, run_id: str | None) -> None:
    """A fresh clone, or a result from DVC's cache. Evaluating again goes on with the new run."""
    rows, folder = results(tmp_path / "results")
    first, again = (log_evaluation(uri, "demo", "run", run_id, rows, folder) for _ in range(2))
    assert first == again
    ((run,),) = [stored(uri)["run"]]
    assert run.data.tags["lookback.training_run"] == (run_id or "unknown")
    assert run.data.params == {"run.model": "bahdanau"}


def test_an_open_bucket_alone_and_empty_ones(uri: str, tmp_path: Path) -> None:
    run = log_evaluation(uri, "demo", "open", None, *results(tmp_path / "results", edges=()))
    assert [step for step, _ in curve(uri, run, "bleu_by_length")] == [1]
    run = log_evaluation(uri, "demo", "empty", None, *results(tmp_path / "results", edges=(4, 10, 40)))
    assert [step for step, _ in curve(uri, run, "bleu_by_length")] == [10, 40]


def test_only_buckets_of_source_words_are_logged_against_length(tmp_path: Path) -> None:
    rows, _ = results(tmp_path / "results")
    others = [row | {"bucket_by": "source_words_window", "bucket_high": 99} for row in rows[:-1]]
    assert scores([*rows, *others]) == scores(rows)


def report_folder(tmp_path: Path, *names: str) -> Path:
    folder = tmp_path / "reports"
    shutil.rmtree(folder, ignore_errors=True)
    for name in (*names, "runs/one/run.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("report", encoding="utf-8")
    return folder


def test_the_report_run_holds_the_report_and_nothing_older(uri: str, tmp_path: Path) -> None:
    log_report(
        uri, "demo", "The demo", report_folder(tmp_path, "report.md", "figures/old.svg", "old/old.md", "old.csv")
    )
    for _ in range(2):
        log_report(uri, "demo", "The demo", report_folder(tmp_path, "report.md", "figures/length.svg"))
        ((report,),) = stored(uri).values()
        assert files(uri, report.info.run_id) == ["figures/length.svg", "report.md"]


def test_the_description_leads_to_the_newest_run_of_each_run_and_to_the_report(uri: str, tmp_path: Path) -> None:
    for number, edges in enumerate([(6, 20), (10, 20)]):  # other scores: the second gets a run of its own
        rows, folder = results(tmp_path / "results", edges)
        newest = log_evaluation(uri, "demo", "transformer-60-s1", f"no such run {number}", rows, folder)
    other = log_evaluation(uri, "demo", "bahdanau-60-s1", None, *results(tmp_path / "results"))
    with Run(uri, "demo", "never evaluated") as run:
        run.log_metrics({"train/loss": 1.0}, 1)
    log_report(uri, "demo", "The demo", report_folder(tmp_path, "report.html"))

    experiment = MlflowClient(uri).get_experiment_by_name("demo")
    assert experiment
    text = experiment.tags["mlflow.note.content"]
    assert text.startswith("The demo: [all runs](#/experiments/")
    links = dict(re.findall(r"\[(.*?)\]\((.*?)\)", text))
    chart = urllib.parse.parse_qs(links["BLEU by source length"].partition("?")[2], strict_parsing=True)
    assert json.loads(chart["runs"][0]) == [other, newest]
    assert json.loads(chart["experiments"][0]) == [experiment.experiment_id]
    assert json.loads(chart["plot_metric_keys"][0]) == ["bleu_by_length"]
    assert chart["x_axis"] == ["step"]
    report = stored(uri)["demo: report"][0].info.run_id
    assert links["report"].endswith(f"/runs/{report}/artifacts/report.html")


def test_without_runs_the_description_leads_to_no_chart(uri: str, tmp_path: Path) -> None:
    log_report(uri, "demo", "The demo", report_folder(tmp_path, "report.html"))
    experiment = MlflowClient(uri).get_experiment_by_name("demo")
    assert experiment
    assert re.findall(r"\[(.*?)\]", experiment.tags["mlflow.note.content"]) == ["all runs", "report"]


def test_runs_name_the_stage_that_made_them(uri: str, tmp_path: Path) -> None:
    trained = training(uri, tmp_path / "run_id", range(10, 20, 10))
    log_evaluation(uri, "demo", "run", trained, *results(tmp_path / "results"))
    log_evaluation(uri, "demo", "alone", None, *results(tmp_path / "results"))
    assert stored(uri)["run"][0].data.tags["mlflow.source.name"] == "train@demo-run"
    assert stored(uri)["alone"][0].data.tags["mlflow.source.name"] == "evaluate@demo-alone"


# --- failures ---------------------------------------------------------------------------------------------------------


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def broken_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def broken_content(file: Path) -> None:
    file.write_bytes(b"this is no database" * 100)


@pytest.mark.parametrize("damage", [broken_folder, broken_content])
def test_a_broken_database_is_told_once(
    uri: str, root: Path, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    damage(root / "mlflow.db")
    assert training(uri, tmp_path / "run_id", range(10, 50, 10)) is None
    log_evaluation(uri, "demo", "run", None, *results(tmp_path / "results"))
    log_report(uri, "demo", "The demo", tmp_path / "results")
    told = lines(capsys)
    assert len(told) == 3  # one a stage
    assert all(line.startswith("tracking: MLflow at sqlite:///") for line in told)


@pytest.mark.slow
def test_a_locked_database_does_not_stop_training(
    uri: str, root: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with sqlite3.connect(root / "mlflow.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        training(uri, tmp_path / "run_id", range(10, 50, 10))
        other.execute("ROLLBACK")
    other.close()
    (told,) = lines(capsys)
    assert "locked" in told


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def no_server() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["silent_server", "no_server"])
def test_a_server_that_was_never_there(
    kind: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Run("sqlite:///nowhere", "demo", "x")  # importing MLflow is not what is measured
    start = time.monotonic()
    assert training(request.getfixturevalue(kind), tmp_path / "run_id", range(10, 50, 10)) is None
    assert time.monotonic() - start < 10
    (told,) = lines(capsys)
    assert "the work goes on" in told
    assert not (tmp_path / "run_id").exists()


def test_a_password_is_not_told(capsys: pytest.CaptureFixture[str], no_server: str) -> None:
    Connection(no_server.replace("//", "//someone:secret@"), "x").ask(lambda client: client.search_experiments())
    (told,) = lines(capsys)
    assert "secret" not in told
    assert no_server in told


FIRST_USE = """
import sys
from lookback.tracking import Run
run = Run(sys.argv[1], "demo", sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
run.log_metrics({"x": 1.0}, 1)
run.finish()
sys.exit(run.failure)
"""


@pytest.mark.slow
def test_four_processes_begin_with_an_empty_folder_at_once(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    command = [sys.executable, "-c", FIRST_USE, uri]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | {"text": True}
    processes = [subprocess.Popen([*command, f"run-{number}"], **pipes) for number in range(4)]
    for process in processes:
        assert process.stdout
        process.stdout.readline()
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=200)
        assert (process.returncode, errors) == (0, "")
    assert {name: len(runs) for name, runs in stored(uri).items()} == {
        "demo: report": 1,
        **{f"run-{number}": 1 for number in range(4)},
    }


# --- a server ---------------------------------------------------------------------------------------------------------


class Server:
    """A real MLflow server in processes of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.uri = f"http://127.0.0.1:{port}"
        options = {
            "--host": "127.0.0.1",
            "--port": str(port),
            "--workers": "1",
            "--backend-store-uri": f"sqlite:///{folder}/mlflow.db",
            "--artifacts-destination": str(folder / "files"),
        }
        command = [sys.executable, "-m", "mlflow", "server", *(part for option in options.items() for part in option)]
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
        with (folder / "server.log").open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def wait(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                    return
            except OSError:
                assert self.process.poll() is None, "the server ended"
                time.sleep(0.2)
        raise TimeoutError(self.uri)

    def signal(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    server = Server(root)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.mark.slow
def test_a_server_that_answers_then_hangs_then_dies(
    server: Server, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One test for all three, since the server takes long to start."""
    trained = training(server.uri, tmp_path / "run_id", range(10, 50, 10))
    assert log_evaluation(server.uri, "demo", "run", trained, *results(tmp_path / "results")) == trained
    assert lines(capsys) == []
    assert curve(server.uri, trained, "train/loss") == [(step, 100.0 - step) for step in range(10, 50, 10)]
    assert len(curve(server.uri, trained, "bleu_by_length")) == 3
    assert "pictures/bleu_by_length.png" in files(server.uri, trained)
    assert stored(server.uri)["run"][0].data.params == {"model.hidden": "8"}
    for name in ("old.svg", "new.svg"):
        log_report(server.uri, "demo", "The demo", report_folder(tmp_path, f"figures/{name}"))
    assert files(server.uri, stored(server.uri)["demo: report"][0].info.run_id) == ["figures/new.svg"]

    for number in (signal.SIGSTOP, signal.SIGKILL):
        logger = MLflowRunLogger(server.uri, "demo", "unlucky", {"a": 1}, {})
        for step in range(1, 10):
            logger.log_metrics({"train/loss": 1.0}, step)
        logger.experiment.flush()
        server.signal(number)
        waited = 0.0
        for step in range(10, 50):
            start = time.monotonic()
            logger.log_metrics({"train/loss": 1.0}, step)
            waited += time.monotonic() - start
            time.sleep(0.1)  # the training
        start = time.monotonic()
        logger.experiment.log_text("some", "text.txt")
        logger.finalize("success")
        waited += time.monotonic() - start
        (told,) = lines(capsys)
        assert told.startswith(f"tracking: MLflow at {server.uri} fails (")
        assert told.endswith(": unlucky is not logged from step 10 on; the work goes on")
        assert waited < 10
        server.signal(signal.SIGCONT)
