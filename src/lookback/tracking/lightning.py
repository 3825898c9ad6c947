"""Training's run in MLflow, as a logger of Lightning."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from lookback.tracking.run import Run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as StoredRun

TAG_NAMES = {"dvc_exp_name": "DVC_EXP_NAME", "dvc_exp_baseline_rev": "DVC_EXP_BASELINE_REV"}
"""Facts that are known to DVC's users under another name."""


class TrainingRun(Run):
    """A run that a training which was killed and goes on, goes on with.

    The id is kept in a file. The training goes on with that run if it has the same parameters and begins after its
    first step: then steps that were logged before are not logged twice. A training that begins at the beginning gets a
    new run, and the old one is marked as killed.
    """

    def __init__(self, uri: str, experiment: str, name: str, *, run_id_file: Path | None = None, **others: Any) -> None:
        kept = run_id_file.read_text(encoding="utf-8").strip() if run_id_file and run_id_file.exists() else ""
        super().__init__(uri, experiment, name, run_id=kept or None, **others)
        self._run_id_file = run_id_file
        self._logged_until: dict[str, int] = {}

    def find(self, client: "MlflowClient", experiment_id: str) -> "StoredRun | None":
        run = super().find(client, experiment_id)
        if run is None:
            return None
        steps = {
            key: [metric.step for metric in client.get_metric_history(run.info.run_id, key)] for key in run.data.metrics
        }
        begins_again = any(key in steps and step <= min(steps[key]) for key, _, _, step in self._unwritten[:1])
        if begins_again or not self.has_our_params(run):
            if run.info.status == "RUNNING":
                client.set_terminated(run.info.run_id, "KILLED")
            return None
        self._logged_until = {key: max(logged) for key, logged in steps.items()}
        if self._unwritten and run.info.status != "RUNNING":
            client.update_run(run.info.run_id, status="RUNNING")
        return run

    def is_new(self, key: str, step: int) -> bool:
        return step > self._logged_until.get(key, -1)

    def opened(self, run_id: str) -> None:
        if self._run_id_file:
            self._run_id_file.parent.mkdir(parents=True, exist_ok=True)
            self._run_id_file.write_text(f"{run_id}\n", encoding="utf-8")


class MLflowRunLogger(Logger):
    """Logs a training to MLflow from rank 0, without holding it up; see `Run` and `TrainingRun`.

    The run begins in MLflow with the first metrics, so that a training that fails before leaves none.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        name: str,
        params: Mapping[str, Any],
        facts: Mapping[str, Any],
        run_id_file: Path | None = None,
    ) -> None:
        """Nothing is sent yet.

        Args:
            uri: of the store: `tracking_uri(root)`.
            experiment: its name in `conf/`.
            name: of the run, in the grid and in MLflow.
            params: nested settings, logged as parameters under dotted names.
            facts: of `provenance`, fingerprints and the like, logged as tags.
            run_id_file: where the id is kept for a training that goes on later.
        """
        super().__init__()
        tags = {TAG_NAMES.get(key, key): value for key, value in facts.items() if value is not None}
        if facts.get("git_commit"):
            tags["mlflow.source.git.commit"] = facts["git_commit"]
        self._run = TrainingRun(uri, experiment, name, params=params, tags=tags, run_id_file=run_id_file)

    @property
    def name(self) -> str:
        return self._run.experiment

    @property
    def version(self) -> str:
        return self._run.name

    @property
    def experiment(self) -> Run:
        """The run, for whatever Lightning has no call for: series, files, pictures."""
        return self._run

    @property
    def run_id(self) -> str | None:
        """The id in MLflow, waited for; None when the store failed, and in processes of a rank other than 0."""
        return self._run.run_id if rank_zero_only.rank == 0 else None

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._run.log_metrics(metrics, step or 0)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        self._run.log_params(vars(params) if isinstance(params, Namespace) else params)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Called by Lightning with "success" or "failed"; a run that never began is not begun by it."""
        self._run.finish("FINISHED" if status == "success" else "FAILED")
