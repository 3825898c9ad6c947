"""The Transformer of Vaswani et al. 2017 (arXiv 1706.03762): attention without recurrence."""

import math
from typing import Literal, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lookback.errors import LookbackError
from lookback.models.attention import KeysValues, MultiHeadAttention, attend, causal_mask
from lookback.models.base import PAD, Logits, Step, TranslationModel
from lookback.models.positions import Positions, RelativePositions, alibi, rotate, sinusoids
from lookback.models.products import Linear

Norm = Literal["post", "pre"]


class Memory(NamedTuple):
    states: Tensor
    """[B, S, D], the output of the encoder."""
    mask: Tensor
    """[B, 1, 1, S], true on source pieces and false on padding."""
    layers: tuple[KeysValues, ...]
    """Keys and values for the cross-attention of each decoder layer, computed once from `states`."""


class State(NamedTuple):
    memory: Memory
    layers: tuple[KeysValues, ...]
    """Keys and values of the target pieces so far, for the self-attention of each decoder layer."""


# --- attention --------------------------------------------------------------------------------------------------------


class MultiHeadSelfAttention(MultiHeadAttention):
    """Attention within one sequence, optionally with distances (`lookback.models.positions`)."""

    def __init__(
        self, d_model: int, heads: int, d_k: int | None, d_v: int | None, positions: Positions, relative_clip: int
    ) -> None:
        super().__init__(d_model, heads, d_k, d_v)
        self.positions: Positions = positions
        d_k, d_v = self.key.out_features // heads, self.value.out_features // heads
        self.relative = RelativePositions(d_k, d_v, relative_clip) if positions == "relative" else None

    def read(self, states: Tensor, past: KeysValues | None, mask: Tensor | None) -> tuple[Tensor, KeysValues]:
        """Attend at all positions of a sequence at once, or at one more position after those in `past`.

        Args:
            states: [B, T, D]; with `past`, T is 1.
            past: keys and values of the earlier positions.
            mask: [B, 1, 1, T], true on real pieces; or None, and position t sees only 0 … t.

        Returns:
            [B, T, D], and keys and values of all positions so far.
        """
        query, seen = self.split(self.query(states)), self.keys_values(states)
        if self.positions == "rotary":
            first = 0 if past is None else past.keys.shape[2]
            query, seen = rotate(query, first), KeysValues(rotate(seen.keys, first), seen.values)
        if past is not None:
            seen = KeysValues(torch.cat([past.keys, seen.keys], 2), torch.cat([past.values, seen.values], 2))
        causal = mask is None and past is None
        if self.positions in ("relative", "alibi"):
            return self.join(self._heeding_distance(query, seen, mask, causal)), seen
        return self.join(attend(query, *seen, mask, causal)), seen

    def _heeding_distance(self, query: Tensor, seen: KeysValues, mask: Tensor | None, causal: bool) -> Tensor:
        queries, keys = query.shape[2], seen.keys.shape[2]
        if causal:
            mask = causal_mask(queries, keys, query.device)
        if self.relative is None:
            bias = alibi(self.heads, queries, keys, query)[None]
            return attend(query, *seen, bias if mask is None else bias.masked_fill(~mask, float("-inf")))
        scores = query @ seen.keys.transpose(-1, -2) + self.relative.scores(query, keys)
        scores = scores / math.sqrt(query.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        weights = scores.softmax(-1).to(seen.values.dtype)
        return weights @ seen.values + self.relative.values(weights)


# --- layers -----------------------------------------------------------------------------------------------------------


class FeedForward(nn.Module):
    """Section 3.3: two linear layers with a ReLU between them, the same at every position."""

    def __init__(self, d_model: int, d_ff: int) -> None:
        super().__init__()
        self.inner = Linear(d_model, d_ff)
        self.output = Linear(d_ff, d_model)

    def forward(self, states: Tensor) -> Tensor:
        return self.output(F.relu(self.inner(states)))


class Sizes(NamedTuple):
    """Settings shared by all layers of a model."""

    d_model: int
    heads: int
    d_ff: int
    dropout: float
    d_k: int | None = None
    d_v: int | None = None
    norm: Norm = "post"
    positions: Positions = "sinusoidal"
    relative_clip: int = 16


class Sublayer(nn.Module):
    """Sections 3.1 and 5.4: the residual connection, dropout and normalization around a sublayer.

    `post`, the paper's: norm(x + dropout(f(x))). `pre`: x + dropout(f(norm(x))), and a normalization at the end of the
    stack, as in the authors' later code (Tensor2Tensor); see Xiong et al. 2020 (arXiv 2002.04745) for its effect.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.pre = sizes.norm == "pre"
        self.norm = nn.LayerNorm(sizes.d_model)
        self.dropout = nn.Dropout(sizes.dropout)

    def before(self, states: Tensor) -> Tensor:
        """The input of the sublayer."""
        return self.norm(states) if self.pre else states

    def after(self, states: Tensor, output: Tensor) -> Tensor:
        """The output, from the input `states` and the sublayer's `output`."""
        states = states + self.dropout(output)
        return states if self.pre else self.norm(states)


class EncoderLayer(nn.Module):
    """Section 3.1: self-attention, feed-forward, each with residual connection and normalization."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.self_attention = self_attention(sizes)
        self.self_attention_sublayer = Sublayer(sizes)
        self.feed_forward = FeedForward(sizes.d_model, sizes.d_ff)
        self.feed_forward_sublayer = Sublayer(sizes)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        attended, _ = self.self_attention.read(self.self_attention_sublayer.before(states), None, mask)
        states = self.self_attention_sublayer.after(states, attended)
        around = self.feed_forward_sublayer
        return around.after(states, self.feed_forward(around.before(states)))


class DecoderLayer(nn.Module):
    """Section 3.1: as the encoder layer, with cross-attention to the source between the two sublayers."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.self_attention = self_attention(sizes)
        self.self_attention_sublayer = Sublayer(sizes)
        self.cross_attention = MultiHeadAttention(sizes.d_model, sizes.heads, sizes.d_k, sizes.d_v)
        self.cross_attention_sublayer = Sublayer(sizes)
        self.feed_forward = FeedForward(sizes.d_model, sizes.d_ff)
        self.feed_forward_sublayer = Sublayer(sizes)

    def forward(
        self, states: Tensor, past: KeysValues | None, source: KeysValues, mask: Tensor, align: bool
    ) -> tuple[Tensor, KeysValues, Tensor | None]:
        """Compute all target positions at once (`past` is None), or one more after those in `past`.

        Returns the states [B, T, D], keys and values of all positions read so far, and, if `align`, the weights over
        the source [B, T, S].
        """
        around = self.self_attention_sublayer
        attended, seen = self.self_attention.read(around.before(states), past, None)
        states = around.after(states, attended)

        around, weights = self.cross_attention_sublayer, None
        if align:
            attended, of_heads = self.cross_attention.with_weights(around.before(states), source, mask)
            weights = of_heads.mean(1)
        else:
            attended = self.cross_attention(around.before(states), source, mask)
        states = around.after(states, attended)

        around = self.feed_forward_sublayer
        return around.after(states, self.feed_forward(around.before(states))), seen, weights


def self_attention(sizes: Sizes) -> MultiHeadSelfAttention:
    shape = sizes.d_model, sizes.heads, sizes.d_k, sizes.d_v
    return MultiHeadSelfAttention(*shape, sizes.positions, sizes.relative_clip)


# --- the model --------------------------------------------------------------------------------------------------------


class Transformer(TranslationModel[Memory, State]):
    """Stacks of attention and feed-forward layers; each decoder layer attends to the whole source.

    Section 3 of the paper: x + dropout(sublayer(x)), then layer normalization, around every sublayer ("post-norm", so
    training needs a warm-up); sinusoidal positions added to the embeddings times sqrt(d_model), and dropout on the sum
    (section 5.4); one matrix for source embedding, target embedding and output (section 3.4), with one vocabulary for
    both languages. No dropout on attention weights or inside the feed-forward layer, as in the paper.

    The defaults are the paper's. Options:

    - `d_k`, `d_v`: the widths of a head's keys and values (Table 3, rows B); default d_model / heads.
    - `norm`: see `Sublayer`.
    - `positions`: see `lookback.models.positions`. `learned` has vectors for `max_positions` positions (as Gehring et
      al. 2017; Table 3, row E); later positions use the last one. `relative` clips at `relative_clip`.

    The alignment is the cross-attention of the last decoder layer, averaged over its heads. This is one choice of many,
    since layers and heads divide the work; it is not an alignment in the sense of Bahdanau's model.

    Where the paper is silent: biases in all projections, none at the output; initialisation, from torch's generator:

        embedding, learned positions    normal, standard deviation 1 / sqrt(d_model), so the embedding has 1 when scaled
        relative positions              Glorot-uniform
        other matrices                  Glorot-uniform; query, key and value of all heads together, separately
        layer normalization             gain 1, bias 0
        biases                          0
    """

    def __init__(
        self,
        source_vocabulary: int,
        target_vocabulary: int,
        d_model: int,
        heads: int,
        d_ff: int,
        layers: int,
        dropout: float,
        d_k: int | None = None,
        d_v: int | None = None,
        norm: Norm = "post",
        positions: Positions = "sinusoidal",
        max_positions: int = 1024,
        relative_clip: int = 16,
    ) -> None:
        """Raises LookbackError if the vocabularies differ in size: one matrix serves both."""
        super().__init__()
        if source_vocabulary != target_vocabulary:
            raise LookbackError(
                f"the transformer shares one matrix between both languages, which here have {source_vocabulary:,} and "
                f"{target_vocabulary:,} pieces; use one vocabulary for both (tokenize.kind sentencepiece)"
            )
        sizes = Sizes(d_model, heads, d_ff, dropout, d_k, d_v, norm, positions, relative_clip)
        self.positions: Positions = positions
        self.embedding = nn.Embedding(source_vocabulary, d_model)
        self.learned_positions = nn.Embedding(max_positions, d_model) if positions == "learned" else None
        # For type checkers, which do not know the types within a ModuleList.
        self.encoder = cast(list[EncoderLayer], nn.ModuleList(EncoderLayer(sizes) for _ in range(layers)))
        self.decoder = cast(list[DecoderLayer], nn.ModuleList(DecoderLayer(sizes) for _ in range(layers)))
        self.encoder_norm = nn.LayerNorm(d_model) if norm == "pre" else nn.Identity()
        self.decoder_norm = nn.LayerNorm(d_model) if norm == "pre" else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
            elif isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, RelativePositions):
                nn.init.xavier_uniform_(module.key)
                nn.init.xavier_uniform_(module.value)

    def encode(self, source: Tensor) -> Memory:
        mask = (source != PAD)[:, None, None]
        states = self._embed(source, 0)
        for layer in self.encoder:
            states = layer(states, mask)
        states = self.encoder_norm(states)
        return Memory(states, mask, tuple(layer.cross_attention.keys_values(states) for layer in self.decoder))

    def logits(self, memory: Memory, target_in: Tensor) -> Logits:
        return self._advance(memory, (None,) * len(self.decoder), target_in, align=False)[0]

    def decode_with_alignment(self, memory: Memory, target_in: Tensor) -> tuple[Tensor, Tensor | None]:
        logits, _, alignment = self._advance(memory, (None,) * len(self.decoder), target_in, align=True)
        return logits.product(), alignment

    def start(self, memory: Memory) -> State:
        return State(memory, tuple(KeysValues(kv.keys[:, :, :0], kv.values[:, :, :0]) for kv in memory.layers))

    def step(self, state: State, token: Tensor) -> Step[State]:
        logits, layers, alignment = self._advance(state.memory, state.layers, token[:, None], align=True)
        return Step(logits.product()[:, 0], State(state.memory, layers), None if alignment is None else alignment[:, 0])

    def _advance(
        self, memory: Memory, past: tuple[KeysValues | None, ...], target_in: Tensor, align: bool
    ) -> tuple[Logits, tuple[KeysValues, ...], Tensor | None]:
        first = 0 if past[0] is None else past[0].keys.shape[2]
        states, seen, alignment = self._embed(target_in, first), [], None
        for index, layer in enumerate(self.decoder):
            last = index == len(self.decoder) - 1
            states, layer_seen, alignment = layer(
                states, past[index], memory.layers[index], memory.mask, align and last
            )
            seen.append(layer_seen)
        return Logits(self.decoder_norm(states), self.embedding.weight, None), tuple(seen), alignment

    def _embed(self, pieces: Tensor, first: int) -> Tensor:
        """The embeddings of `pieces` [B, T], the first at position `first`: [B, T, D]."""
        embedded = self.embedding(pieces)
        length, width = pieces.shape[1], embedded.shape[-1]
        embedded = embedded * math.sqrt(width)
        if self.learned_positions is not None:
            last = self.learned_positions.num_embeddings - 1
            embedded = embedded + self.learned_positions(
                torch.arange(first, first + length, device=pieces.device).clamp(max=last)
            )
        elif self.positions == "sinusoidal":
            embedded = embedded + sinusoids(first, length, width, embedded)
        return self.dropout(embedded)
