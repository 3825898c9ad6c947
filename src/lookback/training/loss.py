"""The loss of a batch, summed over its real target tokens."""

import torch
from torch import Tensor
from torch.nn import functional

from lookback.tokenizer import PAD


def token_losses(logits: Tensor, target: Tensor, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """Sums over the real tokens of `target` [B, T]: the smoothed loss to train on, and the negative log-likelihood.

    The smoothed target puts 1 - e on the right piece and spreads e evenly over all V (Szegedy et al. 2016, section 7;
    Vaswani et al. 2017, section 5.4).
    """
    log_probs = functional.log_softmax(logits.flatten(0, 1), dim=-1, dtype=torch.float32)
    flat = target.flatten()
    nll = functional.nll_loss(log_probs, flat, ignore_index=PAD, reduction="sum")
    if label_smoothing == 0:
        return nll, nll.detach()
    uniform = -(log_probs.mean(-1) * (flat != PAD)).sum()
    return (1 - label_smoothing) * nll + label_smoothing * uniform, nll.detach()
