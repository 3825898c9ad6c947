"""Trains one run of the grid. A network that was killed and is started again resumes from its last validation.

Reads:   conf/<experiment>.yaml: train, models.<model>; params.yaml: hardware; data/<experiment>/encoded/
Writes:  models/<experiment>/<run>/: weights.safetensors and config.json, or for a dictionary dictionary.json; the
         tokenizer; training.json
Example: python -m pipeline.train --experiment demo --run bahdanau-60-s1 (--fast-dev-run: a smoke test)
"""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from lookback.architectures import ARCHITECTURES, load
from lookback.config import load_params
from lookback.tracking import tracking_uri
from lookback.tracking.lightning import MLflowRunLogger
from lookback.tracking.provenance import provenance
from pipeline import stage


def main() -> None:
    parser = stage.parser(__doc__, run=True)
    parser.add_argument("--fast-dev-run", action="store_true", help="one step and one validation; writes nothing")
    given = parser.parse_args()
    experiment, layout = stage.load(given.experiment)
    run, hardware = experiment.run(given.run), load_params().hardware
    model, settings = experiment.model(run), experiment.training(run)
    train = load(ARCHITECTURES[model.architecture].trainer)
    facts = provenance(stage.project_root()) | stage.fingerprints(stage.read_json(layout.corpus_manifest))
    if given.fast_dev_run:
        with TemporaryDirectory() as folder:
            resume, output = Path(folder, "resume"), Path(folder, "model")
            train(model, settings, hardware, layout.encoded, run, resume, output, facts, fast_dev_run=True)
        return

    about = {"run": run.model_dump(), "model": model.model_dump(mode="json")}
    if settings:
        about["train"] = settings.model_dump(mode="json")
    resume, output = layout.resume(run.name), layout.model(run.name)
    logger = MLflowRunLogger(
        tracking_uri(stage.project_root()), experiment.name, run.name, about, facts, resume / "mlflow_run_id"
    )
    result = train(model, settings, hardware, layout.encoded, run, resume, output, facts, logger=logger)
    about = asdict(result) | about | {"provenance": facts, "mlflow_run_id": logger.run_id}
    stage.write_json(output / "training.json", about)


if __name__ == "__main__":
    stage.run(main)
