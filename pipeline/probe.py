"""Measures one cell's model, trained and as it was before training.

Reads:   conf/<experiment>.yaml: probe, evaluate; models/<experiment>/<cell>/; data/<experiment>/encoded/
Writes:  reports/<experiment>/cells/<cell>/probe.csv: curves, a row a point (see `lookback.probes.Point`); of an
         architecture that has no measure, the header alone
Example: python -m pipeline.probe --experiment demo --cell rnn_encoder_decoder-60-s1
"""

import torch

from lookback import models
from lookback.batching import EncodedSplit
from lookback.config import load_params
from lookback.probes import recurrence
from lookback.probes.table import write_points
from lookback.tokenizer import load_tokenizer
from lookback.weights import load_model, place
from pipeline import stage


def main() -> None:
    given = stage.parser(__doc__, cell=True).parse_args()
    experiment, layout = stage.load(given.experiment)
    cell, hardware = experiment.cell(given.cell), load_params().hardware
    tokenizer = load_tokenizer(layout.model(cell.name), experiment.prepare.normalization)
    trained = load_model(layout.model(cell.name))
    torch.manual_seed(cell.seed)  # as the train stage does
    untrained = models.build(experiment.model(cell), tokenizer.source_vocabulary, tokenizer.target_vocabulary).eval()
    both = {"trained": place(trained, hardware), "untrained": place(untrained, hardware)}
    test = EncodedSplit.open(layout.encoded, "test")
    sources = [test.source[i].tolist() for i in range(len(test))]

    points = [
        *recurrence.measure(both, sources, experiment.probe, experiment.evaluate),
    ]
    layout.results(cell.name).mkdir(parents=True, exist_ok=True)
    write_points(layout.results(cell.name) / "probe.csv", points)


if __name__ == "__main__":
    stage.run(main)
