"""Measures one cell's model: what its states remember, where it looks, what can be read from its vectors.

Reads:   conf/<experiment>.yaml: probe, evaluate; models/<experiment>/<cell>/; data/<experiment>/encoded/, and
         data/<experiment>/prepared/test.alignment where there is one
Writes:  reports/<experiment>/cells/<cell>/probe.csv: curves, a row a point (see `lookback.probes.Point`); without
         `probe` settings, and of a dictionary, which has nothing to measure, the header alone
Example: python -m pipeline.probe --experiment demo --cell rnn_encoder_decoder-60-s1
"""

from collections.abc import Iterator

import numpy as np
import torch

from lookback import models
from lookback.batching import EncodedSplit
from lookback.config import Cell, Experiment, WordByWord, load_params
from lookback.probes import Point, alignments, gradients, readability, recurrence
from lookback.probes.table import write_points
from lookback.tokenizer import load_tokenizer
from lookback.weights import load_model, place
from pipeline import stage


def main() -> None:
    given = stage.parser(__doc__, cell=True).parse_args()
    experiment, layout = stage.load(given.experiment)
    cell = experiment.cell(given.cell)
    output = layout.results(cell.name)
    points = list(measure(experiment, layout, cell))  # all of them, before the file is touched
    output.mkdir(parents=True, exist_ok=True)
    write_points(output / "probe.csv", points)


def measure(experiment: Experiment, layout: stage.Layout, cell: Cell) -> Iterator[Point]:
    settings, folder, hardware = experiment.model(cell), layout.model(cell.name), load_params().hardware
    if experiment.probe is None or isinstance(settings, WordByWord):
        return
    tokenizer = load_tokenizer(folder, experiment.prepare.normalization)
    model = place(load_model(folder), hardware)
    torch.manual_seed(cell.seed)  # as the train stage does
    untrained = models.build(settings, tokenizer.source_vocabulary, tokenizer.target_vocabulary).eval()
    test, train = (EncodedSplit.open(layout.encoded, split) for split in ("test", "train"))
    sources, references = ([side[i].tolist() for i in range(len(test))] for side in (test.source, test.target))
    words = np.asarray(test.words)[:, 0].tolist()
    bounds, size = experiment.evaluate, experiment.translate.batch_sentences
    name = f"probe {cell.experiment}/{cell.name}"

    both = {"trained": model, "untrained": place(untrained, hardware)}
    yield from recurrence.measure(both, sources, experiment.probe, bounds)
    gold = alignments.read_gold(layout.prepared / "test.alignment", tokenizer)
    yield from gradients.gradient_by_distance(model, tokenizer, sources, references, gold, bounds, size, name)
    rows = alignments.reference_alignments(model, sources, references, size, name)
    yield from alignments.alignment_entropy(rows, words, bounds)
    yield from alignments.alignment_error_rate(rows, tokenizer, sources, references, gold, words, bounds)
    fit = [train.source[i].tolist() for i in readability.fit_sentences(np.asarray(train.words)[:, 0].tolist(), bounds)]
    yield from readability.readable_words(model, sources, words, fit, bounds, size, name)


if __name__ == "__main__":
    stage.run(main)
