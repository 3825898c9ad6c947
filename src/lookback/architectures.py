"""The architectures and their optimisers."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from lookback.settings import Count, Fraction, Settings


class Optimiser(Settings):
    """What both optimisers have: a schedule of the learning rate, the loss and its clipping."""

    learning_rate: Annotated[float, Field(gt=0)]
    """The peak of the schedule. That of Vaswani et al. 2017, equation 3, is (d_model * warmup_steps) ** -0.5."""
    epsilon: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "inverse_square_root", "cosine"]
    warmup_steps: Annotated[int, Field(ge=0)]
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    """Of the gradient of all parameters together; null leaves it as it is."""
    loss: Literal["mean", "sum"] = "mean"
    """Over the target tokens of a batch. GroundHog has the sum, so that a norm of 1 is exceeded nearly always."""


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
    """A factor before each update; the paper has none."""
    rho: Fraction = 0.95
    epsilon: Annotated[float, Field(gt=0)] = 1e-6
    schedule: Literal["constant", "inverse_square_root", "cosine"] = "constant"
    warmup_steps: Annotated[int, Field(ge=0)] = 0


class ModelSettings(Settings):
    """What every model has; a paper's own settings are added below, and explained where the model is."""

    dropout: Fraction = 0.0
    optimiser: Annotated[Adam | Adadelta, Field(discriminator="algorithm")] = Adam()
    updates: Count | None = None
    """In place of `train.updates` or `train.target_tokens`, for models that a paper trained for different times."""
    average_checkpoints: Annotated[int, Field(ge=0)] | None = None
    """In place of `train.average_checkpoints`."""
    label_smoothing: Fraction | None = None
    """In place of `train.label_smoothing`."""

    @field_validator("optimiser", mode="before")
    @classmethod
    def adam_unless_named(cls, data: Any) -> Any:
        return {"algorithm": "adam", **data} if isinstance(data, dict) else data

    def scaled_down(self, factor: int) -> Self:
        """With widths divided by the factor, nothing else changed."""
        sizes = {name: max(1, round(getattr(self, name) / factor)) for name in self.widths if getattr(self, name)}
        return self.model_copy(update=sizes)

    widths: ClassVar[tuple[str, ...]] = ()
    """The settings that are numbers of units."""


RecurrentCell = Literal["gru", "gru-reset-after", "lstm", "rnn-tanh", "rnn-logistic"]
Output = Literal["single", "factorised"]
Initialisation = Literal["paper", "glorot"]


class RNNEncoderDecoder(ModelSettings):
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


class Bahdanau(ModelSettings):
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


class Transformer(ModelSettings):
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
    """So many positions are learned; what stands further back gets the last."""
    relative_clip: Count = 16
    """Distances beyond this are one (k in Shaw et al. 2018)."""

    widths: ClassVar[tuple[str, ...]] = ("d_ff", "d_k", "d_v")

    def scaled_down(self, factor: int) -> Self:
        """The heads stay, as far as each has room for two numbers; the rate of equation 3 rises as the width falls."""
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


Model = Annotated[RNNEncoderDecoder | Bahdanau | Transformer, Field(discriminator="architecture")]


class WordByWord(Settings):
    """A dictionary of the training pairs, the baseline of all: no network; see `lookback.models.word_by_word`."""

    architecture: Literal["word_by_word"]
    pairs: Count = 10_000
    """It is made of at most this many training pairs, spread evenly over those within the cell's training length."""
    iterations: Count = 5


ModelOrDictionary = Annotated[Model | WordByWord, Field(discriminator="architecture")]
