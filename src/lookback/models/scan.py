"""The gated units over whole sequences, with or without attention at each step, as one operation with its gradient.

Step by step, torch would keep a graph node for each of some twenty small operations per position, and compute the
weights' gradients position by position. Here one product computes them for all positions. Of the alignment model only
the queries are kept: its hidden layer is the largest of all tensors, and recomputing it is faster than reading it from
memory. `lookback.models.cells` and `lookback.models.bahdanau` have the same steps in plain form; tests compare the two.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lookback.models.products import made_up, multiply, multiply_columns

tanh_backward = torch.ops.aten.tanh_backward
sigmoid_backward = torch.ops.aten.sigmoid_backward
softmax_backward = torch.ops.aten._softmax_backward_data


class Attention(NamedTuple):
    """Additive attention: e_j = energy . tanh(query s + query_bias + keys_j), as in `lookback.models.bahdanau`."""

    keys: Tensor
    """[B, S, A]"""
    values: Tensor
    """[B, S, 3H], the contribution of each position to the inputs of the gates."""
    mask: Tensor
    """[B, S], 0 or minus infinity."""
    query: Tensor
    """[A, H]"""
    query_bias: Tensor
    """[A]"""
    energy: Tensor
    """[A]"""


def scan(
    inputs: Tensor,
    state: Tensor,
    recurrent: Tensor,
    bias: Tensor | None,
    reset_after: bool,
    attention: Attention | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Run a GRU; with attention, the previous state determines the context that is added to each step's inputs.

    In mixed precision the recurrent products use half precision, and everything else the precision of the state.

    Args:
        inputs: [B, T, 3H], the input contributions to the gates.
        state: [B, H], before the first step.
        recurrent: [3H, H], as in `lookback.models.cells`.
        bias: [3H], of the recurrent product, or None.
        reset_after: whether the unit is `GRUResetAfter` or `GRU` of `lookback.models.cells`.
        attention: the attention over the source, or None.

    Returns:
        the states before the first step and after each, [B, T + 1, H]; and the alignments [B, T, S].
    """
    device, batch, width = inputs.device.type, len(inputs), state.shape[1]
    half = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else state.dtype
    matrix, candidate = (recurrent, None) if reset_after else recurrent.split([2 * width, width])
    looked: tuple[Tensor | None, ...] = (None,) * 4
    if attention is not None:  # the query is one more part of each step's product with the state
        before = matrix.new_zeros(len(matrix)) if bias is None else bias
        bias = torch.cat([before, attention.query_bias])
        matrix = torch.cat([matrix, attention.query])
        rows = (_made_up(part.to(state.dtype)) for part in (attention.keys, attention.values, attention.mask))
        looked = (*rows, attention.energy)
    with torch.autocast(device, enabled=False):
        time_first = _made_up(inputs.to(state.dtype)).transpose(0, 1)
        arguments = (half, time_first, _made_up(state), matrix, bias, candidate, *looked)
        states, alignment = _Scan.apply(*arguments)
    return states.transpose(0, 1)[:batch], None if alignment is None else alignment.transpose(0, 1)[:batch]


def _made_up(rows: Tensor) -> Tensor:
    return made_up(rows.flatten(1)).unflatten(1, rows.shape[1:])


class _Scan(torch.autograd.Function):
    """With s the logistic function, tanh x = 2 s(2x) - 1: s is ten times as fast, and softmax does not see the 1."""

    @staticmethod
    def forward(
        ctx: Any,
        half: torch.dtype,
        inputs: Tensor,
        state: Tensor,
        matrix: Tensor,
        bias: Tensor | None,
        candidate: Tensor | None,
        keys: Any,
        values: Any,
        mask: Any,
        energy: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """`inputs` [T, B, 3H]; `matrix` [P, H] gives all of a step's P sums except those of `candidate` [H, H].

        The last four belong to an `Attention`, or are None.
        """
        steps, batch, width = len(inputs), *state.shape
        product = _products(half, matrix, bias)
        product_within = None if candidate is None else _products(half, candidate)
        states, gates = inputs.new_empty(steps + 1, batch, width), inputs.new_empty(steps, batch, 2 * width)
        candidates, within_reach = inputs.new_empty(2, steps, batch, width)  # the second: scaled by the reset gate
        queries: Any = None
        alignment: Any = None
        hidden: Any = None
        doubled: Any = None
        if keys is not None:
            queries = inputs.new_empty(steps, batch, len(energy))
            alignment = inputs.new_empty(steps, *mask.shape)
            keys, hidden, doubled = 2 * keys, torch.empty_like(keys), 2 * energy
        states[0] = state
        parts = (inputs, states[:-1], states[1:], gates, candidates, within_reach)
        each = zip(*(part.unbind(0) for part in parts), strict=True)
        for i, (from_inputs, h, h_after, gate, n, within) in enumerate(each):
            from_state = product(h)
            if keys is not None:
                queries[i] = from_state[:, -queries.shape[2] :]
                _hidden(keys, queries[i], hidden)
                torch.softmax((hidden @ doubled).add_(mask), 1, out=alignment[i])
                from_inputs = torch.bmm(alignment[i][:, None], values)[:, 0].add_(from_inputs)
            torch.add(from_inputs[:, : 2 * width], from_state[:, : 2 * width], out=gate).sigmoid_()
            reset, update = gate.split(width, 1)
            if product_within is None:
                within.copy_(from_state[:, 2 * width : 3 * width])
                torch.addcmul(from_inputs[:, 2 * width :], reset, within, out=n).tanh_()
            else:
                torch.mul(reset, h, out=within)
                torch.add(from_inputs[:, 2 * width :], product_within(within), out=n).tanh_()
            torch.lerp(n, h, update, out=h_after)
        ctx.half = half
        ctx.save_for_backward(
            matrix, bias, candidate, keys, values, energy, states, gates, candidates, within_reach, queries, alignment
        )
        return states, alignment

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        d_states, d_alignment = gradients
        matrix, bias, candidate, keys, values, energy, *kept, queries, alignment = ctx.saved_tensors
        states, gates, candidates, within_reach = kept
        steps, batch, width = candidates.shape
        back = _products(ctx.half, matrix.t())
        back_within = None if candidate is None else _products(ctx.half, candidate.t())
        d_inputs = states.new_empty(steps, batch, 3 * width)
        d_sums = states.new_empty(steps, batch, len(matrix))
        d_keys: Any = None
        d_energy: Any = None
        hidden: Any = None
        slope: Any = None
        scale: Any = None
        d_values = None
        if keys is not None:
            d_keys, d_energy = torch.zeros_like(keys), torch.zeros_like(energy)
            hidden, slope, scale = torch.empty_like(keys), torch.empty_like(keys), 4 * energy
        d_h = d_states[-1].clone()
        kept = (states[:-1], d_states[:-1], gates, candidates, within_reach, d_inputs, d_sums)
        each = zip(*(part.unbind(0) for part in kept), strict=True)
        for i, (h, d_seen, gate, n, within, d_input, d_sum) in reversed(list(enumerate(each))):
            reset, update = gate.split(width, 1)
            d_candidate = torch.addcmul(d_h, d_h, update, value=-1)
            d_candidate = tanh_backward(d_candidate, n)
            d_update = (h - n).mul_(d_h)
            d_h.mul_(update)
            if back_within is None:
                d_reset = d_candidate * within
                torch.mul(d_candidate, reset, out=d_sum[:, 2 * width : 3 * width])
            else:
                d_within = back_within(d_candidate)
                d_reset = d_within * h
                d_h.addcmul_(d_within, reset)
            d_gates = sigmoid_backward(torch.cat([d_reset, d_update], 1), gate)
            d_sum[:, : 2 * width] = d_gates
            torch.cat([d_gates, d_candidate], 1, out=d_input)
            if keys is not None:
                d_weights = torch.bmm(d_input[:, None], values.transpose(1, 2))[:, 0].add_(d_alignment[i])
                d_scores = softmax_backward(d_weights, alignment[i], 1, alignment.dtype)
                _hidden(keys, queries[i], hidden)
                d_energy.addmv_(hidden.flatten(0, 1).t(), d_scores.flatten(), alpha=2)
                torch.addcmul(hidden, hidden, hidden, value=-1, out=slope)
                d_query = torch.bmm(d_scores[:, None], slope)[:, 0]
                torch.mul(d_query, scale, out=d_sum[:, -len(scale) :])
                d_keys.addcmul_(d_scores[..., None], slope)
            d_h.add_(back(d_sum)).add_(d_seen)
        if keys is not None:
            d_keys *= scale
            d_values = torch.bmm(alignment.permute(1, 2, 0), d_inputs.transpose(0, 1))

        def of_weight(d_sums: Tensor, factors: Tensor) -> Tensor:
            d_sums, factors = (made_up(part.flatten(0, 1).to(ctx.half)) for part in (d_sums, factors))
            return multiply_columns(d_sums, factors).to(states.dtype)

        return (
            None,
            d_inputs,
            d_h,
            of_weight(d_sums, states[:-1]),
            None if bias is None else d_sums.sum((0, 1)),
            None if candidate is None else of_weight(d_inputs[..., 2 * width :], within_reach),
            d_keys,
            d_values,
            None,
            d_energy,
        )


def _hidden(doubled_keys: Tensor, query: Tensor, out: Tensor) -> None:
    torch.add(doubled_keys, query[:, None], alpha=2, out=out).sigmoid_()


def _products(half: torch.dtype, weight: Tensor, bias: Tensor | None = None) -> Any:
    """The product of full-precision rows with a matrix, computed in half precision."""
    cast = weight.to(half)
    cast_bias = None if bias is None else bias.to(half)
    return lambda rows: multiply(rows.to(half), cast, cast_bias).to(rows.dtype)
