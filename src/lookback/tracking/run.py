"""An MLflow run: parameters, tags, metrics, files."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from lookback.tracking.store import ROLE_TAG, SERVER_PATIENCE, Connection, open_experiment

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient
    from mlflow.entities import Run as StoredRun

Status = Literal["FINISHED", "FAILED", "KILLED"]

LONGEST_VALUE = 500
"""The most characters of a parameter or tag; older servers refuse more."""
BATCH = 1_000
"""The most metric values that MLflow takes in one call."""
WRITE_SECONDS = 2.0
"""Metric values are collected for this long, then written in one call."""

Point = tuple[str, float, int, int]
"""Key, value, time in milliseconds, step."""


class Run:
    """An MLflow run, which begins with the first call that needs it.

    It cannot disturb the work that it tracks: another thread writes the metrics. If the store fails, one line is
    printed, and every later call does nothing.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        name: str,
        *,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        server_patience: float = SERVER_PATIENCE,
    ) -> None:
        """Nothing is sent yet.

        Args:
            uri: see `store.tracking_uri`.
            experiment: the experiment, created if it does not exist.
            name: the name of the run.
            params: nested; logged under dotted names.
            tags: nested, like `params`.
            run_id: the run to continue, if the store has it.
            server_patience: seconds; see `Connection`.
        """
        self.uri, self.experiment, self.name = uri, experiment, name
        self._params = flatten(params or {})
        self._tags = flatten(tags or {})
        self._run_id = run_id
        self._server_patience = server_patience
        self._there: set[tuple[str, int]] = set()
        """Metric and step of the values that the run has already; they are not logged again."""
        self._reset()

    def _reset(self) -> None:
        self._connection = Connection(self.uri, self.name, self._server_patience)
        self._connection.position = self._position
        self._opened = False
        self._unwritten: list[Point] = []
        self._written_at = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """The state without thread and queue: in another process the run connects again."""
        left_here = ("_connection", "_opened", "_unwritten", "_written_at")
        return {name: value for name, value in vars(self).items() if name not in left_here}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._reset()

    # opening

    @property
    def run_id(self) -> str | None:
        """The run's id in MLflow; None if the store failed before it was known."""
        self._open()
        self._connection.flush()
        return self._run_id

    @property
    def failure(self) -> str | None:
        """Why logging to MLflow has stopped, if it has."""
        return self._connection.failure

    def _open(self) -> None:
        if not self._opened:
            self._opened = True
            self._connection.send(self._find_or_create)

    def _find_or_create(self, client: "MlflowClient") -> None:
        from mlflow.entities import Param, RunTag

        experiment_id, _ = open_experiment(client, self.uri, self.experiment)
        run = self.find(client, experiment_id)
        known: Mapping[str, str] = run.data.params if run else {}
        if run is None:
            tags = {"mlflow.source.type": "LOCAL", "lookback.run": self.name}
            run = client.create_run(experiment_id, run_name=self.name, tags=tags | self.tags_of_new())
        self._run_id = run.info.run_id
        self.opened(self._run_id)
        new = [Param(key, value) for key, value in self._params.items() if key not in known]
        tags = [RunTag(key, value) for key, value in self._tags.items()]
        for start in range(0, max(len(new), len(tags)), 100):
            client.log_batch(self._run_id, params=new[start : start + 100], tags=tags[start : start + 100])

    def find(self, client: "MlflowClient", experiment_id: str) -> "StoredRun | None":
        """The run to continue; None begins a new one."""
        return stored_run(client, self._run_id)

    def has_our_params(self, run: "StoredRun") -> bool:
        """Whether all parameters have our values in `run`, since MLflow refuses to change them."""
        known = run.data.params
        return all(known.get(key, value) == value for key, value in self._params.items())

    def tags_of_new(self) -> dict[str, str]:
        """Tags of a new run; the UI shows the stage of dvc.yaml as its source."""
        return {ROLE_TAG: "run", "mlflow.source.name": f"train@{self.experiment}-{self.name}"}

    def opened(self, run_id: str) -> None:
        """Called when the id is known, in the thread that writes."""

    # logging

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Queue one value of each metric; the first call after `WRITE_SECONDS`, or `flush`, writes them."""
        if self.failure:
            return
        now = int(time.time() * 1000)
        self._unwritten += [(key, float(value), now, step) for key, value in metrics.items()]
        if len(self._unwritten) >= BATCH or time.monotonic() - self._written_at > WRITE_SECONDS:
            self._write_metrics()

    def _write_metrics(self) -> None:
        self._open()
        self._written_at = time.monotonic()
        self._connection.send(self._write_unwritten)

    def _write_unwritten(self, client: "MlflowClient") -> None:
        from mlflow.entities import Metric

        assert self._run_id
        while batch := self._unwritten[:BATCH]:
            metrics = [Metric(*point) for point in batch if (point[0], point[3]) not in self._there]
            if metrics:
                client.log_batch(self._run_id, metrics=metrics)
            del self._unwritten[: len(batch)]

    def _position(self) -> str:
        return f" from step {self._unwritten[0][3]:,} on" if self._unwritten and self._unwritten[0][3] else ""

    def log_artifact(self, file: Path, folder: str | None = None) -> None:
        """Copy a file into the run, into `folder`; returns when it is done."""
        self._ask(lambda client, run_id: client.log_artifact(run_id, str(file), folder))

    def log_text(self, text: str, file: str) -> None:
        """Store a text in the run as `file`, a name that may include folders."""
        self._ask(lambda client, run_id: client.log_text(run_id, text, file))

    def log_figure(self, figure: "Figure", file: str) -> None:
        """Store a picture in the run as `file`, in the format of its suffix."""
        self._ask(lambda client, run_id: client.log_figure(run_id, figure, file))

    def _ask(self, call: Callable[["MlflowClient", str], None]) -> None:
        def with_id(client: "MlflowClient") -> None:
            assert self._run_id
            call(client, self._run_id)

        self._open()
        self._connection.ask(with_id)

    # ending

    def flush(self) -> None:
        """Wait until all is written, at most `Connection.patience` seconds for each call."""
        if self._unwritten and not self.failure:
            self._write_metrics()
        self._connection.flush()

    def finish(self, status: Status = "FINISHED") -> None:
        """Write what is queued, and the end of the run. The next `finish` writes what is logged later."""
        self.flush()
        if self._opened:
            self._ask(lambda client, run_id: client.set_terminated(run_id, status))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.finish("KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED")


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested mappings as one mapping, with dotted keys and values as text of at most `LONGEST_VALUE` characters."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            flat[f"{prefix}{key}"] = text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
    return flat


def stored_run(client: "MlflowClient", run_id: str | None) -> "StoredRun | None":
    """The run with that id; None if the store does not have it, or it is deleted."""
    from mlflow.exceptions import MlflowException

    if run_id is None:
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return run if run.info.lifecycle_stage == "active" else None


def logged(client: "MlflowClient", run: "StoredRun", keys: Iterable[str]) -> dict[tuple[str, int], float]:
    """The values of these metrics in the run, by metric and step."""
    return {
        (key, metric.step): metric.value for key in keys for metric in client.get_metric_history(run.info.run_id, key)
    }
