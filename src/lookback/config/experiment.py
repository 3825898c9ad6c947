"""A whole experiment, and the runs of its grid."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from lookback.architectures import ARCHITECTURES, AnySettings, NetworkSettings
from lookback.config.corpus import Corpus, FragmentCorpus, FurtherSets, Prepare, Tokenize, Words
from lookback.config.measures import Evaluate, Probe, Speed, Translate
from lookback.config.training import Train
from lookback.errors import LookbackError
from lookback.settings import Count, Name, Settings


class Grid(Settings):
    """The runs of an experiment: every model x longest training sentence x seed."""

    models: Annotated[tuple[Name, ...], Field(min_length=1)]
    max_train_words: Annotated[tuple[Count, ...], Field(min_length=1)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)

    @model_validator(mode="after")
    def no_run_twice(self) -> "Grid":
        for key in ("models", "max_train_words", "seeds"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                raise ValueError(f"{key} {list(values)} has a duplicate")
        return self


class Run(Settings):
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
        """The name without the seed: `bahdanau-60`."""
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
    models: dict[Name, AnySettings]
    """Settings by the model's name in the report; `architecture` defaults to that name."""
    train: Train
    translate: Translate
    evaluate: Evaluate
    probe: Probe | None = None
    """Omit to skip probing."""
    speed: Speed | None = None
    """Omit to skip timing."""

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
            architecture = self.models[name].architecture
            if ARCHITECTURES[architecture].one_vocabulary and isinstance(self.tokenize, Words):
                raise ValueError(
                    f"models.{name}: a {architecture} shares one matrix between both languages, so it needs "
                    f"tokenize.kind sentencepiece, not words; change that, or leave {name} out of grid.models"
                )
        budgets = self.train.target_tokens_by_length
        if budgets is not None and (missing := set(self.grid.max_train_words) - set(budgets)):
            raise ValueError(f"train.target_tokens_by_length: no entry for {min(missing)} of grid.max_train_words")
        return self

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs of the grid: seeds outermost, then models, then lengths."""
        return tuple(
            Run(experiment=self.name, model=model, max_train_words=words, seed=seed)
            for seed in self.grid.seeds
            for model in self.grid.models
            for words in self.grid.max_train_words
        )

    def model(self, run: Run) -> AnySettings:
        """The settings of a run's model, scaled down if `train` says so."""
        return self.models[run.model].scaled_down(self.train.scale_down)

    def training(self, run: Run) -> Train | None:
        """`train` with the overrides of the run's model; None for a dictionary, which has no batches."""
        model = self.models[run.model]
        if not isinstance(model, NetworkSettings):
            return None
        changes: dict[str, Any] = {}
        if self.train.target_tokens_by_length is not None:
            tokens = self.train.target_tokens_by_length[run.max_train_words]
            changes = {"target_tokens": tokens, "target_tokens_by_length": None}
        if model.updates is not None:
            changes = {"updates": model.updates, "target_tokens": None, "target_tokens_by_length": None}
        for name in ("average_checkpoints", "label_smoothing"):
            if getattr(model, name) is not None:
                changes[name] = getattr(model, name)
        return self.train.model_copy(update=changes)

    def run(self, name: str) -> Run:
        """The run of that name, or a `LookbackError` that lists the runs."""
        for run in self.runs:
            if run.name == name:
                return run
        names = ", ".join(run.name for run in self.runs)
        raise LookbackError(f"conf/{self.name}.yaml: no run {name!r} in the grid; its runs are {names}")
