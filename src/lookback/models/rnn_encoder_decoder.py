"""The RNN Encoder-Decoder of Cho et al. 2014 (arXiv 1406.1078): the whole sentence in one vector."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from lookback.models.base import PAD, Logits, Step, TranslationModel
from lookback.models.cells import CellState, recurrence
from lookback.models.products import Linear
from lookback.models.rnn import Initialisation, MaxoutReadout, Output, initialise, last_real, reverse_within


class Memory(NamedTuple):
    summary: Tensor
    """[B, C], the vector c."""


class State(NamedTuple):
    memory: Memory
    hidden: CellState
    """The decoder state that the next piece updates."""


class RNNEncoderDecoder(TranslationModel[Memory, State]):
    """Encoder and decoder are gated recurrent networks; the decoder sees the source only through one vector.

    With E the embeddings, f the cell (`lookback.models.cells`), section 2 and appendix A.1 of the paper:

        h_j = f(h_{j-1}, E x_j)                c = tanh(V h_S)                 the summary, from the last state
        s_0 = tanh(V' c)                       s_i = f(s_{i-1}, E y_{i-1}, c)  c acts on every gate
        logits_i = G maxout(O_h s_i + O_y E y_{i-1} + O_c c + b)

    The defaults are the paper's. Options:

    - `cell`: `gru`, the paper's unit; `gru-reset-after`, torch's, for speed; `lstm`; `rnn-tanh`; `rnn-logistic`.
    - `encoder`: `bidirectional` computes c from the last state of each direction.
    - `summary_projection`: without it, c is the last state itself, as in the RNNencdec of Bahdanau et al. 2015
      (appendix A.2.2; also GroundHog).
    - `summary_use`: with `initial-state` the vector only sets s_0, as in Sutskever et al. 2014 (arXiv 1409.3215,
      section 2). An LSTM's two initial states have one matrix each.
    - `reverse_source`: the encoder reads the source from last word to first (the same paper, section 3.3). The end mark
      stays at the end.
    - `output`: see `lookback.models.rnn.Output`.
    - `initialisation`: see `lookback.models.rnn.Initialisation`.

    Differences from the paper that remain:

    - Appendix A.1.2 has the decoder's candidate as tanh(W E y + r * (U s + C c)), and the encoder's as
      tanh(W E x + U (r * h)). Here both follow the encoder and section 2.3, tanh(W E y + C c + U (r * s)), as GroundHog
      does.
    - Biases, initially 0, on all gates, on V, V' and the readout. The paper leaves biases out of its equations;
      GroundHog has none on the gates and one on the embeddings.
    - `dropout` on embeddings and readout (the paper has none); not on c, whose capacity the experiment measures.
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        embedding: int,
        hidden: int,
        readout: int,
        dropout: float = 0.0,
        cell: str = "gru",
        encoder: Literal["unidirectional", "bidirectional"] = "unidirectional",
        summary_projection: bool = True,
        summary_use: Literal["every-step", "initial-state"] = "every-step",
        reverse_source: bool = False,
        output: Output = "single",
        initialisation: Initialisation = "paper",
    ) -> None:
        super().__init__()
        self.reverse_source = reverse_source
        both = encoder == "bidirectional"
        read = 2 * hidden if both else hidden
        summary = hidden if summary_projection else read
        context = summary if summary_use == "every-step" else 0

        self.source_embedding = nn.Embedding(source_vocabulary, embedding)
        self.target_embedding = nn.Embedding(target_vocabulary, embedding)
        self.encoder = recurrence(cell, embedding, hidden)
        self.backward_encoder = recurrence(cell, embedding, hidden) if both else None
        self.summary = Linear(read, hidden) if summary_projection else None
        self.decoder = recurrence(cell, embedding, hidden, context)
        self.initial = Linear(summary, self.decoder.states * hidden)
        self.readout = MaxoutReadout(
            hidden + embedding + context, readout, embedding, target_vocabulary, output, dropout
        )
        self.dropout = nn.Dropout(dropout)
        self.summary_at_every_step = context > 0
        initialise(self, initialisation)

    def encode(self, source: Tensor) -> Memory:
        lengths = (source != PAD).sum(1)
        if self.reverse_source:
            source = reverse_within(source[..., None], lengths - 1)[..., 0]
        embedded = self.dropout(self.source_embedding(source))
        states, _ = self.encoder(embedded, self.encoder.zeros(embedded))
        read = last_real(states, lengths)  # padding comes last, so no real state has read padding
        if self.backward_encoder is not None:
            turned = reverse_within(embedded, lengths)
            states, _ = self.backward_encoder(turned, self.backward_encoder.zeros(turned))
            read = torch.cat([read, last_real(states, lengths)], -1)
        return Memory(read if self.summary is None else torch.tanh(self.summary(read)))

    def decode_with_alignment(self, memory: Memory, target_in: Tensor) -> tuple[Tensor, None]:
        return self.logits(memory, target_in).product(), None

    def logits(self, memory: Memory, target_in: Tensor) -> Logits:
        return self._advance(memory, self.start(memory).hidden, target_in)[0]

    def start(self, memory: Memory) -> State:
        initial = torch.tanh(self.initial(memory.summary))
        return State(memory, initial.split(self.decoder.hidden, -1))

    def step(self, state: State, token: Tensor) -> Step[State]:
        logits, hidden = self._advance(state.memory, state.hidden, token[:, None])
        return Step(logits.product()[:, 0], State(state.memory, hidden), None)

    def _advance(self, memory: Memory, hidden: CellState, target_in: Tensor) -> tuple[Logits, CellState]:
        """Read `target_in` [B, T] after the state: the logits in factored form, and the next state."""
        embedded = self.dropout(self.target_embedding(target_in))
        if not self.summary_at_every_step:
            states, last = self.decoder(embedded, hidden)
            return self.readout(torch.cat([states, embedded], -1)), last
        states, last = self.decoder(embedded, hidden, memory.summary)
        summary = memory.summary[:, None].expand(-1, target_in.shape[1], -1)
        return self.readout(torch.cat([states, embedded, summary], -1)), last
