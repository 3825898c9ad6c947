"""The pipeline run whole, in a scratch repository, on tiny parameters; and what a clone of it can do."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline import repro

ROOT = Path(__file__).parent.parent
PYTHON = sys.executable
TRACKED = ("metrics.json", "by_length.csv", "curves.csv", "run.json", "examples.json", "probe.csv")

pytestmark = pytest.mark.slow


def run(folder: Path, *command: str, status: int = 0) -> str:
    """What a command prints, both streams; fails on another exit status."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_", "GIT_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment |= {"OMP_NUM_THREADS": "1", "PATH": path}
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def dvc(folder: Path, *arguments: str, status: int = 0) -> str:
    return run(folder, PYTHON, "-m", "dvc", *arguments, status=status)


def edit(path: Path, *keys: str, value) -> None:
    yaml = YAML()
    data = yaml.load(path.read_text())
    *outer, last = keys
    inner = data
    for key in outer:
        inner = inner[key]
    inner[last] = value
    with path.open("w") as file:
        yaml.dump(data, file)


def stale(folder: Path) -> set[str]:
    """The stages that `dvc repro` would run, as far as DVC can tell before it runs any."""
    return set(json.loads(dvc(folder, "status", "--json")))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the project's files and one experiment, `tiny`: the demo scaled down, run to its end."""
    folder = tmp_path_factory.mktemp("project")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True, capture_output=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith("reports/") and name not in ("dvc.lock", "runs.yaml"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    tiny = folder / "conf/tiny.yaml"
    shutil.copy(folder / "conf/demo.yaml", tiny)
    edit(tiny, "corpus", "train", value=1000)
    edit(tiny, "corpus", "valid", value=30)
    edit(tiny, "corpus", "test_per_ten_words", value=5)
    edit(tiny, "tokenize", "vocabulary_size", value=400)
    edit(tiny, "test_sets", value={"joined": {"join": [1, 2], "max_words": 30, "groups": 4}})
    edit(tiny, "grid", "models", value=["rnn_encoder_decoder", "transformer", "word_by_word"])
    edit(tiny, "grid", "max_train_words", value=[30])
    edit(tiny, "probe", value={"sentences": 50, "largest_lag": 40})
    edit(tiny, "speed", value={"source_pieces": [3, 6], "rounds": 2})
    edit(tiny, "models", "rnn_encoder_decoder", value={"embedding": 8, "hidden": 8, "readout": 8})
    edit(tiny, "models", "transformer", value={"d_model": 8, "heads": 2, "d_ff": 16, "layers": 1})
    edit(tiny, "models", "word_by_word", value={"pairs": 500})
    edit(tiny, "train", "target_tokens_by_length", value={30: 3000})
    edit(tiny, "train", "batch_target_tokens", value=500)
    edit(tiny, "train", "valid_interval_steps", value=3)
    edit(tiny, "translate", "beam", value=1)
    edit(tiny, "translate", "max_length_factor", value=0.5)
    edit(tiny, "evaluate", "resamples", value=20)
    edit(folder / "params.yaml", "report", "dpi", value=50)  # a third of a report's time goes into pixels
    for command in (["init", "-q", "-b", "main"], ["config", "user.name", "t"], ["config", "user.email", "t@t"]):
        run(folder, "git", *command)
    run(folder, PYTHON, "-m", "pipeline.choose", "tiny")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "before")
    run(folder, PYTHON, "-m", "pipeline.repro", "--jobs", "2")
    run(folder, PYTHON, "-m", "pipeline.reports")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "after")
    return folder


@pytest.fixture
def kept(project: Path):
    """The project, put back afterwards to how it was."""
    yield project
    run(project, "git", "reset", "-q", "--hard", "HEAD")
    run(project, "git", "clean", "-fdq")


@pytest.fixture
def kept_with_outputs(kept: Path):
    """As `kept`, for tests that make outputs again which are not in git."""
    yield kept
    run(kept, "git", "reset", "-q", "--hard", "HEAD")
    dvc(kept, "checkout", "--force")


@pytest.fixture
def clone(project: Path, tmp_path: Path) -> Path:
    run(tmp_path, "git", "clone", "-q", str(project), "clone")
    return tmp_path / "clone"


def test_results_are_there_and_nothing_is_redone(project: Path) -> None:
    weights = dict.fromkeys(("rnn_encoder_decoder", "transformer"), "weights.safetensors")
    for model, file in {**weights, "word_by_word": "dictionary.json"}.items():
        for name in TRACKED:
            assert (project / f"reports/tiny/runs/{model}-30-s1" / name).stat().st_size
        assert (project / f"models/tiny/{model}-30-s1" / file).exists()
    with (project / "reports/tiny/by_length.csv").open() as file:
        everything = list(csv.DictReader(file))
    units = {"source_words", "source_words_window", "source_pieces", "reference_words"}
    assert {row["bucket_by"] for row in everything} == units
    rows = [row for row in everything if row["bucket_by"] == "source_words" and row["test_set"] == "test"]
    assert {row["model"] for row in rows} == {"rnn_encoder_decoder", "transformer", "word_by_word"}
    # 5 sentences in each ten words, and the row over all lengths
    assert [row["n"] for row in rows[:7]] == ["5"] * 6 + ["30"]
    with (project / "reports/tiny/comparisons.csv").open() as file:
        compared = [row for row in csv.DictReader(file) if (row["measure"], row["metric"]) == ("difference", "bleu")]
    assert [row["n"] for row in compared] == (["5"] * 6 + ["30"]) * 3, "every two of three systems"
    gap = float(rows[6]["bleu"]) - float(rows[13]["bleu"])
    assert float(compared[6]["value"]) == pytest.approx(gap, abs=0.02)
    with (project / "reports/tiny/comparisons.csv").open() as file:
        joined = [row for row in csv.DictReader(file) if (row["measure"], row["metric"]) == ("joined", "bleu")]
    lines = {(row["system"], row["subset"]): row for row in everything if row["test_set"] == "joined-2"}
    assert [(row["system"], row["test_set"], row["n"]) for row in joined] == [
        (f"{model}-30", "joined-2", "4") for model in ("rnn_encoder_decoder", "transformer", "word_by_word")
    ]
    for row in joined:
        fall = float(lines[row["system"], "alone"]["bleu"]) - float(lines[row["system"], "all"]["bleu"])
        assert float(row["value"]) == pytest.approx(fall, abs=0.02)
    timed = (project / "reports/tiny/speed.csv").read_text().splitlines()
    assert len(timed) == 1 + 2 * 2 * 2, "two networks, two lengths, training and search"
    assert (project / "reports/tiny/report.html").exists()
    assert list((project / "reports/tiny/figures").glob("*.svg"))
    assert stale(project) == set()
    assert "Running stage" not in dvc(project, "repro")


def test_a_second_repro_runs_no_stage_and_asks_dvc_once(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    calls, start = [], subprocess.run

    def counted(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return start(command, **options)

    monkeypatch.chdir(project)
    monkeypatch.setattr(subprocess, "run", counted)
    monkeypatch.setattr(sys, "argv", ["repro", "--jobs", "2"])
    repro.main()
    assert len(calls) == 1
    printed = capfd.readouterr().out
    assert "Data and pipelines are up to date." in printed
    assert "Running stage" not in printed


def test_networks_saw_the_same_batches(project: Path) -> None:
    files = [project / f"reports/tiny/runs/{model}-30-s1/run.json" for model in ("rnn_encoder_decoder", "transformer")]
    runs = [json.loads(path.read_text()) for path in files]
    assert len({run["batches_fingerprint"] for run in runs}) == 1
    assert len({run["target_tokens"] for run in runs}) == 1


def test_the_dictionary_is_translated_scored_and_tracked_like_the_others(project: Path) -> None:
    translated = (project / "translations/tiny/word_by_word-30-s1/test.hypotheses").read_text().splitlines()
    sources = (project / "data/tiny/prepared/test.source").read_text().splitlines()
    assert [len(line.split()) for line in translated] == [len(line.split()) for line in sources]
    with (project / "reports/tiny/by_length.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if (row["model"], row["test_set"]) == ("word_by_word", "test")]
    (total,) = (row for row in rows if not row["bucket_low"])
    assert float(total["bleu"]) > 5
    assert {row["reference_loss"] for row in rows} == {""}
    run_id = json.loads((project / "reports/tiny/runs/word_by_word-30-s1/run.json").read_text())["mlflow_run_id"]
    import mlflow

    tracked = mlflow.MlflowClient(f"sqlite:///{project}/mlflow.db").get_run(run_id)
    assert tracked.info.status == "FINISHED"
    assert tracked.data.metrics["train/entries"] > 100
    assert tracked.data.metrics["test/bleu"] == pytest.approx(float(total["bleu"]), abs=0.01)
    assert tracked.data.params["model.pairs"] == "500"


def test_joined_sentences_are_translated_and_scored_without_training(kept_with_outputs: Path) -> None:
    kept = kept_with_outputs

    def sizes() -> list[tuple[str, str, str]]:
        with (kept / "reports/tiny/runs/transformer-30-s1/by_length.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["test_set"] != "test"]
        return [(row["test_set"], row["subset"], row["n"]) for row in rows]

    assert sizes() == [("joined-1", "all", "8"), ("joined-2", "all", "4"), ("joined-2", "alone", "4")]
    assert "Sentences joined to longer lines" in (kept / "reports/tiny/report.md").read_text()
    edit(kept / "conf/tiny.yaml", "test_sets", "joined", "groups", value=3)
    assert stale(kept) == {"testsets@tiny", "report@tiny"}
    printed = dvc(kept, "repro")
    assert {line.split("'")[1].split("@")[0] for line in printed.splitlines() if line.startswith("Running stage")} == {
        "testsets",
        "translate",
        "evaluate",
        "compare",
        "report",
    }
    assert sizes() == [("joined-1", "all", "6"), ("joined-2", "all", "3"), ("joined-2", "alone", "3")]


def test_the_gold_alignment_comes_with_the_prepared_text(project: Path) -> None:
    lines = (project / "data/tiny/prepared/test.alignment").read_text().splitlines()
    assert len(lines) == 30
    assert all(re.fullmatch(r"(\d+-\d+ ?)+", line) for line in lines)


def test_one_models_settings_make_that_model_stale(kept: Path) -> None:
    edit(kept / "conf/tiny.yaml", "models", "transformer", "d_ff", value=32)
    assert stale(kept) == {"train@tiny-transformer-30-s1", "speed@tiny", "report@tiny"}


def test_bucket_edges_decode_nothing(kept: Path) -> None:
    edit(kept / "conf/tiny.yaml", "evaluate", "bucket_edges", value=[20, 40])
    models, stages = ("transformer", "rnn_encoder_decoder", "word_by_word"), ("evaluate", "probe")
    assert stale(kept) == {
        "report@tiny",
        "compare@tiny",
        "speed@tiny",
        *(f"{stage}@tiny-{model}-30-s1" for stage in stages for model in models),
    }
    printed = dvc(kept, "repro")
    assert "Running stage 'evaluate" in printed
    assert "Running stage 'compare" in printed
    assert "Running stage 'tr" not in printed


def test_what_is_probed_only_measures(kept: Path) -> None:
    models = ("rnn_encoder_decoder", "transformer", "word_by_word")
    folders = {model: kept / f"reports/tiny/runs/{model}-30-s1" for model in models}

    def measured(model: str, measure: str) -> int:
        return sum(line.startswith(measure) for line in (folders[model] / "probe.csv").read_text().splitlines())

    assert measured("rnn_encoder_decoder", "jacobian_norm") == 2 * 41, "trained and untrained, 40 steps and none"
    assert measured("word_by_word", "") == 1, "the header alone"
    for measure in ("gradient_by_distance,gradient,pieces from the aligned word", "readable_words"):
        assert measured("rnn_encoder_decoder", measure) > 0
        assert measured("transformer", measure) > 0
    for measure in ("alignment_entropy", "alignment_error_rate"):
        assert measured("rnn_encoder_decoder", measure) == 0
        assert measured("transformer", measure) > 0
    edit(kept / "conf/tiny.yaml", "probe", "largest_lag", value=5)
    assert stale(kept) == {f"probe@tiny-{model}-30-s1" for model in folders}
    printed = dvc(kept, "repro")
    assert {line.split("'")[1].split("@")[0] for line in printed.splitlines() if line.startswith("Running stage")} == {
        "probe",
        "report",
    }
    assert measured("rnn_encoder_decoder", "jacobian_norm") == 2 * 6


def test_a_figures_style_only_draws(kept: Path) -> None:
    edit(kept / "params.yaml", "report", "dpi", value=60)
    assert stale(kept) == {"report@tiny"}


def test_dvc_shows_metrics_plots_and_graph(project: Path, tmp_path: Path) -> None:
    assert "bleu" in dvc(project, "metrics", "show")
    assert "train@tiny-transformer-30-s1" in dvc(project, "dag")
    assert "index.html" in dvc(project, "plots", "show", "-o", str(tmp_path))
    assert "transformer-30" in (tmp_path / "index.html").read_text()


def test_a_clone_rewrites_every_figure_and_report_byte_for_byte(clone: Path) -> None:
    shutil.rmtree(clone / "reports/tiny/figures")
    (clone / "reports/tiny/report.md").unlink()
    (clone / "reports/index.html").unlink()
    run(clone, PYTHON, "-m", "pipeline.reports")
    assert run(clone, "git", "status", "--porcelain") == ""


def test_in_a_clone_a_missing_run_is_named_and_nothing_is_overwritten(clone: Path) -> None:
    shutil.rmtree(clone / "reports/tiny/runs/transformer-30-s1")
    before = (clone / "reports/tiny/by_length.csv").read_bytes()
    printed = run(clone, PYTHON, "-m", "pipeline.reports", status=1)
    assert "transformer-30-s1" in printed
    assert "Traceback" not in printed
    assert (clone / "reports/tiny/by_length.csv").read_bytes() == before


def test_in_a_clone_a_run_taken_out_of_the_grid_leaves_the_report(clone: Path) -> None:
    edit(clone / "conf/tiny.yaml", "grid", "models", value=["transformer"])
    run(clone, PYTHON, "-m", "pipeline.reports")
    for name in ("by_length.csv", "report.md"):
        text = (clone / "reports/tiny" / name).read_text()
        assert "transformer-30" in text
        assert "rnn_encoder_decoder-30" not in text


def test_a_grid_that_runs_yaml_does_not_know_is_told(kept: Path) -> None:
    edit(kept / "conf/tiny.yaml", "grid", "models", value=["transformer"])
    printed = run(kept, PYTHON, "-m", "pipeline.repro", status=1)
    assert "python -m pipeline.choose tiny" in printed


def test_absent_text_is_told_before_anything_runs(kept: Path) -> None:
    edit(kept / "conf/canada-laws.yaml", "corpus", "root", value="nowhere")
    run(kept, PYTHON, "-m", "pipeline.choose", "tiny", "canada-laws")
    printed = run(kept, PYTHON, "-m", "pipeline.repro", status=1)
    assert printed.startswith("error: nowhere: no such folder; point corpus.root in conf/canada-laws.yaml")
    assert len(printed.splitlines()) == 1


def test_several_experiments_are_chosen_at_once_each_with_its_grid(kept: Path) -> None:
    shutil.copy(kept / "conf/tiny.yaml", kept / "conf/other.yaml")
    edit(kept / "conf/other.yaml", "grid", "max_train_words", value=[20, 40])
    edit(kept / "conf/other.yaml", "train", "target_tokens_by_length", value={20: 3000, 40: 3000})
    run(kept, PYTHON, "-m", "pipeline.choose", "tiny", "other")
    stages = dvc(kept, "stage", "list", "--name-only").split()
    assert {"train@tiny-transformer-30-s1", "train@other-transformer-20-s1", "report@other"} <= set(stages)
    assert "train@other-transformer-30-s1" not in stages
    assert not [name for name in stale(kept) if "tiny" in name]


def test_one_incomplete_experiment_does_not_keep_the_others_from_being_drawn(clone: Path) -> None:
    (clone / "reports/demo").mkdir(parents=True)
    (clone / "reports/tiny/report.md").unlink()
    before = (clone / "reports/index.html").read_text()
    printed = run(clone, PYTHON, "-m", "pipeline.reports", status=1)
    assert "reports/demo" in printed
    assert (clone / "reports/tiny/report.md").exists()
    assert (clone / "reports/index.html").read_text() == before, "still among those without a report"


def test_fast_dev_run_writes_nothing(kept: Path) -> None:
    command = ("-m", "pipeline.train", "--experiment", "tiny", "--run", "transformer-30-s1", "--fast-dev-run")
    before = (kept / "models/tiny/transformer-30-s1/weights.safetensors").stat().st_mtime_ns
    run(kept, PYTHON, *command)
    assert (kept / "models/tiny/transformer-30-s1/weights.safetensors").stat().st_mtime_ns == before
    assert run(kept, "git", "status", "--porcelain") == ""


def test_an_experiment_in_a_temporary_folder_logs_to_the_same_mlflow_store(kept: Path) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{kept}/mlflow.db")

    def count() -> int:
        return len(client.search_runs([e.experiment_id for e in client.search_experiments()]))

    before = count()
    settings = ("-S", "conf/tiny.yaml:models.transformer.d_ff=24")
    dvc(kept, "exp", "run", "--temp", *settings, "evaluate@tiny-transformer-30-s1")
    assert count() > before
    assert "transformer" in dvc(kept, "exp", "show", "--csv")


def test_a_stage_uses_the_library_beside_it(kept: Path) -> None:
    with (kept / "src/lookback/report/page.py").open("a") as file:
        file.write('\nprint("of this checkout")\n')
    assert "of this checkout" in run(kept, PYTHON, "-m", "pipeline.report", "--help")


def test_bad_input_to_a_stage_is_one_line(kept: Path) -> None:
    edit(kept / "conf/tiny.yaml", "train", "target_tokens_by_length", value={30: 0})
    printed = run(kept, PYTHON, "-m", "pipeline.train", "--experiment", "tiny", "--run", "transformer-30-s1", status=1)
    assert printed.startswith("error: conf/tiny.yaml: train.target_tokens_by_length.30:")
    assert len(printed.splitlines()) == 1
