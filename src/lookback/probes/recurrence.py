"""How a recurrent encoder's state depends on its state some steps before: measured, not derived.

Introductions reason about the Jacobian of a plain RNN, h_t = f(W x_t + U h_{t-1}),

    dh_t / dh_{t-k} = D_t U D_{t-1} U ... D_{t-k+1} U        D_i = diag(f'(W x_i + U h_{i-1}))

and the eigenvalues of U (Bengio et al. 1994; Pascanu et al. 2013, arXiv 1211.5063, section 2.1). Here the product is
computed exactly, along real sentences and for every cell of `lookback.models.cells`. t is the last position of a
sentence, its end mark, whose state the decoder gets. The measures are the exact product and the usual substitutes:

    jacobian_norm       2-norm of the exact product; for an LSTM, of the whole state (h, c), a matrix [2H, 2H]
    jacobian_norm_h     for an LSTM: 2-norm of the block dh_t / dh_{t-k}
    jacobian_norm_c     for an LSTM: 2-norm of the block dc_t / dc_{t-k}
    jacobian_bound      for a plain RNN, like all below: (max f' * ||U||_2)^k, which the norm never exceeds
    matrix_power_norm   ||U^k||_2
    spectral_radius     rho(U)^k: the rate at which ||U^k||_2 changes in the limit of many steps. It is not a bound: the
                        powers of a matrix with radius 1/2 may have a norm near 1 for as many steps as it has rows
    commuted_error      how far (D_t ... D_{t-k+1}) U^k, which is often quoted as the product, is from the product: the
                        Frobenius norm of the difference / that of the product. Diagonal matrices do not commute with U
    commuted_ratio      the Frobenius norm of that form / that of the product

Norms and ratios are averaged over sentences with the geometric mean, since they span orders of magnitude; the error
with the arithmetic mean. Letters are those of `lookback.models.base`. N is the size of a cell's whole state, H times
the number of its parts; K is the largest lag.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lookback import config
from lookback.models import TranslationModel
from lookback.models.cells import (
    GRU,
    LSTM,
    Cell,
    CellState,
    FusedRecurrence,
    GRUResetAfter,
    LogisticRNN,
    PlainRNN,
    Recurrence,
    SteppedRecurrence,
    TanhRNN,
)
from lookback.models.rnn import reverse_within
from lookback.models.rnn_encoder_decoder import RNNEncoderDecoder
from lookback.probes.points import Point, averaged
from lookback.tokenizer import EOS, PAD

AT_A_TIME = 4
"""Sentences in a batch: few, so that their products stay in the processor's cache."""
BLOCK, TOLERANCE, ITERATIONS = 16, 1e-5, 200
"""The subspace iteration for norms: its width, the relative change at which it stops, and the most iterations."""


# --- one step ---------------------------------------------------------------------------------------------------------


def step_jacobians(cell: Cell, inputs: Tensor, state: CellState) -> Tensor:
    """The exact Jacobian of one step, in closed form.

    Args:
        cell: any of `CELLS`.
        inputs: [B, gates * H], in the form that the cell takes.
        state: the state before the step, [B, H] each part.

    Returns:
        [B, N, N]: row i, column j is the derivative of the i-th number of the state after the step by the j-th of the
        state before it. The parts of a state are concatenated.
    """
    h, u = state[0], cell.recurrent.weight.split(cell.hidden)
    after = cell(inputs, state)
    match cell:
        case PlainRNN():
            return slopes(cell, after[0])[:, :, None] * u[0]
        case GRU():
            r, z = torch.sigmoid(inputs[:, : 2 * cell.hidden] + h @ torch.cat(u[:2]).T).chunk(2, 1)
            n = torch.tanh(inputs[:, 2 * cell.hidden :] + (r * h) @ u[2].T)
            within = _scaled(r * (1 - r) * h, u[0]) + torch.diag_embed(r)  # of r * h
            return (
                torch.diag_embed(z)
                + _scaled(z * (1 - z) * (h - n), u[1])
                + _scaled((1 - z) * (1 - n * n), u[2]) @ within
            )
        case GRUResetAfter():
            from_state = cell.recurrent(h)
            r, z = torch.sigmoid(inputs + from_state)[:, : 2 * cell.hidden].chunk(2, 1)
            m = from_state[:, 2 * cell.hidden :]
            n = torch.tanh(inputs[:, 2 * cell.hidden :] + r * m)
            by_n = (1 - z) * (1 - n * n)
            gates = _scaled(by_n * r * (1 - r) * m, u[0]) + _scaled(z * (1 - z) * (h - n), u[1])
            return torch.diag_embed(z) + gates + _scaled(by_n * r, u[2])
        case LSTM():
            c = state[1]
            i, f, g, o = (inputs + cell.recurrent(h)).chunk(4, 1)
            i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
            c_by_h = _scaled(i * (1 - i) * g, u[0]) + _scaled(f * (1 - f) * c, u[1]) + _scaled(i * (1 - g * g), u[2])
            squashed = torch.tanh(after[1])
            by_c = o * (1 - squashed * squashed)
            h_by_h = _scaled(o * (1 - o) * squashed, u[3]) + by_c[:, :, None] * c_by_h
            upper = torch.cat([h_by_h, torch.diag_embed(by_c * f)], 2)
            return torch.cat([upper, torch.cat([c_by_h, torch.diag_embed(f)], 2)], 1)
    raise TypeError(f"no Jacobian is known of {type(cell).__name__}")


def _scaled(rows: Tensor, matrix: Tensor) -> Tensor:
    """diag(rows[b]) @ matrix, for each b: [B, H] and [H, H] to [B, H, H]."""
    return rows[:, :, None] * matrix


def slopes(cell: PlainRNN, after: Tensor) -> Tensor:
    """The derivative of the activation f at each unit, from the state after the step: the diagonals D."""
    return 1 - after * after if isinstance(cell, TanhRNN) else after * (1 - after)


def stepped(layer: Recurrence) -> SteppedRecurrence:
    """The layer as single steps, since torch's kernels only return outputs. They have biases of inputs and states."""
    if isinstance(layer, SteppedRecurrence):
        return layer
    assert isinstance(layer, FusedRecurrence)
    kernel = dict(layer.kernel.named_parameters())
    cell = {nn.GRU: GRUResetAfter, nn.LSTM: LSTM, nn.RNN: TanhRNN}[type(layer.kernel)](layer.hidden)
    copy = SteppedRecurrence(cell, layer.kernel.input_size, 0).to(kernel["weight_hh_l0"])
    with torch.no_grad():
        copy.input.weight.copy_(kernel["weight_ih_l0"])
        copy.input.bias.copy_(kernel["bias_ih_l0"])
        cell.recurrent.weight.copy_(kernel["weight_hh_l0"])
        if cell.recurrent.bias is None:
            copy.input.bias.add_(kernel["bias_hh_l0"])
        else:  # the reset gate multiplies this bias
            cell.recurrent.bias.copy_(kernel["bias_hh_l0"])
    return copy


# --- along sentences --------------------------------------------------------------------------------------------------


class Reading(NamedTuple):
    """The inputs and states of a recurrent layer that read B sentences."""

    cell: Cell
    inputs: Tensor
    """[B, S, gates * H], in the form that the cell takes."""
    states: tuple[Tensor, ...]
    """Each part of the state, [B, S + 1, H]: before the first step, and after each."""
    lengths: Tensor
    """[B]; padding follows."""


def read(layer: Recurrence, sequence: Tensor, lengths: Tensor) -> Reading:
    """Run a layer over `sequence` [B, S, inputs] from the zero state."""
    steps = stepped(layer)
    inputs = steps.input(sequence)
    states = [steps.zeros(sequence)]
    for inputs_i in inputs.unbind(1):
        states.append(steps.cell(inputs_i, states[-1]))
    return Reading(steps.cell, inputs, tuple(torch.stack(part, 1) for part in zip(*states, strict=True)), lengths)


def encode(model: RNNEncoderDecoder, source: Tensor) -> Reading:
    """The reading of `source` [B, S] by the model's encoder; by its forward direction if it has two.

    The model must be in evaluation mode.
    """
    lengths = (source != PAD).sum(1)
    if model.reverse_source:
        source = reverse_within(source[..., None], lengths - 1)[..., 0]
    return read(model.encoder, model.source_embedding(source), lengths)


def products(reading: Reading, largest_lag: int) -> Iterator[tuple[Tensor, Tensor]]:
    """For k = 0 … K the exact Jacobian of the last real state by the state k steps before.

    Yields:
        P [B, N, N] with Frobenius norm 1, and the logarithm of its factor [B], so that no number underflows; NaN for
        sentences without such a step.
    """
    cell, rows = reading.cell, torch.arange(len(reading.lengths), device=reading.lengths.device)
    size = cell.states * cell.hidden
    product = torch.eye(size, dtype=reading.inputs.dtype, device=rows.device).repeat(len(rows), 1, 1)
    scale = product.new_zeros(len(rows))
    for lag in range(largest_lag + 1):
        if lag:
            at = reading.lengths - lag  # the step from the state `lag` before the last to the next state
            inside = at > 0
            at = at.clamp(min=0)
            state = tuple(part[rows, at] for part in reading.states)
            product = _times(product, step_jacobians(cell, reading.inputs[rows, at], state), cell.hidden)
            scale = scale.masked_fill(~inside, torch.nan)
        norm = torch.linalg.matrix_norm(product).clamp(min=torch.finfo(product.dtype).tiny)
        product, scale = product / norm[:, None, None], scale + norm.log()
        yield product, scale


def _times(product: Tensor, step: Tensor, hidden: int) -> Tensor:
    """product @ step, whose blocks for the parts of a state other than h are diagonal."""
    parts = [product @ step[:, :, :hidden]]
    for start in range(hidden, step.shape[2], hidden):
        blocks = step[:, :, start : start + hidden].unflatten(1, (-1, hidden))
        parts.append((product.unflatten(2, (-1, hidden)) * blocks.diagonal(dim1=2, dim2=3)[:, None]).sum(2))
    return torch.cat(parts, 2)


def spectral_norms(matrices: Tensor) -> Tensor:
    """The 2-norms of [B, N, M]: [B], approached from below, to a thousandth or better.

    By subspace iteration (Halko et al. 2011, arXiv 0909.4061, algorithm 4.4), which takes a tenth of the time of
    computing all singular values.
    """
    width = min(BLOCK, *matrices.shape[1:])
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(matrices.shape[2], width, dtype=matrices.dtype, generator=generator).to(matrices.device)
    basis, found = start.expand(len(matrices), -1, -1), matrices.new_zeros(len(matrices))
    for _ in range(ITERATIONS):
        left, _ = torch.linalg.qr(matrices @ basis)
        basis, triangle = torch.linalg.qr(matrices.mT @ left)
        before, found = found, torch.linalg.matrix_norm(triangle, ord=2)
        if bool(((found - before).abs() <= TOLERANCE * found).all()):
            break
    return found


def jacobian_norms(reading: Reading, largest_lag: int) -> dict[str, Tensor]:
    """Logarithms of the 2-norm of the exact Jacobian for k = 0 … K: [B, K + 1] each; NaN where a sentence is too short.

    Returns:
        `jacobian_norm`, of the whole state; for an LSTM also `jacobian_norm_h` and `jacobian_norm_c`.
    """
    blocks = {"jacobian_norm": slice(None)}
    if reading.cell.states > 1:
        hidden = reading.cell.hidden
        blocks |= {"jacobian_norm_h": slice(0, hidden), "jacobian_norm_c": slice(hidden, 2 * hidden)}
    norms: dict[str, list[Tensor]] = {name: [] for name in blocks}
    for product, scale in products(reading, largest_lag):
        for name, block in blocks.items():
            norms[name].append(scale + spectral_norms(product[:, block, block]).log())
    return {name: torch.stack(columns, 1) for name, columns in norms.items()}


# --- plain RNNs: the usual substitutes for the product ----------------------------------------------------------------


def bound(cell: PlainRNN, largest_lag: int) -> Tensor:
    """(max f' * ||U||_2)^k for k = 0 … K, the upper bound on the norm of a product of k steps: [K + 1] float64."""
    steepest = 0.25 if isinstance(cell, LogisticRNN) else 1.0
    norm = torch.linalg.matrix_norm(cell.recurrent.weight.double(), ord=2)
    return (steepest * norm) ** torch.arange(largest_lag + 1, device=norm.device)


def matrix_power_norms(matrix: Tensor, largest_lag: int) -> Tensor:
    """||U^k||_2 for k = 0 … K: [K + 1] float64."""
    matrix = matrix.double()
    power, norms = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device), []
    for _ in range(largest_lag + 1):
        norms.append(torch.linalg.matrix_norm(power, ord=2))
        power = power @ matrix
    return torch.stack(norms)


def spectral_radius(matrix: Tensor) -> float:
    """The largest absolute eigenvalue."""
    return float(torch.linalg.eigvals(matrix.detach().double()).abs().max())


def commuted_error(reading: Reading, largest_lag: int) -> tuple[Tensor, Tensor]:
    """How far (D_t ... D_{t-k+1}) U^k is from the exact product, for a plain RNN and k = 0 … K.

    Returns:
        the Frobenius norm of the difference divided by that of the exact product, and the logarithm of the ratio of
        their Frobenius norms; [B, K + 1] float64 each, NaN where a sentence is too short.
    """
    cell, rows = reading.cell, torch.arange(len(reading.lengths), device=reading.lengths.device)
    assert isinstance(cell, PlainRNN)
    power = torch.eye(cell.hidden, dtype=reading.inputs.dtype, device=rows.device)
    power_scale = power.new_zeros(())
    diagonals = power.new_zeros(len(rows), cell.hidden)  # logarithms
    errors, ratios = [], []
    for lag, (exact, scale) in enumerate(products(reading, largest_lag)):
        if lag:
            power = power @ cell.recurrent.weight
            after = reading.states[0][rows, (reading.lengths - lag + 1).clamp(min=0)]
            diagonals = diagonals + slopes(cell, after).log()
        norm = torch.linalg.matrix_norm(power)
        power, power_scale = power / norm, power_scale + norm.log()
        # The exact product has norm 1, and the other form has the same scale. Where it is far larger, it would leave
        # the range of single precision.
        form = (diagonals + (power_scale - scale)[:, None]).double().exp()[:, :, None] * power
        errors.append(torch.linalg.matrix_norm(form - exact))
        ratios.append(torch.linalg.matrix_norm(form).log())
    return torch.stack(errors, 1), torch.stack(ratios, 1)


# --- all measures -----------------------------------------------------------------------------------------------------


@torch.inference_mode()
def measure(
    models: Mapping[str, TranslationModel[Any, Any]],
    sources: Sequence[Sequence[int]],
    settings: config.Probe,
    statistics: config.Evaluate,
) -> Iterator[Point]:
    """All measures of this file on the encoders of models; none for models other than RNN encoder-decoders.

    Args:
        models: in evaluation mode, by the names of their series, such as `trained` and `untrained`.
        sources: piece ids of all test sentences, without the end mark.
        settings: the number of sentences, and K. Sentences with K steps before their end are taken, or the longest.
        statistics: resamples, confidence and seed of the intervals.
    """
    chosen = [sources[index] for index in long_enough([len(ids) for ids in sources], settings)]
    for series, model in models.items():
        if not isinstance(model, RNNEncoderDecoder):
            continue
        device, lag = model.source_embedding.weight.device, settings.largest_lag
        found: dict[str, list[Tensor]] = {}
        for start in range(0, len(chosen), AT_A_TIME):
            rows = [torch.tensor([*ids, EOS]) for ids in chosen[start : start + AT_A_TIME]]
            source = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD).to(device)
            reading = encode(model, source)
            measured = jacobian_norms(reading, lag)
            if isinstance(reading.cell, PlainRNN):
                measured["commuted_error"], measured["commuted_ratio"] = commuted_error(reading, lag)
            for name, values in measured.items():
                found.setdefault(name, []).append(values.cpu())
        for name, parts in found.items():
            values = torch.cat(parts).double().numpy()
            yield from averaged(name, series, "steps", values, statistics, logarithms=name != "commuted_error")
        cell = stepped(model.encoder).cell
        if isinstance(cell, PlainRNN):
            matrix = cell.recurrent.weight
            radius = torch.tensor(spectral_radius(matrix), dtype=torch.float64) ** torch.arange(lag + 1)
            curves = {"jacobian_bound": bound(cell, lag), "matrix_power_norm": matrix_power_norms(matrix, lag)}
            for name, values in (curves | {"spectral_radius": radius}).items():
                yield from averaged(name, series, "steps", values.cpu().numpy()[None], statistics)


def long_enough(lengths: Sequence[int], settings: config.Probe) -> list[int]:
    """Indices of the test sentences to measure, from their lengths in pieces without the end mark.

    They are evenly spread over all sentences with `largest_lag` steps before the state at their end mark, so that each
    lag is measured on the same sentences. Where these are too few, the longest sentences are taken.
    """
    enough = [index for index, length in enumerate(lengths) if length >= settings.largest_lag]
    if len(enough) < settings.sentences:
        return sorted(np.argsort([-length for length in lengths], kind="stable")[: settings.sentences].tolist())
    return [enough[i] for i in np.linspace(0, len(enough) - 1, settings.sentences).round().astype(int)]
