"""Trains conf/tiny.yaml at another revision and here: does an edit change what the stages write?

If all files are byte-identical, `dvc commit` may record the edit, and nothing need be retrained. Both trees get this
checkout's conf/tiny.yaml and use one thread. Uncommitted edits count.

Reads:   conf/tiny.yaml, the files of this checkout, the other revision from git
Writes:  only to a temporary folder; the last line reports the result, and the exit status is 1 if files differ
Example: python -m pipeline.same HEAD~1
"""

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from lookback.config import load_experiment
from lookback.errors import LookbackError
from pipeline import stage
from pipeline.repro import PER_RUN, SHARED

EXPERIMENT = "tiny"
TIMED = ("training.json", "run.json", "config.json", "dictionary.json", "corpus.json", "manifest.json")
"""Files that record when, where or how fast they were made."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", help="a git revision, such as HEAD~1 or main")
    revision = parser.parse_args().revision
    with TemporaryDirectory() as folder:
        there, here = Path(folder, "there"), Path(folder, "here")
        git("worktree", "add", "--detach", str(there), revision)
        try:
            shutil.copytree(".", here, ignore=ignored)
            for tree in (there, here):
                shutil.copy(f"conf/{EXPERIMENT}.yaml", tree / "conf")
                work(tree)
            files = [sorted(path.relative_to(tree) for path in outputs(tree)) for tree in (there, here)]
            differing = [
                path for path in set(files[0]) & set(files[1]) if not filecmp.cmp(there / path, here / path, False)
            ]
            differing += set(files[0]) ^ set(files[1])
        finally:
            git("worktree", "remove", "--force", str(there))
    if differing:
        print("\n".join(sorted(map(str, differing))))
        raise LookbackError(f"{len(differing)} of {len(files[1])} files differ from {revision}: the runs are stale")
    print(f"{len(files[1])} files are byte-identical at {revision} and here: `dvc commit` may record the edit")


def work(tree: Path) -> None:
    """Runs all stages of the experiment in a tree."""
    for name in SHARED:
        run(tree, name)
    for trained in load_experiment(EXPERIMENT).runs:
        for name in PER_RUN:
            run(tree, name, "--run", trained.name)


def run(tree: Path, name: str, *arguments: str) -> None:
    environment = os.environ | {
        "PYTHONPATH": f"{tree / 'src'}{os.pathsep}{tree}",
        "OMP_NUM_THREADS": "1",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tree / 'mlflow.db'}",
    }
    command = [sys.executable, "-m", f"pipeline.{name}", "--experiment", EXPERIMENT, *arguments]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LookbackError(f"{' '.join(command[1:])} in {tree.name}: {(done.stderr or done.stdout).strip()}")


def outputs(tree: Path) -> list[Path]:
    folders = [tree / room / EXPERIMENT for room in ("data", "models", "translations", "reports")]
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if path.name not in TIMED]


def ignored(folder: str, names: list[str]) -> list[str]:
    """The names that a copy of the checkout leaves out."""
    unwanted = {".git", ".venv", ".dvc", ".resume", "data", "models", "translations", "reports", "mlartifacts", "tests"}
    return [name for name in names if (folder == "." and name in unwanted) or name == "__pycache__"]


def git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LookbackError(f"git {arguments[0]}: {done.stderr.strip().splitlines()[-1]}")


if __name__ == "__main__":
    stage.run(main)
