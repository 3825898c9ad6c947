"""Writes the report and the figures of an experiment from the result files that are in git; trains nothing.

Reads:   conf/<experiment>.yaml: grid; params.yaml: report; reports/<experiment>/corpus.json and runs/<run>/ of
         every run of the grid
Writes:  reports/<experiment>/: report.md, report.html, by_length.csv, figures/
Example: python -m pipeline.report --experiment demo
         which also puts the report into MLflow; with --all, every experiment of conf/ that has a folder in reports/,
         and reports/index.html, which shows all of them at a glance
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from lookback import report
from lookback.config import Report, explained, load_experiment, load_params
from lookback.errors import LookbackError
from lookback.report import index
from lookback.report.results import read
from lookback.tracking import log_report, tracking_uri
from pipeline import stage
from pipeline.every import read_every

REPORTS = Path("reports")
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
        name = given.experiment
        write(name, given.every_sentence)
        uri = tracking_uri(stage.project_root())
        log_report(uri, name, load_experiment(name).title, stage.Layout(name).reports)
        return
    write_all()


def write_all() -> None:
    """Every report that can be written, as many at once as there are cores, and the index of them; then tells which
    could not be."""
    running, found, others, failed = [], [], [], []
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for name in sorted(path.stem for path in Path("conf").glob("*.yaml")):
            try:
                experiment = load_experiment(name)
            except LookbackError as error:
                failed.append(str(error))
                continue
            if stage.Layout(name).reports.exists():
                running.append((experiment, pool.submit(write, name)))
            else:
                others.append(experiment)
        for experiment, work in running:
            try:
                work.result()
                found.append(read(experiment, stage.Layout(experiment.name).reports))
            except LookbackError as error:
                others.append(experiment)
                failed.append(str(error))
    index.write(REPORTS, found, others, further(), load_params().report)
    print(f"wrote {REPORTS / 'index.html'}", flush=True)
    if failed:
        raise LookbackError("; ".join(failed))


def write(name: str, every_sentence: bool = False) -> None:
    experiment, layout = stage.load(name)
    every = read_every(experiment, layout.prepared, layout.translations("")) if every_sentence else None
    report.write(experiment, layout.reports, load_params().report, every)
    pages = ["report.md", "report.html", *(["every-sentence.html"] if every else [])]
    print(f"wrote {', '.join(str(layout.reports / page) for page in pages)}", flush=True)


def further() -> list[index.Further]:
    """The pages in reports/ that are of no experiment, where they are there."""
    pages = []
    lesson, picture = REPORTS / "mechanisms/index.html", REPORTS / "mechanisms/figures/simple-1.svg"
    if lesson.exists() and picture.exists():
        from lookback.lesson import HEADLINE, TITLE

        seen = "How much each word of a sentence looks at each other, in percent; the page has the numbers."
        pages.append(index.Further(TITLE, HEADLINE, "mechanisms/index.html", picture.read_bytes(), seen))
    if (REPORTS / "parameters.md").exists():
        text = "How many parameters the published models have as they are here, beside what their papers print."
        pages.append(index.Further("Parameters of the papers' models", text, "parameters.md"))
    return pages


if __name__ == "__main__":
    stage.run(main)
