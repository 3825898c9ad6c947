"""Products of rows with a matrix, the greater part of all arithmetic here, through the fastest library at hand.

On a CPU torch sends single precision to MKL, which on processors that are not Intel's leaves half of the speed unused.
oneDNN, which torch sends half precision to, is as fast on all of them, but it compiles a kernel for every number of
rows that it meets and keeps up to a thousand of them, a megabyte each; so rows are made up to a multiple of `ROWS`.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

ROWS = 64
FEW_ROWS = 8
"""Below four times `ROWS`."""


class Linear(nn.Linear):
    """torch's linear layer, through `linear`."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """inputs [..., K] times weight [N, K] transposed, plus bias [N]: [..., N].

    As `torch.nn.functional.linear`, autocast included; that does it wherever oneDNN is no gain.
    """
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else inputs.dtype
    if inputs.device.type != "cpu" or not _onednn(dtype):
        return F.linear(inputs, weight, bias)
    flat = inputs.reshape(-1, inputs.shape[-1]).to(dtype)
    product = _Product.apply(flat, weight.to(dtype), None if bias is None else bias.to(dtype))
    return product.view(*inputs.shape[:-1], -1)


def _onednn(dtype: torch.dtype) -> bool:
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def multiply(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """As `linear`, of a matrix [M, K], without gradient and without any making up of rows."""
    if rows.device.type != "cpu" or not _onednn(rows.dtype):
        return F.linear(rows, weight, bias)
    if not (weight.is_contiguous() or weight.t().is_contiguous()):
        weight = weight.contiguous()  # of part of a matrix, oneDNN's product is a slow one
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")


def multiply_columns(left: Tensor, right: Tensor) -> Tensor:
    """left [M, N] transposed times right [M, K]: [N, K], without gradient; that of a weight is such a product."""
    if left.shape[1] > right.shape[1]:  # the narrower one is copied
        return multiply(right.t(), left.t()).t().contiguous()
    return multiply(left.t(), right.t())


def made_up(rows: Tensor) -> Tensor:
    """[M, K] with rows of zeros added, so that few different M are ever met."""
    multiple = ROWS if len(rows) > 4 * ROWS else FEW_ROWS
    missing = -len(rows) % multiple
    return torch.cat([rows, rows.new_zeros(missing, rows.shape[1])]) if missing else rows


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rows = made_up(inputs)
        ctx.save_for_backward(rows, weight)
        return multiply(rows, weight, bias)[: len(inputs)]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        (gradient,) = gradients
        rows, weight = ctx.saved_tensors
        made = made_up(gradient)
        wanted = ctx.needs_input_grad
        return (
            multiply(made, weight.t())[: len(gradient)] if wanted[0] else None,
            multiply_columns(made, rows) if wanted[1] else None,
            gradient.sum(0) if wanted[2] else None,
        )
