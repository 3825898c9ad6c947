"""Parts of both recurrent models: reversal of padded batches, the maxout readout, the initialisation."""

from typing import Literal

import torch
from torch import Tensor, nn

from lookback.models.base import Logits
from lookback.models.cells import Cell, FusedRecurrence, SteppedRecurrence
from lookback.models.products import Linear

Initialisation = Literal["paper", "glorot"]
"""How the recurrent models start; biases are 0 in both.

                            paper                           glorot
    recurrent matrices      orthogonal, gate by gate        the same
    U_a, W_a                N(0, 0.001²)                    Glorot-uniform
    v_a                     0                               N(0, 1 / A)
    embeddings              N(0, 0.01²)                     N(0, 1)
    other matrices          N(0, 0.01²)                     Glorot-uniform, gate by gate, input by input

`paper` is that of Bahdanau et al. 2015, appendix B.1, and but for the alignment of Cho et al. 2014, appendix A; it
wants Adadelta, which makes up for the small weights. `glorot` lets Adam learn from the first step.
"""

Output = Literal["single", "factorised"]
"""`single`: one matrix W_o from the maxout layer to the vocabulary, as Bahdanau et al. 2015 print it (appendix A.2.2).
`factorised`: two, by way of a layer as wide as an embedding, as in Cho et al. 2014, appendix A.1.2, and in the code of
both papers (GroundHog)."""


def reverse_within(sequence: Tensor, lengths: Tensor) -> Tensor:
    """Turn round the first `lengths[b]` positions of each row of [B, S, ...]; padding stays where it is.

    Reading the result from the front is reading the sentence from its last real word, which a plain flip would precede
    by padding. It is its own inverse.
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
    """From what the decoder knows to logits: a linear layer, the maximum of each pair, dropout, the output matrix.

    Cho et al. 2014, appendix A.1.2 (there s', s and G); Bahdanau et al. 2015, appendix A.2.2 (there t~, t and W_o).
    """

    def __init__(self, inputs: int, width: int, factor: int, vocabulary: int, output: Output, dropout: float) -> None:
        """Makes the layers.

        Args:
            inputs: the width of the decoder's state, the word before and the context vector together.
            width: l, of the maxout layer.
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
        """[..., inputs] to what logits [..., V] are made of."""
        pairs = self.hidden(inputs).unflatten(-1, (-1, 2))
        return Logits(self.factor(self.dropout(pairs.amax(-1))), self.output.weight, self.output.bias)


# --- initialisation ---------------------------------------------------------------------------------------------------


def initialise(model: nn.Module, how: Initialisation) -> None:
    """All of a recurrent model as `Initialisation` says, but for what only one model has."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=1.0 if how == "glorot" else 0.01)
        elif isinstance(module, nn.Linear):
            _matrix(module.weight, how)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in model.modules():  # now the matrices that are several gates, and those that are recurrent
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
    """Gates stacked in one matrix [gates * H, inputs], each initialised by itself."""
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
