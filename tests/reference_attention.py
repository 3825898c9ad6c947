"""The kinds of attention, equation by equation, and REINFORCE, which trains the hard one.

A reference for tests: numpy in float64, one sentence at a time, a loop over the positions, nothing made fast.
Bahdanau is arXiv 1409.0473, Luong arXiv 1508.04025, Xu arXiv 1502.03044, Vaswani arXiv 1706.03762; Williams is "Simple
statistical gradient-following algorithms for connectionist reinforcement learning" (Machine Learning 8, 1992).

A vector is a 1-D array and a matrix acts from the left: W of shape [out, in] in `W @ x`. A bias is 0 unless given.
Sizes: H decoder state, G annotation, A alignment layer, S source positions, T positions of a sequence, D its vectors.
"""

from collections.abc import Callable
from itertools import product
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Bias: TypeAlias = Array | float
Scale: TypeAlias = Literal["one", "sqrt", "width"]
Choices: TypeAlias = tuple[int, ...]
Reward: TypeAlias = Callable[[int, Choices], float]  # R(t, (a_0 ... a_t)): what arrives at step t, given the past alone


def softmax(x: Array) -> Array:
    """exp(x_i) / sum_k exp(x_k), less the maximum so that no exponential overflows."""
    exponentials = np.exp(x - np.max(x))
    return exponentials / np.sum(exponentials)


def divisor(scale: Scale, width: int) -> float:
    """What a dot product of two vectors of `width` is divided by: 1, sqrt(width) or width."""
    return {"one": 1.0, "sqrt": float(np.sqrt(width)), "width": float(width)}[scale]


# Scores of a decoder state over annotations


def additive_scores(s: Array, h: Array, v: Array, W: Array, U: Array, b: Bias = 0.0) -> Array:
    """Bahdanau et al., appendix A.1.2: e_j = v . tanh(W s + U h_j + b).

    s [H], h [S, G], v [A], W [A, H], U [A, G], b [A] -> e [S]. The paper has no b.
    """
    return np.array([v @ np.tanh(W @ s + U @ h_j + b) for h_j in h])


def dot_scores(s: Array, h: Array, scale: Scale = "one") -> Array:
    """Luong et al., section 3.1, "dot": e_j = s . h_j. s [H], h [S, H] -> e [S].

    scale "sqrt" is Vaswani et al., section 3.2.1: s . h_j / sqrt(H). "width", s . h_j / H, is of no paper here, but
    some introductions have it.
    """
    return np.array([s @ h_j / divisor(scale, len(s)) for h_j in h])


def dot_scores_of_two_directions(s: Array, h: Array, scale: Scale = "one") -> Array:
    """dot_scores for annotations of two directions: e_j = s . (forward h_j + backward h_j), then scaled as there.

    s [H], h [S, 2H] with h_j = [forward h_j; backward h_j] (Bahdanau et al., section 3.2) -> e [S]. Luong et al.'s
    encoder has one direction; the sum of the halves is our way to a vector as wide as s.
    """
    H = len(s)
    return dot_scores(s, np.stack([h_j[:H] + h_j[H:] for h_j in h]), scale)


def general_scores(s: Array, h: Array, W: Array) -> Array:
    """Luong et al., section 3.1, "general": e_j = s . (W h_j). s [H], h [S, G], W [H, G] -> e [S]."""
    return np.array([s @ (W @ h_j) for h_j in h])


# From scores to a context


def soft_attention(e: Array, h: Array) -> tuple[Array, Array]:
    """Bahdanau et al., equations 5 and 6: alpha = softmax(e), c = sum_j alpha_j h_j.

    e [S], h [S, G] -> c [G], alpha [S]. Xu et al., section 4.2, call it deterministic "soft" attention.
    """
    alpha = softmax(e)
    c = np.zeros(h.shape[1])
    for alpha_j, h_j in zip(alpha, h, strict=True):
        c = c + alpha_j * h_j
    return c, alpha


def hard_attention(position: int, h: Array) -> tuple[Array, Array]:
    """Xu et al., section 4.1: c = sum_j s_j h_j with s one-hot, 1 at the one position that is looked at.

    position from 0, h [S, G] -> c [G], s [S].
    """
    s = np.zeros(len(h))
    s[position] = 1.0
    return s @ h, s


def entropy(alpha: Array) -> float:
    """H = -sum_j alpha_j log alpha_j in nats, with 0 log 0 = 0: from 0 (one position) to log S (all alike)."""
    return -sum(float(alpha_j * np.log(alpha_j)) for alpha_j in alpha if alpha_j > 0)


# Self-attention


def attention(Q: Array, K: Array, V: Array, *, causal: bool = False, scale: Scale = "sqrt") -> tuple[Array, Array]:
    """Vaswani et al., equation 1: output_i = sum_j alpha_ij v_j, alpha_i = softmax over j of q_i . k_j / scale.

    Q [T, d_k], K [S, d_k], V [S, d_v] -> output [T, d_v], alpha [T, S]. The paper's scale is "sqrt", sqrt(d_k).
    causal (section 3.2.3): position i sees only the positions j <= i.
    """
    outputs = np.zeros((len(Q), V.shape[1]))
    alpha = np.zeros((len(Q), len(K)))
    for i, q in enumerate(Q):
        seen = i + 1 if causal else len(K)
        outputs[i], alpha[i, :seen] = soft_attention(dot_scores(q, K[:seen], scale), V[:seen])
    return outputs, alpha


def self_attention_untrained(x: Array, *, causal: bool = False, scale: Scale = "one") -> tuple[Array, Array]:
    """`attention` with Q = K = V = x, nothing trained: scores x_i . x_j, output a mixture of the x_j.

    x [T, D] -> output [T, D], alpha [T, T]. It is how introductions begin; none of the papers has it.
    """
    return attention(x, x, x, causal=causal, scale=scale)


def self_attention_query_key(
    x: Array,
    W_Q: Array,
    W_K: Array,
    b_Q: Bias = 0.0,
    b_K: Bias = 0.0,
    *,
    causal: bool = False,
    scale: Scale = "sqrt",
) -> tuple[Array, Array]:
    """`attention` with q_i = W_Q x_i + b_Q and k_j = W_K x_j + b_K; the values are the x_j themselves.

    x [T, D], W_Q, W_K [d_k, D], b_Q, b_K [d_k] -> output [T, D], alpha [T, T]. A step of introductions too.
    """
    Q = np.stack([W_Q @ x_i + b_Q for x_i in x])
    K = np.stack([W_K @ x_j + b_K for x_j in x])
    return attention(Q, K, x, causal=causal, scale=scale)


def self_attention(
    x: Array,
    W_Q: Array,
    W_K: Array,
    W_V: Array,
    b_Q: Bias = 0.0,
    b_K: Bias = 0.0,
    b_V: Bias = 0.0,
    *,
    causal: bool = False,
    scale: Scale = "sqrt",
) -> tuple[Array, Array]:
    """Vaswani et al., section 3.2.1: `attention` with q_i = W_Q x_i + b_Q, k_j = W_K x_j + b_K, v_j = W_V x_j + b_V.

    x [T, D], W_Q, W_K [d_k, D], W_V [d_v, D] -> output [T, d_v], alpha [T, T]. The paper has no biases.
    """
    Q = np.stack([W_Q @ x_i + b_Q for x_i in x])
    K = np.stack([W_K @ x_j + b_K for x_j in x])
    V = np.stack([W_V @ x_j + b_V for x_j in x])
    return attention(Q, K, V, causal=causal, scale=scale)


def multi_head_self_attention(
    x: Array,
    heads: int,
    W_Q: Array,
    W_K: Array,
    W_V: Array,
    W_O: Array,
    b_Q: Bias = 0.0,
    b_K: Bias = 0.0,
    b_V: Bias = 0.0,
    b_O: Bias = 0.0,
    *,
    causal: bool = False,
    scale: Scale = "sqrt",
) -> tuple[Array, Array]:
    """Vaswani et al., section 3.2.2: the outputs of the heads, one after the other, through W_O.

    x [T, D], W_Q, W_K [heads d_k, D], W_V [heads d_v, D], W_O [D, heads d_v] -> output [T, D], alpha [heads, T, T].
    Head i has the i-th d_k rows of W_Q, W_K and d_v rows of W_V. The width to scale by is d_k, that of one head. The
    paper has no biases.
    """
    d_k, d_v = len(W_Q) // heads, len(W_V) // heads
    b_Q, b_K, b_V = np.zeros(len(W_Q)) + b_Q, np.zeros(len(W_K)) + b_K, np.zeros(len(W_V)) + b_V
    outputs, alphas = [], []
    for head in range(heads):
        k = slice(head * d_k, (head + 1) * d_k)
        v = slice(head * d_v, (head + 1) * d_v)
        output, alpha = self_attention(x, W_Q[k], W_K[k], W_V[v], b_Q[k], b_K[k], b_V[v], causal=causal, scale=scale)
        outputs.append(output)
        alphas.append(alpha)
    return np.stack([W_O @ row + b_O for row in np.concatenate(outputs, axis=1)]), np.stack(alphas)


# REINFORCE


def log_probability_gradient(logits: Array, a: int) -> Array:
    """The gradient of log softmax(logits)_a with respect to the logits, one-hot(a) - softmax(logits): [S], a -> [S]."""
    one_hot = np.zeros(len(logits))
    one_hot[a] = 1.0
    return one_hot - softmax(logits)


def sequence_probability(logits: Array, choices: Choices) -> float:
    """p(a) = prod_t softmax(logits_t)_{a_t}: logits [T, S], choices (a_0 ... a_{T-1})."""
    return float(np.prod([softmax(row)[a] for row, a in zip(logits, choices, strict=True)]))


def rewards_by_step(reward: Reward, choices: Choices) -> list[float]:
    """R(t, a_0 ... a_t) for every t. The reward sees no later choice, so it cannot depend on one."""
    return [reward(t, choices[: t + 1]) for t in range(len(choices))]


def expected_reward(logits: Array, reward: Reward) -> float:
    """E[sum_t R(t, a)] over all S^T sequences of choices, a_t from softmax(logits_t): logits [T, S]."""
    T, S = logits.shape
    sequences = product(range(S), repeat=T)
    return sum(sequence_probability(logits, a) * sum(rewards_by_step(reward, a)) for a in sequences)


def expected_reward_gradient(logits: Array, reward: Reward) -> Array:
    """The gradient of expected_reward, exact: sum over all sequences a of p(a) (sum_t R(t, a)) grad log p(a).

    logits [T, S] -> [T, S]. The identity grad p = p grad log p is the ground of Williams (1992), section 4. In Xu et
    al., section 4.1, log p(y | a, s) is the reward.
    """
    T, S = logits.shape
    gradient = np.zeros((T, S))
    for choices in product(range(S), repeat=T):
        total = sum(rewards_by_step(reward, choices))
        for t, a in enumerate(choices):
            gradient[t] += sequence_probability(logits, choices) * total * log_probability_gradient(logits[t], a)
    return gradient


def reinforce_estimate(logits: Array, choices: Choices, reward: Reward, baseline: Array) -> Array:
    """One sample of the estimator: row t is grad log p(a_t) (sum_{t' >= t} R(t', a) - b_t).

    logits [T, S], choices [T], baseline b [T] -> [T, S]. Williams (1992), sections 4 and 5, with a baseline; there
    every choice of an episode is credited with all of its reward. Here it is credited with what comes from it on: what
    came before does not depend on it, and adds nothing to the expectation.
    """
    rewards = rewards_by_step(reward, choices)
    rows = [log_probability_gradient(logits[t], a) * (sum(rewards[t:]) - baseline[t]) for t, a in enumerate(choices)]
    return np.stack(rows)


def expected_reinforce_estimate(logits: Array, reward: Reward, baseline: Array) -> Array:
    """E[reinforce_estimate] over all S^T sequences: logits [T, S], baseline [T] -> [T, S].

    For any baseline that does not depend on the choices it equals expected_reward_gradient (Williams, theorem 1).
    """
    T, S = logits.shape
    expectation = np.zeros((T, S))
    for choices in product(range(S), repeat=T):
        estimate = reinforce_estimate(logits, choices, reward, baseline)
        expectation += sequence_probability(logits, choices) * estimate
    return expectation
