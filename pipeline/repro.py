"""`dvc repro`, with several runs at once: DVC alone runs one stage after the other.

First what all runs need, then the stages of each run, `--jobs` runs at a time, each with its share of the
processor's cores, then a plain `dvc repro` for all that is left.

Example: python -m pipeline.repro --jobs 2
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lookback.errors import LookbackError
from pipeline import choose, stage

PER_RUN = ("train", "translate", "probe", "evaluate")


def dvc_repro(*arguments: str, threads: int | None = None) -> None:
    """Raises a `LookbackError` if a stage fails; the stage has then said why."""
    # The stages' commands begin with `python`, which is to be this one, in an activated environment or not.
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    # DVC itself gives up after three seconds when another process holds its lock.
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *arguments]
    if subprocess.run(command, env=environment, check=False).returncode:
        raise LookbackError(f"dvc repro {' '.join(arguments)} failed; the reason stands above")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at the same time")
    jobs = parser.parse_args().jobs
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = max(1, min(jobs, cores))
    chosen = choose.chosen()
    if jobs > 1:
        dvc_repro(*(f"testsets@{name}" for name in chosen["experiments"]))
        # The longest runs first, so that none is left over at the end while the other cores stand idle.
        order = sorted(chosen["runs"], key=lambda name: -chosen["runs"][name]["max_train_words"])

        def work(name: str) -> None:
            dvc_repro("-s", *(f"{part}@{name}" for part in PER_RUN), threads=cores // jobs)

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(work, order))
    dvc_repro()


if __name__ == "__main__":
    stage.run(main)
