"""Writes every report that has results, and the index of the reports, from the result files in git; trains nothing.

Reads:   conf/*.yaml; params.yaml: report; reports/<experiment>/ of every experiment that has one
Writes:  reports/<experiment>/ as `pipeline.report` does; reports/index.html, an overview of all reports
Example: python -m pipeline.reports
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from lookback.config import load_experiment, load_params
from lookback.errors import LookbackError
from lookback.report import index
from lookback.report.results import read
from pipeline import stage
from pipeline.report import write

REPORTS = Path("reports")


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
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


def further() -> list[index.Further]:
    """The existing pages in reports/ that belong to no experiment."""
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
