"""The papers' experiments in `conf/`: their settings, their sizes, and that each learns when it is scaled down."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from sacrebleu import corpus_bleu

from lookback import config, models
from lookback.config import load_experiment
from lookback.decoding.beam_search import beam_search
from lookback.models.loss import token_losses
from lookback.published.parameters import LARGER_VOCABULARY, PUBLISHED, REASONS, count, settings, table
from lookback.tokenizer import BOS, EOS, PAD
from lookback.training.optimiser import learning_rate, make_optimiser
from tests.reference_rnn import count_rnn_encoder_decoder, count_rnnsearch
from tests.reference_transformer import count_transformer

ROOT = Path(__file__).parents[1]
EXPERIMENTS = {
    name: load_experiment(name, ROOT)
    for name in ("wmt14-en-fr-bahdanau", "wmt14-en-fr-vaswani", "wmt14-en-de-vaswani", "wmt14-en-de-table3")
}
RUNS = [(name, run) for name, experiment in EXPERIMENTS.items() for run in experiment.runs]


# --- sizes against counts written out by hand from the equations ------------------------------------------------------


@pytest.mark.parametrize("output", ["single", "factorised"])
def test_parameters_of_bahdanaus_models(output: str) -> None:
    models = EXPERIMENTS["wmt14-en-fr-bahdanau"].models
    rnn, search = models["rnn_encoder_decoder"], models["bahdanau"]
    assert isinstance(rnn, config.RNNEncoderDecoder)
    assert isinstance(search, config.Bahdanau)
    rnn, search = (model.model_copy(update={"output": output}) for model in (rnn, search))
    sizes: dict[str, Any] = {"m": 620, "n": 1000, "l": 500, "factorised": output == "factorised", "biases": True}
    assert count(search, 30_001) == count_rnnsearch(30_001, 30_001, n_prime=1000, **sizes)
    assert count(rnn, 30_001) == count_rnn_encoder_decoder(30_001, 30_001, with_V=False, **sizes)
    with_v = rnn.model_copy(update={"summary_projection": True})
    assert count(with_v, 30_001) == count_rnn_encoder_decoder(30_001, 30_001, with_V=True, **sizes)


@pytest.mark.parametrize("name", EXPERIMENTS["wmt14-en-de-table3"].models)
def test_parameters_of_the_transformers(name: str) -> None:
    model = EXPERIMENTS["wmt14-en-de-table3"].models[name]
    assert isinstance(model, config.Transformer)
    d_k, d_v = (given or model.d_model // model.heads for given in (model.d_k, model.d_v))
    learned = model.max_positions if model.positions == "learned" else 0
    assert count(model, 37_000) == count_transformer(
        37_000, model.layers, model.d_model, model.d_ff, model.heads, d_k, d_v, position_vectors=learned
    )


def test_a_larger_vocabulary_gives_the_printed_sizes_but_for_one() -> None:
    """What `published.REASONS` says."""
    for published in PUBLISHED:
        if published.printed != "–":
            size = count(settings(published, EXPERIMENTS[published.experiment]), LARGER_VOCABULARY)
            assert (round(size / 1e6) == int(published.printed)) == (published.model != "big"), published.label


def test_the_page_in_git_is_what_the_code_writes() -> None:
    page = (ROOT / "reports/parameters.md").read_text(encoding="utf-8")
    assert table(EXPERIMENTS) in page
    assert REASONS in page


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("experiment", "run"), RUNS)
def test_settings_are_the_papers(experiment: str, run: config.Run) -> None:
    model, training = EXPERIMENTS[experiment].model(run), EXPERIMENTS[experiment].training(run)
    assert isinstance(model, config.NetworkSettings)
    assert training
    optimiser = model.optimiser
    if isinstance(model, config.Transformer):
        assert isinstance(optimiser, config.Adam)
        assert (optimiser.betas, optimiser.epsilon, optimiser.clip_norm) == ((0.9, 0.98), 1e-9, None)
        step = 50_000
        expected = model.d_model**-0.5 * min(step**-0.5, step * 4000**-1.5)
        assert learning_rate(optimiser, step - 1, 100_000) == pytest.approx(expected, rel=1e-6)
        assert model.norm == "post"
    else:
        assert isinstance(model, config.RNNEncoderDecoder | config.Bahdanau)
        assert isinstance(optimiser, config.Adadelta)
        assert (optimiser.rho, optimiser.epsilon, optimiser.clip_norm, optimiser.loss) == (0.95, 1e-6, 1.0, "sum")
        assert (model.cell, model.initialisation, model.dropout) == ("gru", "paper", 0.0)
        assert (training.batch_sentences, training.sort_batches, training.label_smoothing) == (80, 20, 0.0)


def test_table_3_names_every_variation_once() -> None:
    dumps = [str(model.model_dump()) for model in EXPERIMENTS["wmt14-en-de-table3"].models.values()]
    assert len(dumps) == len(set(dumps)) == 20


# --- scaled down in width and time, with nothing else changed, each learns to copy ------------------------------------

VOCABULARY = 8
"""Four pieces and the marks: with sentences of at most four, a Transformer learns to copy in half of the steps that
eight pieces and five take, well before the last step; and it is tested on sentences that it has not learned from."""
MOST_STEPS = 5_000
TIMES_FASTER = 4
"""How fast the schedule of the learning rate is passed through. At the papers' pace the rate rises for 4,000 steps, and
when a model begins to copy hangs on that alone; the rates themselves stay the paper's."""


def split() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All sentences of two to four pieces, each with an end mark, padded: 236 to learn from, twice 50 to test with."""
    sentences = [row for length in (2, 3, 4) for row in product(range(4, VOCABULARY), repeat=length)]
    rows = torch.tensor([[*row, EOS, *[PAD] * (4 - len(row))] for row in sentences])
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))]
    return rows[100:], rows[:50], rows[50:100]


def copied(model: models.TranslationModel[Any, Any], source: torch.Tensor) -> float:
    """BLEU of the copies."""
    found = beam_search(model.eval(), source, config.Translate(beam=4))
    references = [" ".join(map(str, row[: row.index(EOS)])) for row in source.tolist()]
    model.train()
    return corpus_bleu([" ".join(map(str, best.tokens)) for best in found], [references]).score


def learn_to_copy(given: config.NetworkSettings, training: config.Train, batch: int) -> float:
    """Trains until some sentences are copied nearly without mistake; then the BLEU of others. Learns from neither."""
    torch.manual_seed(1)
    model = models.build(given, VOCABULARY, VOCABULARY)
    optimiser = make_optimiser(given.optimiser, model)
    train, valid, test = split()
    for step in range(MOST_STEPS):
        source = train[torch.randint(len(train), (batch,))]
        target_in = source.roll(1, 1)
        target_in[:, 0] = BOS
        logits = model(source, target_in.masked_fill(target_in == EOS, PAD))
        loss, _ = token_losses(logits, source, training.label_smoothing)
        optimiser.param_groups[0]["lr"] = learning_rate(given.optimiser, TIMES_FASTER * step, TIMES_FASTER * MOST_STEPS)
        optimiser.zero_grad()
        (loss if given.optimiser.loss == "sum" else loss / (source != PAD).sum()).backward()
        if given.optimiser.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), given.optimiser.clip_norm)
        optimiser.step()
        if step % 125 == 124 and copied(model, valid) > 98:
            break
    return copied(model, test)


COPYING = {
    "rnn_encoder_decoder": "wmt14-en-fr-bahdanau",
    "bahdanau": "wmt14-en-fr-bahdanau",
    "transformer_base": "wmt14-en-de-vaswani",
    "transformer_big": "wmt14-en-de-vaswani",
    "b_keys_16": "wmt14-en-de-table3",
    "c_layers_2": "wmt14-en-de-table3",
    "e_learned": "wmt14-en-de-table3",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COPYING)
def test_each_learns_to_copy(name: str) -> None:
    experiment = EXPERIMENTS[COPYING[name]]
    run = next(run for run in experiment.runs if run.model == name)
    model = experiment.models[name]
    training = experiment.training(run)
    assert isinstance(model, config.NetworkSettings)
    assert training
    recurrent = not isinstance(model, config.Transformer)
    factor = 8 if recurrent else model.d_model // 32
    assert learn_to_copy(model.scaled_down(factor), training, batch=80 if recurrent else 32) > 90
