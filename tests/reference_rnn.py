"""The recurrent models of Cho et al. (2014), Sutskever et al. (2014) and Bahdanau et al. (2015), equation by equation.

A reference for tests: numpy in float64, one sentence at a time, a loop over the positions, nothing made fast.
Cho is arXiv 1406.1078, Sutskever arXiv 1409.3215, Bahdanau arXiv 1409.0473. Names are the papers' names.

A vector is a 1-D array and a matrix acts from the left: W of shape [out, in] in `W @ x`. The one exception is an
embedding E, which has a word vector per row, so that E[y] is the papers' "E y" for a one-hot y. The papers leave their
biases out of the equations; here each is a field that is 0 unless it is given.
Sizes: m embedding, n hidden, l maxout, n_prime alignment, K target vocabulary, S source and T target positions.
Cho takes e(y_0) = 0 for the word before the first. Here y_0 is the begin mark: what it means is in its row of E.
"""

# ruff: noqa: E741, N815 -- the names are the papers' own, l and b_V among them.

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Bias: TypeAlias = Array | float


class LSTMState(NamedTuple):
    """The output h [n] and the memory c [n] of an LSTM."""

    h: Array
    c: Array


State: TypeAlias = Array | LSTMState
Cell: TypeAlias = Callable[[Any, Array, Any], Any]  # h = cell(weights, x, h)
Step: TypeAlias = Callable[[Any, Array, Array, Any], Any]  # s = step(weights, y, c, s): a decoder's cell, with context
Order: TypeAlias = Literal["paper", "code", "equation-4"]


# Cells


@dataclass(frozen=True, kw_only=True)
class GRU:
    """W, W_z, W_r [n, m]; U, U_z, U_r [n, n]; b, b_z, b_r [n]. Those without a letter make the candidate."""

    W: Array
    U: Array
    W_z: Array
    U_z: Array
    W_r: Array
    U_r: Array
    b: Bias = 0.0
    b_z: Bias = 0.0
    b_r: Bias = 0.0

    def zero_state(self) -> Array:
        return np.zeros(self.U.shape[0])


@dataclass(frozen=True, kw_only=True)
class ContextGRU(GRU):
    """A GRU whose gates and candidate read a context too: C, C_z, C_r [n, size of the context]."""

    C: Array
    C_z: Array
    C_r: Array


@dataclass(frozen=True, kw_only=True)
class ResetAfterGRU:
    """Names of torch.nn.GRU. W_ir, W_iz, W_in [n, m]; W_hr, W_hz, W_hn [n, n]; a bias [n] for each of the six."""

    W_ir: Array
    W_iz: Array
    W_in: Array
    W_hr: Array
    W_hz: Array
    W_hn: Array
    b_ir: Bias = 0.0
    b_iz: Bias = 0.0
    b_in: Bias = 0.0
    b_hr: Bias = 0.0
    b_hz: Bias = 0.0
    b_hn: Bias = 0.0

    def zero_state(self) -> Array:
        return np.zeros(self.W_hn.shape[0])


@dataclass(frozen=True, kw_only=True)
class LSTM:
    """Names of torch.nn.LSTM. W_ii, W_if, W_ig, W_io [n, m]; W_hi, W_hf, W_hg, W_ho [n, n]; a bias [n] for each."""

    W_ii: Array
    W_if: Array
    W_ig: Array
    W_io: Array
    W_hi: Array
    W_hf: Array
    W_hg: Array
    W_ho: Array
    b_ii: Bias = 0.0
    b_if: Bias = 0.0
    b_ig: Bias = 0.0
    b_io: Bias = 0.0
    b_hi: Bias = 0.0
    b_hf: Bias = 0.0
    b_hg: Bias = 0.0
    b_ho: Bias = 0.0

    def zero_state(self) -> LSTMState:
        n = self.W_hi.shape[0]
        return LSTMState(np.zeros(n), np.zeros(n))


@dataclass(frozen=True, kw_only=True)
class RNN:
    """W [n, m], U [n, n], b [n]."""

    W: Array
    U: Array
    b: Bias = 0.0

    def zero_state(self) -> Array:
        return np.zeros(self.U.shape[0])


def sigmoid(x: Array) -> Array:
    """The logistic function 1 / (1 + e^-x), through tanh so that no exponential overflows."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def softmax(x: Array) -> Array:
    """exp(x_i) / sum_k exp(x_k), less the maximum so that no exponential overflows."""
    exponentials = np.exp(x - np.max(x))
    return exponentials / np.sum(exponentials)


def gru_cho(weights: GRU, x: Array, h: Array) -> Array:
    """Cho et al., section 2.3, equations 5 to 8 (and appendix A.1.1): x [m], h [n] -> h [n]. z keeps the old state."""
    r = sigmoid(weights.W_r @ x + weights.U_r @ h + weights.b_r)  # 5
    z = sigmoid(weights.W_z @ x + weights.U_z @ h + weights.b_z)  # 6
    h_tilde = np.tanh(weights.W @ x + weights.U @ (r * h) + weights.b)  # 8
    return z * h + (1.0 - z) * h_tilde  # 7


def gru_bahdanau(weights: GRU, x: Array, h: Array) -> Array:
    """Bahdanau et al., appendices A.1.1 and A.2.1: x [m], h [n] -> h [n]. z lets the candidate in."""
    r = sigmoid(weights.W_r @ x + weights.U_r @ h + weights.b_r)
    z = sigmoid(weights.W_z @ x + weights.U_z @ h + weights.b_z)
    h_tilde = np.tanh(weights.W @ x + weights.U @ (r * h) + weights.b)
    return (1.0 - z) * h + z * h_tilde


def gru_reset_after(weights: ResetAfterGRU, x: Array, h: Array) -> Array:
    """The equations in the documentation of torch.nn.GRU: r multiplies W_hn h + b_hn. x [m], h [n] -> h [n].

    z keeps the old state, as in Cho et al. Because of r, the two biases of the candidate are not one.
    """
    r = sigmoid(weights.W_ir @ x + weights.b_ir + weights.W_hr @ h + weights.b_hr)
    z = sigmoid(weights.W_iz @ x + weights.b_iz + weights.W_hz @ h + weights.b_hz)
    n = np.tanh(weights.W_in @ x + weights.b_in + r * (weights.W_hn @ h + weights.b_hn))
    return (1.0 - z) * n + z * h


def lstm(weights: LSTM, x: Array, state: LSTMState) -> LSTMState:
    """The equations in the documentation of torch.nn.LSTM: x [m], (h, c) [n] -> (h, c) [n].

    Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000), without peepholes. Sutskever et al.
    print no equations of the LSTM; they name Graves (2013), whose gates look at the memory too, unlike these.
    """
    h, c = state
    i = sigmoid(weights.W_ii @ x + weights.b_ii + weights.W_hi @ h + weights.b_hi)
    f = sigmoid(weights.W_if @ x + weights.b_if + weights.W_hf @ h + weights.b_hf)
    g = np.tanh(weights.W_ig @ x + weights.b_ig + weights.W_hg @ h + weights.b_hg)
    o = sigmoid(weights.W_io @ x + weights.b_io + weights.W_ho @ h + weights.b_ho)
    c = f * c + i * g
    return LSTMState(o * np.tanh(c), c)


def rnn_tanh(weights: RNN, x: Array, h: Array) -> Array:
    """The plain recurrent unit, tanh(W x + U h + b): x [m], h [n] -> h [n]."""
    return np.tanh(weights.W @ x + weights.U @ h + weights.b)


def rnn_logistic(weights: RNN, x: Array, h: Array) -> Array:
    """Cho et al., section 2.1, where the logistic function is the simplest f: x [m], h [n] -> h [n]."""
    return sigmoid(weights.W @ x + weights.U @ h + weights.b)


def gru_cho_decoder(weights: ContextGRU, y: Array, c: Array, s: Array) -> Array:
    """Cho et al., appendix A.1.2: y [m], c, s [n] -> s [n]. The reset gate multiplies U s + C c, context included.

    So it comes after the product with U here, unlike in their encoder, and it can shut the summary out.
    """
    r = sigmoid(weights.W_r @ y + weights.U_r @ s + weights.C_r @ c + weights.b_r)
    z = sigmoid(weights.W_z @ y + weights.U_z @ s + weights.C_z @ c + weights.b_z)
    s_tilde = np.tanh(weights.W @ y + r * (weights.U @ s + weights.C @ c) + weights.b)
    return z * s + (1.0 - z) * s_tilde


def gru_bahdanau_decoder(weights: ContextGRU, y: Array, c: Array, s: Array) -> Array:
    """Bahdanau et al., appendices A.1.1 and A.2.2: y [m], c, s [n] -> s [n]. The reset gate multiplies s alone."""
    r = sigmoid(weights.W_r @ y + weights.U_r @ s + weights.C_r @ c + weights.b_r)
    z = sigmoid(weights.W_z @ y + weights.U_z @ s + weights.C_z @ c + weights.b_z)
    s_tilde = np.tanh(weights.W @ y + weights.U @ (r * s) + weights.C @ c + weights.b)
    return (1.0 - z) * s + z * s_tilde


def with_context(cell: Cell) -> Step:
    """The step of a decoder that reads [y; c] as its input, for any cell: its W is [W C] side by side.

    with_context(gru_bahdanau) is gru_bahdanau_decoder; gru_cho_decoder is not of this form.
    """

    def step(weights: Any, y: Array, c: Array, s: Any) -> Any:
        return cell(weights, np.concatenate([y, c]), s)

    return step


def without_context(cell: Cell) -> Step:
    """The step of a decoder that does not read the summary again (Sutskever et al.): the cell on y alone."""

    def step(weights: Any, y: Array, c: Array, s: Any) -> Any:
        return cell(weights, y, s)

    return step


def output(state: State) -> Array:
    """What the rest of a network sees of a state: all of it, but of an LSTM's h alone. -> [n]."""
    return state.h if isinstance(state, LSTMState) else state


def run(cell: Cell, weights: Any, xs: Sequence[Array], h_0: State) -> list[State]:
    """The states h_1 ... h_S after each of the inputs x_1 ... x_S."""
    states = []
    h = h_0
    for x in xs:
        h = cell(weights, x, h)
        states.append(h)
    return states


def annotations(cell: Cell, forward: Any, backward: Any, xs: Sequence[Array]) -> Array:
    """Bahdanau et al., section 3.2 and appendix A.2.1: h_j = [forward h_j; backward h_j] -> [S, 2n].

    The backward network reads x_S first, so backward h_1 has read the whole sentence. Both begin at zero.
    """
    hs_forward = run(cell, forward, xs, forward.zero_state())
    hs_backward = run(cell, backward, xs[::-1], backward.zero_state())[::-1]
    h = [np.concatenate([output(f), output(b)]) for f, b in zip(hs_forward, hs_backward, strict=True)]
    return np.stack(h)


# Output layer


@dataclass(frozen=True, kw_only=True)
class Readout:
    """U_o [2l, n], V_o [2l, m], C_o [2l, size of c] or None, b_o [2l]; W_o and its bias b [K].

    W_o is the tuple of its factors from left to right: one matrix [K, l], or two, [K, k] and [k, l].
    In Cho et al. these are O_h, O_y, O_c and G = G_l G_r.
    """

    U_o: Array
    V_o: Array
    C_o: Array | None
    W_o: tuple[Array, ...]
    b_o: Bias = 0.0
    b: Bias = 0.0


def readout(weights: Readout, s: Array, y: Array, c: Array) -> Array:
    """Maxout, then the output matrix: s [n], y [m], c -> logits [K]. Cho et al. A.1.2, Bahdanau et al. A.2.2.

    t_tilde = U_o s + V_o E y + C_o c, t_j = max(t_tilde_{2j-1}, t_tilde_{2j}), logits W_o t. Without C_o the readout
    does not see the context.
    """
    t_tilde = weights.U_o @ s + weights.V_o @ y + weights.b_o
    if weights.C_o is not None:
        t_tilde = t_tilde + weights.C_o @ c
    t = np.array([max(t_tilde[2 * j], t_tilde[2 * j + 1]) for j in range(len(t_tilde) // 2)])
    for factor in reversed(weights.W_o):
        t = factor @ t
    return t + weights.b


# RNN Encoder–Decoder


@dataclass(frozen=True, kw_only=True)
class EncoderDecoder:
    """E_x [K_x, m], E_y [K, m]; the weights of the cells; V, V_prime with biases b_V, b_V_prime; the readout.

    backward: None for an encoder of one direction. V [size of c, size of h_N] or None: c is then h_N itself.
    V_prime [n, size of c] or None: the decoder then begins in the state in which the encoder ended.
    """

    E_x: Array
    E_y: Array
    encoder: Any
    backward: Any
    V: Array | None
    V_prime: Array | None
    decoder: Any
    readout: Readout
    b_V: Bias = 0.0
    b_V_prime: Bias = 0.0


def encode_summary(
    weights: EncoderDecoder, source: Sequence[int], cell: Cell, reverse_source: bool = False
) -> tuple[Array, State]:
    """source [S] -> the summary c and the last state h_N.

    Cho et al., appendix A.1.1: c = tanh(V h_N). Bahdanau et al., appendix A.2.2: the RNN Encoder–Decoder is what is
    left when every c_i is the last forward state, so without V. reverse_source is Sutskever et al., section 3.3: the
    encoder reads `source`, any end mark in it included, from right to left. An encoder of two directions ends in
    [last forward state; first backward state], the two that have read the whole sentence.
    """
    xs = [weights.E_x[x] for x in source]
    if reverse_source:
        xs.reverse()
    if weights.backward is None:
        h_N = run(cell, weights.encoder, xs, weights.encoder.zero_state())[-1]
    else:
        h = annotations(cell, weights.encoder, weights.backward, xs)
        n = h.shape[1] // 2
        h_N = np.concatenate([h[-1, :n], h[0, n:]])
    c = output(h_N)
    if weights.V is not None:
        c = np.tanh(weights.V @ c + weights.b_V)
    return c, h_N


def rnn_encoder_decoder(
    weights: EncoderDecoder,
    source: Sequence[int],
    target_in: Sequence[int],
    *,
    encoder_cell: Cell = gru_cho,
    decoder_step: Step = gru_cho_decoder,
    reverse_source: bool = False,
    order: Order = "equation-4",
) -> Array:
    """source [S], target_in = y_0 ... y_{T-1} [T] (y_0 the begin mark) -> logits of y_1 ... y_T [T, K].

    Cho et al., section 2.2 and appendix A.1.2: s_0 = tanh(V' c), s_t = f(s_{t-1}, y_{t-1}, c), and y_t from
    (s_t, y_{t-1}, c): the order "equation-4" of rnnsearch, in whose docstring the other two are. As c is the same at
    every step, "code" is here "equation-4" less the step that reads y_0: word t is read out from a state that has read
    y_1 ... y_{t-1}, not y_0 ... y_{t-1}. "paper" is one word behind: its state has read y_0 ... y_{t-2}.

    The summary at every step is a decoder_step that reads c and a readout with C_o. The summary as the initial state
    alone (Sutskever et al.) is without_context(cell) and a readout without C_o. When s_0 comes through V_prime, the
    memory of an LSTM begins at zero, for which the papers have no equation.
    """
    c, h_N = encode_summary(weights, source, encoder_cell, reverse_source)
    s: State = h_N
    if weights.V_prime is not None:
        s = np.tanh(weights.V_prime @ c + weights.b_V_prime)
        if isinstance(weights.decoder, LSTM):
            s = LSTMState(s, np.zeros_like(s))
    y = [weights.E_y[word] for word in target_in]
    logits = []
    for t in range(1, len(y) + 1):
        if order == "equation-4":
            s = decoder_step(weights.decoder, y[t - 1], c, s)
        logits.append(readout(weights.readout, output(s), y[t - 1], c))
        if order == "paper":
            s = decoder_step(weights.decoder, y[t - 1], c, s)
        if order == "code" and t < len(y):
            s = decoder_step(weights.decoder, y[t], c, s)
    return np.stack(logits)


# RNNsearch


@dataclass(frozen=True, kw_only=True)
class RNNSearch:
    """E_x [K_x, m], E_y [K, m]; the weights of the cells; s_0: W_s [n, n]; the alignment; the readout; biases b_s, b_a.

    Alignment: W_a [n_prime, n], U_a [n_prime, 2n], v_a [n_prime].
    """

    E_x: Array
    E_y: Array
    forward: Any
    backward: Any
    W_s: Array
    W_a: Array
    U_a: Array
    v_a: Array
    decoder: Any
    readout: Readout
    b_s: Bias = 0.0
    b_a: Bias = 0.0


def align(weights: RNNSearch, s: Array, h: Array) -> tuple[Array, Array]:
    """Bahdanau et al., equations 5 and 6, appendix A.1.2: s = s_{i-1} [n], h [S, 2n] -> alpha_i [S], c_i [2n]."""
    e = np.array([weights.v_a @ np.tanh(weights.W_a @ s + weights.U_a @ h_j + weights.b_a) for h_j in h])
    alpha = softmax(e)
    c = np.zeros(h.shape[1])
    for alpha_j, h_j in zip(alpha, h, strict=True):
        c = c + alpha_j * h_j
    return alpha, c


def rnnsearch(
    weights: RNNSearch,
    source: Sequence[int],
    target_in: Sequence[int],
    *,
    encoder_cell: Cell = gru_bahdanau,
    decoder_step: Step = gru_bahdanau_decoder,
    order: Order = "paper",
) -> tuple[Array, Array]:
    """source [S], target_in = y_0 ... y_{T-1} [T] (y_0 the begin mark) -> logits of y_1 ... y_T [T, K], alpha [T, S].

    Bahdanau et al., sections 3.1 and 3.2, appendix A.2. In every order c_i = look(s_{i-1}), s_0 = tanh(W_s backward
    h_1). What differs is the word that a step of the state reads, and the state that a word is read out from:

    "paper"       y_i from (s_{i-1}, y_{i-1}, c_i), then s_i = f(s_{i-1}, y_{i-1}, c_i)    appendix A.2.2
    "code"        y_i from (s_{i-1}, y_{i-1}, c_i), then s_i = f(s_{i-1}, y_i, c_i)        the authors' program
    "equation-4"  s_i = f(s_{i-1}, y_{i-1}, c_i), then y_i from (s_i, y_{i-1}, c_i)        equation 4

    "paper" and "equation-4" have the same states and so the same alignment; they read out from s_{i-1} or from s_i.
    In both, s_{i-1} and so alpha_i depend on y_0 ... y_{i-2} only: where to look for y_i is chosen before y_{i-1} is
    known. In "equation-4" y_{i-1} gets to the logits of y_i through s_i and through V_o; in "paper" through V_o alone,
    and through a state only to the logits of y_{i+1} and later.
    In "code", s_{i-1} = f(s_{i-2}, y_{i-1}, c_{i-1}) depends on y_1 ... y_{i-1}, and so does alpha_i. Each word is read
    with the context that it was predicted from. No state reads y_0: V_o alone sees it, at i = 1.

    "paper" and "code" are not one function with its indices shifted. Both feed c_i into step i, but with y_{i-1} in the
    one and y_i in the other. Seen by word, y_j meets c_{j+1} in "paper", which was chosen without it, and c_j in
    "code". They agree at i = 1 (the same s_0, c_1, y_0), and later only if y_0 and all the words have the same vector.
    """
    xs = [weights.E_x[x] for x in source]
    h = annotations(encoder_cell, weights.forward, weights.backward, xs)
    backward_h_1 = h[0, h.shape[1] // 2 :]
    s: State = np.tanh(weights.W_s @ backward_h_1 + weights.b_s)
    if isinstance(weights.decoder, LSTM):
        s = LSTMState(s, np.zeros_like(s))
    y = [weights.E_y[word] for word in target_in]
    logits, alphas = [], []
    for i in range(1, len(y) + 1):
        alpha, c = align(weights, output(s), h)
        if order == "equation-4":
            s = decoder_step(weights.decoder, y[i - 1], c, s)
        logits.append(readout(weights.readout, output(s), y[i - 1], c))
        alphas.append(alpha)
        if order == "paper":
            s = decoder_step(weights.decoder, y[i - 1], c, s)
        if order == "code" and i < len(y):
            s = decoder_step(weights.decoder, y[i], c, s)
    return np.stack(logits), np.stack(alphas)


# Training


def adadelta(
    x: Array, g: Array, E_g2: Array, E_dx2: Array, rho: float = 0.95, epsilon: float = 1e-6
) -> tuple[Array, Array, Array]:
    """One update of Zeiler (2012, arXiv 1212.5701), algorithm 1 -> x, E[g²], E[Δx²]. Both averages begin at 0.

    The defaults are those of Bahdanau et al., appendix B.2. RMS[a] = sqrt(E[a²] + epsilon).
    """
    E_g2 = rho * E_g2 + (1.0 - rho) * g**2
    dx = -np.sqrt(E_dx2 + epsilon) / np.sqrt(E_g2 + epsilon) * g
    E_dx2 = rho * E_dx2 + (1.0 - rho) * dx**2
    return x + dx, E_g2, E_dx2


def clip_by_global_norm(gradients: Sequence[Array], threshold: float = 1.0) -> list[Array]:
    """Pascanu et al. (2013), algorithm 1: one norm over all the gradients; above the threshold all are scaled to it.

    Bahdanau et al. use 1 (appendix B.2). torch divides by norm + 1e-6, so it differs by about a part in a million.
    """
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    scale = threshold / norm if norm > threshold else 1.0
    return [scale * g for g in gradients]


# Numbers of parameters. With `biases` there is one on everything that has one above: each gate and each candidate, s_0
# and (with V) c, the hidden layers of the alignment and of the readout, and the output; none on an embedding, on v_a or
# between the two factors of the output matrix. The authors' program has a choice of its own.


def count_gru(n: int, inputs: int, biases: bool) -> int:
    """One GRU of n units on `inputs` inputs, a context among them: for each of r, z and the candidate W, U and b."""
    return 3 * (n * inputs + n * n + (n if biases else 0))


def count_readout(V_target: int, m: int, n: int, l: int, context: int, factorised: bool, biases: bool) -> int:
    """The readout on s [n], y [m] and the context. Factorised, the output matrix goes through m, as E_y does."""
    return sum(
        [
            2 * l * n,  # U_o s
            2 * l * m,  # V_o E y
            2 * l * context,  # C_o c
            2 * l if biases else 0,  # b_o
            V_target * m + m * l if factorised else V_target * l,  # W_o t
            V_target if biases else 0,  # its bias
        ]
    )


def count_rnnsearch(
    V_source: int,
    V_target: int,
    m: int,
    n: int,
    l: int,
    n_prime: int,
    factorised: bool,
    biases: bool = False,
) -> int:
    """RNNsearch, Bahdanau et al., appendix A.2."""
    return sum(
        [
            V_source * m,  # E_x
            V_target * m,  # E_y
            2 * count_gru(n, m, biases),  # forward and backward h_j
            n * n + (n if biases else 0),  # s_0 = tanh(W_s backward h_1 + b_s)
            n_prime * n,  # W_a s_{i-1}
            n_prime * 2 * n,  # U_a h_j
            n_prime if biases else 0,  # b_a
            n_prime,  # v_a
            count_gru(n, m + 2 * n, biases),  # s_i = f(s_{i-1}, y_{i-1}, c_i)
            count_readout(V_target, m, n, l, 2 * n, factorised, biases),  # t_i and W_o
        ]
    )


def count_rnn_encoder_decoder(
    V_source: int,
    V_target: int,
    m: int,
    n: int,
    l: int,
    factorised: bool,
    with_V: bool,
    biases: bool = False,
) -> int:
    """The RNN Encoder–Decoder with an encoder of one direction, c [n] at every step: Cho et al., appendix A.1.

    with_V is their c = tanh(V h_N); without it c = h_N, the RNNencdec of Bahdanau et al.
    """
    return sum(
        [
            V_source * m,  # E_x
            V_target * m,  # E_y
            count_gru(n, m, biases),  # h_t
            n * n + (n if biases else 0) if with_V else 0,  # c = tanh(V h_N + b_V)
            n * n + (n if biases else 0),  # s_0 = tanh(V' c + b_V')
            count_gru(n, m + n, biases),  # s_t = f(s_{t-1}, y_{t-1}, c)
            count_readout(V_target, m, n, l, n, factorised, biases),  # s_t and G
        ]
    )
