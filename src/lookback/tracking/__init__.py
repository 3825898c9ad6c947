"""Training and evaluation in MLflow, to look at and compare in its UI.

An experiment of `conf/` is an MLflow experiment, and a run of its grid an MLflow run of the same name: training begins
it (`tracking.lightning`), evaluation adds its scores. One more run holds the report. Metrics have the same names in all
runs. MLflow is only a witness: a failure is told in one line and the work goes on (`tracking.store`). MLflow takes
seconds to import, so it is imported where it is first used.
"""

from lookback.tracking.results import log_evaluation, log_report
from lookback.tracking.run import Run
from lookback.tracking.store import tracking_uri

__all__ = ["Run", "log_evaluation", "log_report", "tracking_uri"]
