"""The PyTorch Lightning module that trains any translation model."""

import math
import time
from collections.abc import Mapping
from typing import Any, TypedDict, cast

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from lookback import config, models
from lookback.data.encoded import Batch
from lookback.errors import LookbackError
from lookback.models.loss import token_losses
from lookback.training.checkpoint import KEY
from lookback.training.optimiser import learning_rate, make_optimiser

LOG_STEPS = 25
"""The loss is fetched from the device, checked and logged every this many steps, and at the end of each interval."""


class CurvePoint(TypedDict):
    """One validation, with the training before it. Losses are nats per target token, without label smoothing."""

    step: int
    target_tokens: int
    train_loss: float
    """Over the interval that ends here, with dropout."""
    valid_loss: float
    learning_rate: float


class TranslationTask(pl.LightningModule):
    """The PyTorch Lightning module that trains any translation model, and keeps the curve and the best weights.

    Logs `train/loss`, `train/learning_rate` and `train/tokens_per_second` every `LOG_STEPS` steps and `val/loss` at the
    end of each interval, with the number of updates as step.
    """

    def __init__(
        self,
        model: models.TranslationModel[Any, Any],
        optimiser: config.Adam | config.Adadelta,
        settings: config.Train,
        step_tokens: np.ndarray,
        seed: int,
        name: str,
        identity: Mapping[str, str],
    ) -> None:
        """Wraps a model.

        Args:
            model: any translation model; trained in place.
            optimiser: settings of the optimiser and its schedule.
            settings: label smoothing, precision, and how often to validate.
            step_tokens: [steps], the target tokens of each step's batch on all devices together.
            seed: seed of dropout.
            name: name of the run in messages.
            identity: written into checkpoints; see `lookback.training.checkpoint.read`.
        """
        super().__init__()
        self.model = model
        self.name = name
        self.steps = len(step_tokens)
        self.history: list[CurvePoint] = []
        self.best: dict[str, Tensor] = {}
        self.best_step, self.best_loss = 0, math.inf
        self.rates: list[float] = []
        self.seconds = 0.0
        self.recent_loss, self.recent_rate = math.nan, math.nan
        self.optimiser = optimiser
        self.settings, self._seed = settings, seed
        self._seen = np.concatenate([[0], np.cumsum(step_tokens)])
        self.identity = dict(identity)
        self._start_interval()

    def _start_interval(self) -> None:
        self._began = self._window_began = time.monotonic()
        self._window: list[Tensor] = []
        self._interval_nll, self._interval_tokens = 0.0, 0

    # training

    def configure_optimizers(self) -> Any:
        settings = self.optimiser
        optimiser = make_optimiser(settings, self.model)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: learning_rate(settings, step, self.steps) / settings.learning_rate
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        self._start_interval()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Dropout depends only on seed and step, so there is no generator state to save.
        entropy = np.random.SeedSequence([self._seed % 2**32, self.trainer.global_step, self.global_rank])
        torch.manual_seed(int(entropy.generate_state(1)[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss, nll = self.losses(self.model, batch, self.settings.label_smoothing)
        self._window.append(nll)
        # Divide by all tokens of the step, over all devices. DDP averages the gradients, hence the factor.
        tokens = batch.target_tokens if self.optimiser.loss == "mean" else 1
        return loss * (self.trainer.world_size / tokens)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        step = self.trainer.global_step
        if step % LOG_STEPS == 0 or step % self.settings.valid_interval_steps == 0 or step == self.steps:
            self._close_window(step)

    def _close_window(self, step: int) -> None:
        """Check and log the losses of the steps since the last call."""
        losses = self._fetch(self._window)
        first = step - len(losses)
        if not np.isfinite(losses).all():
            bad = int(np.flatnonzero(~np.isfinite(losses))[0])
            raise self._not_finite("training", float(losses[bad]), first + bad + 1)
        now = time.monotonic()
        tokens = int(self._seen[step] - self._seen[first])
        self.recent_rate = tokens / (now - self._window_began)
        self.recent_loss = float(losses.sum()) / tokens
        self.rates.append(self.recent_rate)
        self._interval_nll += float(losses.sum())
        self._interval_tokens += tokens
        self._log(
            step,
            {
                "train/loss": self.recent_loss,
                "train/learning_rate": learning_rate(self.optimiser, step - 1, self.steps),
                "train/tokens_per_second": self.recent_rate,
            },
        )
        self._window, self._window_began = [], now

    # validation

    def on_validation_epoch_start(self) -> None:
        self._valid: list[Tensor] = []
        self._valid_tokens = 0

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._valid.append(self.losses(self.model, batch, label_smoothing=0.0)[1])
        self._valid_tokens += batch.target_tokens

    def on_validation_epoch_end(self) -> None:
        """Adds a point to the curve; raises before a checkpoint of broken weights can be written."""
        step = self.trainer.global_step
        if self._window:  # fast_dev_run ends within an interval
            self._close_window(step)
        loss = float(self._fetch(self._valid).sum()) / self._valid_tokens
        if not math.isfinite(loss):
            raise self._not_finite("validation", loss, step)
        self.log("val/loss", loss, logger=False, batch_size=1, sync_dist=True)  # for callbacks that monitor it
        self._log(step, {"val/loss": loss})
        self.history.append(
            CurvePoint(
                step=step,
                target_tokens=int(self._seen[step]),
                train_loss=self._interval_nll / self._interval_tokens,
                valid_loss=loss,
                learning_rate=learning_rate(self.optimiser, step - 1, self.steps),
            )
        )
        if loss < self.best_loss:
            self.best_step, self.best_loss = step, loss
            self.best = {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}
        self.seconds += time.monotonic() - self._began

    def _not_finite(self, what: str, loss: float, step: int) -> LookbackError:
        kept = self.history[-1]["step"] if self.history else None
        rate = learning_rate(self.optimiser, step - 1, self.steps)
        last = f"the last good checkpoint is that of step {kept}" if kept else "there is no checkpoint yet"
        return LookbackError(
            f"train {self.name}: the {what} loss is {loss} at step {step}, learning rate {rate:.3g}; try a lower "
            f"optimiser.learning_rate or clip_norm, a longer warmup_steps, or precision 32-true ({last})"
        )

    # both

    def losses(
        self, model: models.TranslationModel[Any, Any], batch: Batch, label_smoothing: float
    ) -> tuple[Tensor, Tensor]:
        """As `token_losses`, in the configured precision."""
        # Not through the Trainer, whose autocast does not cache cast weights: a recurrent decoder would cast them again
        # at each target position.
        mixed = self.settings.precision == "bf16-mixed"
        with torch.autocast(batch.source.device.type, torch.bfloat16, enabled=mixed):
            logits, surrogate = model.logits_and_surrogate(batch.source, batch.target_in, batch.target_out)
            loss, nll = token_losses(logits, batch.target_out, label_smoothing)
        return loss if surrogate is None else loss + surrogate, nll

    def _fetch(self, losses: list[Tensor]) -> np.ndarray:
        """Losses of some batches [N], summed over all devices. Only this call synchronises with the device."""
        return cast(Tensor, self.trainer.strategy.reduce(torch.stack(losses), reduce_op="sum")).cpu().double().numpy()

    def _log(self, step: int, metrics: dict[str, float]) -> None:
        if self.trainer.is_global_zero:
            for logger in self.trainer.loggers:
                logger.log_metrics(metrics, step=step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[KEY] = {
            "identity": self.identity,
            "step": self.trainer.global_step,
            "history": self.history,
            "best": self.best,
            "best_step": self.best_step,
            "best_loss": self.best_loss,
            "rates": self.rates,
            "seconds": self.seconds,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        state = checkpoint[KEY]
        self.history, self.best = list(state["history"]), state["best"]
        self.best_step, self.best_loss = state["best_step"], state["best_loss"]
        self.rates, self.seconds = list(state["rates"]), state["seconds"]
