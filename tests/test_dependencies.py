"""Which code a stage depends on: the lists in dvc.yaml against the imports of the code itself."""

import shutil
from pathlib import Path

import pytest

from lookback import dependencies
from lookback.architectures import ARCHITECTURES
from lookback.config import read_yaml
from lookback.dependencies import LEFT_OUT, code
from lookback.training import checkpoint
from lookback.training.checkpoint import fingerprint_code
from pipeline.choose import module_file, spelled_out

ROOT = Path(__file__).parents[1]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]


def module(path: str) -> str:
    return path.split(":")[0]


def declared(stage: str, architecture: str) -> set[str]:
    """The code that the stage names, for a run of this architecture; for `item.input`, each built-in source."""
    entry = ARCHITECTURES[architecture]
    found: set[str] = set()
    for dependency in STAGES[stage]["do"]["deps"]:
        filled = dependency.replace("${item.model_code}", module_file(entry.model))
        filled = filled.replace("${item.training_code}", module_file(entry.trainer))
        sources = [f"src/lookback/corpus/{kind}" for kind in ("fragment", "hub")]
        found |= set(sources) if filled == "${item.input}" else {filled}
    return {path for path in found if path.startswith(("src/", "pipeline/"))}


def needed(stage: str, architecture: str) -> set[str]:
    """The files that the stage imports, with what it loads by name from the registry."""
    entry = ARCHITECTURES[architecture]
    modules = [f"pipeline.{stage}"]
    if stage == "train":
        modules += [module(entry.trainer), module(entry.model)]
    elif stage == "translate":
        modules += [module(other.translator) for other in ARCHITECTURES.values()]
        modules += [module(entry.model)]
    elif stage in ("probe", "speed"):
        modules += [module(other.model) for other in ARCHITECTURES.values() if other.is_network]
    return {str(path) for path in code(*modules)} - {"pipeline/__init__.py"}


def covers(dependency: str, path: str) -> bool:
    return path == dependency or path.startswith(f"{dependency}/")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_code_that_it_imports(stage: str) -> None:
    lists = {name: declared(stage, name) for name in ARCHITECTURES}
    for architecture, paths in lists.items():
        missing = [p for p in needed(stage, architecture) if not any(covers(d, p) for d in paths)]
        # What a dictionary is translated with needs what it was learned with, which is its model's dependency already.
        missing = [p for p in missing if not (stage == "translate" and p in training_of_dictionaries())]
        assert missing == [], f"add to the deps of {stage} in dvc.yaml (or to LEFT_OUT, with a reason)"
    everything = set().union(*(needed(stage, architecture) for architecture in ARCHITECTURES))
    for dependency in set().union(*lists.values()):
        inside = {str(p.relative_to(ROOT)) for p in (ROOT / dependency).rglob("*.py")} or {dependency}
        used = {path for path in everything if covers(dependency, path)}
        assert len(used) > len(inside) / 2, f"{stage} in dvc.yaml: needs {sorted(used)} of {dependency} and no more"


def training_of_dictionaries() -> set[str]:
    entries = [entry for entry in ARCHITECTURES.values() if not entry.is_network]
    return {str(path) for entry in entries for path in code(module(entry.trainer), module(entry.model))}


def test_no_network_depends_on_another_or_on_the_dictionary_or_on_what_comes_after_training() -> None:
    for name, entry in ARCHITECTURES.items():
        files = needed("train", name)
        others = {module_file(other.model) for other in ARCHITECTURES.values()} - {module_file(entry.model)}
        assert not files & others
        assert not [path for path in files if any(f"/{room}/" in path for room in ("decoding", "evaluation", "report"))]


def test_what_is_left_out_is_there_and_has_a_reason() -> None:
    for name, reason in LEFT_OUT.items():
        path = ROOT.joinpath("src" if name.startswith("lookback") else "", *name.split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file()
        assert len(reason) > 10


def test_imports_within_functions_and_of_packages_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "__init__": '"""A package."""',
        "one": "def f():\n    from lookback.rooms import two\n",
        "two": "import lookback.rooms.three\nfrom lookback.errors import LookbackError\n",
        "three": "X = 1\n",
        "alone": "Y = 1\n",
    }.items():
        path = tmp_path / "src/lookback/rooms" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(dependencies, "ROOT", tmp_path)
    found = [path.stem for path in code("lookback.rooms.one")]
    assert found == ["one", "three", "two"]


def test_the_identity_of_a_run_changes_with_its_own_code_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    monkeypatch.setattr(dependencies, "ROOT", tmp_path)
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path)

    def changed(name: str) -> set[str]:
        """The architectures that an edit of this file concerns."""
        before = {name: fingerprint_code(name) for name in ARCHITECTURES}
        with (tmp_path / "src/lookback" / name).open("a") as file:
            file.write("# edited\n")
        return {name for name in ARCHITECTURES if fingerprint_code(name) != before[name]}

    networks = {name for name, entry in ARCHITECTURES.items() if entry.is_network}
    assert changed("models/bahdanau.py") == {"bahdanau"}
    assert changed("models/positions.py") == {"transformer"}
    assert changed("corpus/ibm_model1.py") == {"word_by_word"}
    for name in ("data/batches.py", "models/loss.py", "training/module.py", "training/run.py", "models/base.py"):
        assert changed(name) == networks
    for name in ("training/progress.py", "decoding/beam_search.py", "report/claims.py", "evaluation/lexicon.py"):
        assert changed(name) == set()


def test_the_runs_in_git_are_those_of_the_demo_as_it_stands() -> None:
    assert read_yaml(ROOT / "runs.yaml") == spelled_out(["demo"])
