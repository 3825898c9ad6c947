"""What went on in training and evaluation, in MLflow, for looking at and comparing in its UI.

An experiment of `conf/` is an experiment in MLflow, a run of its grid a run there of the same name, which training
begins (`tracking.lightning`) and evaluation adds its scores to; one more run holds the report. Metrics have
the same names in all runs. MLflow is a witness: where it fails, that is told in one line and the work goes on
(`tracking.store`). It takes seconds to import, so nothing here does before it is needed.
"""

from lookback.tracking.results import log_evaluation, log_report
from lookback.tracking.run import Run
from lookback.tracking.store import tracking_uri

__all__ = ["Run", "log_evaluation", "log_report", "tracking_uri"]
