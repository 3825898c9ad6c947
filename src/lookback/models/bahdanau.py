"""RNNsearch of Bahdanau et al. 2015 (arXiv 1409.0473), which attends to the source for each target piece."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from lookback.models.attention import AdditiveScore, ScoreName, choose, make_score, reinforce
from lookback.models.base import PAD, Logits, Step, TranslationModel
from lookback.models.cells import CELLS, CellState, GatedUnit, recurrence
from lookback.models.products import Linear
from lookback.models.rnn import (
    Initialisation,
    MaxoutReadout,
    Output,
    initialise,
    initialise_gates,
    reverse_within,
)
from lookback.models.scan import Attention

Order = Literal["paper", "equation-4", "code"]
Weighting = Literal["soft", "hard"]

SOFT_SHARE = 0.5
"""When training hard attention, the probability that a sentence uses soft attention (Xu et al. 2015, section 4.1)."""
ENTROPY_WEIGHT = 0.002
"""Weight of the entropy bonus (in nats) in that training, from the authors' code."""
REWARD_WEIGHT = 0.1
"""Weight of REINFORCE beside the likelihood, from the authors' code."""
BASELINE_DECAY = 0.9
"""Decay of the running mean of rewards (the same section)."""


class Memory(NamedTuple):
    annotations: Tensor
    """[B, S, 2H], h_j: the encoder's states at each source piece, from both directions."""
    keys: Tensor
    """[B, S, A], U_a h_j, the keys that the score compares with the decoder's state."""
    values: Tensor
    """[B, S, gates * H], C h_j, the annotation's contribution to the gates of the decoder."""
    mask: Tensor
    """[B, S], 0 on source pieces and minus infinity on padding."""


class State(NamedTuple):
    memory: Memory
    hidden: CellState
    """s_{i-1}; with `order` "code", s_{i-2}, which the next piece updates."""
    context: Tensor | None
    """[B, gates * H], C c_{i-1}: with `order` "code", after the first piece."""


class Bahdanau(TranslationModel[Memory, State]):
    """A bidirectional encoder; before each target piece the decoder reads a weighted mean of its annotations.

    With E the embeddings, f the cell (`lookback.models.cells`) and ; for concatenation, section 3 and appendix A:

        h_j = [forwards_j; backwards_j]                 annotations, from a recurrent network in each direction
        s_0 = tanh(W_s backwards_1)
        e_ij = v_a . tanh(W_a s_{i-1} + U_a h_j)        a_i = softmax(e_i), over the real source pieces
        c_i = sum_j a_ij h_j                            the context vector
        s_i = f(s_{i-1}, E y_{i-1}, c_i)
        logits_i = W_o maxout(U_o s_{i-1} + V_o E y_{i-1} + C_o c_i + b)

    The defaults are the paper's. Options:

    - `order`: which state goes with which word, where paper and code differ:

        `paper`        as above, appendix A.2.2 as printed: what predicts y_i is c_i, y_{i-1} and s_{i-1}, which has
                       read the words up to y_{i-2}: the state runs one word behind.
        `equation-4`   the readout takes s_i instead, as in equation 4 (section 3.1): s_i has read y_{i-1} and c_i.
                       "Look, update, generate".
        `code`         the authors' GroundHog: s_i = f(s_{i-1}, E y_i, c_i), so the state has read the word that it was
                       used to predict, together with the context it was predicted from; alignment and readout for y_i
                       take s_{i-1}, which knows y_{i-1}. "Look, generate, update". The first word is predicted from s_0
                       itself, and the begin mark reaches the readout alone.

    - `score`: the function e_ij of state and annotation: `additive`, as above; `dot`; `scaled-dot`, divided by the root
      of the width; `width-scaled-dot`, divided by the width; `general`. See `lookback.models.attention`.
    - `weighting`: `soft`, as above; or `hard`, where c_i is one annotation. In training its position is drawn with the
      weights as probabilities, and REINFORCE trains the score (see `logits_and_surrogate`); otherwise it is the
      position of the largest weight, so alignments are one-hot.
    - `cell`: `gru`, the paper's unit; `gru-reset-after`, torch's, for speed; `lstm`; `rnn-tanh`; `rnn-logistic`.
    - `output`: see `lookback.models.rnn.Output`.
    - `initialisation`: see `lookback.models.rnn.Initialisation`.

    Differences from the paper that remain: biases, initially 0, on all gates, on W_s, W_a and the readout (the paper
    leaves biases out of its equations; GroundHog has none on the gates or in the alignment, and one on the embeddings);
    `dropout` on embeddings and readout (the paper has none).
    """

    baseline: Tensor
    """For training hard attention: the running mean of the log-likelihood of a target piece."""

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        embedding: int,
        hidden: int,
        attention: int,
        readout: int,
        dropout: float = 0.0,
        cell: str = "gru",
        order: Order = "paper",
        output: Output = "single",
        initialisation: Initialisation = "paper",
        score: ScoreName = "additive",
        weighting: Weighting = "soft",
    ) -> None:
        super().__init__()
        self.order: Order = order
        self.hard = weighting == "hard"
        self.source_embedding = nn.Embedding(source_vocabulary, embedding)
        self.target_embedding = nn.Embedding(target_vocabulary, embedding)
        self.forward_encoder = recurrence(cell, embedding, hidden)
        self.backward_encoder = recurrence(cell, embedding, hidden)
        self.decoder = CELLS[cell](hidden)
        self.initial = Linear(hidden, self.decoder.states * hidden)
        self.score = make_score(score, hidden, 2 * hidden, attention)
        self.gates_from_embedding = Linear(embedding, self.decoder.gates * hidden)
        self.gates_from_context = Linear(2 * hidden, self.decoder.gates * hidden, bias=False)
        self.readout = MaxoutReadout(3 * hidden + embedding, readout, embedding, target_vocabulary, output, dropout)
        self.dropout = nn.Dropout(dropout)

        initialise(self, initialisation)
        initialise_gates(self.gates_from_embedding.weight, hidden, initialisation)
        initialise_gates(self.gates_from_context.weight, hidden, initialisation)
        if isinstance(self.score, AdditiveScore):
            if initialisation == "paper":
                for layer in (self.score.query, self.score.key):
                    nn.init.normal_(layer.weight, std=0.001)
                nn.init.zeros_(self.score.energy)
            else:
                nn.init.normal_(self.score.energy, std=attention**-0.5)
        if self.hard:
            self.register_buffer("baseline", torch.zeros(()))

    def encode(self, source: Tensor) -> Memory:
        real = source != PAD
        lengths = real.sum(1)
        embedded = self.dropout(self.source_embedding(source))
        turned = reverse_within(embedded, lengths)
        forwards, _ = self.forward_encoder(embedded, self.forward_encoder.zeros(embedded))
        backwards, _ = self.backward_encoder(turned, self.backward_encoder.zeros(turned))
        annotations = torch.cat([forwards, reverse_within(backwards, lengths)], -1)
        mask = torch.zeros(source.shape, dtype=self.initial.weight.dtype, device=source.device)
        mask = mask.masked_fill(~real, float("-inf"))
        # C (sum_j a_j h_j) = sum_j a_j (C h_j): multiply once for all pieces, not at each step of the decoder.
        return Memory(annotations, self.score.keys(annotations), self.gates_from_context(annotations), mask)

    def start(self, memory: Memory) -> State:
        hidden = self.decoder.hidden
        first_backwards = memory.annotations[:, 0, hidden:]
        initial = torch.tanh(self.initial(first_backwards)).to(memory.mask.dtype)
        return State(memory, initial.split(hidden, -1), None)

    def decode_with_alignment(self, memory: Memory, target_in: Tensor) -> tuple[Tensor, Tensor]:
        logits, alignment = self._decode(memory, target_in)
        return logits.product(), alignment

    def logits(self, memory: Memory, target_in: Tensor) -> Logits:
        return self._decode(memory, target_in)[0]

    def step(self, state: State, token: Tensor) -> Step[State]:
        decoded = self._advance(state, token[:, None])
        return Step(decoded.logits.product()[:, 0], decoded.state, decoded.alignment[:, 0])

    def _decode(self, memory: Memory, target_in: Tensor) -> tuple[Logits, Tensor]:
        if isinstance(self.decoder, GatedUnit) and isinstance(self.score, AdditiveScore) and not self.hard:
            return self._scan(self.decoder, self.score, self.start(memory), target_in)
        decoded = self._advance(self.start(memory), target_in)
        return decoded.logits, decoded.alignment

    def _advance(self, state: State, target_in: Tensor) -> "Decoded":
        """Read `target_in` [B, T] after the state. The loop computes only what depends on the previous state."""
        memory, hidden, context = state
        embedded = self.dropout(self.target_embedding(target_in))
        soft = None  # rows with soft attention, when training hard attention
        if self.hard and self.training:
            soft = torch.rand(len(target_in), 1, device=target_in.device) < SOFT_SHARE
        shown, weights, alignments = [], [], []
        for gates in self.gates_from_embedding(embedded).unbind(1):
            if self.order == "code" and context is not None:
                hidden = self.decoder(gates + context, hidden)
            weighed = torch.softmax(self.score(hidden[0], memory.keys) + memory.mask, 1)
            alignment = self._choose(weighed, soft) if self.hard else weighed
            context = torch.bmm(alignment[:, None].to(memory.values.dtype), memory.values)[:, 0]
            before = hidden
            if self.order != "code":
                hidden = self.decoder(gates + context, hidden)
            shown.append(hidden[0] if self.order == "equation-4" else before[0])
            weights.append(weighed)
            alignments.append(alignment)
        alignment = torch.stack(alignments, 1)
        contexts = torch.bmm(alignment.to(memory.annotations.dtype), memory.annotations)
        logits = self.readout(torch.cat([torch.stack(shown, 1), embedded, contexts], -1))
        state = State(memory, hidden, context if self.order == "code" else None)
        return Decoded(logits, state, alignment, weights, soft)

    def _scan(self, cell: GatedUnit, score: AdditiveScore, start: State, target_in: Tensor) -> tuple[Logits, Tensor]:
        """As `_advance` from the start state, in one operation."""
        memory = start.memory
        embedded = self.dropout(self.target_embedding(target_in))
        inputs = self.gates_from_embedding(embedded)
        if self.order == "code":  # the same, one piece ahead; the state that reads the last input is unused
            inputs = inputs.roll(-1, 1)
        attention = Attention(
            memory.keys, memory.values, memory.mask, score.query.weight, score.query.bias, score.energy
        )
        states, alignment = cell.scan(inputs, start.hidden, attention)
        assert alignment is not None
        shown = states[:, 1:] if self.order == "equation-4" else states[:, :-1]
        contexts = torch.bmm(alignment.to(memory.annotations.dtype), memory.annotations)
        return self.readout(torch.cat([shown, embedded, contexts], -1)), alignment

    def _choose(self, weights: Tensor, soft: Tensor | None) -> Tensor:
        """The hard alignment from the weights [B, S]; `soft` [B, 1] rows keep their weights."""
        if soft is None:
            return choose(weights, sample=False)
        return torch.where(soft, weights, choose(weights, sample=True))

    def logits_and_surrogate(
        self, source: Tensor, target_in: Tensor, target_out: Tensor
    ) -> tuple[Logits, Tensor | None]:
        """When training hard attention, also the loss whose gradient trains the choices (Xu et al. 2015, section 4.1).

        The reward of a choice is the log-likelihood of the target pieces from there on. The baseline is the running
        mean per piece times the number of remaining pieces. The entropy of the weights is also rewarded.
        """
        if not (self.hard and self.training):
            return super().logits_and_surrogate(source, target_in, target_out)
        decoded = self._advance(self.start(self.encode(source)), target_in)
        assert decoded.soft is not None
        full = self.baseline.dtype  # not half precision, in mixed precision
        real = (target_out != PAD).to(full)
        log_p = torch.log_softmax(decoded.logits.product().detach(), -1, dtype=full)
        rewards = log_p.gather(-1, target_out[..., None])[..., 0] * real
        weights = torch.stack(decoded.weights, 1).to(full)
        drawn = real * ~decoded.soft
        log_policy = (weights * decoded.alignment).sum(-1).clamp_min(1e-30).log() * drawn
        left = real.flip(1).cumsum(1).flip(1)
        surrogate = REWARD_WEIGHT * reinforce(log_policy, rewards, self.baseline * left)
        entropy = -(weights * weights.clamp_min(1e-30).log()).sum(-1)
        with torch.no_grad():
            self.baseline.lerp_(rewards.sum() / real.sum(), 1 - BASELINE_DECAY)
        return decoded.logits, surrogate - ENTROPY_WEIGHT * (entropy * real).sum()


class Decoded(NamedTuple):
    """The result of reading T target pieces."""

    logits: Logits
    state: State
    alignment: Tensor
    """[B, T, S], the weights that mixed the annotations."""
    weights: list[Tensor]
    """T times [B, S]: the softmax of the scores; equal to the alignment except with hard attention."""
    soft: Tensor | None
    """[B, 1], true for rows with soft attention, when training hard attention."""
