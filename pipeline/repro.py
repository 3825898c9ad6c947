"""`dvc repro`, with several runs at once: DVC alone runs one stage after the other.

First it asks DVC what is stale. If anything is, it runs the stages that all runs need; then the stages of each stale
run, `--jobs` runs at a time, each with its share of the processor's cores; then a plain `dvc repro` for the rest.

Example: python -m pipeline.repro --jobs 2
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lookback.errors import LookbackError
from pipeline import choose, stage

SHARED = ("download", "prepare", "tokenize", "testsets")
PER_RUN = ("train", "translate", "probe", "evaluate")


def dvc(*arguments: str, threads: int | None = None, stdout: int | None = None) -> str:
    """Runs DVC; returns its output if `stdout` is a pipe.

    Raises:
        LookbackError: DVC or a stage fails; it has printed the reason.
    """
    # The stages' commands begin with `python`; make it this interpreter, even without an activated environment.
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    # DVC itself gives up after three seconds when another process holds its lock.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", *arguments]
    done = subprocess.run(command, env=environment, check=False, stdout=stdout, text=True)
    if done.returncode:
        raise LookbackError(f"dvc {' '.join(arguments)} failed; see the reason above")
    return done.stdout


def stale() -> set[str]:
    """The stages that changed or whose inputs changed, not the stages downstream of them."""
    return set(json.loads(dvc("status", "--json", stdout=subprocess.PIPE)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at the same time")
    jobs = parser.parse_args().jobs
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = max(1, min(jobs, cores))
    chosen = choose.chosen()
    if jobs > 1:
        waiting = stale()
        if not waiting:
            print("Data and pipelines are up to date.")  # as `dvc repro` says it
            return
        if any(name.split("@")[0] in SHARED for name in waiting):
            dvc("repro", *(f"testsets@{name}" for name in chosen["experiments"]))
            waiting = stale()
        runs = [name for name in chosen["runs"] if any(f"{part}@{name}" in waiting for part in PER_RUN)]
        # Start with the longest runs, so that no core is idle at the end while a long run finishes.
        runs.sort(key=lambda name: -chosen["runs"][name]["max_train_words"])

        def work(name: str) -> None:
            dvc("repro", "-s", *(f"{part}@{name}" for part in PER_RUN), threads=cores // jobs)

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(work, runs))
    dvc("repro")


if __name__ == "__main__":
    stage.run(main)
