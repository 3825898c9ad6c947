"""The registry of architectures: what each is called, its settings, and where its code is.

This module imports no torch, so reading a configuration is quick: entries name code by its path, and callers load it
when they need it. A new architecture is a settings class and an entry of `ARCHITECTURES` here, and one file in
`lookback.models`. No other code depends on the architecture (see CONTRIBUTING.md).
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, Union

from pydantic import Field, field_validator, model_validator

from lookback.settings import Count, Fraction, Settings


class Optimiser(Settings):
    """Settings of both optimisers: the learning-rate schedule, the loss reduction and gradient clipping."""

    learning_rate: Annotated[float, Field(gt=0)]
    """The peak of the schedule. That of Vaswani et al. 2017, equation 3, is (d_model * warmup_steps) ** -0.5."""
    epsilon: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "inverse_square_root", "cosine"]
    warmup_steps: Annotated[int, Field(ge=0)]
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """Largest norm of the gradient over all parameters together; null turns clipping off."""
    loss: Literal["mean", "sum"] = "mean"
    """How the loss combines the target tokens of a batch. GroundHog sums, so a norm of 1 is nearly always exceeded."""


class Adam(Optimiser):
    """Kingma and Ba 2015."""

    algorithm: Literal["adam"] = "adam"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    betas: tuple[Fraction, Fraction] = (0.9, 0.98)
    epsilon: Annotated[float, Field(gt=0)] = 1e-9
    schedule: Literal["constant", "inverse_square_root", "cosine"] = "cosine"
    warmup_steps: Annotated[int, Field(ge=0)] = 200


class Adadelta(Optimiser):
    """Zeiler 2012 (arXiv 1212.5701), with the values of Bahdanau et al. 2015, appendix B.2."""

    algorithm: Literal["adadelta"]
    learning_rate: Annotated[float, Field(gt=0)] = 1.0
    """A factor on each update; the paper has none."""
    rho: Fraction = 0.95
    epsilon: Annotated[float, Field(gt=0)] = 1e-6
    schedule: Literal["constant", "inverse_square_root", "cosine"] = "constant"
    warmup_steps: Annotated[int, Field(ge=0)] = 0


class ArchitectureSettings(Settings):
    """The interface of every architecture's settings."""

    architecture: str

    def scaled_down(self, factor: int) -> Self:
        """A copy with all widths divided by the factor."""
        return self


class NetworkSettings(ArchitectureSettings):
    """Settings of every network. Subclasses add each paper's own; the model's docstring explains them."""

    dropout: Fraction = 0.0
    optimiser: Annotated[Adam | Adadelta, Field(discriminator="algorithm")] = Adam()
    updates: Count | None = None
    """Overrides `train.updates` or `train.target_tokens`, for models that a paper trained for different times."""
    average_checkpoints: Annotated[int, Field(ge=0)] | None = None
    """Overrides `train.average_checkpoints`."""
    label_smoothing: Fraction | None = None
    """Overrides `train.label_smoothing`."""

    @field_validator("optimiser", mode="before")
    @classmethod
    def adam_unless_named(cls, data: Any) -> Any:
        return {"algorithm": "adam", **data} if isinstance(data, dict) else data

    def scaled_down(self, factor: int) -> Self:
        sizes = {name: max(1, round(getattr(self, name) / factor)) for name in self.widths if getattr(self, name)}
        return self.model_copy(update=sizes)

    widths: ClassVar[tuple[str, ...]] = ()
    """The names of the settings that are widths (numbers of units)."""


RecurrentCell = Literal["gru", "gru-reset-after", "lstm", "rnn-tanh", "rnn-logistic"]
Output = Literal["single", "factorised"]
Initialisation = Literal["paper", "glorot"]


class RNNEncoderDecoder(NetworkSettings):
    """Cho et al. 2014: one vector for the whole sentence; see `lookback.models.rnn_encoder_decoder`."""

    architecture: Literal["rnn_encoder_decoder"]
    embedding: Count = 620
    hidden: Count = 1000
    readout: Count = 500
    cell: RecurrentCell = "gru"
    encoder: Literal["unidirectional", "bidirectional"] = "unidirectional"
    summary_projection: bool = True
    summary_use: Literal["every-step", "initial-state"] = "every-step"
    reverse_source: bool = False
    output: Output = "single"
    initialisation: Initialisation = "paper"

    widths: ClassVar[tuple[str, ...]] = ("embedding", "hidden", "readout")


class Bahdanau(NetworkSettings):
    """Bahdanau et al. 2015: bidirectional encoder, additive attention; see `lookback.models.bahdanau`."""

    architecture: Literal["bahdanau"]
    embedding: Count = 620
    hidden: Count = 1000
    attention: Count = 1000
    readout: Count = 500
    cell: RecurrentCell = "gru"
    order: Literal["paper", "equation-4", "code"] = "paper"
    score: Literal["additive", "dot", "scaled-dot", "width-scaled-dot", "general"] = "additive"
    weighting: Literal["soft", "hard"] = "soft"
    output: Output = "single"
    initialisation: Initialisation = "paper"

    widths: ClassVar[tuple[str, ...]] = ("embedding", "hidden", "attention", "readout")


class Transformer(NetworkSettings):
    """Vaswani et al. 2017; see `lookback.models.transformer`."""

    architecture: Literal["transformer"]
    d_model: Annotated[int, Field(ge=2, multiple_of=2)] = 512
    heads: Count = 8
    d_ff: Count = 2048
    layers: Count = 6
    d_k: Annotated[int, Field(ge=2, multiple_of=2)] | None = None
    """Width of a head's keys; null is d_model / heads."""
    d_v: Count | None = None
    """Width of a head's values; null is d_model / heads."""
    norm: Literal["post", "pre"] = "post"
    positions: Literal["sinusoidal", "learned", "relative", "rotary", "alibi", "none"] = "sinusoidal"
    max_positions: Count = 1024
    """Number of learned positions; later positions use the last one."""
    relative_clip: Count = 16
    """Distances are clipped at this value (k in Shaw et al. 2018)."""

    widths: ClassVar[tuple[str, ...]] = ("d_ff", "d_k", "d_v")

    def scaled_down(self, factor: int) -> Self:
        """Keeps the number of heads as long as each keeps a width of two; the rate of equation 3 rises as the width
        falls."""
        d_model = max(2, 2 * round(self.d_model / factor / 2))
        heads = max(n for n in range(1, self.heads + 1) if d_model % (2 * n) == 0)
        smaller = super().scaled_down(factor)
        d_k = smaller.d_k and max(2, 2 * round(smaller.d_k / 2))
        optimiser = self.optimiser
        if optimiser.schedule == "inverse_square_root":
            rate = optimiser.learning_rate * (self.d_model / d_model) ** 0.5
            optimiser = optimiser.model_copy(update={"learning_rate": rate})
        return smaller.model_copy(update={"d_model": d_model, "heads": heads, "d_k": d_k, "optimiser": optimiser})

    @model_validator(mode="after")
    def heads_divide_width(self) -> Self:
        if self.d_model % self.heads and not (self.d_k and self.d_v):
            raise ValueError(f"heads ({self.heads}) must divide d_model ({self.d_model}), or d_k and d_v be given")
        if self.positions == "rotary" and (self.d_k or self.d_model // self.heads) % 2:
            raise ValueError(f"rotary positions need an even d_k, not {self.d_k or self.d_model // self.heads}")
        return self


class WordByWord(ArchitectureSettings):
    """A dictionary learned from the training pairs, the baseline without a network; see
    `lookback.decoding.dictionary`."""

    architecture: Literal["word_by_word"]
    pairs: Count = 10_000
    """The most training pairs to learn from, spread evenly over those within the run's training length."""
    iterations: Count = 5


# --- the registry -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Architecture:
    """One kind of translation system."""

    settings: type[ArchitectureSettings]
    kind: Literal["fixed state", "attention", "dictionary"]
    """How the decoder sees the source: a state of fixed size, attention over all positions, or words one by one."""
    display_name: str
    description: str
    """One line for reports, with the paper."""
    color: str
    marker: str
    """Marker of its lines in figures, by matplotlib's name."""
    model: str
    """`module:name` of what is trained; for a network its class (see `lookback.models.base`)."""
    one_vocabulary: bool = False
    """Whether source and target share one embedding matrix, and so one vocabulary."""
    trainer: str = "lookback.training.run:train"
    """`module:name` of the function that trains and saves the system; all trainers take the same arguments."""
    translator: str = "lookback.decoding.translate:Network"
    """`module:name` of the class that loads the system and translates; see `lookback.decoding.translator`."""

    @property
    def is_network(self) -> bool:
        """Whether the system is trained on batches with a loss."""
        return self.kind != "dictionary"


ARCHITECTURES: dict[str, Architecture] = {
    "rnn_encoder_decoder": Architecture(
        settings=RNNEncoderDecoder,
        kind="fixed state",
        display_name="RNN, one vector",
        description="an RNN that hands its decoder one vector of fixed size for the whole sentence (Cho et al. 2014)",
        color="#D55E00",
        marker="o",
        model="lookback.models.rnn_encoder_decoder:RNNEncoderDecoder",
    ),
    "bahdanau": Architecture(
        settings=Bahdanau,
        kind="attention",
        display_name="Bahdanau",
        description="an RNN whose decoder looks back at every source position through an alignment "
        "(Bahdanau et al. 2015)",
        color="#0072B2",
        marker="s",
        model="lookback.models.bahdanau:Bahdanau",
    ),
    "transformer": Architecture(
        settings=Transformer,
        kind="attention",
        display_name="Transformer",
        description="self-attention in encoder and decoder, and attention between them, without recurrence "
        "(Vaswani et al. 2017)",
        color="#009E73",
        marker="^",
        model="lookback.models.transformer:Transformer",
        one_vocabulary=True,
    ),
    "word_by_word": Architecture(
        settings=WordByWord,
        kind="dictionary",
        display_name="Dictionary",
        description="no network but a dictionary, learned from the same corpus (Model 1 of Brown et al. 1993): "
        "for each source word its most probable translation, in the order of the source",
        color="#CC79A7",
        marker="D",
        model="lookback.corpus.ibm_model1:model1",
        trainer="lookback.training.dictionary:train",
        translator="lookback.decoding.dictionary:Dictionary",
    ),
}
"""All architectures, by their `architecture` name in a configuration."""


def load(path: str) -> Any:
    """Imports the object that an entry names as `module:name`."""
    module, name = path.split(":")
    return getattr(import_module(module), name)


if TYPE_CHECKING:
    AnySettings = ArchitectureSettings
    Model = NetworkSettings
else:
    _NETWORKS = tuple(entry.settings for entry in ARCHITECTURES.values() if entry.is_network)
    _ALL = tuple(entry.settings for entry in ARCHITECTURES.values())
    AnySettings = Annotated[Union[_ALL], Field(discriminator="architecture")]  # noqa: UP007
    Model = Annotated[Union[_NETWORKS], Field(discriminator="architecture")]  # noqa: UP007
