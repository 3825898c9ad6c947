"""The MLflow run of a training, as a Lightning logger."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from lookback.tracking.run import Run, logged

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as StoredRun

TAG_NAMES = {"dvc_exp_name": "DVC_EXP_NAME", "dvc_exp_baseline_rev": "DVC_EXP_BASELINE_REV"}
"""Facts that have another name in DVC."""


class TrainingRun(Run):
    """The MLflow run of a training, which a resumed training continues.

    Its id is kept in a file. The training continues this run if the parameters are the same and the run has a step
    before the training's first one; steps that the run has already are not logged twice. Otherwise the training gets a
    new run, and the old one is marked as killed.
    """

    def __init__(self, uri: str, experiment: str, name: str, *, run_id_file: Path | None = None, **others: Any) -> None:
        kept = run_id_file.read_text(encoding="utf-8").strip() if run_id_file and run_id_file.exists() else ""
        super().__init__(uri, experiment, name, run_id=kept or None, **others)
        self._run_id_file = run_id_file

    def find(self, client: "MlflowClient", experiment_id: str) -> "StoredRun | None":
        run = super().find(client, experiment_id)
        if run is None:
            return None
        there = logged(client, run, run.data.metrics)
        begins_again = False
        if self._unwritten:
            first, _, _, step = self._unwritten[0]
            begins_again = step <= min((at for key, at in there if key == first), default=-1)
        if begins_again or not self.has_our_params(run):
            if run.info.status == "RUNNING":
                client.set_terminated(run.info.run_id, "KILLED")
            return None
        self._there = set(there)
        if self._unwritten and run.info.status != "RUNNING":
            client.update_run(run.info.run_id, status="RUNNING")
        return run

    def opened(self, run_id: str) -> None:
        if self._run_id_file:
            self._run_id_file.parent.mkdir(parents=True, exist_ok=True)
            self._run_id_file.write_text(f"{run_id}\n", encoding="utf-8")


class MLflowRunLogger(Logger):
    """Logs a training to MLflow from rank 0, without delaying it; see `Run` and `TrainingRun`.

    This is not Lightning's MLFlowLogger: each of its calls waits for the store, and raises in the training loop if the
    store fails; on resume it logs steps twice. To make it safe, all of it would have to be wrapped.

    The run begins in MLflow with the first metrics. A training that fails before that leaves no run.
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
            uri: the store, from `tracking_uri(root)`.
            experiment: its name in `conf/`.
            name: the name of the run, in the grid and in MLflow.
            params: nested settings, logged as parameters under dotted names.
            facts: from `provenance`, fingerprints and so on, logged as tags.
            run_id_file: the file that keeps the run's id for a resumed training.
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
        """The run, for everything that Lightning has no call for: series, files, pictures."""
        return self._run

    @property
    def run_id(self) -> str | None:
        """The id in MLflow; waits for it. None if the store failed, and in processes of a rank other than 0."""
        return self._run.run_id if rank_zero_only.rank == 0 else None

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._run.log_metrics(metrics, step or 0)

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Does nothing: all parameters are given to `__init__`."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Called by Lightning with "success" or "failed"; does not begin a run."""
        self._run.finish("FINISHED" if status == "success" else "FAILED")
