"""Recurrent units: one step each, and whole sequences of steps.

`CELLS` maps the names in a configuration to cells. A cell computes one step from the input contributions to its gates.
The caller computes these: in one product for many positions where the inputs are known beforehand, and possibly from
several inputs (a word and a context vector).

The state of a cell is a tuple of tensors [B, H]; the first one is its output.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from lookback.models.products import Linear, linear
from lookback.models.scan import Attention, scan

CellState = tuple[Tensor, ...]


class Cell(nn.Module, ABC):
    """One step of a recurrent unit of H units."""

    gates: ClassVar[int]
    """Number of gates: inputs are [B, gates * H], with the gates concatenated."""
    states: ClassVar[int] = 1
    """Number of tensors in a state."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.recurrent = Linear(hidden, self.gates * hidden, bias=False)

    @abstractmethod
    def forward(self, inputs: Tensor, state: CellState) -> CellState:
        """The next state, from the input contributions to the gates [B, gates * H] and the previous state.

        In mixed precision the products use half precision, but the state keeps its own: errors would add up over the
        steps.
        """


class GatedUnit(Cell):
    """A unit that `lookback.models.scan` can run over whole sequences."""

    gates = 3
    reset_after: ClassVar[bool]

    def scan(
        self, inputs: Tensor, state: CellState, attention: Attention | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """As `lookback.models.scan.scan`."""
        return scan(inputs, state[0], self.recurrent.weight, self.recurrent.bias, self.reset_after, attention)


class GRU(GatedUnit):
    """The gated unit of Cho et al. 2014 (arXiv 1406.1078, section 2.3), with the reset gate before the recurrent
    product.

        r = sigmoid(W_r x + U_r h)      z = sigmoid(W_z x + U_z h)      n = tanh(W x + U (r * h))
        h' = z * h + (1 - z) * n

    Bahdanau et al. 2015, appendix A.1, give z the opposite sense, h' = (1 - z) * h + z * n. This is the same unit with
    -W_z and -U_z; with a symmetric initialisation, training is the same. Gates are stacked as reset, update, candidate.
    """

    reset_after = False

    def forward(self, inputs: Tensor, state: CellState) -> CellState:
        (h,) = state
        width = self.hidden
        u_gates, u_candidate = self.recurrent.weight.split([2 * width, width])
        from_state = linear(h, u_gates)
        reset, update = torch.sigmoid(inputs[:, : 2 * width] + from_state).chunk(2, 1)
        candidate = torch.tanh(inputs[:, 2 * width :] + linear(reset * h, u_candidate))
        return (torch.lerp(candidate.to(h.dtype), h, update.to(h.dtype)),)


class GRUResetAfter(GatedUnit):
    """torch's GRU, with the reset gate after the recurrent product: n = tanh(W x + r * (U h + b)).

    Each step needs only one product with the state, and torch has a fused kernel for whole sequences.
    """

    reset_after = True

    def __init__(self, hidden: int) -> None:
        super().__init__(hidden)
        self.recurrent = Linear(hidden, 3 * hidden)  # the reset gate also scales the bias b

    def forward(self, inputs: Tensor, state: CellState) -> CellState:
        (h,) = state
        width = self.hidden
        from_state = self.recurrent(h)
        reset, update = torch.sigmoid(inputs[:, : 2 * width] + from_state[:, : 2 * width]).chunk(2, 1)
        candidate = torch.tanh(torch.addcmul(inputs[:, 2 * width :], reset, from_state[:, 2 * width :]))
        return (torch.lerp(candidate.to(h.dtype), h, update.to(h.dtype)),)


class LSTM(Cell):
    """Hochreiter and Schmidhuber 1997 with the forget gate of Gers et al. 2000, without peepholes, as in torch.

        i, f, o = sigmoid(W x + U h), each its own      g = tanh(W_g x + U_g h)
        c' = f * c + i * g                              h' = o * tanh(c')

    The state is (h, c). Gates are stacked as input, forget, candidate, output.
    """

    gates = 4
    states = 2

    def forward(self, inputs: Tensor, state: CellState) -> CellState:
        h, c = state
        i, f, g, o = (inputs + self.recurrent(h)).to(c.dtype).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class PlainRNN(Cell):
    """h' = f(W x + U h): the recurrent network without gates (Elman 1990)."""

    gates = 1

    def forward(self, inputs: Tensor, state: CellState) -> CellState:
        return (self.activation(inputs + self.recurrent(state[0])).to(state[0].dtype),)

    @abstractmethod
    def activation(self, sums: Tensor) -> Tensor: ...


class TanhRNN(PlainRNN):
    """With the hyperbolic tangent."""

    def activation(self, sums: Tensor) -> Tensor:
        return torch.tanh(sums)


class LogisticRNN(PlainRNN):
    """With the logistic function, whose slope is at most 1/4."""

    def activation(self, sums: Tensor) -> Tensor:
        return torch.sigmoid(sums)


CELLS: dict[str, type[Cell]] = {
    "gru": GRU,
    "gru-reset-after": GRUResetAfter,
    "lstm": LSTM,
    "rnn-tanh": TanhRNN,
    "rnn-logistic": LogisticRNN,
}


# --- whole sequences --------------------------------------------------------------------------------------------------


class Recurrence(nn.Module, ABC):
    """A recurrent layer: reads a sequence and, if `context` is not 0, the same context vector at every step."""

    def __init__(self, hidden: int, states: int) -> None:
        super().__init__()
        self.hidden, self.states = hidden, states

    def zeros(self, sequence: Tensor) -> CellState:
        """The state before the first step, for the rows of `sequence` [B, …]."""
        return (sequence.new_zeros(len(sequence), self.hidden, dtype=next(self.parameters()).dtype),) * self.states

    @abstractmethod
    def forward(self, sequence: Tensor, state: CellState, context: Tensor | None = None) -> tuple[Tensor, CellState]:
        """Read [B, T, inputs], and [B, context] at every step, after `state`.

        Returns:
            the cell's output at each step [B, T, H], and the state after the last.
        """


class SteppedRecurrence(Recurrence):
    """Runs step by step; one product computes the input contributions for all steps."""

    def __init__(self, cell: Cell, inputs: int, context: int) -> None:
        super().__init__(cell.hidden, cell.states)
        self.cell = cell
        self.input = Linear(inputs, cell.gates * cell.hidden)
        self.context = Linear(context, cell.gates * cell.hidden, bias=False) if context else None

    def forward(self, sequence: Tensor, state: CellState, context: Tensor | None = None) -> tuple[Tensor, CellState]:
        inputs = self.input(sequence)
        if self.context is not None and context is not None:
            inputs = inputs + self.context(context)[:, None]
        if isinstance(self.cell, GatedUnit) and inputs.shape[1] > 1:
            states, _ = self.cell.scan(inputs, state)
            return states[:, 1:], (states[:, -1],)
        shown = []
        for inputs_i in inputs.unbind(1):
            state = self.cell(inputs_i, state)
            shown.append(state[0])
        return torch.stack(shown, 1), state


class FusedRecurrence(Recurrence):
    """Runs the whole sequence in torch's kernel, several times faster on a GPU; a GRU on a CPU uses `scan`."""

    def __init__(self, kernel: nn.GRU | nn.LSTM | nn.RNN) -> None:
        super().__init__(kernel.hidden_size, states=2 if isinstance(kernel, nn.LSTM) else 1)
        self.kernel = kernel

    def forward(self, sequence: Tensor, state: CellState, context: Tensor | None = None) -> tuple[Tensor, CellState]:
        if isinstance(self.kernel, nn.GRU) and sequence.device.type == "cpu" and sequence.shape[1] > 1:
            return self._scan(sequence, state, context)
        if context is not None:
            sequence = torch.cat([sequence, context[:, None].expand(-1, sequence.shape[1], -1)], -1)
        if sequence.device.type == "cpu" and self.states > 1 and torch.is_autocast_enabled("cpu"):
            # torch's LSTM kernel for the CPU supports half precision on few processors only.
            with torch.autocast("cpu", enabled=False):
                return self.forward(sequence.float(), tuple(part.float() for part in state))
        before = tuple(part[None] for part in state)
        shown, after = self.kernel(sequence, before if self.states > 1 else before[0])
        after = after if isinstance(after, tuple) else (after,)
        return shown, tuple(part[0] for part in after)

    def _scan(self, sequence: Tensor, state: CellState, context: Tensor | None) -> tuple[Tensor, CellState]:
        of_input, recurrent, input_bias, bias = self.kernel.all_weights[0]
        inputs = linear(sequence, of_input[:, : sequence.shape[2]], input_bias)
        if context is not None:
            inputs = inputs + linear(context, of_input[:, sequence.shape[2] :])[:, None]
        states, _ = scan(inputs, state[0], recurrent, bias, reset_after=True)
        return states[:, 1:], (states[:, -1],)


def recurrence(cell: str, inputs: int, hidden: int, context: int = 0) -> Recurrence:
    """A recurrent layer of the cell of that name (see `CELLS`), with torch's kernel if there is one."""
    if cell == "gru-reset-after":
        return FusedRecurrence(nn.GRU(inputs + context, hidden, batch_first=True))
    if cell == "lstm":
        return FusedRecurrence(nn.LSTM(inputs + context, hidden, batch_first=True))
    if cell == "rnn-tanh":
        return FusedRecurrence(nn.RNN(inputs + context, hidden, batch_first=True))
    return SteppedRecurrence(CELLS[cell](hidden), inputs, context)
