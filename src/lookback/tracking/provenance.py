"""Where a result comes from: the commit, the DVC experiment, the software and the machine."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

GENERATED = ("reports", "runs.yaml", "dvc.lock", "mlflow.db*", "mlartifacts", "mlruns")
"""Files that stages write: a change in them is no change of code or settings."""

PACKAGES = ("torch", "pytorch-lightning", "datasets", "sentencepiece", "sacrebleu", "dvc", "mlflow", "lookback")


def provenance(root: Path) -> dict[str, Any]:
    """The facts about a run that are known before it starts, in plain JSON types.

    Args:
        root: the project folder, which need not be in git.

    Returns:
        git_commit ("unknown" outside git), git_dirty (None outside git; changes in `GENERATED` do not count),
        dvc_exp_name and dvc_exp_baseline_rev (None outside `dvc exp run`), hardware (one line to print) and
        versions (of Python and `PACKAGES`).
    """
    return {
        "git_commit": _git(root, "rev-parse", "HEAD") or "unknown",
        "git_dirty": is_dirty(root),
        "dvc_exp_name": os.environ.get("DVC_EXP_NAME"),
        "dvc_exp_baseline_rev": os.environ.get("DVC_EXP_BASELINE_REV"),
        "hardware": hardware(),
        "versions": {"python": platform.python_version()} | versions(),
    }


def is_dirty(root: Path) -> bool | None:
    """Whether anything in `root` except `GENERATED` differs from the commit, including new files; None outside git."""
    exclude = [f":(exclude){path}" for path in GENERATED]
    changes = _git(root, "status", "--porcelain", "--", ".", *exclude)
    return None if changes is None else bool(changes)


def _git(root: Path, *arguments: str) -> str | None:
    """The output of git, or None if there is no git, no repository or no commit."""
    # Without optional locks, `status` does not collide with a `git add` that runs at the same time.
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def versions() -> dict[str, str]:
    """The versions of the installed `PACKAGES`."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> str:
    """One line: processor, cores that this process may use, memory, and GPUs if torch is loaded and sees any."""
    available = getattr(os, "sched_getaffinity", None)
    cores = len(available(0)) if available else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    parts = [_processor(), f"{cores} core{'' if cores == 1 else 's'}", f"{memory:.0f} GiB"]
    torch = sys.modules.get("torch")  # importing it takes seconds; a stage that uses a GPU has imported it
    if torch is not None and torch.cuda.is_available():
        parts += [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ", ".join(parts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
