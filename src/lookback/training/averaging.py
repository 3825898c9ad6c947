"""Checkpoint averaging: the mean of the weights at the last validations (Vaswani et al. 2017, section 6.1)."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytorch_lightning as pl
import safetensors.torch
import torch
from torch import Tensor

from lookback.training.module import TranslationTask


class LastWeights(pl.Callback):
    """Keeps the weights of the last `count` validations as files.

    Like everything in a run they depend only on the step, so a resumed run writes the same files again.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder, self._count = folder, count

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        task = cast(TranslationTask, pl_module)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(trainer.global_step)
        partial = path.with_suffix(".partial")
        safetensors.torch.save_file(
            {name: value.detach().cpu().contiguous() for name, value in task.model.named_parameters()}, str(partial)
        )
        partial.replace(path)
        for point in task.history[: -self._count]:
            self._path(point["step"]).unlink(missing_ok=True)

    def average(self, steps: Sequence[int]) -> dict[str, Tensor]:
        """The mean of the weights at the last `count` of these steps, on the CPU, by parameter name."""
        total: dict[str, Tensor] = {}
        chosen = steps[-self._count :]
        for step in chosen:
            for name, value in safetensors.torch.load_file(str(self._path(step))).items():
                total[name] = total[name] + value.double() if name in total else value.double()
        return {name: (value / len(chosen)).to(torch.float32) for name, value in total.items()}

    def _path(self, step: int) -> Path:
        return self._folder / f"weights-{step}.safetensors"
