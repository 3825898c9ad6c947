"""Fetches a corpus from its source and writes it as plain aligned text.

Reads:   conf/<experiment>.yaml: corpus
Writes:  data/<experiment>/raw/{train,valid,test}.{source,target} and manifest.json; of the built-in corpus also
         {valid,test}.alignment, the gold word alignment (`lookback.corpus.fragment`)
Example: python -m pipeline.download --experiment demo
"""

from lookback.config import FilesCorpus, FragmentCorpus
from lookback.console import amount, duration
from lookback.corpus import files, fragment, hub
from pipeline import stage


def main() -> None:
    experiment, layout = stage.load(stage.parser(__doc__).parse_args().experiment)
    corpus = experiment.corpus
    layout.raw.mkdir(parents=True, exist_ok=True)
    if isinstance(corpus, FragmentCorpus):
        pairs = corpus.train + corpus.valid + corpus.test_per_ten_words * corpus.max_words // 10
        # measured: 250 bytes and a seventh of a millisecond per pair
        print(f"download: makes {pairs:,} pairs, {amount(250 * pairs)}; about {duration(pairs / 7000)}", flush=True)
        manifest = fragment.generate(corpus, layout.raw)
        print(fragment.describe(manifest))
    elif isinstance(corpus, FilesCorpus):
        manifest = files.fetch(corpus, layout.raw)
    else:
        manifest = hub.fetch(corpus, experiment.source_language, experiment.target_language, layout.raw)
    stage.write_json(layout.raw / "manifest.json", manifest)


if __name__ == "__main__":
    stage.run(main)
