"""`python -m pipeline.same`: which files an edit changes, in a scratch repository with a dictionary alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def git(folder: Path, *arguments: str) -> str:
    names = ("-c", "user.name=t", "-c", "user.email=t@t")
    return subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("src", "pipeline", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "params.yaml", tmp_path)
    yaml = YAML()
    conf = yaml.load(tmp_path / "conf/tiny.yaml")
    conf["grid"]["models"] = ["word_by_word"]
    conf["corpus"]["train"] = 300
    conf["tokenize"]["vocabulary_size"] = 300
    conf["test_sets"] = {}
    yaml.dump(conf, tmp_path / "conf/tiny.yaml")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "all")
    return tmp_path


def same(folder: Path, revision: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder}"}
    command = [sys.executable, "-m", "pipeline.same", revision]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_an_edit_is_seen_in_the_files_that_it_changes_and_in_no_others(project: Path) -> None:
    path = project / "src/lookback/decoding/dictionary.py"
    text = path.read_text(encoding="utf-8")
    assert "self.tokenizer.join(words)" in text
    path.write_text(text.replace("self.tokenizer.join(words)", "self.tokenizer.join(words[::-1])"), encoding="utf-8")
    done = same(project, "HEAD")
    assert done.returncode == 1
    assert "differ from HEAD: the runs are stale" in done.stderr
    differing = done.stdout.splitlines()
    assert "translations/tiny/word_by_word-30-s1/test.hypotheses" in differing
    assert "reports/tiny/runs/word_by_word-30-s1/by_length.csv" in differing
    assert not [name for name in differing if name.startswith(("data/", "models/"))]
    assert git(project, "worktree", "list").count("\n") == 1


def test_a_revision_that_is_not_there_is_one_line(project: Path) -> None:
    done = same(project, "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("error: git worktree: ")
    assert done.stderr.count("\n") == 1
