"""A training run's terminal output: the resources it needs, its progress, and the time left."""

import copy
import math
import resource
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytorch_lightning as pl
import torch
from tqdm import tqdm

from lookback.console import amount, duration
from lookback.training.module import TranslationTask
from lookback.training.optimiser import make_optimiser

if TYPE_CHECKING:
    from lookback.training.datamodule import TranslationData

DISK_WEIGHTS = 9
"""Disk use as a multiple of the weights: two resume checkpoints while one replaces the other (each has the weights,
Adam's two moments and the best weights), and the result. Checkpoints for averaging are added to this."""

LINE_SECONDS = 15
"""Seconds between lines when there is no terminal."""


class TrainingProgress(pl.Callback):
    """A bar on a terminal, and a plain line every 15 s in a log file or a pipe."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._last_line = 0.0
        self._begin = 0.0
        self._begin_step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: TranslationTask) -> None:
        self._begin, self._begin_step = time.monotonic(), trainer.global_step
        self._last_line = self._begin
        if trainer.is_global_zero and sys.stderr.isatty():
            self._bar = tqdm(
                total=pl_module.steps, initial=trainer.global_step, desc=f"train {pl_module.name}", unit="step"
            )

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: TranslationTask, *_: object) -> None:
        if not trainer.is_global_zero:
            return
        if self._bar is not None:
            self._bar.set_postfix_str(_figures(pl_module), refresh=False)
            self._bar.update(trainer.global_step - self._bar.n)
        elif time.monotonic() - self._last_line >= LINE_SECONDS:
            self._line(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: TranslationTask) -> None:
        if self._bar is not None:
            self._bar.close()
        elif trainer.is_global_zero:
            self._line(trainer, pl_module)

    def on_exception(self, trainer: pl.Trainer, pl_module: TranslationTask, exception: BaseException) -> None:
        if self._bar is not None:
            self._bar.close()

    def _line(self, trainer: pl.Trainer, pl_module: TranslationTask) -> None:
        self._last_line = now = time.monotonic()
        done, steps = trainer.global_step, pl_module.steps
        left = (now - self._begin) / max(1, done - self._begin_step) * (steps - done)
        ending = f"{duration(left)} left" if done < steps else "done"
        print(
            f"train {pl_module.name}  step {done:,}/{steps:,}  {done / steps:.0%}  {_figures(pl_module)}  {ending}",
            flush=True,
        )


def _figures(pl_module: TranslationTask) -> str:
    if math.isnan(pl_module.recent_loss):  # too early to tell
        return "…"
    return f"loss {pl_module.recent_loss:.2f}  {pl_module.recent_rate / 1000:.1f}k tokens/s"


def needs(task: TranslationTask, data: "TranslationData", trainer: pl.Trainer, start: int) -> str:
    """One line on the resources for training from step `start`: time on this machine, memory, disk.

    Runs a few steps on a copy of the model: the largest batch first, then batches from all parts of the run. Weights
    and generators are unchanged.
    """
    steps = task.steps
    device = trainer.strategy.root_device
    data.share(0, trainer.world_size)
    model = copy.deepcopy(task.model).to(device).train()
    optimiser = make_optimiser(task.optimiser, model)
    trials = [int(data.batches.padded.argmax()), *np.linspace(0, steps - 1, 4, dtype=int).tolist()]
    seconds, tokens = 0.0, 0
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        for number, step in enumerate(trials):
            batch = trainer.strategy.batch_to_device(data.train[step], device)
            began = time.monotonic()
            task.losses(model, batch, 0.1)[0].backward()
            optimiser.step()
            optimiser.zero_grad()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if number > 0:  # the first warms up
                seconds += time.monotonic() - began
                tokens += batch.target_tokens
    if device.type == "cuda":
        memory = f"{amount(torch.cuda.max_memory_allocated(device))} on the GPU"
        del model, optimiser, batch
        torch.cuda.empty_cache()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kB, but bytes on macOS
        memory = amount(peak * (1 if sys.platform == "darwin" else 1024))
    weights = sum(parameter.numel() for parameter in task.model.parameters()) * 4
    copies = DISK_WEIGHTS + task.settings.average_checkpoints
    remaining = int(data.batches.tokens[start:].sum())
    validations = -(-(steps - start) // data.interval) * data.valid_tokens
    time_left = (remaining + validations / 3) / tokens * seconds  # a forward pass is a third of a step
    return (
        f"train {task.name}: {steps - start:,} steps, {remaining:,} target tokens, {data.batches.epochs:.1f} epochs of "
        f"{data.pairs:,} pairs, {weights / 4e6:.1f}M parameters; needs about {duration(time_left)} on this machine, "
        f"{memory} of memory, {amount(copies * weights)} of disk"
    )
