"""Training with PyTorch Lightning: one module for all models, and one data module.

A run is reproducible, and resumable at any point, because:

- a Lightning "epoch" is one validation interval; checkpoints are written only at its end;
- the batches and the learning rate are functions of the global step (see `lookback.data.batches`), and dropout masks
  come from a generator that is reseeded at each step; so weights, optimiser and step are the whole state;
- the resume checkpoint is one file, replaced atomically, which also holds the best weights and the curve so far.

A killed run loses at most one validation interval.
"""

import contextlib
import logging
import math
import signal
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import Logger

from lookback import config, models
from lookback.data.batches import Batches
from lookback.data.encoded import EncodedSplit
from lookback.errors import LookbackError
from lookback.models.saved import accelerator, load_model, place, save_model
from lookback.tokenizer import load_tokenizer, tokenizer_file
from lookback.training import checkpoint
from lookback.training.averaging import LastWeights
from lookback.training.datamodule import TranslationData
from lookback.training.module import CurvePoint, TranslationTask
from lookback.training.progress import TrainingProgress, needs
from lookback.training.tuning import tune

__all__ = ["CurvePoint", "TrainingResult", "TranslationData", "load_model", "place", "train", "trend"]

MANY_PAIRS = 2_000_000
"""From this number of pairs on, a line explains the wait at the start."""

FALLING = 0.01
"""The validation loss is still falling if it falls by more than this share of itself in the last quarter."""


@dataclass(frozen=True)
class TrainingResult:
    history: tuple[CurvePoint, ...]
    steps: int
    target_tokens: int
    sentences: int
    """Pairs seen, counting repetitions."""
    epochs: float
    batches_fingerprint: str
    padding: float
    """The share of padding in the batches."""
    tokens_per_second: float
    """Target tokens per second: the median over windows of `LOG_STEPS` steps, without validation."""
    seconds: float
    """Time of training and validation, without work lost to interruptions."""
    parameters: int
    best_step: int
    """The step of the lowest validation loss; with averaging, the last step."""
    valid_loss: float
    """Validation loss of the saved weights: those of the best step, or the mean of the last checkpoints."""
    valid_loss_slope: float | None
    """The fall (-) or rise, in nats, of a straight line fitted to the last quarter of the curve, over that quarter."""
    still_falling: bool
    """See `trend`."""
    resumed_at: int | None
    """The step of the checkpoint that this run resumed from."""


def train(
    settings: config.Model,
    train_settings: config.Train,
    hardware: config.Hardware,
    encoded: Path,
    run: config.Run,
    resume_folder: Path,
    output: Path,
    provenance: Mapping[str, Any],
    logger: Logger | None = None,
    callbacks: Sequence[pl.Callback] = (),
    fast_dev_run: bool = False,
) -> TrainingResult:
    """Trains one run, resuming from its checkpoint if there is one, and writes the best weights.

    On several devices Lightning runs the calling program once per device. This function returns only in the first
    process; it exits the others.

    Args:
        settings: settings of the model and its optimiser.
        train_settings: budget, batches, precision.
        hardware: the devices.
        encoded: the folder with the encoded corpus and its tokenizer.
        run: gives the cap on training length, the seed and the name.
        resume_folder: keeps `resume.ckpt` between runs; a checkpoint of other parameters, data, code or torch is not
            used, and a line says so. It stays after training, and a repeated run only reads it.
        output: the folder for weights, settings and tokenizer (see `lookback.models.saved`).
        provenance: written into `output`/config.json.
        logger: receives the metrics of `TranslationTask`.
        callbacks: further Lightning callbacks.
        fast_dev_run: a smoke test: one training and one validation step, no checkpoint.

    Raises:
        LookbackError: data is missing, the device does not exist, its memory is too small, the disk is full, or the
            loss is not finite.
    """
    tune()
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
    pairs = len(EncodedSplit.open(encoded, "train"))
    if pairs >= MANY_PAIRS:
        print(f"train {run.name}: plans the batches of {pairs:,} pairs; about a second a million and epoch", flush=True)
    data = TranslationData(encoded, run.max_train_words, train_settings, run.seed)
    tokenizer = load_tokenizer(encoded)
    vocabularies = tokenizer.source_vocabulary, tokenizer.target_vocabulary
    identity = _identity(settings, train_settings, run, encoded, data.batches)
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(run.seed)
        model = models.build(settings, *vocabularies)
        task = TranslationTask(
            model, settings.optimiser, train_settings, data.batches.tokens, run.seed, run.name, identity
        )
        resume = ModelCheckpoint(
            dirpath=resume_folder,
            filename=Path(checkpoint.FILE_NAME).stem,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        )
        count = 0 if fast_dev_run else train_settings.average_checkpoints
        last = LastWeights(resume_folder, count) if count else None
        progress = [] if fast_dev_run else [TrainingProgress()]
        trainer = _trainer(
            hardware,
            max_epochs=math.ceil(len(data.batches) / train_settings.valid_interval_steps),
            gradient_clip_val=settings.optimiser.clip_norm,
            fast_dev_run=fast_dev_run,
            logger=logger or False,
            callbacks=[*progress, *callbacks, *([last] if last else []), resume],
        )
        resumed_at = None if fast_dev_run else _resume_step(resume_folder / checkpoint.FILE_NAME, task, trainer)
        _fit(trainer, task, data, resume_folder / checkpoint.FILE_NAME, resumed_at, estimate=not fast_dev_run)
        if not trainer.is_global_zero:
            raise SystemExit(0)

    if last is None:
        model.cpu().load_state_dict(task.best)
        step, valid_loss = task.best_step, task.best_loss
    else:
        model.cpu().load_state_dict(last.average([point["step"] for point in task.history]))
        step, valid_loss = task.steps, _validation_loss(place(model, hardware), task, data)
    save_model(model, settings, *vocabularies, tokenizer_file(encoded), output, provenance)
    end = task.history[-1]
    sentences = int(data.batches.sentences[: end["step"]].sum())
    slope, still_falling = trend(task.history)
    return TrainingResult(
        history=tuple(task.history),
        steps=end["step"],
        target_tokens=end["target_tokens"],
        sentences=sentences,
        epochs=sentences / data.pairs,
        batches_fingerprint=data.batches.fingerprint,
        padding=data.batches.padding,
        tokens_per_second=median(task.rates),
        seconds=task.seconds,
        parameters=models.parameter_count(model),
        best_step=step,
        valid_loss=valid_loss,
        valid_loss_slope=slope,
        still_falling=still_falling,
        resumed_at=resumed_at,
    )


@torch.inference_mode()
def _validation_loss(model: models.TranslationModel[Any, Any], task: TranslationTask, data: TranslationData) -> float:
    """Validation loss of a model in nats per target token."""
    model.eval()
    data.share(0, 1)
    device = next(model.parameters()).device
    nats, tokens = 0.0, 0
    for item in range(len(data.valid)):
        batch = data.valid[item]
        on_device = batch._replace(
            source=batch.source.to(device), target_in=batch.target_in.to(device), target_out=batch.target_out.to(device)
        )
        nats += float(task.losses(model, on_device, label_smoothing=0.0)[1])
        tokens += batch.target_tokens
    return nats / tokens


def _identity(
    settings: config.Model, train_settings: config.Train, run: config.Run, encoded: Path, batches: Batches
) -> dict[str, str]:
    """Fingerprints of all inputs that determine the final weights; see `lookback.training.checkpoint.read`."""
    parameters = {
        "model": settings.model_dump(mode="json"),
        "train": train_settings.model_dump(mode="json"),
        "max_train_words": run.max_train_words,
        "seed": run.seed,
    }
    arrays = [
        encoded / f"{split}.{side}.{part}.npy"
        for split in ("train", "valid")
        for side in ("source", "target")
        for part in ("ids", "offsets")
    ]
    files = checkpoint.fingerprint_files([tokenizer_file(encoded), *arrays])
    return {
        "parameters": checkpoint.fingerprint_values(parameters),
        "data": checkpoint.fingerprint_values({"files": files, "batches": batches.fingerprint}),
        "code": checkpoint.fingerprint_code(settings.architecture),
        "torch version": str(torch.__version__),
    }


def _resume_step(path: Path, task: TranslationTask, trainer: pl.Trainer) -> int | None:
    """The step of the checkpoint, if this run has one; prints whether training resumes."""
    found, reason = checkpoint.read(path, task.identity)
    step = found[checkpoint.KEY]["step"] if found else None
    if trainer.is_global_zero:
        if reason:
            print(f"train {task.name}: {path} is not resumed, {reason}; starts afresh", flush=True)
        elif step is not None:
            print(f"train {task.name}: resumes after step {step:,} of {task.steps:,}", flush=True)
    return step


def _fit(
    trainer: pl.Trainer,
    task: TranslationTask,
    data: TranslationData,
    path: Path,
    resumed_at: int | None,
    estimate: bool,
) -> None:
    """Trains to the end; leaves the best weights and the curve in `task`."""
    if resumed_at == task.steps:
        found, _ = checkpoint.read(path, task.identity)
        assert found is not None
        task.on_load_checkpoint(found)
        return
    try:
        if estimate and trainer.is_global_zero:
            print(needs(task, data, trainer, resumed_at or 0), flush=True)
        trainer.fit(task, datamodule=data, ckpt_path=None if resumed_at is None else path, weights_only=True)
    except torch.OutOfMemoryError as error:
        raise LookbackError(
            f"train {task.name}: the GPU's memory is too small ({str(error).split('. ')[0]}); "
            f"lower train.batch_target_tokens or train.batch_sentences"
        ) from None
    except SystemExit:
        if not trainer.interrupted:
            raise
        # Lightning turns Ctrl-C into a silent exit, and ignores further ones.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        raise KeyboardInterrupt from None


def _trainer(hardware: config.Hardware, **options: Any) -> pl.Trainer:
    kind = accelerator(hardware)
    try:
        return pl.Trainer(
            accelerator=kind,
            devices=hardware.devices,
            strategy="auto" if hardware.devices == 1 else "ddp",
            use_distributed_sampler=False,  # the rows of a batch are distributed by `EncodedSplit.batch`
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            log_every_n_steps=1,  # the module decides when to log
            plugins=[checkpoint.AtomicCheckpointIO()],
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
    except MisconfigurationException as error:
        reason = " ".join(str(error).split())[:200]
        raise LookbackError(f"params.yaml: hardware.devices is {hardware.devices}, on {kind}: {reason}") from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses Lightning's banners and tips; its real warnings still appear."""
    unwanted = (
        "LeafSpec",  # a deprecated torch name that Lightning still uses
        "does not have many workers",  # batches are made in the main process on purpose
        "exists and is not empty",  # the resume folder is meant to be there
        "The dirpath has changed",  # it may be moved between runs
    )
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)  # its INFO are banners, tips and "max_epochs reached"
    try:
        with warnings.catch_warnings():
            for message in unwanted:
                warnings.filterwarnings("ignore", message=f".*{message}")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def trend(history: Sequence[CurvePoint]) -> tuple[float | None, bool]:
    """The trend of the validation loss over the last quarter of the run, which shows whether training ended too early.

    A least-squares line is fitted to the validations in the last quarter of the steps, and to at least the last three.
    The loss is still falling if the line falls by more than `FALLING` times its level over that quarter.

    Returns:
        the fall (-) or rise of the line over a quarter of the run, in nats; and whether the loss is still falling. With
        fewer than three validations: None, and the loss counts as still falling.
    """
    if len(history) < 3:
        return None, True
    quarter = history[-1]["step"] / 4
    points = [point for point in history if point["step"] >= 3 * quarter]
    points = points if len(points) >= 3 else history[-3:]
    x = np.array([point["step"] / quarter for point in points])
    y = np.array([point["valid_loss"] for point in points])
    slope = float(np.polynomial.Polynomial.fit(x, y, deg=1).convert().coef[1]) if np.ptp(y) > 0 else 0.0
    return slope, -slope > FALLING * float(y.mean())
