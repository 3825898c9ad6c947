"""Code shared by all stages: file layout, command lines, and error reporting."""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookback.config import Experiment, load_experiment
from lookback.console import one_line
from lookback.errors import LookbackError


@dataclass(frozen=True)
class Layout:
    """The files of one experiment, relative to the project root, where every stage runs."""

    experiment: str

    @property
    def raw(self) -> Path:
        return Path("data", self.experiment, "raw")

    @property
    def prepared(self) -> Path:
        return Path("data", self.experiment, "prepared")

    @property
    def encoded(self) -> Path:
        return Path("data", self.experiment, "encoded")

    @property
    def testsets(self) -> Path:
        return Path("data", self.experiment, "testsets")

    @property
    def reports(self) -> Path:
        return Path("reports", self.experiment)

    @property
    def corpus_manifest(self) -> Path:
        return self.reports / "corpus.json"

    def model(self, run: str) -> Path:
        return Path("models", self.experiment, run)

    def resume(self, run: str) -> Path:
        """Outside the outs of any stage, since DVC deletes those before a stage runs."""
        return Path(".resume", self.experiment, run)

    def translations(self, run: str) -> Path:
        return Path("translations", self.experiment, run)

    def results(self, run: str) -> Path:
        return self.reports / "runs" / run


def project_root() -> Path:
    """The user's checkout, even if `dvc exp run --temp` or `--queue` runs the stage in a copy of it."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def parser(doc: str | None, run: bool = False) -> argparse.ArgumentParser:
    """The command line of a stage: `--experiment`, and `--run` if the stage runs once per run."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--experiment", required=True, metavar="NAME", help="an entry of conf/")
    if run:
        made.add_argument("--run", required=True, metavar="NAME", help="a run of its grid, such as bahdanau-60-s1")
    return made


def load(name: str) -> tuple[Experiment, Layout]:
    return load_experiment(name), Layout(name)


def fingerprints(corpus: dict[str, Any]) -> dict[str, str]:
    """The fingerprints in corpus.json: of all splits, of the test set alone, and of the tokenizer."""
    return {
        "corpus_fingerprint": corpus["corpus_fingerprint"],
        "test_fingerprint": corpus["test_fingerprint"],
        "tokenizer_fingerprint": corpus["tokenizer"]["fingerprint"],
    }


def read_json(path: Path) -> Any:
    """The content of a JSON file that an earlier stage wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LookbackError(f"{path}: no such file; an earlier stage writes it: run `dvc repro`") from None
    except ValueError as error:
        raise LookbackError(f"{path}: not valid JSON ({error}); delete it and run `dvc repro`") from None


def write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def run(main: Callable[[], None]) -> None:
    """Runs a stage; bad input ends it with one line and status 1, never a traceback."""
    with one_line("; run `dvc repro`", "interrupted; start again to continue"):
        main()
