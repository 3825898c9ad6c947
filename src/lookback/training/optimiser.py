"""The optimiser of a run and its learning-rate schedule."""

import math

import torch

from lookback import config


def make_optimiser(settings: config.Adam | config.Adadelta, model: torch.nn.Module) -> torch.optim.Optimizer:
    """The optimiser, with the peak learning rate of the schedule."""
    if isinstance(settings, config.Adadelta):
        return torch.optim.Adadelta(
            model.parameters(), lr=settings.learning_rate, rho=settings.rho, eps=settings.epsilon
        )
    return torch.optim.Adam(
        model.parameters(), lr=settings.learning_rate, betas=settings.betas, eps=settings.epsilon, fused=True
    )


def learning_rate(settings: config.Optimiser, step: int, steps: int) -> float:
    """The learning rate of the update after `step` earlier ones, in a run of `steps`.

    All schedules rise linearly to the peak during the warm-up. Then: `constant`; `inverse_square_root` of the
    step (Vaswani et al. 2017, section 5.3, with the peak given instead of the model's width); `cosine` to nearly 0.
    """
    warmup, peak = settings.warmup_steps, settings.learning_rate
    if step < warmup:
        return peak * (step + 1) / warmup
    if settings.schedule == "inverse_square_root":
        return peak * math.sqrt(max(1, warmup) / (step + 1))
    if settings.schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
    return peak
