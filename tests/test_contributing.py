"""The example of CONTRIBUTING.md, done in a scratch copy: one file, one entry, one test, and every stage knows it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```python (\S+)\n(.*?)```\n", TEXT, re.DOTALL))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout with the example's files, its entry, and an experiment that trains it."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("src", "pipeline", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "params.yaml", folder)
    for name, text in BLOCKS.items():
        if name.startswith("file="):
            path = folder / name.removeprefix("file=")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    registry = folder / "src/lookback/architectures.py"
    text = registry.read_text(encoding="utf-8")
    text = text.replace("# --- the registry", f"{BLOCKS['settings']}\n\n# --- the registry", 1)
    opening = "ARCHITECTURES: dict[str, Architecture] = {\n"
    assert opening in text
    registry.write_text(text.replace(opening, opening + BLOCKS["entry"]), encoding="utf-8")
    yaml = YAML()
    conf = yaml.load(folder / "conf/tiny.yaml")
    conf["models"] = {"mean_of_words": {"embedding": 8, "hidden": 8}}
    conf["grid"]["models"] = ["mean_of_words"]
    conf["test_sets"] = {}
    yaml.dump(conf, folder / "conf/tiny.yaml")
    return folder


def run(folder: Path, *command: str) -> str:
    environment = os.environ | {"PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder}", "OMP_NUM_THREADS": "1"}
    environment |= {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_own_test_passes(project: Path) -> None:
    assert "2 passed" in run(project, "-m", "pytest", "-c", os.devnull, "--rootdir", ".", "tests/test_mean_of_words.py")


def test_every_stage_and_the_report_know_it(project: Path) -> None:
    run(project, "-m", "pipeline.choose", "tiny")
    assert "src/lookback/models/mean_of_words.py" in (project / "runs.yaml").read_text(encoding="utf-8")
    for stage in ("download", "prepare", "tokenize", "testsets"):
        run(project, "-m", f"pipeline.{stage}", "--experiment", "tiny")
    for stage in ("train", "translate", "probe", "evaluate"):
        run(project, "-m", f"pipeline.{stage}", "--experiment", "tiny", "--run", "mean_of_words-30-s1")
    for stage in ("speed", "compare", "report"):
        run(project, "-m", f"pipeline.{stage}", "--experiment", "tiny")
    report = (project / "reports/tiny/report.md").read_text(encoding="utf-8")
    assert "the mean of the source's word vectors and nothing else" in report
    assert "#C48A00" in (project / "reports/tiny/report.html").read_text(encoding="utf-8")
    line = ("-m", "lookback.translate", "--model", "tiny/mean_of_words-30-s1", "--text", "The cat slept.")
    assert "no attention" in run(project, *line)
