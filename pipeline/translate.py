"""Translates the test set with one cell's model, and measures its loss on the references.

Reads:   conf/<experiment>.yaml: translate; models/<experiment>/<cell>/; data/<experiment>/encoded/
Writes:  translations/<experiment>/<cell>/: test.hypotheses (plain text, a line a sentence), test.csv (what search and
         model say of each), examples.json (sentences from short to long, with alignments)
Example: python -m pipeline.translate --experiment demo --cell bahdanau-60-s1
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from lookback.batching import EncodedSplit
from lookback.config import Translate, load_params
from lookback.models import TranslationModel
from lookback.tokenizer import Tokenizer, load_tokenizer
from lookback.translation import evenly_by_length, reference_loss, translate, translate_with_alignment
from lookback.weights import load_model, place
from pipeline import stage


def main() -> None:
    given = stage.parser(__doc__, cell=True).parse_args()
    experiment, layout = stage.load(given.experiment)
    cell, settings = experiment.cell(given.cell), experiment.translate
    folder = layout.model(cell.name)
    model = place(load_model(folder), load_params().hardware)
    tokenizer = load_tokenizer(folder, experiment.prepare.normalization)
    test = EncodedSplit.open(layout.encoded, "test")
    sources, references = ([side[i].tolist() for i in range(len(test))] for side in (test.source, test.target))

    name = f"translate {cell.experiment}/{cell.name}"
    translations = translate(model, tokenizer, sources, settings, name)
    nats, pieces = reference_loss(model, sources, references, settings.batch_sentences, f"{name}: reference loss")
    examples = []
    for index in evenly_by_length(np.asarray(test.words)[:, 0], settings.examples):
        examples.append({"index": index} | _example(model, tokenizer, sources[index], settings))
    for text in (showcase.text for showcase in settings.showcase):
        examples.append({"source": text} | _example(model, tokenizer, tokenizer.encode([text], "source")[0], settings))

    output = layout.translations(cell.name)
    output.mkdir(parents=True, exist_ok=True)
    (output / "test.hypotheses").write_text("".join(t.text + "\n" for t in translations), encoding="utf-8")
    with (output / "test.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["pieces", "score", "cut_off", "reference_nats", "reference_pieces"])
        for t, loss, count in zip(translations, nats, pieces, strict=True):
            writer.writerow([t.pieces, f"{t.score:.4f}", int(t.cut_off), f"{loss:.4f}", count])
    stage.write_json(output / "examples.json", examples)


def _example(model: TranslationModel, tokenizer: Tokenizer, source: Sequence[int], settings: Translate) -> dict:
    translation, alignment = translate_with_alignment(model, tokenizer, source, settings)
    return {"translation": asdict(translation), "alignment": alignment and asdict(alignment)}


if __name__ == "__main__":
    stage.run(main)
