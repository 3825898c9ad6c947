"""The models, and the mathematics of training, against the papers' equations as `reference_*.py` has them in numpy.

The reference was written from the papers, without a look at the code that it is to judge. Each test fills its
dataclasses with the weights of one of our models, in float64 and away from where they start.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lookback import config, models
from lookback.decoding.beam_search import _penalty
from lookback.models.attention import AdditiveScore, MultiHeadAttention
from lookback.models.bahdanau import Bahdanau
from lookback.models.cells import CELLS, FusedRecurrence, Recurrence, SteppedRecurrence
from lookback.models.loss import token_losses
from lookback.models.rnn import MaxoutReadout
from lookback.models.rnn_encoder_decoder import RNNEncoderDecoder
from lookback.models.transformer import MultiHeadSelfAttention, Transformer
from lookback.training.optimiser import learning_rate, make_optimiser
from tests import reference_rnn as rnn
from tests import reference_transformer as attention
from tests.test_models import BOS, EOS, PAD, SETTINGS, VOCABULARY, build

SOURCE, TARGET_IN = [5, 9, 4, 10, EOS], [BOS, 6, 8, 8, 4]


def array(tensor: Any) -> Any:
    return None if tensor is None else tensor.detach().numpy()


def ours(model: models.TranslationModel[Any, Any]) -> tuple[Any, Any]:
    """Logits [T, V] and the alignment [T, S], if there is one, from a batch in which the sentence is padded."""
    source = torch.tensor([[*SOURCE, PAD, PAD], [*SOURCE, 7, 7]])
    logits, alignment = model.decode_with_alignment(model.encode(source), torch.tensor([TARGET_IN, TARGET_IN]))
    return array(logits[0]), None if alignment is None else array(alignment[0, :, : len(SOURCE)])


# --- the recurrent models ---------------------------------------------------------------------------------------------


def cell_weights(name: str, W: np.ndarray, b: np.ndarray, U: np.ndarray, c: Any = None, turn_z: bool = False) -> Any:
    """The reference's weights of a cell, from gates that are stacked: W, b of the inputs and U, c of the state."""
    gates = CELLS[name].gates
    Ws, Us, bs = np.split(W, gates), np.split(U, gates), np.split(b, gates)
    cs = np.split(c, gates) if c is not None else [0.0] * gates
    if name == "gru":
        z = -1 if turn_z else 1
        return rnn.GRU(
            W_r=Ws[0], U_r=Us[0], b_r=bs[0], W_z=z * Ws[1], U_z=z * Us[1], b_z=z * bs[1], W=Ws[2], U=Us[2], b=bs[2]
        )
    if name in ("gru-reset-after", "lstm"):
        letters = "rzn" if name == "gru-reset-after" else "ifgo"
        named: dict[str, Any] = {}
        for prefix, parts in (("W_i", Ws), ("W_h", Us), ("b_i", bs), ("b_h", cs)):
            named |= {prefix + letter: part for letter, part in zip(letters, parts, strict=True)}
        return (rnn.LSTM if name == "lstm" else rnn.ResetAfterGRU)(**named)
    return rnn.RNN(W=W, U=U, b=b + (0.0 if c is None else c))


def recurrence_weights(name: str, layer: Recurrence, turn_z: bool = False) -> Any:
    """Of a whole layer; a context vector's matrix stands beside that of the inputs."""
    if isinstance(layer, FusedRecurrence):
        kernel = {key: array(value) for key, value in layer.kernel.named_parameters()}
        return cell_weights(
            name, kernel["weight_ih_l0"], kernel["bias_ih_l0"], kernel["weight_hh_l0"], kernel["bias_hh_l0"], turn_z
        )
    assert isinstance(layer, SteppedRecurrence)
    W = array(layer.input.weight)
    if layer.context is not None:
        W = np.concatenate([W, array(layer.context.weight)], 1)
    return cell_weights(name, W, array(layer.input.bias), array(layer.cell.recurrent.weight), None, turn_z)


def readout_weights(layer: MaxoutReadout, hidden: int, embedding: int) -> rnn.Readout:
    U, V, C = np.split(array(layer.hidden.weight), [hidden, hidden + embedding], axis=1)
    output = array(layer.output.weight)
    factorised = isinstance(layer.factor, nn.Linear)
    return rnn.Readout(
        U_o=U,
        V_o=V,
        C_o=C if C.size else None,
        W_o=(output, array(layer.factor.weight)) if factorised else (output,),
        b_o=array(layer.hidden.bias),
        b=array(layer.output.bias),
    )


REFERENCE_CELLS = {
    "gru": rnn.gru_cho,
    "gru-reset-after": rnn.gru_reset_after,
    "lstm": rnn.lstm,
    "rnn-tanh": rnn.rnn_tanh,
    "rnn-logistic": rnn.rnn_logistic,
}


@pytest.mark.parametrize("name", [name for name in SETTINGS if name.startswith("rnn_encoder_decoder")])
def test_rnn_encoder_decoder(name: str) -> None:
    settings, model = SETTINGS[name], build(name)
    assert isinstance(settings, config.RNNEncoderDecoder)
    assert isinstance(model, RNNEncoderDecoder)
    cell, hidden = REFERENCE_CELLS[settings.cell], settings.hidden
    if settings.cell == "lstm":  # the reference starts an LSTM's memory at 0
        with torch.no_grad():
            model.initial.weight[hidden:] = 0
            model.initial.bias[hidden:] = 0
    every_step = settings.summary_use == "every-step"
    weights = rnn.EncoderDecoder(
        E_x=array(model.source_embedding.weight),
        E_y=array(model.target_embedding.weight),
        encoder=recurrence_weights(settings.cell, model.encoder),
        backward=model.backward_encoder and recurrence_weights(settings.cell, model.backward_encoder),
        V=array(model.summary and model.summary.weight),
        b_V=array(model.summary.bias) if model.summary is not None else 0.0,
        V_prime=array(model.initial.weight[:hidden]),
        b_V_prime=array(model.initial.bias[:hidden]),
        decoder=recurrence_weights(settings.cell, model.decoder),
        readout=readout_weights(model.readout, hidden, settings.embedding),
    )
    source = [*SOURCE[-2::-1], EOS] if settings.reverse_source else SOURCE
    step = rnn.with_context(cell) if every_step else rnn.without_context(cell)
    expected = rnn.rnn_encoder_decoder(weights, source, TARGET_IN, encoder_cell=cell, decoder_step=step)
    np.testing.assert_allclose(ours(model)[0], expected, rtol=1e-9)


def of_the_paper(name: str) -> bool:
    """With the paper's alignment model; the other scores are compared with their own references, in test_attention."""
    settings = SETTINGS[name]
    return isinstance(settings, config.Bahdanau) and (settings.score, settings.weighting) == ("additive", "soft")


@pytest.mark.parametrize("name", [name for name in SETTINGS if of_the_paper(name)])
def test_bahdanau(name: str) -> None:
    settings, model = SETTINGS[name], build(name)
    assert isinstance(settings, config.Bahdanau)
    assert isinstance(model, Bahdanau)
    assert isinstance(model.score, AdditiveScore)
    # Bahdanau's update gate has the opposite sense of ours: the reference gets it with the sign turned.
    cell = REFERENCE_CELLS[settings.cell] if settings.cell != "gru" else rnn.gru_bahdanau
    hidden = settings.hidden
    if settings.cell == "lstm":
        with torch.no_grad():
            model.initial.weight[hidden:] = 0
            model.initial.bias[hidden:] = 0
    W = np.concatenate([array(model.gates_from_embedding.weight), array(model.gates_from_context.weight)], 1)
    recurrent = model.decoder.recurrent
    decoder = cell_weights(
        settings.cell, W, array(model.gates_from_embedding.bias), array(recurrent.weight), array(recurrent.bias), True
    )
    weights = rnn.RNNSearch(
        E_x=array(model.source_embedding.weight),
        E_y=array(model.target_embedding.weight),
        forward=recurrence_weights(settings.cell, model.forward_encoder, turn_z=True),
        backward=recurrence_weights(settings.cell, model.backward_encoder, turn_z=True),
        W_s=array(model.initial.weight[:hidden]),
        b_s=array(model.initial.bias[:hidden]),
        W_a=array(model.score.query.weight),
        b_a=array(model.score.query.bias),
        U_a=array(model.score.key.weight),
        v_a=array(model.score.energy),
        decoder=decoder,
        readout=readout_weights(model.readout, hidden, settings.embedding),
    )
    expected, expected_alignment = rnn.rnnsearch(
        weights, SOURCE, TARGET_IN, encoder_cell=cell, decoder_step=rnn.with_context(cell), order=settings.order
    )
    logits, alignment = ours(model)
    np.testing.assert_allclose(alignment, expected_alignment, rtol=1e-9)
    np.testing.assert_allclose(logits, expected, rtol=1e-9)


# --- the Transformer --------------------------------------------------------------------------------------------------


def norm_weights(layer: nn.LayerNorm) -> attention.LayerNorm:
    return attention.LayerNorm(gain=array(layer.weight), bias=array(layer.bias))


def attention_weights(layer: MultiHeadAttention) -> attention.MultiHead:
    relative = layer.relative if isinstance(layer, MultiHeadSelfAttention) else None
    return attention.MultiHead(
        W_Q=array(layer.query.weight),
        b_Q=array(layer.query.bias),
        W_K=array(layer.key.weight),
        b_K=array(layer.key.bias),
        W_V=array(layer.value.weight),
        b_V=array(layer.value.bias),
        W_O=array(layer.output.weight),
        b_O=array(layer.output.bias),
        w_K=array(relative and relative.key),
        w_V=array(relative and relative.value),
    )


def layer_weights(layer: Any) -> dict[str, Any]:
    inner, output = layer.feed_forward.inner, layer.feed_forward.output
    return {
        "self_attention": attention_weights(layer.self_attention),
        "self_attention_norm": norm_weights(layer.self_attention_sublayer.norm),
        "feed_forward": attention.FeedForward(
            W_1=array(inner.weight), b_1=array(inner.bias), W_2=array(output.weight), b_2=array(output.bias)
        ),
        "feed_forward_norm": norm_weights(layer.feed_forward_sublayer.norm),
    }


@pytest.mark.parametrize("name", [name for name in SETTINGS if name.startswith("transformer")])
def test_transformer(name: str) -> None:
    settings, model = SETTINGS[name], build(name)
    assert isinstance(settings, config.Transformer)
    assert isinstance(model, Transformer)
    learned = array(model.learned_positions and model.learned_positions.weight)
    pre = settings.norm == "pre"
    weights = attention.Transformer(
        E=array(model.embedding.weight),
        encoder=[attention.EncoderLayer(**layer_weights(layer)) for layer in model.encoder],
        decoder=[
            attention.DecoderLayer(
                **layer_weights(layer),
                cross_attention=attention_weights(layer.cross_attention),
                cross_attention_norm=norm_weights(layer.cross_attention_sublayer.norm),
            )
            for layer in model.decoder
        ],
        encoder_norm=norm_weights(model.encoder_norm) if pre else None,  # type: ignore[arg-type]
        decoder_norm=norm_weights(model.decoder_norm) if pre else None,  # type: ignore[arg-type]
        P_x=learned,
        P_y=learned,
    )
    expected, cross_attention = attention.transformer(
        weights, SOURCE, TARGET_IN, h=settings.heads, norm=settings.norm, positions=settings.positions
    )
    logits, alignment = ours(model)
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(alignment, cross_attention[-1].mean(0), rtol=1e-9)
    fast = model(torch.tensor([[*SOURCE, PAD]]), torch.tensor([TARGET_IN]))
    np.testing.assert_allclose(array(fast[0]), expected, rtol=1e-9, atol=1e-12)


# --- training and search ----------------------------------------------------------------------------------------------


def test_label_smoothing() -> None:
    logits, target = torch.randn(4, VOCABULARY, generator=torch.Generator().manual_seed(1)), [5, 4, 9, EOS]
    loss, nll = token_losses(logits[None], torch.tensor([target]), 0.1)
    assert float(loss) == pytest.approx(attention.label_smoothed_loss(array(logits), target, 0.1).sum(), rel=1e-6)
    assert float(nll) == pytest.approx(attention.label_smoothed_loss(array(logits), target, 0.0).sum(), rel=1e-6)


def test_the_schedule_of_vaswani() -> None:
    settings = config.Adam(learning_rate=(512 * 4000) ** -0.5, schedule="inverse_square_root", warmup_steps=4000)
    for step in (1, 2, 3999, 4000, 4001, 100_000):
        expected = attention.learning_rate(512, step, 4000)
        assert learning_rate(settings, step - 1, 100_000) == pytest.approx(expected, rel=1e-12)


def test_adadelta_with_the_norm_clipped() -> None:
    generator = torch.Generator().manual_seed(1)
    model = nn.Linear(3, 2, bias=False).double()
    settings = config.Adadelta(algorithm="adadelta")
    optimiser = make_optimiser(settings, model)
    x = array(model.weight).copy()
    E_g2, E_dx2 = np.zeros_like(x), np.zeros_like(x)
    for size in (0.1, 5.0, 1.0):
        gradient = size * torch.randn(2, 3, dtype=torch.float64, generator=generator)
        model.weight.grad = gradient.clone()
        assert settings.clip_norm == 1.0
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        (clipped,) = rnn.clip_by_global_norm([array(gradient)], 1.0)
        x, E_g2, E_dx2 = rnn.adadelta(x, clipped, E_g2, E_dx2)
        np.testing.assert_allclose(array(model.weight), x, rtol=1e-5)  # torch adds 1e-6 to the norm


def test_the_length_penalty_of_wu() -> None:
    settings = config.Translate(length_penalty=0.6)
    for length in (1, 2, 7, 60):
        assert _penalty(length, settings) == pytest.approx(attention.length_penalty(length, 0.6))
