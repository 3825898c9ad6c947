"""Translates the test sets with one run's model, and computes a network's loss on the references.

Reads:   conf/<experiment>.yaml: translate; models/<experiment>/<run>/; data/<experiment>/encoded/ and testsets/
Writes:  translations/<experiment>/<run>/: test.hypotheses (plain text, one sentence per line), test.csv (search and
         model statistics of each), the same for each further set under its name; and examples.json (sentences from
         short to long, with alignments)
Example: python -m pipeline.translate --experiment demo --run bahdanau-60-s1
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from lookback.config import Translate, load_params
from lookback.csv_tables import write_table
from lookback.data import testsets
from lookback.data.encoded import EncodedSplit
from lookback.decoding.translate import evenly_by_length
from lookback.decoding.translator import Alignment, Translation, load_translator
from lookback.tokenizer import load_tokenizer
from pipeline import stage

Ids = Sequence[Sequence[int]]


def main() -> None:
    given = stage.parser(__doc__, run=True).parse_args()
    experiment, layout = stage.load(given.experiment)
    run, settings = experiment.run(given.run), experiment.translate
    folder, output = layout.model(run.name), layout.translations(run.name)
    tokenizer = load_tokenizer(folder, experiment.prepare.normalization)
    translator = load_translator(folder, tokenizer, load_params().hardware)
    test = EncodedSplit.open(layout.encoded, "test")
    sources, references = ([side[i].tolist() for i in range(len(test))] for side in (test.source, test.target))

    def work(sources: Ids, references: Ids, search: Translate, name: str, title: str) -> None:
        translations = translator.translate(sources, search, title)
        losses = translator.reference_loss(sources, references, search.batch_sentences, f"{title}: reference loss")
        write(output, name, translations, losses)

    title = f"translate {run.experiment}/{run.name}"
    output.mkdir(parents=True, exist_ok=True)
    work(sources, references, settings, "test", title)
    for further in testsets.read(layout.testsets):
        pair = tokenizer.encode(further.sources, "source"), tokenizer.encode(further.references, "target")
        search = settings.model_copy(update={"ban_unknown": settings.ban_unknown or further.ban_unknown})
        work(*pair, search, further.name, f"{title}: {further.name}")

    chosen = evenly_by_length(np.asarray(test.words)[:, 0], settings.examples)
    examples = [{"index": i} | _told(*translator.translate_with_alignment(sources[i], settings)) for i in chosen]
    texts = [showcase.text for showcase in settings.showcase]
    for text, ids in zip(texts, tokenizer.encode(texts, "source"), strict=True):
        examples.append({"source": text} | _told(*translator.translate_with_alignment(ids, settings)))
    stage.write_json(output / "examples.json", examples)


def write(
    output: Path, name: str, translations: Sequence[Translation], losses: tuple[np.ndarray, np.ndarray] | None
) -> None:
    (output / f"{name}.hypotheses").write_text("".join(t.text + "\n" for t in translations), encoding="utf-8")
    blank = (None, None)
    texts = (
        [(f"{nats:.4f}", pieces) for nats, pieces in zip(*losses, strict=True)]
        if losses
        else [blank] * len(translations)
    )
    columns = ("pieces", "score", "cut_off", "reference_nats", "reference_pieces")
    rows = (
        (t.pieces, None if t.score is None else f"{t.score:.4f}", int(t.cut_off), *loss)
        for t, loss in zip(translations, texts, strict=True)
    )
    write_table(output / f"{name}.csv", columns, rows)


def _told(translation: Translation, alignment: Alignment | None) -> dict:
    return {"translation": asdict(translation), "alignment": alignment and asdict(alignment)}


if __name__ == "__main__":
    stage.run(main)
