"""Products of rows with a matrix, which dominate the arithmetic, through the fastest available library.

On a CPU torch uses MKL for single precision, which reaches only half the speed on processors that are not Intel's.
oneDNN, which torch uses for half precision, is fast on all of them. But it compiles a kernel for every new number of
rows and keeps up to a thousand of them, a megabyte each; so rows are padded to a multiple of `ROWS`.
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
    """torch's linear layer, computed by `linear`."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """inputs [..., K] times weight [N, K] transposed, plus bias [N]: [..., N].

    As `torch.nn.functional.linear`, autocast included, which also computes it where oneDNN is not faster.
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
    """As `linear`, for a matrix [M, K], without gradient and without padding of rows."""
    if rows.device.type != "cpu" or not _onednn(rows.dtype):
        return F.linear(rows, weight, bias)
    if not (weight.is_contiguous() or weight.t().is_contiguous()):
        weight = weight.contiguous()  # oneDNN is slow on a slice of a matrix
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")


def multiply_columns(left: Tensor, right: Tensor) -> Tensor:
    """left [M, N] transposed times right [M, K]: [N, K], without gradient. A weight's gradient is such a product."""
    if left.shape[1] > right.shape[1]:  # the narrower one is copied
        return multiply(right.t(), left.t()).t().contiguous()
    return multiply(left.t(), right.t())


def made_up(rows: Tensor) -> Tensor:
    """[M, K] padded with rows of zeros, so that few different M occur."""
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
