"""The interface of every translation model, which training, search, scoring and probes use.

    memory = model.encode(source)                      everything computed from the source, once
    logits = model.decode(memory, target_in)           all target positions at once, teacher forced: training, scoring
    state = model.start(memory)                        one position at a time: search
    logits, state, alignment = model.step(state, token)

`Memory` and `State` are immutable values (arbitrarily nested named tuples of tensors) that the caller holds; a module
keeps no tensor between calls. Three rules make them easy to handle:

- the first axis of every tensor in them is the batch, so `select` can take rows of any of them;
- the first field of a Memory is the encoder's output: one vector [B, D], or one state per position [B, S, D];
- a state keeps what it needs from the source in its field `memory`, which no step changes. Rows of the same sentence
  (the hypotheses of one beam) share the memory, so `reorder` copies only the other fields.

Letters, here and in all model files: B batch, S source pieces, T target pieces, H hidden, V vocabulary, K beam. Batch
first. Sources are pieces and an end-of-sentence mark, padded at the end with `PAD`; no source is empty.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar, cast

from torch import Tensor, nn

from lookback.models.products import linear

PAD = 0
"""The id of padding in all tokenizers."""

M = TypeVar("M")
S = TypeVar("S")
Value = TypeVar("Value")


class Step(NamedTuple, Generic[S]):
    """The output at one target position."""

    logits: Tensor
    """[B, V], for the piece after the given one."""
    state: S
    alignment: Tensor | None
    """[B, S], the weights over the source behind those logits; rows sum to 1, 0 on padding."""


class Logits(NamedTuple):
    """Logits in factored form: a matrix product that is not computed yet."""

    states: Tensor
    """[B, T, R]"""
    weight: Tensor
    """[V, R]"""
    bias: Tensor | None
    """[V]"""

    def product(self) -> Tensor:
        """[B, T, V]"""
        return linear(*self)


class TranslationModel(nn.Module, ABC, Generic[M, S]):
    """An encoder and a decoder with Memory `M` and State `S`."""

    @abstractmethod
    def encode(self, source: Tensor) -> M:
        """Read the source [B, S] int64, padded with `PAD`."""

    @abstractmethod
    def decode_with_alignment(self, memory: M, target_in: Tensor) -> tuple[Tensor, Tensor | None]:
        """Teacher forced: logits [B, T, V], and the alignment [B, T, S] of models with attention.

        `target_in` [B, T] is the begin-of-sentence mark and the target; `logits[:, t]` predicts what follows
        `target_in[:, t]` and depends on `target_in[:, : t + 1]` only.
        """

    @abstractmethod
    def logits(self, memory: M, target_in: Tensor) -> Logits:
        """Teacher forced: as `decode` without the last product, which training computes in its own way."""

    def decode(self, memory: M, target_in: Tensor) -> Tensor:
        """Teacher forced: the logits [B, T, V] of `decode_with_alignment`."""
        return self.logits(memory, target_in).product()

    @abstractmethod
    def start(self, memory: M) -> S:
        """The state before the begin-of-sentence mark."""

    @abstractmethod
    def step(self, state: S, token: Tensor) -> Step[S]:
        """Read one more target piece for each row: `token` [B], first the begin-of-sentence mark."""

    def logits_and_surrogate(
        self, source: Tensor, target_in: Tensor, target_out: Tensor
    ) -> tuple[Logits, Tensor | None]:
        """For training: the logits, and a further loss for models with random choices, summed over target pieces.

        `target_out` [B, T] is what the logits predict: the target and the end mark, padded with `PAD`.
        """
        return self.logits(self.encode(source), target_in), None

    def forward(self, source: Tensor, target_in: Tensor) -> Tensor:
        """Logits [B, T, V], teacher forced."""
        return self.decode(self.encode(source), target_in)


def select(value: Value, rows: Tensor) -> Value:
    """The given rows [N] of a Memory or a State, in that order; rows may repeat."""
    return _map(lambda tensor: tensor.index_select(0, rows), value)


def reorder(state: S, rows: Tensor) -> S:
    """As `select`, for rows that move only within their sentence; the memory is unchanged."""
    moved = {name: select(getattr(state, name), rows) for name in cast(Any, state)._fields if name != "memory"}
    return cast(Any, state)._replace(**moved)


def _map(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple):
        parts = [_map(function, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


def parameter_count(model: nn.Module) -> int:
    """The number of trained parameters; shared matrices count once."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
