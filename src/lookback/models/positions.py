"""Position encodings for the Transformer.

`sinusoidal` and `learned` add a vector to the embeddings; `rotary`, `relative` and `alibi` act within every
self-attention and use only distances. Cross-attention uses no distances with any of them: the papers define none.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

Positions = Literal["sinusoidal", "learned", "relative", "rotary", "alibi", "none"]


def sinusoids(first: int, length: int, width: int, like: Tensor) -> Tensor:
    """Vaswani et al. 2017, section 3.5: the encodings of `length` positions from `first` on, [length, width].

    Even columns hold sines, odd columns cosines; there is no maximum position. The result is on the device of `like`.
    """
    positions = torch.arange(first, first + length, device=like.device, dtype=like.dtype)
    angles = positions[:, None] * _rates(width, like)
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[:, :width]


def rotate(vectors: Tensor, first: int) -> Tensor:
    """Su et al. 2021 (RoPE, arXiv 2104.09864, section 3.2.2): rotate each pair of columns by position times rate.

    The dot product of a rotated query and a rotated key depends only on their distance.

    Args:
        vectors: queries or keys [B, heads, T, an even width].
        first: the position of the first vector.
    """
    length, width = vectors.shape[-2:]
    positions = torch.arange(first, first + length, device=vectors.device, dtype=torch.float32)
    angles = positions.to(torch.promote_types(vectors.dtype, torch.float32))[:, None]
    angles = angles * _rates(width, angles)
    cos, sin = angles.cos().to(vectors.dtype), angles.sin().to(vectors.dtype)
    even, odd = vectors[..., 0::2], vectors[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


def _rates(width: int, like: Tensor) -> Tensor:
    """10000^(-2i / width) for i = 0 … width / 2."""
    evens = torch.arange(0, width, 2, device=like.device, dtype=like.dtype)
    return torch.exp(evens * (-math.log(10_000.0) / width))


def distances(queries: int, keys: int, device: torch.device) -> Tensor:
    """[queries, keys]: the key's position minus the query's; queries are the last `queries` of `keys` positions."""
    positions = torch.arange(keys, device=device)
    return positions - positions[keys - queries :, None]


def alibi(heads: int, queries: int, keys: int, like: Tensor) -> Tensor:
    """Press et al. 2022 (arXiv 2108.12409, section 3): the bias added to the scores, [heads, queries, keys].

    It is -m times the distance, with a slope m for each head. The paper does not cover encoders; here the distance
    counts equally in both directions.
    """
    slopes = torch.tensor(alibi_slopes(heads), device=like.device, dtype=like.dtype)
    return -slopes[:, None, None] * distances(queries, keys, like.device).abs().to(like.dtype)


def alibi_slopes(heads: int) -> list[float]:
    """2^(-8i / heads) for i = 1 … heads.

    If the number of heads is not a power of two, as in the authors' code: the slopes for the next lower power of two,
    then the intermediate slopes of twice that number, from the first on.
    """
    below = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-8 * i / below) for i in range(1, below + 1)]
    return slopes + [2 ** (-8 * i / (2 * below)) for i in range(1, 2 * below, 2)][: heads - below]


class RelativePositions(nn.Module):
    """Shaw et al. 2018 (arXiv 1803.02155, section 3.2): a trained vector for each distance, clipped at `clip`.

    One vector is added to the key (a^K) and another to the value (a^V) of each pair of positions. All heads of a layer
    share the vectors.
    """

    def __init__(self, key_width: int, value_width: int, clip: int) -> None:
        super().__init__()
        self.clip = clip
        self.key = nn.Parameter(torch.empty(2 * clip + 1, key_width))
        self.value = nn.Parameter(torch.empty(2 * clip + 1, value_width))

    def scores(self, query: Tensor, keys: int) -> Tensor:
        """The contribution of a^K to the products of `query` [B, heads, T, key_width] with `keys` keys: [B, heads, T,
        keys]."""
        index = self._index(query.shape[2], keys, query.device)
        return (query @ self.key.T.to(query.dtype)).gather(-1, index.expand(*query.shape[:2], -1, -1))

    def values(self, weights: Tensor) -> Tensor:
        """The contribution of a^V to the output, from the weights [B, heads, T, keys]: [B, heads, T, value_width]."""
        index = self._index(weights.shape[2], weights.shape[3], weights.device)
        bins = weights.new_zeros(*weights.shape[:3], len(self.value))
        bins = bins.scatter_add(-1, index.expand(*weights.shape[:2], -1, -1), weights)
        return bins @ self.value.to(weights.dtype)

    def _index(self, queries: int, keys: int, device: torch.device) -> Tensor:
        """[queries, keys], the row of each distance."""
        return distances(queries, keys, device).clamp(-self.clip, self.clip) + self.clip
