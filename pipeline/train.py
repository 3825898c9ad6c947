"""Trains one run of the grid; killed at any moment and started again, a network goes on from its last validation.

Reads:   conf/<experiment>.yaml: train, models.<model>; params.yaml: hardware; data/<experiment>/encoded/
Writes:  models/<experiment>/<run>/: weights.safetensors and config.json, or of word_by_word dictionary.json; the
         tokenizer, training.json
Example: python -m pipeline.train --experiment demo --run bahdanau-60-s1 (--fast-dev-run: does it work at all?)
"""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from lookback.config import WordByWord, load_params
from lookback.decoding import dictionary
from lookback.tracking import tracking_uri
from lookback.tracking.lightning import MLflowRunLogger
from lookback.tracking.provenance import provenance
from lookback.training.run import train
from pipeline import stage


def main() -> None:
    parser = stage.parser(__doc__, run=True)
    parser.add_argument("--fast-dev-run", action="store_true", help="one step and one validation; writes nothing")
    given = parser.parse_args()
    experiment, layout = stage.load(given.experiment)
    run, hardware = experiment.run(given.run), load_params().hardware
    model, settings = experiment.model(run), experiment.training(run)
    facts = provenance(stage.project_root()) | stage.fingerprints(stage.read_json(layout.corpus_manifest))
    if given.fast_dev_run:
        with TemporaryDirectory() as folder:
            resume, output = Path(folder, "resume"), Path(folder, "model")
            if isinstance(model, WordByWord):
                dictionary.train(model, layout.encoded, run, output, facts)
                return
            train(model, settings, hardware, layout.encoded, run, resume, output, facts, fast_dev_run=True)
        return

    about = {"run": run.model_dump(), "model": model.model_dump(mode="json")}
    if not isinstance(model, WordByWord):
        about["train"] = settings.model_dump(mode="json")
    resume, output = layout.resume(run.name), layout.model(run.name)
    logger = MLflowRunLogger(
        tracking_uri(stage.project_root()), experiment.name, run.name, about, facts, resume / "mlflow_run_id"
    )
    if isinstance(model, WordByWord):
        result = dictionary.train(model, layout.encoded, run, output, facts)
        logger.log_metrics({"train/entries": result["entries"]})
        logger.finalize("success")
    else:
        result = asdict(train(model, settings, hardware, layout.encoded, run, resume, output, facts, logger))
    about = result | about | {"provenance": facts, "mlflow_run_id": logger.run_id}
    stage.write_json(output / "training.json", about)


if __name__ == "__main__":
    stage.run(main)
