"""Shared parts of the recurrent models: reversal of padded batches, the maxout readout, the initialisation."""

from typing import Literal

import torch
from torch import Tensor, nn

from lookback.models.base import Logits
from lookback.models.cells import Cell, FusedRecurrence, SteppedRecurrence
from lookback.models.products import Linear

Initialisation = Literal["paper", "glorot"]
"""Initialisations of the recurrent models; biases start at 0 in both.

                            paper                           glorot
    recurrent matrices      orthogonal, gate by gate        the same
    U_a, W_a                N(0, 0.001²)                    Glorot-uniform
    v_a                     0                               N(0, 1 / A)
    embeddings              N(0, 0.01²)                     N(0, 1)
    other matrices          N(0, 0.01²)                     Glorot-uniform, gate by gate, input by input

`paper` is that of Bahdanau et al. 2015, appendix B.1, and, except for the alignment, that of Cho et al. 2014, appendix
A. It needs Adadelta, which compensates for the small weights. With `glorot`, Adam learns from the first step.
"""

Output = Literal["single", "factorised"]
"""`single`: one matrix W_o from the maxout layer to the vocabulary, as Bahdanau et al. 2015 print it (appendix A.2.2).
`factorised`: two, with a layer of an embedding's width between them, as in Cho et al. 2014, appendix A.1.2, and in the
code of both papers (GroundHog)."""


def reverse_within(sequence: Tensor, lengths: Tensor) -> Tensor:
    """Reverse the first `lengths[b]` positions of each row of [B, S, ...]; padding stays in place.

    The result starts with the sentence's last real word; a plain flip would start with padding. The operation is its
    own inverse.
    """
    positions = torch.arange(sequence.shape[1], device=sequence.device)
    mirrored = lengths[:, None] - 1 - positions
    index = torch.where(mirrored >= 0, mirrored, positions)
    return sequence.gather(1, index[..., None].expand(sequence.shape))


def last_real(sequence: Tensor, lengths: Tensor) -> Tensor:
    """The vector at the last real position of each row: [B, S, H] to [B, H]."""
    index = (lengths - 1)[:, None, None].expand(-1, 1, sequence.shape[2])
    return sequence.gather(1, index).squeeze(1)


class MaxoutReadout(nn.Module):
    """From the decoder's vectors to logits: a linear layer, the maximum of each pair, dropout, the output matrix.

    Cho et al. 2014, appendix A.1.2 (there s', s and G); Bahdanau et al. 2015, appendix A.2.2 (there t~, t and W_o).
    """

    def __init__(self, inputs: int, width: int, factor: int, vocabulary: int, output: Output, dropout: float) -> None:
        """Makes the layers.

        Args:
            inputs: the total width of the decoder's state, the previous word's embedding and the context vector.
            width: l, the width of the maxout layer.
            factor: the width between the two output matrices, if `output` is factorised.
            vocabulary: V.
            output: see `Output`.
            dropout: on the maxout layer.
        """
        super().__init__()
        self.hidden = Linear(inputs, 2 * width)
        self.dropout = nn.Dropout(dropout)
        self.factor = Linear(width, factor, bias=False) if output == "factorised" else nn.Identity()
        self.output = Linear(factor if output == "factorised" else width, vocabulary)

    def forward(self, inputs: Tensor) -> Logits:
        """[..., inputs] to logits [..., V], in factored form."""
        pairs = self.hidden(inputs).unflatten(-1, (-1, 2))
        return Logits(self.factor(self.dropout(pairs.amax(-1))), self.output.weight, self.output.bias)


# --- initialisation ---------------------------------------------------------------------------------------------------


def initialise(model: nn.Module, how: Initialisation) -> None:
    """Initialise the common parts of a recurrent model as `Initialisation` says."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=1.0 if how == "glorot" else 0.01)
        elif isinstance(module, nn.Linear):
            _matrix(module.weight, how)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in model.modules():  # now the matrices of several gates, and the recurrent ones
        if isinstance(module, FusedRecurrence):
            for name, parameter in module.kernel.named_parameters():
                if name.startswith("bias"):
                    nn.init.zeros_(parameter)
                else:
                    initialise_gates(parameter, module.hidden, how, recurrent=name.startswith("weight_hh"))
        elif isinstance(module, SteppedRecurrence):
            for layer in (module.input, module.context):
                if layer is not None:
                    initialise_gates(layer.weight, module.hidden, how)
        elif isinstance(module, Cell):
            initialise_gates(module.recurrent.weight, module.hidden, how, recurrent=True)


def initialise_gates(weight: Tensor, hidden: int, how: Initialisation, recurrent: bool = False) -> None:
    """Initialise each gate of a stacked matrix [gates * H, inputs] separately."""
    for gate in weight.split(hidden):
        if recurrent:
            nn.init.orthogonal_(gate)
        else:
            _matrix(gate, how)


def _matrix(weight: Tensor, how: Initialisation) -> None:
    if how == "glorot":
        nn.init.xavier_uniform_(weight)
    else:
        nn.init.normal_(weight, std=0.01)
