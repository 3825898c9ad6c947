import json
import subprocess
from pathlib import Path

import pytest

from lookback.tracking.provenance import is_dirty, provenance


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Someone", "-c", "user.email=someone@example.org"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one commit of code, settings, a lock file and a report."""
    for name in ("src/model.py", "params.yaml", "dvc.lock", "reports/demo/report.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("first\n", encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_a_clean_checkout(project: Path) -> None:
    found = provenance(project)
    assert found["git_commit"] == git(project, "rev-parse", "HEAD")
    assert found["git_dirty"] is False


@pytest.mark.parametrize("name", ["src/model.py", "params.yaml", "src/new.py"])
def test_changed_code_and_settings_make_it_dirty(project: Path, name: str) -> None:
    (project / name).write_text("second\n", encoding="utf-8")
    assert is_dirty(project) is True


@pytest.mark.parametrize(
    "name", ["dvc.lock", "reports/demo/report.md", "reports/demo/figures/new.svg", "mlflow.db", "mlflow.db-wal"]
)
def test_generated_files_do_not_make_it_dirty(project: Path, name: str) -> None:
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("second\n", encoding="utf-8")
    assert is_dirty(project) is False


def test_outside_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    found = provenance(tmp_path)
    assert (found["git_commit"], found["git_dirty"]) == ("unknown", None)


def test_before_the_first_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert provenance(tmp_path)["git_commit"] == "unknown"


def test_without_git_installed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project))
    assert provenance(project)["git_commit"] == "unknown"


def test_the_dvc_experiment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "tidal-bore")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc")
    found = provenance(project)
    assert (found["dvc_exp_name"], found["dvc_exp_baseline_rev"]) == ("tidal-bore", "abc")


def test_it_names_machine_and_versions_and_is_plain_json(project: Path) -> None:
    found = provenance(project)
    assert "core" in found["hardware"]
    assert "GiB" in found["hardware"]
    assert {"python", "torch", "pytorch-lightning", "sacrebleu", "mlflow"} <= set(found["versions"])
    assert json.loads(json.dumps(found)) == found
