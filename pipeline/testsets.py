"""Derives further test sets from the test set: sentences alone and joined, and sentences without unknown words.

Reads:   conf/<experiment>.yaml: test_sets, tokenize; data/<experiment>/prepared/ and encoded/: test.*
Writes:  data/<experiment>/testsets/: manifest.json, and for each set <name>/{source,target,words.npy,made_of}; the
         manifest alone without `test_sets` and without a word tokenizer
Example: python -m pipeline.testsets --experiment demo
"""

from lookback.data import testsets
from pipeline import stage


def main() -> None:
    experiment, layout = stage.load(stage.parser(__doc__).parse_args().experiment)
    manifest = testsets.derive(
        layout.prepared, layout.encoded, layout.testsets, experiment.test_sets, experiment.tokenize, experiment.name
    )
    for made in manifest["sets"]:
        print(f"{layout.testsets / made['name']}: {made['lines']:,} lines", flush=True)
    if manifest.get("groups", 0) < manifest.get("groups_asked_for", 0):
        print(
            f"test_sets.joined: {manifest['groups']} groups, not the {manifest['groups_asked_for']} configured: the "
            "test set has no more sentences that short",
            flush=True,
        )


if __name__ == "__main__":
    stage.run(main)
