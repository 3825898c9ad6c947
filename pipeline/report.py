"""Writes the report and the figures of an experiment from the result files that are in git; trains nothing.

Reads:   conf/<experiment>.yaml: grid; params.yaml: report; reports/<experiment>/corpus.json and cells/<cell>/ of
         every cell of the grid
Writes:  reports/<experiment>/: report.md, report.html, by_length.csv, figures/
Example: python -m pipeline.report --experiment demo
         which also puts the report into MLflow; with --all, every experiment of conf/ that has a folder in reports/
"""

import argparse
from pathlib import Path

from lookback import report
from lookback.config import load_params
from lookback.errors import LookbackError
from lookback.report.every import read_every
from lookback.tracking import log_report, tracking_uri
from pipeline import stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--experiment", metavar="NAME", help="an entry of conf/")
    which.add_argument("--all", action="store_true", help="every experiment of conf/ with a folder in reports/")
    parser.add_argument(
        "--every-sentence",
        action="store_true",
        help="with --experiment: also write reports/NAME/every-sentence.html, the page with all sentences of the test "
        "set, from data/ and translations/; git ignores it",
    )
    given = parser.parse_args()
    if given.all and given.every_sentence:
        parser.error("--every-sentence is for one report: give --experiment NAME")
    if not given.all:
        write(given.experiment, given.every_sentence)
        log_report(tracking_uri(stage.project_root()), given.experiment, stage.Layout(given.experiment).reports)
        return
    failed = []
    for name in sorted(path.stem for path in Path("conf").glob("*.yaml")):
        if stage.Layout(name).reports.exists():
            try:
                write(name)
            except LookbackError as error:
                failed.append(str(error))
    if failed:
        raise LookbackError("; ".join(failed))


def write(name: str, every_sentence: bool = False) -> None:
    experiment, layout = stage.load(name)
    every = read_every(experiment, layout.prepared, layout.translations("")) if every_sentence else None
    report.write(experiment, layout.reports, load_params().report, every)
    pages = ["report.md", "report.html", *(["every-sentence.html"] if every else [])]
    print(f"wrote {', '.join(str(layout.reports / page) for page in pages)}", flush=True)


if __name__ == "__main__":
    stage.run(main)
