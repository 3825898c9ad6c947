"""Probes one run's model: what its states remember, where it attends, and what its vectors encode.

Reads:   conf/<experiment>.yaml: probe, evaluate; models/<experiment>/<run>/; data/<experiment>/encoded/, and
         data/<experiment>/prepared/test.alignment where there is one
Writes:  reports/<experiment>/runs/<run>/probe.csv: curves, one row per point (see `lookback.probes.points.Point`); the
         header alone without `probe` settings, and for a dictionary, which has nothing to measure
Example: python -m pipeline.probe --experiment demo --run rnn_encoder_decoder-60-s1
"""

from collections.abc import Iterator

import numpy as np
import torch

from lookback import models
from lookback.config import Experiment, NetworkSettings, Run, load_params
from lookback.data.encoded import EncodedSplit
from lookback.models.saved import load_model, place
from lookback.probes import alignments, gradients, readability, recurrence
from lookback.probes.points import Point, write_points
from lookback.tokenizer import load_tokenizer
from pipeline import stage


def main() -> None:
    given = stage.parser(__doc__, run=True).parse_args()
    experiment, layout = stage.load(given.experiment)
    run = experiment.run(given.run)
    output = layout.results(run.name)
    points = list(measure(experiment, layout, run))  # compute all points before touching the file
    output.mkdir(parents=True, exist_ok=True)
    write_points(output / "probe.csv", points)


def measure(experiment: Experiment, layout: stage.Layout, run: Run) -> Iterator[Point]:
    settings, folder, hardware = experiment.model(run), layout.model(run.name), load_params().hardware
    if experiment.probe is None or not isinstance(settings, NetworkSettings):
        return
    tokenizer = load_tokenizer(folder, experiment.prepare.normalization)
    model = place(load_model(folder), hardware)
    torch.manual_seed(run.seed)  # as the train stage does
    untrained = models.build(settings, tokenizer.source_vocabulary, tokenizer.target_vocabulary).eval()
    test, train = (EncodedSplit.open(layout.encoded, split) for split in ("test", "train"))
    sources, references = ([side[i].tolist() for i in range(len(test))] for side in (test.source, test.target))
    words = np.asarray(test.words)[:, 0].tolist()
    bounds, size = experiment.evaluate, experiment.translate.batch_sentences
    name = f"probe {run.experiment}/{run.name}"

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
