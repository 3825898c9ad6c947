"""The Transformer of Vaswani et al. (2017) with six kinds of positions, equation by equation.

A reference for tests: numpy in float64, one sentence at a time, loops over positions and heads, nothing made fast.
Vaswani is arXiv 1706.03762. Here too a vector is a 1-D array and a matrix acts from the left, W of shape [out, in]: the
paper's row vectors "x W" are `W @ x` with W transposed. A sequence is an array [positions, size], one vector per row.
The projections of the heads lie under one another: rows i d_k to (i + 1) d_k - 1 of W_Q are the head i.
Sizes: d d_model, h heads, S source and T target positions.
"""

# ruff: noqa: N815 -- the names are the paper's own, b_Q among them.

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Bias: TypeAlias = Array | float
Positions: TypeAlias = Literal["sinusoidal", "learned", "relative", "rotary", "alibi", "none"]
Norm: TypeAlias = Literal["post", "pre"]


@dataclass(frozen=True, kw_only=True)
class MultiHead:
    """W_Q, W_K [h d_k, d], W_V [h d_v, d], W_O [d, h d_v] and their biases.

    Relative positions, w_K and w_V: Shaw et al.'s vectors from -k to k, [2k + 1, d_k] and [2k + 1, d_v] for all the
    heads together, or [h, 2k + 1, d_k] and [h, 2k + 1, d_v] for each.
    """

    W_Q: Array
    W_K: Array
    W_V: Array
    W_O: Array
    b_Q: Bias = 0.0
    b_K: Bias = 0.0
    b_V: Bias = 0.0
    b_O: Bias = 0.0
    w_K: Array | None = None
    w_V: Array | None = None


@dataclass(frozen=True, kw_only=True)
class FeedForward:
    """W_1 [d_ff, d], b_1 [d_ff], W_2 [d, d_ff], b_2 [d]."""

    W_1: Array
    W_2: Array
    b_1: Bias = 0.0
    b_2: Bias = 0.0


@dataclass(frozen=True, kw_only=True)
class LayerNorm:
    """gain [d], bias [d]."""

    gain: Array
    bias: Array


@dataclass(frozen=True, kw_only=True)
class EncoderLayer:
    """A layer norm belongs to the sub-layer that it follows (post-norm) or precedes (pre-norm)."""

    self_attention: MultiHead
    self_attention_norm: LayerNorm
    feed_forward: FeedForward
    feed_forward_norm: LayerNorm


@dataclass(frozen=True, kw_only=True)
class DecoderLayer:
    """A layer norm belongs to the sub-layer that it follows (post-norm) or precedes (pre-norm)."""

    self_attention: MultiHead
    self_attention_norm: LayerNorm
    cross_attention: MultiHead
    cross_attention_norm: LayerNorm
    feed_forward: FeedForward
    feed_forward_norm: LayerNorm


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """E [V, d], shared by source, target and output; the layers; the norms after a pre-norm stack; learned positions.

    P_x, P_y: a vector per position, [at least S, d] and [at least T, d]; the same array twice where they are shared.
    """

    E: Array
    encoder: Sequence[EncoderLayer]
    decoder: Sequence[DecoderLayer]
    encoder_norm: LayerNorm | None = None
    decoder_norm: LayerNorm | None = None
    P_x: Array | None = None
    P_y: Array | None = None


# Positions


def sinusoidal_positions(positions: int, d_model: int) -> Array:
    """Vaswani et al., section 3.5 -> [positions, d], from position 0: sines in the even places, cosines in the odd."""
    PE = np.zeros((positions, d_model))
    for pos in range(positions):
        for place in range(d_model):
            angle = pos / 10000 ** ((place - place % 2) / d_model)
            PE[pos, place] = np.cos(angle) if place % 2 else np.sin(angle)
    return PE


def rotate(x: Array, position: int) -> Array:
    """Su et al. (2021, arXiv 2104.09864), equations 14 and 15, for one head: x [d_k] -> [d_k].

    The pair of places (2i, 2i + 1), from 0, is turned by the angle position * 10000^(-2i / d_k).
    """
    rotated = np.zeros_like(x)
    for place in range(0, len(x), 2):
        angle = position * 10000.0 ** (-place / len(x))
        rotated[place] = x[place] * np.cos(angle) - x[place + 1] * np.sin(angle)
        rotated[place + 1] = x[place] * np.sin(angle) + x[place + 1] * np.cos(angle)
    return rotated


def alibi_slopes(heads: int) -> list[float]:
    """Press et al. (2022, arXiv 2108.12409), section 3: 2^(-8/h), 2^(-16/h) ... 2^(-8) for h heads, a power of two.

    For another h the authors' program has a rule: the slopes of the next lower power of two, and after them the first,
    third, fifth ... of the slopes of its double, as many as are missing.
    """
    lower = 2 ** int(np.floor(np.log2(heads)))
    slopes = [2.0 ** (-8.0 * i / lower) for i in range(1, lower + 1)]
    doubled = [2.0 ** (-8.0 * i / (2 * lower)) for i in range(1, 2 * lower + 1)]
    return slopes + doubled[0::2][: heads - lower]


def relative_row(i: int, j: int, k: int) -> int:
    """Shaw et al. (2018, arXiv 1803.02155), section 3.2: the row of w_{clip(j - i, k)} in a table from w_{-k} on."""
    return max(-k, min(k, j - i)) + k


# Attention


def softmax(x: Array) -> Array:
    """exp(x_i) / sum_k exp(x_k), less the maximum so that no exponential overflows."""
    exponentials = np.exp(x - np.max(x))
    return exponentials / np.sum(exponentials)


def attention(
    Q: Array,
    K: Array,
    V: Array,
    *,
    causal: bool = False,
    slope: float = 0.0,
    w_K: Array | None = None,
    w_V: Array | None = None,
) -> tuple[Array, Array]:
    """One head: Q [T, d_k], K [S, d_k], V [S, d_v] -> output [T, d_v], weights [T, S].

    Vaswani et al., equation 1. causal (section 3.2.3): position i sees only the positions j <= i.
    w_K [2k + 1, d_k] and w_V [2k + 1, d_v] are Shaw et al., equations 3 and 4: a vector for the distance is added to
    each key and to each value. slope is Press et al., section 3: -slope |i - j| is added after the division by
    sqrt(d_k); in a causal attention, where j <= i, that is their -slope (i - j).
    """
    T, d_k = Q.shape
    outputs = np.zeros((T, V.shape[1]))
    weights = np.zeros((T, len(K)))
    for i in range(T):
        seen = range(i + 1) if causal else range(len(K))
        scores = np.zeros(len(seen))
        for j in seen:
            key = K[j] if w_K is None else K[j] + w_K[relative_row(i, j, len(w_K) // 2)]
            scores[j] = Q[i] @ key / np.sqrt(d_k) - slope * abs(i - j)
        weights[i, : len(seen)] = softmax(scores)
        for j in seen:
            value = V[j] if w_V is None else V[j] + w_V[relative_row(i, j, len(w_V) // 2)]
            outputs[i] += weights[i, j] * value
    return outputs, weights


def multi_head_attention(
    weights: MultiHead, queries: Array, memory: Array, h: int, *, causal: bool = False, positions: Positions = "none"
) -> tuple[Array, Array]:
    """Vaswani et al., section 3.2.2: queries [T, d], memory [S, d] -> output [T, d], weights [h, T, S].

    Self-attention has memory = queries. positions acts here when it is relative, rotary or alibi, which are for
    self-attention only; sinusoidal and learned positions are in the vectors already.
    """
    d_k = len(weights.W_Q) // h
    d_v = len(weights.W_V) // h
    slopes = alibi_slopes(h) if positions == "alibi" else [0.0] * h
    Q = np.stack([weights.W_Q @ x + weights.b_Q for x in queries])
    K = np.stack([weights.W_K @ x + weights.b_K for x in memory])
    V = np.stack([weights.W_V @ x + weights.b_V for x in memory])
    heads, head_weights = [], []
    for head in range(h):
        Q_head = Q[:, head * d_k : (head + 1) * d_k]
        K_head = K[:, head * d_k : (head + 1) * d_k]
        V_head = V[:, head * d_v : (head + 1) * d_v]
        w_K = w_V = None
        if positions == "rotary":
            Q_head = np.stack([rotate(q, position) for position, q in enumerate(Q_head)])
            K_head = np.stack([rotate(k, position) for position, k in enumerate(K_head)])
        if positions == "relative":
            assert weights.w_K is not None
            assert weights.w_V is not None
            w_K = weights.w_K if weights.w_K.ndim == 2 else weights.w_K[head]
            w_V = weights.w_V if weights.w_V.ndim == 2 else weights.w_V[head]
        output, alpha = attention(Q_head, K_head, V_head, causal=causal, slope=slopes[head], w_K=w_K, w_V=w_V)
        heads.append(output)
        head_weights.append(alpha)
    outputs = np.stack([weights.W_O @ x + weights.b_O for x in np.concatenate(heads, axis=1)])
    return outputs, np.stack(head_weights)


# Layers


def feed_forward(weights: FeedForward, xs: Array) -> Array:
    """Vaswani et al., equation 2: max(0, x W_1 + b_1) W_2 + b_2 at every position, [S, d] -> [S, d]."""
    return np.stack([weights.W_2 @ np.maximum(0.0, weights.W_1 @ x + weights.b_1) + weights.b_2 for x in xs])


def layer_norm(weights: LayerNorm, xs: Array, epsilon: float = 1e-5) -> Array:
    """Ba et al. (2016, arXiv 1607.06450), equations 3 and 4, at every position: [S, d] -> [S, d].

    The variance is the mean square (not n - 1); epsilon under the root is torch's, the paper has none.
    """
    normalised = [(x - np.mean(x)) / np.sqrt(np.mean((x - np.mean(x)) ** 2) + epsilon) for x in xs]
    return np.stack([weights.gain * x + weights.bias for x in normalised])


def before(norm: Norm, weights: LayerNorm, xs: Array) -> Array:
    """What a sub-layer reads: LayerNorm(x) in pre-norm, x + Sublayer(LayerNorm(x)); x itself in post-norm."""
    return layer_norm(weights, xs) if norm == "pre" else xs


def after(norm: Norm, weights: LayerNorm, xs: Array) -> Array:
    """What comes of a residual sum: LayerNorm(x + Sublayer(x)) in post-norm (section 3.1); itself in pre-norm."""
    return layer_norm(weights, xs) if norm == "post" else xs


def encoder_layer(weights: EncoderLayer, xs: Array, h: int, norm: Norm, positions: Positions) -> Array:
    """Vaswani et al., section 3.1: [S, d] -> [S, d]."""
    read = before(norm, weights.self_attention_norm, xs)
    xs = xs + multi_head_attention(weights.self_attention, read, read, h, positions=positions)[0]
    xs = after(norm, weights.self_attention_norm, xs)
    read = before(norm, weights.feed_forward_norm, xs)
    xs = xs + feed_forward(weights.feed_forward, read)
    return after(norm, weights.feed_forward_norm, xs)


def decoder_layer(
    weights: DecoderLayer, ys: Array, memory: Array, h: int, norm: Norm, positions: Positions
) -> tuple[Array, Array]:
    """Vaswani et al., section 3.1: ys [T, d], memory [S, d] -> [T, d] and the cross-attention weights [h, T, S]."""
    read = before(norm, weights.self_attention_norm, ys)
    ys = ys + multi_head_attention(weights.self_attention, read, read, h, causal=True, positions=positions)[0]
    ys = after(norm, weights.self_attention_norm, ys)
    read = before(norm, weights.cross_attention_norm, ys)
    attended, alpha = multi_head_attention(weights.cross_attention, read, memory, h)
    ys = after(norm, weights.cross_attention_norm, ys + attended)
    read = before(norm, weights.feed_forward_norm, ys)
    ys = ys + feed_forward(weights.feed_forward, read)
    return after(norm, weights.feed_forward_norm, ys), alpha


def embed(E: Array, words: Sequence[int], positions: Positions, P: Array | None) -> Array:
    """Vaswani et al., sections 3.4 and 3.5: sqrt(d) E[word], plus the position if it is of the kind that is added."""
    d_model = E.shape[1]
    xs = np.stack([np.sqrt(d_model) * E[word] for word in words])
    if positions == "sinusoidal":
        xs = xs + sinusoidal_positions(len(words), d_model)
    if positions == "learned":
        assert P is not None
        xs = xs + P[: len(words)]
    return xs


def transformer(
    weights: Transformer,
    source: Sequence[int],
    target_in: Sequence[int],
    *,
    h: int,
    norm: Norm = "post",
    positions: Positions = "sinusoidal",
) -> tuple[Array, list[Array]]:
    """source [S], target_in = y_0 ... y_{T-1} [T] (y_0 the begin mark) -> logits of y_1 ... y_T [T, V], and the weights
    of the cross-attention, one [h, T, S] a layer. Vaswani et al., section 3; no dropout.

    Each kind of positions stands alone: with relative, rotary, alibi and none, nothing is added to the embedding.
    Pre-norm is Wang et al. (2019, arXiv 1906.01787), section 2, with a last norm after each stack.
    """
    xs = embed(weights.E, source, positions, weights.P_x)
    for layer in weights.encoder:
        xs = encoder_layer(layer, xs, h, norm, positions)
    ys = embed(weights.E, target_in, positions, weights.P_y)
    if norm == "pre":
        assert weights.encoder_norm is not None
        xs = layer_norm(weights.encoder_norm, xs)
    cross_attention = []
    for layer in weights.decoder:
        ys, alpha = decoder_layer(layer, ys, xs, h, norm, positions)
        cross_attention.append(alpha)
    if norm == "pre":
        assert weights.decoder_norm is not None
        ys = layer_norm(weights.decoder_norm, ys)
    return np.stack([weights.E @ y for y in ys]), cross_attention


# Training and search


def label_smoothed_loss(logits: Array, target: Sequence[int], epsilon: float) -> Array:
    """Szegedy et al. (2016, arXiv 1512.00567), section 7; Vaswani et al., section 5.4: [T, V], [T] -> loss [T] in nats.

    Cross-entropy with (1 - epsilon) on the right piece plus epsilon / V on every piece, the right one too.
    """
    T, V = logits.shape
    loss = np.zeros(T)
    for t in range(T):
        log_p = logits[t] - np.max(logits[t])
        log_p = log_p - np.log(np.sum(np.exp(log_p)))
        q = np.full(V, epsilon / V)
        q[target[t]] += 1.0 - epsilon
        loss[t] = -np.sum(q * log_p)
    return loss


def learning_rate(d_model: int, step: int, warmup_steps: int = 4000) -> float:
    """Vaswani et al., equation 3, for steps counted from 1."""
    return d_model**-0.5 * min(step**-0.5, step * warmup_steps**-1.5)


def length_penalty(length: int, alpha: float) -> float:
    """Wu et al. (2016, arXiv 1609.08144), equation 14: lp(Y); a hypothesis is ranked by log P(Y | X) / lp(Y)."""
    return (5 + length) ** alpha / (5 + 1) ** alpha


# Numbers of parameters


def count_attention(d_model: int, h: int, d_k: int, d_v: int, biases: bool) -> int:
    """Multi-head attention, section 3.2.2."""
    return sum(
        [
            2 * h * d_k * d_model,  # W_Q, W_K
            h * d_v * d_model,  # W_V
            d_model * h * d_v,  # W_O
            2 * h * d_k + h * d_v + d_model if biases else 0,  # b_Q, b_K, b_V, b_O
        ]
    )


def count_transformer(
    V: int,
    N: int,
    d_model: int,
    d_ff: int,
    h: int,
    d_k: int,
    d_v: int,
    *,
    biases: bool = True,
    norm: Norm = "post",
    position_vectors: int = 0,
    clip: int | None = None,
) -> int:
    """One embedding for source, target and output. biases: on the projections and in the FFN (the paper prints only the
    latter); gains and biases of the layer norms always count. position_vectors: rows of all the tables of learned
    positions together. clip: k of relative positions, whose vectors the heads of a layer share; None without them.
    """
    attention_ = count_attention(d_model, h, d_k, d_v, biases)
    feed_forward_ = 2 * d_model * d_ff + (d_ff + d_model if biases else 0)  # W_1, W_2, b_1, b_2
    layer_norm_ = 2 * d_model  # gain and bias
    relative = 0 if clip is None else (2 * clip + 1) * (d_k + d_v)  # w_K, w_V
    return sum(
        [
            V * d_model,  # E
            position_vectors * d_model,  # P_x, P_y
            N * (attention_ + relative + feed_forward_ + 2 * layer_norm_),  # encoder
            N * (2 * attention_ + relative + feed_forward_ + 3 * layer_norm_),  # decoder
            2 * layer_norm_ if norm == "pre" else 0,  # the norms after the stacks
        ]
    )
