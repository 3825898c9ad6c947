"""Logs training and evaluation to MLflow, to compare runs in its UI.

An experiment of `conf/` is an MLflow experiment. A run of its grid is an MLflow run of the same name: training begins
it (`tracking.lightning`), and evaluation adds its scores. One more run has the report. Metrics have the same names in
all runs. Nothing depends on MLflow: a failure prints one line, and the work continues (`tracking.store`). MLflow takes
seconds to import, so it is imported where it is first used.
"""

from lookback.tracking.results import log_evaluation, log_report
from lookback.tracking.run import Run
from lookback.tracking.store import tracking_uri

__all__ = ["Run", "log_evaluation", "log_report", "tracking_uri"]
