"""Counts the parameters of the papers' models and compares them with the numbers that the papers print.

Reads:   conf/wmt14-*.yaml
Writes:  reports/parameters.md
Example: python -m pipeline.parameters
"""

import argparse
from pathlib import Path

from lookback.config import load_experiment
from lookback.published.parameters import PUBLISHED, REASONS, table
from pipeline import stage

OUTPUT = Path("reports/parameters.md")


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    experiments = {name: load_experiment(name) for name in dict.fromkeys(row.experiment for row in PUBLISHED)}
    title = "# Parameters of the papers' models\n\nWritten by `python -m pipeline.parameters`."
    text = f"{title}\n\n{table(experiments)}\n\n{REASONS}"
    OUTPUT.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    stage.run(main)
