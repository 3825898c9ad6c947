"""All kinds of attention: scores, weights and context vectors; soft and hard; cross-attention and self-attention.

Every kind does the same three things. A *score* compares a query with each key; a softmax turns the scores into
*weights* that sum to 1; the weights mix the values into a *context vector*. The kinds differ in their queries, keys and
values, and in how they compare them:

    queries, keys, values                                   compared by
    the vectors of a sentence, themselves                   dot product          `SelfAttention("none")`
    keys and queries projected, by trained matrices         scaled dot product   `SelfAttention("query-key")`
    values projected, too                                   scaled dot product   `SelfAttention("query-key-value")`
    several such heads side by side                         scaled dot product   `MultiHeadAttention`
    a decoder's state; the annotations of the source        any of `SCORES`      `lookback.models.bahdanau`

`attend` and `attend_with_weights` are scaled dot-product attention: the first uses torch's fused kernel, which never
stores the weights; the second also returns the weights.

Letters as in `lookback.models.base`; H is the width of the decoder's state, G that of an annotation.
"""

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lookback.models.products import Linear

Scale = Literal["none", "sqrt", "width"]
"""The divisor of a dot product of two vectors of width d: 1; sqrt(d), which keeps the variance independent of d
(Vaswani et al. 2017, section 3.2.1); or d, as in some introductions, which makes the weights nearly uniform."""


def scale_of(scale: Scale, width: int) -> float:
    """The factor of a dot product of vectors of the given width."""
    return {"none": 1.0, "sqrt": width**-0.5, "width": 1 / width}[scale]


# --- scaled dot product -----------------------------------------------------------------------------------------------


def attend(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None, causal: bool = False, scale: Scale = "sqrt"
) -> Tensor:
    """softmax(Q K^T / sqrt(d_k)) V (Vaswani et al. 2017, equation 1), by torch's fused kernel.

    Args:
        query: [..., T, d_k]; at least one leading axis.
        keys: [..., S, d_k].
        values: [..., S, d_v].
        mask: broadcast to [..., T, S]; true where attention is allowed, or a float tensor added to the scores.
        causal: position t sees only 0 … t; without a mask.
        scale: see `Scale`.

    Returns:
        [..., T, d_v].
    """
    if query.device.type == "cpu" and query.dtype in (torch.bfloat16, torch.float16):
        # The backward pass of the CPU kernel is several times slower in half than in single precision.
        with torch.autocast("cpu", enabled=False):
            mask = mask.float() if mask is not None and mask.is_floating_point() else mask
            return attend(query.float(), keys.float(), values.float(), mask, causal, scale).to(query.dtype)
    factor = scale_of(scale, query.shape[-1])
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, is_causal=causal, scale=factor)


def attend_with_weights(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None, causal: bool = False, scale: Scale = "sqrt"
) -> tuple[Tensor, Tensor]:
    """As `attend`, and the weights [..., T, S], whose rows sum to 1."""
    scores = query @ keys.transpose(-1, -2) * scale_of(scale, query.shape[-1])
    if causal:
        mask = causal_mask(query.shape[-2], keys.shape[-2], query.device)
    if mask is not None:
        scores = scores + mask if mask.is_floating_point() else scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(-1)
    return weights.to(values.dtype) @ values, weights


def causal_mask(queries: int, keys: int, device: torch.device | None = None) -> Tensor:
    """[queries, keys], true where the key is not after the query."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril()


class SelfAttention(nn.Module):
    """Single-head self-attention, in the three steps of an introduction: each output is a mixture of all vectors.

    With x [T, D] the sequence, and softmax over j:

        none              weights_ij = softmax(x_i . x_j)                     y_i = sum_j weights_ij x_j
        query-key         weights_ij = softmax(W_q x_i . W_k x_j / sqrt(d))   y_i = sum_j weights_ij x_j
        query-key-value   weights_ij = softmax(W_q x_i . W_k x_j / sqrt(d))   y_i = sum_j weights_ij W_v x_j

    The last is one head of Vaswani et al. 2017, section 3.2.2, without the output projection. There are no biases.
    """

    def __init__(
        self,
        trained: Literal["none", "query-key", "query-key-value"],
        width: int,
        projected: int | None = None,
        causal: bool = False,
        scale: Scale | None = None,
    ) -> None:
        """Makes the matrices.

        Args:
            trained: the trained projections.
            width: D of the sequence.
            projected: d, the width of queries, keys and values; None for D.
            causal: position t sees only 0 … t.
            scale: see `Scale`; None for "sqrt" with trained projections and "none" without.
        """
        super().__init__()
        projected = projected or width

        def matrix(wanted: bool) -> nn.Module:
            return Linear(width, projected, bias=False) if wanted else nn.Identity()

        self.query, self.key = matrix(trained != "none"), matrix(trained != "none")
        self.value = matrix(trained == "query-key-value")
        self.causal = causal
        self.scale: Scale = scale or ("none" if trained == "none" else "sqrt")

    def forward(self, sequence: Tensor) -> Tensor:
        """[B, T, D] to [B, T, D], or to [B, T, d] where values are projected."""
        return attend(*self._seen(sequence), causal=self.causal, scale=self.scale)

    def with_weights(self, sequence: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, and the weights [B, T, T]."""
        return attend_with_weights(*self._seen(sequence), causal=self.causal, scale=self.scale)

    def _seen(self, sequence: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.query(sequence), self.key(sequence), self.value(sequence)


# --- several heads ----------------------------------------------------------------------------------------------------


class KeysValues(NamedTuple):
    keys: Tensor
    """[B, heads, positions, d_k]"""
    values: Tensor
    """[B, heads, positions, d_v]"""


class MultiHeadAttention(nn.Module):
    """Vaswani et al. 2017, section 3.2.2: h parallel heads of `attend`, each with its own projections, then an output
    projection.

    d_k and d_v default to d_model / h.
    """

    def __init__(self, d_model: int, heads: int, d_k: int | None = None, d_v: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        d_k, d_v = d_k or d_model // heads, d_v or d_model // heads
        self.query = Linear(d_model, heads * d_k)
        self.key = Linear(d_model, heads * d_k)
        self.value = Linear(d_model, heads * d_v)
        self.output = Linear(heads * d_v, d_model)

    def keys_values(self, states: Tensor) -> KeysValues:
        """Project the attended states [B, S, D] to keys and values."""
        return KeysValues(self.split(self.key(states)), self.split(self.value(states)))

    def forward(self, states: Tensor, seen: KeysValues, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        """Attend from each position of `states` [B, T, D] to `seen`: [B, T, D]; `mask` and `causal` as in `attend`."""
        return self.join(attend(self.split(self.query(states)), *seen, mask, causal))

    def with_weights(
        self, states: Tensor, seen: KeysValues, mask: Tensor | None = None, causal: bool = False
    ) -> tuple[Tensor, Tensor]:
        """As `forward`, and the weights of each head, [B, heads, T, S]."""
        mixed, weights = attend_with_weights(self.split(self.query(states)), *seen, mask, causal)
        return self.join(mixed), weights

    def split(self, projected: Tensor) -> Tensor:
        """[B, T, heads * d] to [B, heads, T, d]."""
        return projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def join(self, mixed: Tensor) -> Tensor:
        """Concatenate the heads' outputs [B, heads, T, d_v] and project them: [B, T, D]."""
        return self.output(mixed.transpose(1, 2).flatten(2))


# --- a decoder's state and the annotations of the source --------------------------------------------------------------


class Score(nn.Module, ABC):
    """Scores a decoder's state against annotations."""

    @abstractmethod
    def keys(self, annotations: Tensor) -> Tensor:
        """The part computed from the annotations [B, S, G] once for all states: [B, S, any width]."""

    @abstractmethod
    def forward(self, state: Tensor, keys: Tensor) -> Tensor:
        """The scores [B, S] of the state [B, H] against the keys."""


class AdditiveScore(Score):
    """v . tanh(W s + U h_j): the alignment model of Bahdanau et al. 2015, appendix A.1.2."""

    def __init__(self, state: int, annotation: int, width: int) -> None:
        super().__init__()
        self.key = Linear(annotation, width, bias=False)
        self.query = Linear(state, width)
        self.energy = nn.Parameter(torch.empty(width))

    def keys(self, annotations: Tensor) -> Tensor:
        return self.key(annotations)

    def forward(self, state: Tensor, keys: Tensor) -> Tensor:
        return (keys + self.query(state)[:, None]).tanh_() @ self.energy  # in place: the largest tensor


class ProductScore(Score):
    """The dot product of the state with keys of the same width."""

    def forward(self, state: Tensor, keys: Tensor) -> Tensor:
        return torch.bmm(keys, state.to(keys.dtype)[..., None])[..., 0]


class DotScore(ProductScore):
    """s . h_j, Luong et al. 2015 (arXiv 1508.04025), section 3.1; optionally scaled, as in the Transformer.

    It needs annotations of the state's width. Those of a bidirectional encoder are twice as wide, so the halves of the
    two directions are added.
    """

    def __init__(self, state: int, scale: Scale = "none") -> None:
        super().__init__()
        self.state, self.factor = state, scale_of(scale, state)

    def keys(self, annotations: Tensor) -> Tensor:
        return annotations.unflatten(-1, (-1, self.state)).sum(-2) * self.factor


class GeneralScore(ProductScore):
    """s . W h_j, Luong et al. 2015, section 3.1."""

    def __init__(self, state: int, annotation: int) -> None:
        super().__init__()
        self.key = Linear(annotation, state, bias=False)

    def keys(self, annotations: Tensor) -> Tensor:
        return self.key(annotations)


ScoreName = Literal["additive", "dot", "scaled-dot", "width-scaled-dot", "general"]


def make_score(name: ScoreName, state: int, annotation: int, width: int) -> Score:
    """The score of the given name; only the additive score uses `width`."""
    if name == "additive":
        return AdditiveScore(state, annotation, width)
    if name == "general":
        return GeneralScore(state, annotation)
    scales: dict[str, Scale] = {"dot": "none", "scaled-dot": "sqrt", "width-scaled-dot": "width"}
    return DotScore(state, scales[name])


# --- hard attention ---------------------------------------------------------------------------------------------------


def choose(weights: Tensor, sample: bool) -> Tensor:
    """Hard attention (Xu et al. 2015, arXiv 1502.03044, section 4.1): one position instead of a mixture.

    Turns weights [B, S] that sum to 1 into one-hot rows: drawn with the weights as probabilities, or at the largest
    weight.
    """
    position = torch.multinomial(weights.detach(), 1) if sample else weights.argmax(-1, keepdim=True)
    return torch.zeros_like(weights).scatter(-1, position, 1.0)


def reinforce(log_policy: Tensor, rewards: Tensor, baseline: Tensor) -> Tensor:
    """The loss whose gradient is that of REINFORCE (Williams 1992), minimised in addition to -rewards.

        - sum_t log_policy_t * (sum_{u >= t} rewards_u - baseline_t)

    A choice cannot change earlier rewards, so only those from its own step on count (Williams' sum over all has the
    same mean and more variance). A baseline that does not depend on the choice does not change the mean.

    Args:
        log_policy: [B, T], log-probabilities of the choices; 0 where there was no choice.
        rewards: [B, T]; no gradient goes through them.
        baseline: [B, T], the expected rewards from t on.
    """
    to_come = rewards.detach().flip(1).cumsum(1).flip(1)
    return -(log_policy * (to_come - baseline)).sum()
