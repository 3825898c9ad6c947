"""The code that a module depends on: the files of all modules that it imports, directly or indirectly.

One rule gives the dependencies of DVC's stages and the identity of a training run: `tests/test_dependencies.py` checks
`dvc.yaml` against it, and `lookback.training.checkpoint` fingerprints the files.
"""

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The root of the checkout, which holds `src/lookback` and `pipeline`."""

LEFT_OUT = {
    "lookback.errors": "the kind of an error",
    "lookback.console": "progress bars",
    "lookback.training.progress": "lines about progress",
    "lookback.tracking": "MLflow is a witness: it changes no output",
    "lookback.dependencies": "names files, changes none",
    "lookback.settings": "types of the configuration, as lookback.config",
    "lookback.architectures": "settings and names of code, as lookback.config",
    "lookback.config": "values reach DVC as parameters of the stages; tests/test_config.py pins the defaults",
    "pipeline.stage": "paths and messages: another path shows at once as a missing file",
}
"""Modules and packages that stages import but that cannot change what a stage writes, each with the reason."""


def code(*modules: str) -> tuple[Path, ...]:
    """The sorted files of these modules and of all their imports, without `LEFT_OUT`, relative to `ROOT`.

    Imports within functions count. A package's `__init__.py` counts if it has more than a docstring.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found and not _left_out(module):
            found.add(module)
            waiting += _imports(module)
    return tuple(sorted(path.relative_to(ROOT) for path in map(_file, found) if path and _does_something(path)))


def _left_out(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in LEFT_OUT)


def _file(module: str) -> Path | None:
    top = module.split(".")[0]
    folder = {"lookback": ROOT / "src", "pipeline": ROOT}.get(top)
    if folder is None:
        return None
    path = folder.joinpath(*module.split("."))
    found = [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()]
    return found[0] if found else None


@lru_cache
def _imports(module: str) -> tuple[str, ...]:
    path = _file(module)
    return tuple(_named(module, path)) if path else ()


def _named(module: str, path: Path) -> Iterator[str]:
    yield from (module.rsplit(".", n)[0] for n in range(1, module.count(".") + 1))  # its packages are run first
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)  # a module, or a name in one


def _does_something(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)
