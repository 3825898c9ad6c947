"""The configuration: one typed, frozen tree for each experiment, read once and passed down.

An experiment is one file `conf/<name>.yaml`: a corpus, and a grid of models x longest training sentence x seed. What is
the same for all experiments (how figures look, which hardware is used) stands in `params.yaml`. Unknown keys are
refused; an error names the file, the key and what is allowed.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from lookback.errors import LookbackError

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


Normalization = Literal["NFC", "NFKC"] | None
"""A Unicode normal form, or none."""


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# --- the corpus -------------------------------------------------------------------------------------------------------


class FragmentCorpus(Settings):
    """The built-in English-German fragment, generated from a seed."""

    kind: Literal["fragment"]
    seed: int = 1
    train: Count = 60_000
    valid: Count = 1_200
    test_per_ten_words: Count = 200
    max_words: Annotated[int, Field(ge=10, le=60)] = 60


class HubCorpus(Settings):
    """A parallel corpus on the Hugging Face Hub, in parquet with one `translation` column."""

    kind: Literal["hub"]
    repository: str
    configuration: str
    revision: str | None = None
    """A commit hash, enforced; or nothing, for the newest."""
    train_split: str = "train"
    valid_split: str = "validation"
    test_split: str = "test"
    max_train_pairs: Count | None = None


class FilePair(Settings):
    source: str
    target: str


class FilesCorpus(Settings):
    """One or several aligned pairs of text files (plain, .gz or .xz), one sentence a line."""

    kind: Literal["files"]
    root: str
    """The folder that holds them; `~` and `$VARIABLES` are filled in."""
    train: Annotated[tuple[FilePair, ...], Field(min_length=1)]
    valid: Annotated[tuple[FilePair, ...], Field(min_length=1)]
    test: Annotated[tuple[FilePair, ...], Field(min_length=1)]
    max_train_pairs: Count | None = None
    licence: str = ""

    @property
    def folder(self) -> Path:
        return Path(os.path.expandvars(self.root)).expanduser()


Corpus = Annotated[FragmentCorpus | HubCorpus | FilesCorpus, Field(discriminator="kind")]


class Select(Settings):
    """Keeps of the cleaned training pairs those most like the validation set (Axelrod et al. 2011)."""

    words: Count
    """The budget: the pair whose words reach it is the last that is kept."""
    side: Literal["source", "target"]
    """Whose words are counted; of Bahdanau et al.'s 348 million it is not said whether they are English or French."""
    order: Annotated[int, Field(ge=1, le=6)] = 4
    """Of the language models that tell likeness: `order` - 1 words of context."""


class Prepare(Settings):
    """What `prepare` does to the training pairs; validation and test keep every line as it came."""

    normalization: Normalization = "NFC"
    word_tokenizer: Literal["whitespace", "moses"] = "whitespace"
    max_words: Count = 250
    max_ratio: Annotated[float, Field(gt=1.0)] = 3.0
    """Pairs in which one side has more than this many times the words of the other are dropped."""
    select: Select | None = None
    """Of the pairs that are left, keep only so many words; nothing keeps all."""


class SentencePiece(Settings):
    """One SentencePiece model, shared by source and target, trained on train only."""

    kind: Literal["sentencepiece"] = "sentencepiece"
    vocabulary_size: Annotated[int, Field(ge=16, le=65_535)] = 8_000
    model_type: Literal["unigram", "bpe"] = "bpe"
    max_training_pairs: Count = 1_000_000
    """SentencePiece reads at most this many pairs, spread evenly over train."""


class Words(Settings):
    """The most frequent Moses tokens of train, for each language its own; every other word is unknown.

    Not for the Transformer, which has one matrix for both languages.
    """

    kind: Literal["words"]
    vocabulary_size: Annotated[int, Field(ge=5, le=65_535)] = 30_004
    """Ids of each language, at most: padding, unknown, begin and end, and the words. So the default keeps the 30,000
    words a language of Bahdanau et al. 2015, section 4.1."""


Tokenize = Annotated[SentencePiece | Words, Field(discriminator="kind")]
"""`kind` is `sentencepiece` unless it is given."""


class Joined(Settings):
    """Short test sentences alone and joined, so that length grows while the content stays; see `lookback.testsets`."""

    join: Annotated[tuple[Count, ...], Field(min_length=2)] = (1, 2, 3, 4)
    """So many sentences a line: a test set each, `joined-1` and so on."""
    max_words: Count
    """Of a single sentence's source."""
    groups: Count = 20
    """A group is as many sentences as the least number that each of `join` divides: 12 for 1 to 4."""
    seed: int = 1

    @model_validator(mode="after")
    def alone_first_and_rising(self) -> "Joined":
        if self.join[0] != 1 or list(self.join) != sorted(set(self.join)):
            raise ValueError(f"join {list(self.join)} must begin with 1, the sentences alone, and rise")
        return self


class FurtherSets(Settings):
    """Test sets made of the test set, beside that of the sentences without unknown words, which a tokenizer of words
    always has."""

    joined: Joined | None = None


# --- models and training ----------------------------------------------------------------------------------------------


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


class Train(Settings):
    """The training budget and the batches: the same for every model of an experiment, unless a model says otherwise.

    The budget is `target_tokens`, `target_tokens_by_length` or `updates`; the size of a batch is `batch_target_tokens`
    or `batch_sentences`.
    """

    target_tokens: Count | None = None
    """Target pieces with end-of-sentence marks; the batch that reaches this is the last."""
    target_tokens_by_length: dict[Count, Count] | None = None
    """In place of `target_tokens`, so many for each of `grid.max_train_words`: where sentences are shorter, fewer make
    as many sentences."""
    updates: Count | None = None
    """Steps of the optimiser."""
    batch_target_tokens: Count | None = None
    """Batches of pairs of similar length with at most so many target pieces."""
    batch_sentences: Count | None = None
    """Batches of so many pairs, as in Bahdanau et al. 2015, appendix B.2: sorted by length within `sort_batches`
    batches, and seen in the same order in each epoch."""
    sort_batches: Count = 20
    valid_interval_steps: Count = 500
    average_checkpoints: Annotated[int, Field(ge=0)] = 0
    """The weights are the mean of those at the last so many validations (Vaswani et al. 2017, section 6.1); 0 keeps
    those of the lowest validation loss."""
    label_smoothing: Fraction = 0.1
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    scale_down: Count = 1
    """Divides all widths of all models, to try a large experiment on a small machine; nothing else changes."""

    @model_validator(mode="after")
    def one_budget_and_one_size(self) -> Self:
        for names in (
            ("target_tokens", "target_tokens_by_length", "updates"),
            ("batch_target_tokens", "batch_sentences"),
        ):
            if sum(getattr(self, name) is not None for name in names) != 1:
                raise ValueError(f"give one of {', '.join(names)}")
        return self


class Showcase(Settings):
    """A further source sentence whose translation and alignment the report shows; in a file also the text alone."""

    text: str
    source_word: str | None = None
    """A word of the text, and the word that translates it: the report says where that word's alignment peaks."""
    target_word: str | None = None

    @model_validator(mode="before")
    @classmethod
    def text_alone(cls, data: Any) -> Any:
        return {"text": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def both_words_can_be_found(self) -> Self:
        if (self.source_word is None) != (self.target_word is None):
            raise ValueError("give both source_word and target_word, or neither")
        words = bare_words(self.text)
        if self.source_word is not None and self.source_word not in words:
            raise ValueError(f"source_word {self.source_word!r} is no word of text; take one of {', '.join(words)}")
        if self.target_word is not None and bare_words(self.target_word) != [self.target_word]:
            raise ValueError(f"target_word {self.target_word!r} must be one word without punctuation around it")
        return self


def bare_words(text: str) -> list[str]:
    """The words between white space, without the punctuation around them; what is punctuation alone is left out."""
    return [bare for word in text.split() if (bare := re.sub(r"^\W+|\W+$", "", word))]


class Translate(Settings):
    """Beam search; see `lookback.search`."""

    beam: Count = 4
    normalisation: Literal["wu", "length"] = "wu"
    """Scores are divided by ((5 + length) / 6) ** length_penalty (Wu et al. 2016), or by length ** length_penalty."""
    length_penalty: Annotated[float, Field(ge=0)] = 1.0
    min_length_factor: Annotated[float, Field(ge=0)] = 0.0
    """A translation does not end before factor x source pieces; GroundHog has 0.5."""
    max_length_factor: Annotated[float, Field(gt=0)] = 2.0
    max_length_extra: Annotated[int, Field(ge=0)] = 10
    """A translation is cut off at factor x source pieces + extra pieces."""
    ban_unknown: bool = False
    """The search never writes the unknown piece."""
    batch_sentences: Count = 64
    examples: Count = 40
    """So many test sentences, at even steps from the shortest to the longest, are kept with their alignment."""
    showcase: tuple[Showcase, ...] = ()


class Window(Settings):
    """Buckets that overlap: the first has the lengths from 1 to `width`, each further one begins `step` later."""

    width: Count
    step: Count

    @model_validator(mode="after")
    def no_gaps(self) -> Self:
        if self.step > self.width:
            raise ValueError(
                f"step ({self.step}) must not be larger than width ({self.width}): lengths would be left out"
            )
        return self


LengthUnit = Literal["source_pieces", "source_characters", "reference_words"]
"""What a sentence's length can be counted in besides source words: pieces of the tokenizer; characters other than white
space, for scripts that set no words apart; words of the reference."""


class Evaluate(Settings):
    bucket_edges: tuple[Count, ...] = (10, 20, 30, 40, 50, 60)
    """Inclusive upper bounds in source words: (10, 20) gives 1-10, 11-20 and, if the test set has any, 21 and over."""
    further_buckets: dict[LengthUnit, tuple[Count, ...]] = {}
    """Edges in other units: rows of by_length.csv with that unit under `bucket_by`; the report does not show them."""
    window: Window | None = None
    """Sliding windows over source words: rows with `bucket_by` source_words_window."""
    merge_below: Annotated[int, Field(ge=0)] = 0
    """Buckets (not windows) with fewer sentences are joined to the next shorter one; 0 joins none."""
    resamples: Count = 1_000
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    seed: int = 1
    legacy: Literal["none", "moses", "moses-split"] = "none"
    """A second BLEU beside sacreBLEU's, of Moses tokens as the papers have it; `moses-split` splits compounds at
    hyphens as well, as is the custom for English-German; see `lookback.legacy`."""

    @model_validator(mode="after")
    def edges_rise(self) -> "Evaluate":
        for name, edges in {"bucket_edges": self.bucket_edges, **self.further_buckets}.items():
            if list(edges) != sorted(set(edges)):
                raise ValueError(f"{name} {list(edges)} must rise")
        return self


class Probe(Settings):
    """Measures on models, trained and untrained; see `lookback.probes`. Resamples, confidence and seed: `evaluate`."""

    sentences: Count = 50
    """So many test sentences are looked at."""
    largest_lag: Count = 40
    """Recurrent encoders: the last state is set against those up to so many steps before."""


class Speed(Settings):
    """Times steps of untrained models against source length; see `lookback.speed`."""

    source_pieces: Annotated[tuple[Count, ...], Field(min_length=1)] = (10, 20, 40, 80)
    target_pieces: Count = 20
    sentences: Count = 16
    rounds: Count = 15


class Grid(Settings):
    """The cells of an experiment: every model x longest training sentence x seed."""

    models: Annotated[tuple[Name, ...], Field(min_length=1)]
    max_train_words: Annotated[tuple[Count, ...], Field(min_length=1)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)

    @model_validator(mode="after")
    def no_cell_twice(self) -> "Grid":
        for key in ("models", "max_train_words", "seeds"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key} {list(values)} names one twice")
        return self


class Cell(Settings):
    """One training run: a model, its longest training sentence in words, and a seed."""

    experiment: str
    model: str
    max_train_words: int
    seed: int

    @property
    def name(self) -> str:
        """Unique within the experiment: `bahdanau-60-s1`."""
        return f"{self.system}-s{self.seed}"

    @property
    def system(self) -> str:
        """What several seeds have in common: `bahdanau-60`."""
        return f"{self.model}-{self.max_train_words}"


class Experiment(Settings):
    """One file of `conf/`."""

    name: str
    title: str
    source_language: str
    target_language: str
    corpus: Corpus
    prepare: Prepare
    tokenize: Tokenize
    test_sets: FurtherSets = FurtherSets()
    grid: Grid
    models: dict[Name, ModelOrDictionary]
    """Under the name that the report shows; `architecture` is the name itself unless it is given."""
    train: Train
    translate: Translate
    evaluate: Evaluate
    probe: Probe | None = None
    """Nothing measures nothing."""
    speed: Speed | None = None
    """Nothing times nothing."""

    @model_validator(mode="before")
    @classmethod
    def architecture_from_name(cls, data: Any) -> Any:
        models = data.get("models") if isinstance(data, dict) else None
        if not isinstance(models, dict):
            return data
        named = {
            name: {"architecture": name, **settings} if isinstance(settings, dict) else settings
            for name, settings in ((name, settings or {}) for name, settings in models.items())
        }
        return {**data, "models": named}

    @model_validator(mode="before")
    @classmethod
    def tokenizer_kind(cls, data: Any) -> Any:
        tokenize = data.get("tokenize") if isinstance(data, dict) else None
        return {**data, "tokenize": {"kind": "sentencepiece", **tokenize}} if isinstance(tokenize, dict) else data

    @model_validator(mode="after")
    def names_agree(self) -> "Experiment":
        if isinstance(self.corpus, FragmentCorpus) and (self.source_language, self.target_language) != ("en", "de"):
            raise ValueError("the built-in fragment is in English and German: source_language en, target_language de")
        for name in self.grid.models:
            if name not in self.models:
                raise ValueError(f"grid.models names {name!r}, which is not under models ({', '.join(self.models)})")
            if isinstance(self.models[name], Transformer) and isinstance(self.tokenize, Words):
                raise ValueError(
                    f"models.{name}: a transformer has one matrix for both languages, so it needs tokenize.kind "
                    f"sentencepiece, not words; change that, or leave {name} out of grid.models"
                )
        budgets = self.train.target_tokens_by_length
        if budgets is not None and (missing := set(self.grid.max_train_words) - set(budgets)):
            raise ValueError(f"train.target_tokens_by_length: nothing for {min(missing)} of grid.max_train_words")
        return self

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The grid, spelled out: seeds outermost, then models, then lengths."""
        return tuple(
            Cell(experiment=self.name, model=model, max_train_words=words, seed=seed)
            for seed in self.grid.seeds
            for model in self.grid.models
            for words in self.grid.max_train_words
        )

    def model(self, cell: Cell) -> ModelOrDictionary:
        """The settings of a cell's model, scaled down if `train` says so."""
        model = self.models[cell.model]
        return model if isinstance(model, WordByWord) else model.scaled_down(self.train.scale_down)

    def training(self, cell: Cell) -> Train:
        """`train`, with what the cell's model has in its place."""
        model = self.models[cell.model]
        if isinstance(model, WordByWord):
            return self.train
        changes: dict[str, Any] = {}
        if self.train.target_tokens_by_length is not None:
            tokens = self.train.target_tokens_by_length[cell.max_train_words]
            changes = {"target_tokens": tokens, "target_tokens_by_length": None}
        if model.updates is not None:
            changes = {"updates": model.updates, "target_tokens": None, "target_tokens_by_length": None}
        for name in ("average_checkpoints", "label_smoothing"):
            if getattr(model, name) is not None:
                changes[name] = getattr(model, name)
        return self.train.model_copy(update=changes)

    def cell(self, name: str) -> Cell:
        """The cell of that name, or a `LookbackError` that lists the cells."""
        for cell in self.cells:
            if cell.name == name:
                return cell
        names = ", ".join(cell.name for cell in self.cells)
        raise LookbackError(f"conf/{self.name}.yaml: no cell {name!r} in the grid; its cells are {names}")


# --- params.yaml ------------------------------------------------------------------------------------------------------


class Hardware(Settings):
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: Count = 1
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads a process computes with; 0 leaves it to torch."""


class Report(Settings):
    formats: tuple[Literal["svg", "png", "pdf"], ...] = ("svg", "png")
    style: str = "default"
    """A matplotlib style."""
    dpi: Count = 150
    width_inches: Annotated[float, Field(gt=1)] = 7.0


class Params(Settings):
    hardware: Hardware = Hardware()
    report: Report = Report()


# --- reading ----------------------------------------------------------------------------------------------------------


def read_yaml(path: Path) -> Any:
    """The plain content of a YAML 1.2 file (so `1e-4` is a number); a `LookbackError` names file and line."""
    try:
        with path.open(encoding="utf-8") as file:
            return YAML(typ="safe", pure=True).load(file)
    except FileNotFoundError:
        raise LookbackError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise LookbackError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise LookbackError(f"{path}:{where} is not valid YAML: {problem}") from None


T = TypeVar("T", bound=Settings)


def _key(data: Any, location: tuple[int | str, ...]) -> str:
    """`models.bahdanau.hidden`; without the tags of alternatives that pydantic puts between the keys."""
    parts, inner = [], data
    for i, part in enumerate(location):
        inside = part in inner if isinstance(inner, dict) else isinstance(inner, list) and isinstance(part, int)
        inner = inner[part] if inside else inner  # pyright: ignore[reportCallIssue, reportArgumentType]
        if inside or i == len(location) - 1:
            parts.append(str(part))
    return ".".join(parts) or "(the file)"


def _validated(kind: type[T], data: Any, path: Path) -> T:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        # A misspelt key also makes the right one missing: the spelling is the cause.
        first = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")[0]
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = "unknown key; remove it or correct its spelling"
        elif first["type"] not in ("missing", "value_error"):
            message += f", got {str(first['input'])[:60]!r}"
        others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise LookbackError(f"{path}: {_key(data, first['loc'])}: {message}{others}") from None


def load_experiment(name: str, root: Path = Path()) -> Experiment:
    """`conf/<name>.yaml`, checked.

    Raises:
        LookbackError: the file is missing or wrong; the message names the file, the key and what is allowed.
    """
    path = root / "conf" / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml"))) or "none"
        raise LookbackError(f"{path}: no such experiment; the experiments in conf/ are: {known}")
    data = read_yaml(path)
    return _validated(Experiment, {**data, "name": name} if isinstance(data, dict) else data, path)


def load_params(root: Path = Path()) -> Params:
    """The settings shared by all experiments, from `params.yaml`."""
    path = root / "params.yaml"
    data = read_yaml(path)
    return _validated(Params, data, path)
