"""Cleans the training pairs, counts words and selects pairs if configured; validation and test keep every line
unchanged.

Reads:   conf/<experiment>.yaml: prepare; data/<experiment>/raw/
Writes:  data/<experiment>/prepared/: {train,valid,test}.{source,target,words.npy}, {valid,test}.alignment if the
         corpus has them, and the counts of every step in manifest.json
Example: python -m pipeline.prepare --experiment demo
"""

from lookback.corpus import clean
from pipeline import stage


def main() -> None:
    experiment, layout = stage.load(stage.parser(__doc__).parse_args().experiment)
    layout.prepared.mkdir(parents=True, exist_ok=True)
    manifest = clean.prepare(
        layout.raw, layout.prepared, experiment.prepare, experiment.source_language, experiment.target_language
    )
    manifest["raw"] = stage.read_json(layout.raw / "manifest.json")
    stage.write_json(layout.prepared / "manifest.json", manifest)


if __name__ == "__main__":
    stage.run(main)
