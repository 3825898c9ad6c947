"""Configuration files, read and checked; an error names the file, the key and what is allowed."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from lookback.config.experiment import Experiment
from lookback.config.params import Params
from lookback.errors import LookbackError
from lookback.settings import Settings


def read_yaml(path: Path) -> Any:
    """The plain content of a YAML 1.2 file (so `1e-4` is a number); a `LookbackError` names file and line."""
    try:
        with path.open(encoding="utf-8") as file:
            return YAML(typ="safe", pure=True).load(file)
    except FileNotFoundError:
        raise LookbackError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise LookbackError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise LookbackError(f"{path}:{where} is not valid YAML: {problem}") from None


T = TypeVar("T", bound=Settings)


def _key(data: Any, location: tuple[int | str, ...]) -> str:
    """`models.bahdanau.hidden`, without the union tags that pydantic puts between the keys."""
    parts, inner = [], data
    for i, part in enumerate(location):
        inside = part in inner if isinstance(inner, dict) else isinstance(inner, list) and isinstance(part, int)
        inner = inner[part] if inside else inner  # pyright: ignore[reportCallIssue, reportArgumentType]
        if inside or i == len(location) - 1:
            parts.append(str(part))
    return ".".join(parts) or "(the file)"


def _validated(kind: type[T], data: Any, path: Path) -> T:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        # A misspelt key also reports the right key as missing, so the unknown key is reported first.
        first = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")[0]
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = "unknown key; remove it or correct its spelling"
        elif first["type"] not in ("missing", "value_error"):
            message += f", got {str(first['input'])[:60]!r}"
        others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise LookbackError(f"{path}: {_key(data, first['loc'])}: {message}{others}") from None


def load_experiment(name: str, root: Path = Path()) -> Experiment:
    """`conf/<name>.yaml`, checked.

    Raises:
        LookbackError: the file is missing or wrong; the message names the file, the key and what is allowed.
    """
    path = root / "conf" / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise LookbackError(f"{path}: no such experiment; the experiments in conf/ are: {known}")
    data = read_yaml(path)
    return _validated(Experiment, {**data, "name": name} if isinstance(data, dict) else data, path)


def load_params(root: Path = Path()) -> Params:
    """The settings shared by all experiments, from `params.yaml`."""
    path = root / "params.yaml"
    data = read_yaml(path)
    return _validated(Params, data, path)
