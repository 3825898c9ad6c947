"""The worked examples: inputs small enough for pencil and paper, and the results of `lookback.models.attention`.

The library computes everything that it can compute. All numbers are in double precision, so that the last printed digit
is the same on every machine. Letters: T words, D width of their vectors, d width of queries, keys and values.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor, nn

from lookback.models.attention import (
    DotScore,
    MultiHeadAttention,
    Scale,
    Score,
    ScoreName,
    SelfAttention,
    attend_with_weights,
    choose,
    make_score,
)
from lookback.models.positions import sinusoids
from lookback.stats.bootstrap import percentile_interval, resampled_sums

WORDS = ("The", "cat", "saw", "the", "dog")
FOCUS = 1
WORD = WORDS[FOCUS]
"""The word whose context vector is worked out."""
VECTORS = {
    "the": (0.2, 0.1, 1.0, 0.0),
    "cat": (1.2, 0.3, 0.1, 0.8),
    "saw": (0.3, 1.5, 0.0, 0.1),
    "dog": (1.2, 0.2, 0.1, -0.6),
}
"""Set by hand. Both nouns begin alike. The article is one word, with one vector, in both places."""
STATE = (1.0, 0.1, 0.2, 0.7)
"""The state of a decoder that is about to write the word for "cat"; set by hand."""
REORDERED = (3, 4, 2, 0, 1)
"""Positions of "the dog saw The cat"."""
SEED = 1
RANDOM = f"random (a bell curve, seed {SEED}, rounded to one decimal)"
"""Says what `fill` does."""
WIDTHS = (4, 64, 512)
PAIRS = 1000
DRAWS = 1000
Trained = Literal["none", "query-key", "query-key-value"]
TRAINED: tuple[Trained, ...] = get_args(Trained)
SCALES: tuple[Scale, ...] = get_args(Scale)
SCORE_NAMES: tuple[ScoreName, ...] = ("additive", "dot", "scaled-dot", "general")


def sequence(words: tuple[str, ...] = WORDS) -> Tensor:
    """The vectors of the words, [T, D]."""
    return torch.tensor([VECTORS[word.lower()] for word in words], dtype=torch.float64)


def fill(module: nn.Module) -> None:
    """Set all matrices of a module, in order, to normal random numbers with seed `SEED`, rounded to one decimal.

    Biases are 0. So modules whose matrices have the same order and shapes have the same matrices.
    """
    random = np.random.RandomState(SEED)  # its numbers are the same in every version of numpy
    module.double().requires_grad_(False)
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        else:
            parameter.copy_(torch.from_numpy(random.normal(size=tuple(parameter.shape)).round(1) + 0.0))  # no -0.0


def scores_of(score: Score, states: Tensor, annotations: Tensor) -> Tensor:
    """The scores of every state [T, H] with every annotation [S, G]: [T, S]."""
    return score(states, score.keys(annotations[None]).expand(len(states), -1, -1))


def entropy(weights: Tensor) -> Tensor:
    """-sum p log p over the last axis, in nats: 0 if one position has all weight, log S if all are equal."""
    return torch.special.entr(weights).sum(-1)


class Mixing(NamedTuple):
    """Self-attention step by step; one row for each word."""

    queries: Tensor
    keys: Tensor
    values: Tensor
    """[T, d] each."""
    products: Tensor
    """Scores before they are divided, [T, T]."""
    scores: Tensor
    weights: Tensor
    """[T, T]"""
    contexts: Tensor
    """[T, d]"""


def mixing(layer: SelfAttention, vectors: Tensor) -> Mixing:
    seen = layer.query(vectors), layer.key(vectors), layer.value(vectors)
    contexts, weights = layer.with_weights(vectors[None])
    plain, scaled = (DotScore(seen[0].shape[1], scale) for scale in ("none", layer.scale))
    products, scores = scores_of(plain, *seen[:2]), scores_of(scaled, *seen[:2])
    return Mixing(*seen, products, scores, weights[0], contexts[0])


def layer(trained: Trained = "query-key-value", causal: bool = False) -> SelfAttention:
    """A head as wide as the vectors. Queries and keys are the same with and without projected values."""
    made = SelfAttention(trained, sequence().shape[1], causal=causal)
    fill(made)
    return made


class ByScale(NamedTuple):
    """The effect of dividing the scores of one word."""

    scores: Tensor
    weights: Tensor
    """[3, T], one row for each of `SCALES`."""
    entropies: Tensor
    """[3]"""


def by_scale(given: Mixing) -> ByScale:
    scores, weights = [], []
    for scale in SCALES:
        scores.append(scores_of(DotScore(given.keys.shape[1], scale), given.queries, given.keys)[FOCUS])
        weights.append(attend_with_weights(given.queries, given.keys, given.values, scale=scale)[1][FOCUS])
    return ByScale(torch.stack(scores), torch.stack(weights), entropy(torch.stack(weights)))


class AtWidth(NamedTuple):
    """Random queries, each with as many random keys as the sentence has words, all numbers of variance 1."""

    width: int
    deviation: float
    """Standard deviation of their dot products."""
    entropies: tuple[tuple[float, float, float], ...]
    """For each of `SCALES`: the mean over the queries, and the ends of its 95 % bootstrap interval."""


def at_width(width: int) -> AtWidth:
    random = np.random.RandomState(SEED)
    query = torch.from_numpy(random.normal(size=(PAIRS, 1, width)))
    keys = torch.from_numpy(random.normal(size=(PAIRS, len(WORDS), width)))
    measured = []
    for scale in SCALES:
        found = entropy(attend_with_weights(query, keys, keys, scale=scale)[1][:, 0]).numpy()
        means = resampled_sums(found[:, None], 1000, (SEED,))[:, 0] / PAIRS
        measured.append((float(found.mean()), *percentile_interval(means, 0.95)))
    return AtWidth(width, float(DotScore(width)(query[:, 0], keys).std()), tuple(measured))


class Looking(NamedTuple):
    """One state of a decoder and the annotations of the source; one row for each of `SCORE_NAMES`."""

    modules: dict[ScoreName, Score]
    scores: Tensor
    weights: Tensor
    """[4, S]"""
    contexts: Tensor
    """[4, G]"""


def looking() -> Looking:
    """The annotations are the vectors of the words; the matrices are set by `fill`."""
    state, annotations = torch.tensor([STATE], dtype=torch.float64), sequence()
    width = annotations.shape[1]
    modules: dict[ScoreName, Score] = {name: make_score(name, width, width, width) for name in SCORE_NAMES}
    for module in modules.values():
        fill(module)
    scores = torch.cat([scores_of(module, state, annotations) for module in modules.values()])
    weights = scores.softmax(-1)
    return Looking(modules, scores, weights, weights @ annotations)


class Hard(NamedTuple):
    """One position instead of a mixture: rows with a 1 at that position."""

    drawn: Tensor
    """[DRAWS, S]; other builds of torch may draw differently."""
    largest: Tensor
    """[S]"""


def hard(weights: Tensor) -> Hard:
    """From the weights [S] of one state."""
    with seeded():
        drawn = choose(weights.expand(DRAWS, -1), sample=True)
    return Hard(drawn, choose(weights[None], sample=False)[0])


@contextmanager
def seeded() -> Iterator[None]:
    """Seed torch's own generator with `SEED`, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        yield


class Heads(NamedTuple):
    output: Tensor
    """The last matrix, [D, D]; the others are those of `layer`, whose rows are split between the heads."""
    weights: Tensor
    """[heads, T, T]"""
    mixed: Tensor
    """The context vector of each head for each word, [heads, T, d]."""
    joined: Tensor
    """[T, D], through the last projection."""


def heads(count: int = 2) -> Heads:
    vectors = sequence()[None]
    module = MultiHeadAttention(vectors.shape[-1], count)
    fill(module)
    mixed, weights = attend_with_weights(module.split(module.query(vectors)), *module.keys_values(vectors))
    return Heads(module.output.weight, weights[0], mixed[0], module.join(mixed)[0])


class Order(NamedTuple):
    """Context vectors of the sentence and of its words in another order, [T, d] each, both in the sentence's order."""

    here: Tensor
    reordered: Tensor

    @property
    def difference(self) -> float:
        """The largest absolute difference between the context vectors."""
        return float((self.here - self.reordered).abs().max())


def order(positions: bool) -> Order:
    """The context vectors of both orders, with or without sinusoids added to the vectors."""
    head, vectors = layer(), sequence()
    signal = waves(*vectors.shape) if positions else torch.zeros_like(vectors)
    here, moved = (head.with_weights((x + signal)[None])[0][0] for x in (vectors, vectors[list(REORDERED)]))
    return Order(here, moved[torch.tensor(REORDERED).argsort()])


def waves(length: int, width: int) -> Tensor:
    """The sinusoids of the first positions, [length, width]."""
    return sinusoids(0, length, width, torch.zeros(0, dtype=torch.float64))
