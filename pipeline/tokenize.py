"""Trains the tokenizer on train only, a SentencePiece model or word lists, and encodes all splits.

Reads:   conf/<experiment>.yaml: tokenize; data/<experiment>/prepared/
Writes:  data/<experiment>/encoded/, and reports/<experiment>/corpus.json: all facts about the corpus, in git
Example: python -m pipeline.tokenize --experiment demo
"""

from lookback.data.encode import tokenize
from pipeline import stage


def main() -> None:
    experiment, layout = stage.load(stage.parser(__doc__).parse_args().experiment)
    manifest = stage.read_json(layout.prepared / "manifest.json")
    manifest["tokenizer"] = tokenize(
        layout.prepared,
        layout.encoded,
        manifest["pairs"]["train"],
        experiment.tokenize,
        experiment.prepare.normalization,
        {"source": experiment.source_language, "target": experiment.target_language},
    )
    layout.reports.mkdir(parents=True, exist_ok=True)
    stage.write_json(layout.corpus_manifest, manifest)


if __name__ == "__main__":
    stage.run(main)
