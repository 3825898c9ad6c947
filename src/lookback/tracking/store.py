"""The MLflow store: where it is, and how to call it without delaying or breaking the tracked work.

All calls go through a `Connection`: a queue that one thread empties. The first failure ends it: one line is printed,
and every later call does nothing. So a server that dies, hangs or does not exist costs the caller at most one wait of
`Connection.patience` seconds.
"""

import logging
import os
import re
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

from filelock import FileLock

if TYPE_CHECKING:  # MLflow takes seconds to import: only the thread that needs it does
    from mlflow import MlflowClient

T = TypeVar("T")

SERVER_PATIENCE, DATABASE_PATIENCE = 8.0, 60.0
"""Seconds to wait for a call to return."""
LOCK_SECONDS = 50.0
"""Seconds to wait for another process that creates the database, which takes a few seconds."""

REPORT_RUN = "report"
ROLE_TAG = "lookback.role"


def tracking_uri(root: Path) -> str:
    """The store that runs are logged to: `MLFLOW_TRACKING_URI`, or else the SQLite database `mlflow.db` in `root`.

    The path is absolute: `dvc exp run --temp` and `--queue` run in a folder of their own, which is deleted afterwards.
    """
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(root / 'mlflow.db').resolve().as_posix()}"


def database(uri: str) -> Path | None:
    """The file of a SQLite store; None for a server."""
    found = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    return Path(found[1]).resolve() if found else None


def _one_at_a_time(uri: str) -> AbstractContextManager[Any]:
    """A lock between processes, since two that create the same SQLite database or experiment would collide."""
    file = database(uri)
    if file is None:
        return nullcontext()
    file.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{file}.lock", timeout=LOCK_SECONDS)


class Connection:
    """Calls to one MLflow store; a thread makes them in order until one fails.

    Attributes:
        patience: seconds without an answer after which `flush` gives up the store.
        failure: why the store was given up, if it was.
    """

    def __init__(self, uri: str, subject: str, server_patience: float = SERVER_PATIENCE) -> None:
        """Nothing happens before the first call.

        Args:
            uri: the store.
            subject: what is tracked, for the message about a failure.
            server_patience: the patience with a server. With a database it is a minute, since it may have to be created
                or be locked by other processes.
        """
        self.uri = uri
        self.subject = subject
        self.patience = DATABASE_PATIENCE if database(uri) else server_patience
        self.failure: str | None = None
        self.position: Callable[[], str] = str
        """Returns the place from which nothing is logged, such as " from step 7 on", for the failure message."""
        self._calls: deque[Callable[[MlflowClient], Any]] = deque()
        self._changed = threading.Condition()
        self._progress = 0.0
        self._importing = True
        self._thread: threading.Thread | None = None

    def send(self, call: Callable[["MlflowClient"], Any]) -> None:
        """Queue `call`; returns at once."""
        with self._changed:
            if self.failure:
                return
            self._calls.append(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def ask(self, call: Callable[["MlflowClient"], T]) -> T | None:
        """Queue `call`, wait for it, and return its result; None if the store has failed."""
        answers: list[T] = []
        self.send(lambda client: answers.append(call(client)))
        self.flush()
        return answers[0] if answers else None

    def flush(self) -> None:
        """Wait until all calls are made or the store has failed; a call that hangs is a failure."""
        with self._changed:
            self._progress = time.monotonic()
            while self._calls and not self.failure:
                left = self._progress + self.patience - time.monotonic()
                if self._importing:  # takes seconds, or more on a busy machine, but never hangs
                    left = 1.0
                elif left <= 0:
                    self._fail(f"no answer in {self.patience:g} s")
                    break
                self._changed.wait(min(left, 1.0))

    def _work(self) -> None:
        client = None
        try:
            _import()
            with self._changed:
                self._importing, self._progress = False, time.monotonic()
            client = _client(self.uri, self._answered)
        except Exception as error:
            self._fail(_reason(error))
        while True:
            self._answered()
            with self._changed:
                while not self._calls and not self.failure:
                    self._changed.wait()
                if self.failure or client is None:
                    self._calls.clear()
                    self._thread = None
                    return
                call = self._calls[0]
            try:
                call(client)
            except Exception as error:  # no error of tracking may end a training
                self._fail(_reason(error))
            with self._changed:
                if self._calls:
                    self._calls.popleft()
                self._changed.notify_all()

    def _answered(self) -> None:
        with self._changed:
            self._progress = time.monotonic()

    def _fail(self, reason: str) -> None:
        """Give up the store, and say so once, in one line."""
        with self._changed:
            if self.failure:
                return
            self.failure = reason
            where, since = _without_password(self.uri), self.position()
            self._changed.notify_all()
        print(
            f"tracking: MLflow at {where} fails ({reason}): {self.subject} is not logged{since}; the work goes on",
            file=sys.stderr,
            flush=True,
        )


def _import() -> None:
    """Import MLflow, configured to give up soon and to print nothing."""
    # Settings of the user stay. MLflow's default is 8 attempts of up to 120 s each.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "6")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    import mlflow  # noqa: F401

    for name in ("alembic", "mlflow.store.db.utils"):  # each step of creating a database
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # each failed attempt


def _client(uri: str, answered: Callable[[], None]) -> "MlflowClient":
    """A client that calls `answered` after each answer of the store."""
    from mlflow import MlflowClient

    with _one_at_a_time(uri):
        if file := database(uri):
            _check_writable(file)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)  # creates a SQLite database that is not there
    return cast("MlflowClient", _Reporting(client, answered))


class _Reporting:
    """An object whose methods call `answered` when they return."""

    def __init__(self, client: object, answered: Callable[[], None]) -> None:
        self._client, self._answered = client, answered

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return method(*arguments, **named)
            finally:
                self._answered()

        return call


def _check_writable(file: Path) -> None:
    """Raise at once if the file is no database, is locked, or is read-only; MLflow would retry for over a minute."""
    with closing(sqlite3.connect(file, timeout=5.0, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("ROLLBACK")


def _reason(error: BaseException) -> str:
    """The root cause of an exception in one short line."""
    seen = {id(error)}
    while (cause := error.__cause__ or error.__context__) is not None and id(cause) not in seen:
        seen.add(id(cause))
        error = cause
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.password is None and parts.username is None:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def open_experiment(client: "MlflowClient", uri: str, name: str) -> tuple[str, str]:
    """The ids of an MLflow experiment and of its report run, created where they do not exist.

    The report run has what belongs to all runs of the experiment. It is not their parent, since the UI hides the
    children of a run.
    """
    file = database(uri)
    with _one_at_a_time(uri):
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            # A server knows where to put files; with a database they would go into the current folder.
            artifacts = (file.parent / "mlartifacts" / name).as_uri() if file else None
            experiment_id = client.create_experiment(name, artifact_location=artifacts)
        else:
            experiment_id = experiment.experiment_id
            if experiment.lifecycle_stage == "deleted":  # in the UI, by hand
                client.restore_experiment(experiment_id)
        found = client.search_runs([experiment_id], f"tags.`{ROLE_TAG}` = '{REPORT_RUN}'", max_results=1)
        if found:
            return experiment_id, found[0].info.run_id
        note = f"The report of all runs of {name}."
        tags = {ROLE_TAG: REPORT_RUN, "mlflow.note.content": note}
        run_id = client.create_run(experiment_id, run_name=f"{name}: report", tags=tags).info.run_id
        client.set_terminated(run_id)
        return experiment_id, run_id
