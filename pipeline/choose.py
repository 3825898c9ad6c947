"""Chooses the experiments that `dvc repro` runs, by writing their runs to runs.yaml.

DVC can loop over a list in a file, but it cannot expand a separate grid for each experiment. So this command expands
the grids of conf/. Run it again after a change of `grid` or of a corpus folder.

Reads:   conf/<experiment>.yaml of each name given
Writes:  runs.yaml
Example: python -m pipeline.choose demo canada-laws
"""

import argparse
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from lookback.architectures import ARCHITECTURES
from lookback.config import Experiment, FilesCorpus, load_experiment, read_yaml
from lookback.errors import LookbackError
from pipeline import stage

RUNS = Path("runs.yaml")


def corpus_input(experiment: Experiment) -> str:
    """The dependency of the download stage: the folder of the user's text, or the code of the source."""
    corpus = experiment.corpus
    if isinstance(corpus, FilesCorpus):
        if corpus.folder.resolve() in (Path.cwd(), *Path.cwd().parents):
            raise LookbackError(
                f"conf/{experiment.name}.yaml: corpus.root: {corpus.root!r} holds this project; "
                "give the texts a folder of their own"
            )
        return str(corpus.folder)
    return f"src/lookback/corpus/{corpus.kind}"


def spelled_out(names: Iterable[str]) -> dict[str, Any]:
    """The content of runs.yaml for these experiments."""
    experiments, runs = {}, {}
    for name in dict.fromkeys(names):
        experiment = load_experiment(name)
        experiments[name] = {"input": corpus_input(experiment)}
        for run in experiment.runs:
            architecture = ARCHITECTURES[experiment.models[run.model].architecture]
            runs[f"{name}-{run.name}"] = {
                "experiment": name,
                "run": run.name,
                "model": run.model,
                "model_code": module_file(architecture.model),
                "training_code": module_file(architecture.trainer),
                "max_train_words": run.max_train_words,
            }
    return {"experiments": experiments, "runs": runs}


def module_file(path: str) -> str:
    """The file of `lookback.package.module:name`."""
    return f"src/{path.split(':')[0].replace('.', '/')}.py"


def chosen() -> dict[str, Any]:
    """The content of runs.yaml.

    Raises:
        LookbackError: it differs from conf/, or a corpus folder is missing.
    """
    written = read_yaml(RUNS)
    names = list(written["experiments"]) if isinstance(written, dict) and written.get("experiments") else []
    if not names or written != spelled_out(names):
        known = " ".join(names) or "demo"
        raise LookbackError(f"{RUNS}: differs from the grids in conf/; run `python -m pipeline.choose {known}`")
    for name, about in written["experiments"].items():
        if not Path(about["input"]).exists():
            raise LookbackError(absent(name, about["input"]))
    return written


def absent(name: str, path: str) -> str:
    return f"{path}: no such folder; point corpus.root in conf/{name}.yaml to where the text lies, then choose again"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="+", metavar="NAME", help="an entry of conf/")
    data = spelled_out(parser.parse_args().experiments)
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 120
    yaml.dump(data, text)
    RUNS.write_text(
        "# Written by `python -m pipeline.choose`: the experiments and runs that DVC runs.\n" + text.getvalue()
    )
    for name, about in data["experiments"].items():
        runs = [run["run"] for run in data["runs"].values() if run["experiment"] == name]
        print(f"{name}: {len(runs)} runs: {', '.join(runs)}")
        if not Path(about["input"]).exists():
            print(f"  but {absent(name, about['input'])}")


if __name__ == "__main__":
    stage.run(main)
