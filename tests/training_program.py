"""A program that trains, for tests that must kill it or run it on several devices.

    python tests/training_program.py kill <folder> <architecture> <moment> ...
        trains twice: once without a break into <folder>/whole, and once into <folder>/killed, where the process gets
        SIGKILL at each of the given moments in turn (`step-7`, `validation-20`, `checkpoint-20`) and is started again
    python tests/training_program.py devices <folder> <number>
        trains on that number of CPU processes, as `on_devices` does

Each training in the first form is a child process, forked so that torch is imported only once.
"""

import json
import os
import signal
import sys
from pathlib import Path

import pytorch_lightning as pl
import torch

from lookback import config
from lookback.training.run import TrainingResult, train
from tests.tiny import MODELS

SETTINGS = config.Train(target_tokens=2_000, batch_target_tokens=50, valid_interval_steps=10, label_smoothing=0.1)


def run(folder: Path, output: Path, model: config.Model, devices: int = 1, kill: str = "") -> TrainingResult:
    """Trains on the corpus in `folder`/encoded; the Transformer's weights are the mean of several."""
    torch.set_num_threads(1)
    average = 3 if model.architecture == "transformer" else 0
    moment, _, step = kill.partition("-")
    return train(
        model,
        SETTINGS.model_copy(update={"average_checkpoints": average}),
        config.Hardware(accelerator="cpu", devices=devices),
        folder / "encoded",
        config.Run(experiment="tiny", model=model.architecture, max_train_words=12, seed=3),
        output / "resume",
        output / "model",
        provenance={},
        callbacks=[Killer(moment, int(step))] if kill else [],
    )


class Killer(pl.Callback):
    """Ends the process as `kill -9` does, at one moment of training."""

    def __init__(self, moment: str, step: int) -> None:
        self.moment, self.step = moment, step

    def kill(self, moment: str, trainer: pl.Trainer) -> None:
        if moment == self.moment and trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        self.kill("step", trainer)

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        self.kill("validation", trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """The checkpoint is written next: let it be killed when all is on disk but the last byte's place."""
        rename = Path.replace

        def killed(path: Path, target: Path) -> Path:
            self.kill("checkpoint", trainer)
            return rename(path, target)

        Path.replace = killed  # type: ignore[method-assign]


def forked(folder: Path, output: Path, model: config.Model, kill: str = "") -> int:
    """The signal that ended a training in a process of its own, 0 for none."""
    child = os.fork()
    if child == 0:
        result = run(folder, output, model, kill=kill)
        summary = {"history": result.history, "best_step": result.best_step, "resumed_at": result.resumed_at}
        (output / "result.json").write_text(json.dumps(summary))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def on_devices(folder: Path, devices: int) -> TrainingResult:
    """Trains into `folder`/devices-<number>."""
    model = MODELS[0].model_copy(
        # Adam divides by the size of the gradient: without this, rounding alone decides where there is hardly one.
        update={"dropout": 0.0, "optimiser": config.Adam(epsilon=1e-3, warmup_steps=5)}
    )
    return run(folder, folder / f"devices-{devices}", model, devices)


def main() -> None:
    kind, folder, *rest = sys.argv[1:]
    if kind == "devices":
        result = on_devices(Path(folder), int(rest[0]))
        print(json.dumps({"history": result.history, "target_tokens": result.target_tokens}))
        return
    name, *moments = rest
    model = next(model for model in MODELS if model.architecture == name)
    adadelta = config.Adadelta(algorithm="adadelta", epsilon=1e-4)
    optimiser = adadelta if model.architecture == "rnn_encoder_decoder" else config.Adam(warmup_steps=5)
    model = model.model_copy(update={"dropout": 0.3, "optimiser": optimiser})
    for output, kills in (("whole", [""]), ("killed", [*moments, ""])):
        Path(folder, name, output).mkdir(parents=True)
        ends = [forked(Path(folder), Path(folder, name, output), model, kill) for kill in kills]
        assert ends == [-signal.SIGKILL if kill else 0 for kill in kills], ends


if __name__ == "__main__":
    main()
