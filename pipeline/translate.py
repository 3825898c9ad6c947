"""Translates the test sets with one run's model, and measures the loss of a network on the references.

Reads:   conf/<experiment>.yaml: translate; models/<experiment>/<run>/; data/<experiment>/encoded/ and testsets/
Writes:  translations/<experiment>/<run>/: test.hypotheses (plain text, a line a sentence), test.csv (what search and
         model say of each), the same of each further set under its name; and examples.json (sentences from short to
         long, with alignments)
Example: python -m pipeline.translate --experiment demo --run bahdanau-60-s1
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from lookback.config import Translate, WordByWord, load_params
from lookback.csv_tables import write_table
from lookback.data import testsets
from lookback.data.encoded import EncodedSplit
from lookback.decoding import dictionary
from lookback.decoding.translate import (
    Alignment,
    Translation,
    evenly_by_length,
    reference_loss,
    translate,
    translate_with_alignment,
)
from lookback.models.saved import load_model, place
from lookback.tokenizer import load_tokenizer
from lookback.tokenizer.words import UNKNOWN_MARK
from pipeline import stage

Ids = Sequence[Sequence[int]]
Losses = Sequence[tuple[str, str]]


def main() -> None:
    given = stage.parser(__doc__, run=True).parse_args()
    experiment, layout = stage.load(given.experiment)
    run, settings = experiment.run(given.run), experiment.translate
    folder, output = layout.model(run.name), layout.translations(run.name)
    tokenizer = load_tokenizer(folder, experiment.prepare.normalization)
    test = EncodedSplit.open(layout.encoded, "test")
    sources, references = ([side[i].tolist() for i in range(len(test))] for side in (test.source, test.target))

    name = f"translate {run.experiment}/{run.name}"
    if isinstance(experiment.models[run.model], WordByWord):
        entries = dictionary.load(folder)

        def work(sources: Ids, references: Ids, search: Translate, name: str) -> tuple[list[Translation], Losses]:
            banned = UNKNOWN_MARK if search.ban_unknown else None
            allowed = {source: target for source, target in entries.items() if target != banned}
            return [dictionary.translate(allowed, tokenizer, source) for source in sources], [("", "")] * len(sources)

        def example(source: Sequence[int]) -> tuple[Translation, Alignment | None]:
            return dictionary.translate(entries, tokenizer, source), None
    else:
        model = place(load_model(folder), load_params().hardware)

        def work(sources: Ids, references: Ids, search: Translate, name: str) -> tuple[list[Translation], Losses]:
            translations = translate(model, tokenizer, sources, search, name)
            nats, pieces = reference_loss(model, sources, references, search.batch_sentences, f"{name}: reference loss")
            losses = [(f"{loss:.4f}", str(count)) for loss, count in zip(nats, pieces, strict=True)]
            return translations, losses

        def example(source: Sequence[int]) -> tuple[Translation, Alignment | None]:
            return translate_with_alignment(model, tokenizer, source, settings)

    output.mkdir(parents=True, exist_ok=True)
    write(output, "test", *work(sources, references, settings, name))
    for further in testsets.read(layout.testsets):
        pair = tokenizer.encode(further.sources, "source"), tokenizer.encode(further.references, "target")
        search = settings.model_copy(update={"ban_unknown": settings.ban_unknown or further.ban_unknown})
        write(output, further.name, *work(*pair, search, f"{name}: {further.name}"))

    chosen = evenly_by_length(np.asarray(test.words)[:, 0], settings.examples)
    examples = [{"index": index} | _told(*example(sources[index])) for index in chosen]
    texts = [showcase.text for showcase in settings.showcase]
    shown = tokenizer.encode(texts, "source")
    examples += [{"source": text} | _told(*example(ids)) for text, ids in zip(texts, shown, strict=True)]
    stage.write_json(output / "examples.json", examples)


def write(output: Path, name: str, translations: Sequence[Translation], losses: Losses) -> None:
    (output / f"{name}.hypotheses").write_text("".join(t.text + "\n" for t in translations), encoding="utf-8")
    columns = ("pieces", "score", "cut_off", "reference_nats", "reference_pieces")
    rows = (
        (t.pieces, None if t.score is None else f"{t.score:.4f}", int(t.cut_off), *loss)
        for t, loss in zip(translations, losses, strict=True)
    )
    write_table(output / f"{name}.csv", columns, rows)


def _told(translation: Translation, alignment: Alignment | None) -> dict:
    return {"translation": asdict(translation), "alignment": alignment and asdict(alignment)}


if __name__ == "__main__":
    stage.run(main)
