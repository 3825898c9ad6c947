import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import ConfigDict, Field, TypeAdapter

from lookback import config
from lookback.config import SentencePiece, Words, load_experiment, load_params, read_yaml
from lookback.errors import LookbackError
from tests import fake_results

ROOT = Path(__file__).parent.parent
EXPERIMENTS = sorted(path.stem for path in (ROOT / "conf").glob("*.yaml"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_loads(name: str) -> None:
    experiment = load_experiment(name, ROOT)
    assert experiment.runs
    assert len({run.name for run in experiment.runs}) == len(experiment.runs)


def test_params_load() -> None:
    assert load_params(ROOT).report.formats


def test_a_misspelt_section_of_params_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("reprot: {dpi: 300}\n")
    with pytest.raises(LookbackError, match=r"params\.yaml: reprot: unknown key"):
        load_params(tmp_path)


def test_settings_are_explained_from_their_types_and_docstrings() -> None:
    class Section(config.Settings):
        model_config = ConfigDict(use_attribute_docstrings=True)

        share: Annotated[float, Field(gt=0, le=1)] = 0.5
        """Of the whole,
        long or not."""
        kinds: tuple[Literal["svg", "png"], ...] = ("svg",)
        """Which."""
        shown: bool = False
        """Whether."""

    assert config.explained(Section, width=30).splitlines() == [
        "  share: a number, above 0 and at most 1 [0.5]",
        "      Of the whole, long or",
        "      not.",
        "  kinds: a list, each one of svg, png [svg]",
        "      Which.",
        "  shown: true or false [false]",
        "      Whether.",
    ]


def test_the_report_command_explains_every_setting() -> None:
    command = [sys.executable, "-m", "pipeline.report", "--help"]
    shown = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True).stdout
    for name, field in config.Report.model_fields.items():
        assert f"\n  {name}: " in shown
        assert field.description
        assert " ".join(field.description.split()) in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 120


def test_the_demo_with_several_seeds_differs_in_nothing_else() -> None:
    one, two = load_experiment("demo", ROOT), load_experiment("demo-seeds", ROOT)
    assert (one.grid.seeds, two.grid.seeds) == ((1,), (1, 2))
    as_one = two.model_copy(update={"name": one.name, "title": one.title, "grid": one.grid})
    assert as_one == one


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_key_that_a_stage_depends_on_is_there(path: Path) -> None:
    """DVC refuses a file that lacks one, where the configuration would take its default."""
    stages = read_yaml(ROOT / "dvc.yaml")["stages"]
    named = {
        key
        for stage in stages.values()
        for params in stage["do"].get("params", ())
        for file, keys in params.items()
        if file.startswith("conf/")
        for key in keys
        if "${" not in key
    }
    assert len(named) > 10
    for key in named:
        inner = read_yaml(path)
        for part in key.split("."):
            assert part in inner, key
            inner = inner[part]


PIECES = "  vocabulary_size: 2000\n  model_type: bpe\n  max_training_pairs: 1000000\n"
"""The demo's tokenizer."""


@pytest.fixture
def edited(tmp_path: Path):
    """A function that loads the demo's configuration after replacing one piece of its text."""

    def load(old: str, new: str):
        text = (ROOT / "conf/demo.yaml").read_text()
        assert old in text
        (tmp_path / "conf").mkdir()
        (tmp_path / "conf/demo.yaml").write_text(text.replace(old, new, 1))
        return load_experiment("demo", tmp_path)

    return load


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  beam: 4", "  beem: 4", ["conf/demo.yaml", "translate.beem", "unknown key"]),
        ("  beam: 4", "  beam: 0", ["translate.beam", "greater than or equal to 1", "0"]),
        ("hidden: 224", "hidden: wide", ["models.rnn_encoder_decoder.hidden", "valid integer", "wide"]),
        ("word_by_word: {}", "word_by_word: {dropout: 0.1}", ["models.word_by_word.dropout", "unknown key"]),
        ("heads: 4", "heads: 3", ["models.transformer", "heads (3) must divide d_model (128)"]),
        ("models: [rnn_encoder_decoder,", "models: [rnn,", ["grid.models", "'rnn'", "bahdanau, transformer"]),
        ("evaluate:", "evaluation:", ["evaluation", "unknown key"]),
        ("[30, 60]", "[30, 30]", ["grid", "max_train_words [30, 30] has a duplicate"]),
        ("target_language: de", "target_language: fr", ["English and German"]),
        ("[10, 20, 30,", "[10, 30, 20,", ["evaluate", "must rise"]),
        ("step: 5}", "step: 11}", ["evaluate.window", "step (11)"]),
        ("bucket_edges:", "merge_below: -1\n  bucket_edges:", ["evaluate.merge_below", "greater than or equal to 0"]),
        ("reference_words: [10", "words: [10", ["further_buckets", "source_pieces"]),
        ("source_pieces: [10, 20,", "source_pieces: [20, 10,", ["evaluate", "source_pieces [20, 10,", "must rise"]),
        ("kind: fragment", "kind: fragments", ["corpus", "fragment", "hub", "files"]),
        ("\ncorpus:", "\ncorpus: [", ["conf/demo.yaml", "line", "not valid YAML"]),
        ("seeds: [1]", "seeds: []", ["grid.seeds", "at least 1 item"]),
        ("  vocabulary_size: 2000", "  vocabulary_size: 70000", ["tokenize.vocabulary_size", "65535", "70000"]),
        ("  model_type: bpe", "  model_typo: bpe", ["tokenize.model_typo", "unknown key"]),
        ("  model_type: bpe", "  kind: words", ["tokenize.max_training_pairs", "unknown key"]),
        ("  model_type: bpe", "  kind: letters", ["tokenize", "sentencepiece", "words"]),
        (PIECES, "  kind: words\n  vocabulary_size: 70000\n", ["tokenize.vocabulary_size", "65535", "70000"]),
        ("source_word: jumped", "source_word: jumpd", ["translate.showcase.0", "'jumpd' is not a word", "dog, jumped"]),
        ("      target_word: sprang\n", "", ["translate.showcase.0", "both source_word and target_word"]),
        ("target_word: sprang", "target_word: sie sprang", ["translate.showcase.0", "must be one word"]),
        ("target_word: sprang", "target: sprang", ["translate.showcase.0.target", "unknown key"]),
        (PIECES, "  kind: words\n", ["models.transformer", "needs tokenize.kind sentencepiece", "grid.models"]),
    ],
)
def test_an_error_is_one_line_that_names_file_key_and_what_is_allowed(edited, old, new, told) -> None:
    with pytest.raises(LookbackError) as caught:
        edited(old, new)
    message = str(caught.value)
    assert "\n" not in message
    for part in told:
        assert part in message


def test_a_number_with_an_exponent_is_a_number(edited) -> None:
    old = "confidence: 0.95"
    assert edited(old, "confidence: 9e-1").evaluate.confidence == pytest.approx(0.9)


def test_the_tokenizer_is_sentencepiece_unless_another_kind_is_named(tmp_path: Path) -> None:
    assert isinstance(load_experiment("demo", ROOT).tokenize, SentencePiece)
    text = (ROOT / "conf/demo.yaml").read_text()
    text = text.replace(PIECES, "  kind: words\n").replace("bahdanau, transformer", "bahdanau")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/demo.yaml").write_text(text)
    # The settings of a transformer may stay, as long as the grid does not name it.
    assert load_experiment("demo", tmp_path).tokenize == Words(kind="words", vocabulary_size=30_004)


def test_a_showcase_is_a_text_or_a_text_with_two_words() -> None:
    alone, watched = config.Translate.model_validate(
        {"showcase": ["A cat.", {"text": "A cat, jumped.", "source_word": "cat", "target_word": "Katze"}]}
    ).showcase
    assert (alone.text, alone.source_word, alone.target_word) == ("A cat.", None, None)
    assert (watched.text, watched.source_word, watched.target_word) == ("A cat, jumped.", "cat", "Katze")
    assert config.bare_words("“A cat”, – l'eau") == ["A", "cat", "l'eau"]


def test_an_unknown_experiment_lists_the_known() -> None:
    with pytest.raises(LookbackError, match="demo"):
        load_experiment("nonesuch", ROOT)


def test_an_unknown_run_lists_the_runs() -> None:
    with pytest.raises(LookbackError, match="bahdanau-60-s1"):
        load_experiment("demo", ROOT).run("bahdanau-61-s1")


# --- what a run is trained with --------------------------------------------------------------------------------------


def test_a_model_may_have_its_own_budget_smoothing_and_average() -> None:
    experiment = load_experiment("wmt14-en-de-table3", ROOT)
    base, big, rough = (
        experiment.training(experiment.run(f"{name}-250-s1")) for name in ("base", "big", "d_smoothing_0")
    )
    assert base
    assert big
    assert rough
    assert (base.updates, base.label_smoothing, base.average_checkpoints) == (100_000, 0.1, 0)
    assert (big.updates, rough.updates) == (300_000, 100_000)
    assert rough.label_smoothing == 0.0
    averaged = load_experiment("wmt14-en-de-vaswani", ROOT)
    counts = [training.average_checkpoints for run in averaged.runs if (training := averaged.training(run))]
    assert counts == [5, 20]


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_scales_down_with_nothing_else_changed(path: Path) -> None:
    experiment = load_experiment(path.stem, ROOT)
    small = experiment.model_copy(update={"train": experiment.train.model_copy(update={"scale_down": 8})})
    for run in experiment.runs:
        given, scaled = (of.model(run) for of in (experiment, small))
        if not isinstance(given, config.NetworkSettings) or not isinstance(scaled, config.NetworkSettings):
            assert given == scaled
            continue
        changed = {key for key in type(given).model_fields if getattr(given, key) != getattr(scaled, key)}
        assert changed <= {*given.widths, "d_model", "heads", "optimiser"}
        assert type(scaled).model_validate(scaled.model_dump()) == scaled
        widths = {getattr(scaled, name) / getattr(given, name) for name in given.widths if getattr(given, name)}
        assert all(0.05 < ratio < 0.2 for ratio in widths)
        rates = (
            given.optimiser.model_dump(exclude={"learning_rate"}),
            scaled.optimiser.model_dump(exclude={"learning_rate"}),
        )
        assert rates[0] == rates[1]


@pytest.mark.parametrize(
    ("train", "told"),
    [
        (
            {"target_tokens": 10, "updates": 10, "batch_sentences": 8},
            "give one of target_tokens, ",
        ),
        ({"batch_sentences": 8}, "give one of target_tokens, "),
        ({"updates": 10}, "give one of batch_target_tokens, "),
    ],
)
def test_a_budget_and_a_size_of_batches_are_given_once(train: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        config.Train.model_validate(train)


def test_a_budget_for_each_training_length() -> None:
    train = {"target_tokens_by_length": {30: 20, 60: 50}, "batch_sentences": 8}
    experiment = fake_results.experiment(train=train)
    trained = [(run.max_train_words, experiment.training(run)) for run in experiment.runs]
    assert {(words, training.target_tokens) for words, training in trained if training} == {
        (30, 20),
        (60, 50),
    }
    with pytest.raises(ValueError, match=r"no entry for 60 of grid\.max_train_words"):
        fake_results.experiment(train=train | {"target_tokens_by_length": {30: 2}})


# --- defaults ---------------------------------------------------------------------------------------------------------

DEFAULTS = ROOT / "tests/defaults.json"


def defaults() -> dict[str, dict[str, Any]]:
    """Of every kind of settings the values that a configuration may leave out."""

    def kinds(kind: type[config.Settings]) -> Iterator[type[config.Settings]]:
        for sub in kind.__subclasses__():
            if sub.__module__.startswith(("lookback.config", "lookback.architectures")):
                yield sub
                yield from kinds(sub)

    return {
        kind.__name__: {
            name: TypeAdapter(Any).dump_python(field.get_default(call_default_factory=True), mode="json")
            for name, field in sorted(kind.model_fields.items())
            if not field.is_required()
        }
        for kind in sorted(kinds(config.Settings), key=lambda kind: kind.__name__)
    }


def test_defaults_are_as_they_were() -> None:
    """A changed default changes what stages write, and DVC does not see it: it compares what stands in conf/.

    If the change is meant, make the results of all experiments that leave the setting out again, then write the file
    with `python -c "from tests.test_config import *; DEFAULTS.write_text(json.dumps(defaults(), indent=1) + chr(10))"`.
    """
    assert defaults() == json.loads(DEFAULTS.read_text())
