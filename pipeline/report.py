"""Writes the report and the figures of an experiment from the result files that are in git; trains nothing.

Reads:   conf/<experiment>.yaml: grid; params.yaml: report; reports/<experiment>/corpus.json and runs/<run>/ of
         every run of the grid
Writes:  reports/<experiment>/: report.md, report.html, by_length.csv, figures/
Example: python -m pipeline.report --experiment demo
         which also logs the report to MLflow; `python -m pipeline.reports` writes all reports and their index
"""

import argparse

from lookback import report
from lookback.config import Report, explained, load_experiment, load_params
from lookback.tracking import log_report, tracking_uri
from pipeline import stage
from pipeline.every import read_every

SETTINGS = f"""\
settings, in params.yaml under `report` (the default in brackets):
{explained(Report)}

To change one for all experiments, edit params.yaml and run this again, or `make report`. For one run of one report,
without editing: `dvc exp run --single-item report@demo -S 'params.yaml:report.dpi=600'`; lists are written as in
-S 'params.yaml:report.formats=[svg,pdf]'.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=SETTINGS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiment", required=True, metavar="NAME", help="an entry of conf/")
    parser.add_argument(
        "--every-sentence",
        action="store_true",
        help="also write reports/NAME/every-sentence.html, the page with all sentences of the test "
        "set, from data/ and translations/; git ignores it",
    )
    given = parser.parse_args()
    name = given.experiment
    write(name, given.every_sentence)
    log_report(tracking_uri(stage.project_root()), name, load_experiment(name).title, stage.Layout(name).reports)


def write(name: str, every_sentence: bool = False) -> None:
    experiment, layout = stage.load(name)
    every = read_every(experiment, layout.prepared, layout.translations("")) if every_sentence else None
    report.write(experiment, layout.reports, load_params().report, every)
    pages = ["report.md", "report.html", *(["every-sentence.html"] if every else [])]
    print(f"wrote {', '.join(str(layout.reports / page) for page in pages)}", flush=True)


if __name__ == "__main__":
    stage.run(main)
