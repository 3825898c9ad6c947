"""The loss, together with the last product of every model, the one over the whole vocabulary.

The logits of all positions are by far the largest tensor of a step, and a plain loss reads them some ten times. So this
module takes a few hundred rows at a time, of real target pieces only, and computes logits, losses and gradients in
place.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lookback.models.base import PAD, Logits
from lookback.models.products import made_up, multiply, multiply_columns

CHUNK = {"cpu": 2**22}
"""Number of logits at a time."""
CHUNK_ELSEWHERE = 2**27


def token_losses(logits: Logits | Tensor, target: Tensor, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """Sums over the real tokens of `target` [B, T]: the label-smoothed training loss, and the negative log-likelihood.

    The smoothed target puts 1 - e on the right piece and spreads e evenly over all V (Szegedy et al. 2016, section 7;
    Vaswani et al. 2017, section 5.4). `logits` may also be a tensor [B, T, V].
    """
    states, weight, bias = (logits, None, None) if isinstance(logits, Tensor) else logits
    device = states.device.type
    half = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype
    flat = target.flatten()
    real = (flat != PAD).nonzero()[:, 0]
    rows = states.flatten(0, 1).index_select(0, real).to(half)
    cast = (None if part is None else part.to(half) for part in (weight, bias))
    with torch.autocast(device, enabled=False):
        loss, nll = _TokenLosses.apply(torch.is_grad_enabled(), label_smoothing, flat[real], rows, *cast)
    return loss, nll.detach()


class _TokenLosses(torch.autograd.Function):
    """Computes the gradient together with the loss, while the logits are in memory."""

    @staticmethod
    def forward(
        ctx: Any,
        learns: bool,
        smoothing: float,
        target: Tensor,
        states: Tensor,
        weight: Any,
        bias: Any,
    ) -> tuple[Tensor, Tensor]:
        """`states` [N, R] with `weight` and `bias`; or, if these are None, `states` are the logits."""
        vocabulary = states.shape[1] if weight is None else len(weight)
        size = CHUNK.get(states.device.type, CHUNK_ELSEWHERE) // vocabulary
        size = max(64, size // 64 * 64)
        d_states = torch.empty_like(states)
        d_weight: Any = None if weight is None else torch.zeros_like(weight)
        full = torch.promote_types(states.dtype, torch.float32)
        d_bias: Any = None if bias is None else torch.zeros_like(bias, dtype=full)
        loss, nll = states.new_zeros(2, dtype=full)
        for first in range(0, len(states), size):
            part, right = states[first : first + size], target[first : first + size, None]
            rows = len(part)
            logits = (part.clone() if weight is None else multiply(made_up(part), weight, bias)[:rows]).to(full)
            of_right = logits.gather(1, right)[:, 0]
            mean = logits.mean(1) if smoothing else 0.0
            top = logits.amax(1, keepdim=True)
            total = logits.sub_(top).exp_().sum(1, keepdim=True)
            log_total = (top + total.log())[:, 0]
            part_nll = (log_total - of_right).sum()
            nll += part_nll
            loss += (1 - smoothing) * part_nll + (smoothing * (log_total - mean).sum() if smoothing else 0.0)
            if not learns:
                continue
            d_logits = logits.div_(total)
            if smoothing:
                d_logits.sub_(smoothing / vocabulary)
            d_logits.scatter_add_(1, right, d_logits.new_full((1, 1), smoothing - 1).expand(rows, 1))
            d_half = d_logits.to(states.dtype)
            if d_bias is not None:
                d_bias += d_logits.sum(0)
            if weight is None:
                d_states[first : first + rows] = d_half
            else:
                d_half, part = made_up(d_half), made_up(part)
                d_states[first : first + rows] = multiply(d_half, weight.t())[:rows]
                d_weight += multiply_columns(d_half, part)
        ctx.save_for_backward(d_states, d_weight, None if d_bias is None else d_bias.to(states.dtype))
        return loss, nll

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        return None, None, None, *(None if saved is None else saved * gradients[0] for saved in ctx.saved_tensors)
