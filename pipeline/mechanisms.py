"""Writes the page that explains the kinds of attention with small worked examples; trains nothing and needs no DVC.

Reads:   reports/mechanisms/layers.json, which is in git; params.yaml: report
Writes:  reports/mechanisms/: index.html, README.md, figures/
Example: python -m pipeline.mechanisms
         with --layers models/demo/transformer-60-s1, it first writes layers.json from that trained Transformer
"""

import argparse
from pathlib import Path

from lookback import lesson as mechanisms
from lookback.config import load_params
from lookback.lesson import layers
from pipeline import stage

OUTPUT = Path("reports/mechanisms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--layers", type=Path, metavar="FOLDER", help="a trained Transformer, as the train stage writes it"
    )
    given = parser.parse_args()
    if given.layers:
        layers.save(layers.measure(given.layers), OUTPUT / layers.FILE_NAME)
    mechanisms.write(OUTPUT, load_params().report)
    print(f"wrote {OUTPUT / 'index.html'} and {OUTPUT / 'README.md'}", flush=True)


if __name__ == "__main__":
    stage.run(main)
