"""The kinds of attention against `reference_attention`, which was written from the papers without reading them."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lookback import models
from lookback.models import bahdanau
from lookback.models.attention import (
    MultiHeadAttention,
    Scale,
    ScoreName,
    SelfAttention,
    attend,
    attend_with_weights,
    causal_mask,
    choose,
    make_score,
    reinforce,
)
from tests import reference_attention as reference
from tests.test_models import BOS, EOS, SETTINGS, VOCABULARY, build

SCALES: dict[Scale, reference.Scale] = {"none": "one", "sqrt": "sqrt", "width": "width"}


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def array(tensor: Any) -> np.ndarray:
    return tensor.detach().numpy()


# --- scores -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["additive", "dot", "scaled-dot", "width-scaled-dot", "general"])
def test_scores(name: ScoreName) -> None:
    made = make_score(name, state=3, annotation=6, width=5).double()
    for number, parameter in enumerate(made.parameters()):
        parameter.data = random(*parameter.shape, seed=number)
    state, annotations = random(2, 3), random(2, 4, 6, seed=2)
    scores = array(made(state, made.keys(annotations)))
    w: dict[str, Any] = {key: array(value) for key, value in made.named_parameters()}
    for s, h, found in zip(array(state), array(annotations), scores, strict=True):
        if name == "additive":
            expected = reference.additive_scores(s, h, w["energy"], w["query.weight"], w["key.weight"], w["query.bias"])
        elif name == "general":
            expected = reference.general_scores(s, h, w["key.weight"])
        else:
            scale = {"dot": "one", "scaled-dot": "sqrt", "width-scaled-dot": "width"}[name]
            expected = reference.dot_scores_of_two_directions(s, h, scale)  # pyright: ignore[reportArgumentType]
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_dot_product_with_annotations_as_wide_as_the_state_takes_them_as_they_are() -> None:
    made = make_score("dot", state=3, annotation=3, width=1)
    state, annotations = random(1, 3), random(1, 4, 3, seed=2)
    expected = reference.dot_scores(array(state)[0], array(annotations)[0])
    np.testing.assert_allclose(array(made(state, made.keys(annotations)))[0], expected, rtol=1e-9)


# --- self-attention ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("trained", ["none", "query-key", "query-key-value"])
def test_self_attention(trained: Any, scale: Scale, causal: bool) -> None:
    layer = SelfAttention(trained, 4, 4 if trained == "none" else 3, causal, scale).double()
    for number, parameter in enumerate(layer.parameters()):
        parameter.data = random(*parameter.shape, seed=number)
    sequence = random(2, 5, 4)
    matrices = [array(parameter) for parameter in layer.parameters()]
    kinds: dict[str, Any] = {
        "none": reference.self_attention_untrained,
        "query-key": reference.self_attention_query_key,
        "query-key-value": reference.self_attention,
    }
    mixed, weights = layer.with_weights(sequence)
    for row in range(2):
        expected = kinds[trained](array(sequence[row]), *matrices, causal=causal, scale=SCALES[scale])
        np.testing.assert_allclose(array(mixed[row]), expected[0], rtol=1e-9)
        np.testing.assert_allclose(array(weights[row]), expected[1], rtol=1e-9)
    torch.testing.assert_close(layer(sequence), mixed)


def test_scaling_is_as_the_introductions_begin_unless_it_is_given() -> None:
    assert SelfAttention("none", 4).scale == "none"
    assert SelfAttention("query-key", 4).scale == "sqrt"


@pytest.mark.parametrize("causal", [False, True])
def test_multi_head_attention_to_itself(causal: bool) -> None:
    layer = MultiHeadAttention(6, 2, d_k=4, d_v=5).double()
    for number, parameter in enumerate(layer.parameters()):
        parameter.data = random(*parameter.shape, seed=number)
    w = {key: array(value) for key, value in layer.named_parameters()}
    names = [f"{part}.{kind}" for kind in ("weight", "bias") for part in ("query", "key", "value", "output")]
    states = random(2, 5, 6)
    mixed, weights = layer.with_weights(states, layer.keys_values(states), causal=causal)
    for row in range(2):
        expected = reference.multi_head_self_attention(
            array(states[row]), 2, *(w[name] for name in names), causal=causal
        )
        np.testing.assert_allclose(array(mixed[row]), expected[0], rtol=1e-9)
        np.testing.assert_allclose(array(weights[row]), expected[1], rtol=1e-9)
    torch.testing.assert_close(layer(states, layer.keys_values(states), causal=causal), mixed)


@pytest.mark.parametrize("mask", ["none", "padding", "bias", "causal"])
def test_the_fused_kernel_and_the_one_with_weights_agree_with_gradients(mask: str) -> None:
    inputs = [random(2, 3, 5, 4, seed=seed).requires_grad_() for seed in range(3)]
    masks: dict[str, Any] = {
        "none": {},
        "padding": {"mask": torch.tensor([[True] * 5, [True] * 3 + [False] * 2])[:, None, None]},
        "bias": {"mask": random(3, 5, 5, seed=9)},
        "causal": {"causal": True},
    }
    query, keys, values = inputs
    fused = attend(query, keys, values, **masks[mask], scale="width")
    mixed, weights = attend_with_weights(query, keys, values, **masks[mask], scale="width")
    torch.testing.assert_close(fused, mixed)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5, dtype=torch.float64))
    some = random(2, 3, 5, 4, seed=8)
    found, expected = (torch.autograd.grad((x * some).sum(), inputs) for x in (fused, mixed))
    torch.testing.assert_close(found, expected)


def test_causal_mask() -> None:
    assert causal_mask(3, 3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]


@pytest.mark.parametrize("name", ["additive", "dot", "scaled-dot", "width-scaled-dot", "general"])
def test_gradients_of_each_score_by_gradcheck(name: ScoreName) -> None:
    made = make_score(name, state=3, annotation=6, width=4).double()
    for number, parameter in enumerate(made.parameters()):
        parameter.data = random(*parameter.shape, seed=number)
    inputs = (random(2, 3).requires_grad_(), random(2, 4, 6, seed=2).requires_grad_(), *made.parameters())
    assert torch.autograd.gradcheck(lambda state, h, *_: made(state, made.keys(h)), inputs)


# --- soft and hard ----------------------------------------------------------------------------------------------------


def test_hard_attention_draws_by_the_weights_and_otherwise_takes_the_largest() -> None:
    weights = torch.tensor([0.5, 0.2, 0.3, 0.0]).expand(20_000, 4)
    torch.manual_seed(1)
    drawn = choose(weights, sample=True)
    assert (drawn.sum(1) == 1).all()
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    np.testing.assert_allclose(drawn.mean(0), weights[0], atol=0.015)  # four standard errors
    assert choose(weights[:1], sample=False).tolist() == [[1.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize("baseline", [np.zeros(3), np.array([2.0, -1.0, 0.5])])
def test_reinforce_is_unbiased_against_enumeration(baseline: np.ndarray) -> None:
    """The mean of the surrogate's gradient over all sequences of choices is the gradient of the expected reward."""
    steps, positions = 3, 3
    logits = random(steps, positions).requires_grad_()
    table = np.random.default_rng(1).normal(size=(positions,) * steps)

    def reward(t: int, choices: tuple[int, ...]) -> float:
        return float(table[(*choices[: t + 1], *(0,) * (steps - 1 - t))])

    log_p, mean = logits.log_softmax(-1), torch.zeros_like(logits)
    for choices in itertools.product(range(positions), repeat=steps):
        policy = log_p[range(steps), list(choices)]
        rewards = torch.tensor([reward(t, choices) for t in range(steps)], dtype=torch.float64)
        loss = reinforce(policy[None], rewards[None], torch.tensor(baseline)[None])
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        mean -= gradient * policy.sum().exp().detach()  # the loss is minimised, the reward maximised
    np.testing.assert_allclose(mean, reference.expected_reward_gradient(array(logits), reward), rtol=1e-9)


@pytest.mark.parametrize("name", ["bahdanau weighting=hard", "bahdanau weighting=hard order=code score=general"])
def test_the_models_gradient_is_that_of_the_expected_likelihood(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the whole model, by every way of choosing two positions out of three; dropout and the softly read are off."""
    model = build(name)
    assert isinstance(model, bahdanau.Bahdanau)
    model.training = True
    monkeypatch.setattr(bahdanau, "SOFT_SHARE", 0.0)
    monkeypatch.setattr(bahdanau, "ENTROPY_WEIGHT", 0.0)
    monkeypatch.setattr(bahdanau, "REWARD_WEIGHT", 1.0)
    source, target_in, target_out = torch.tensor([[5, 6, EOS]]), torch.tensor([[BOS, 7]]), torch.tensor([[7, EOS]])
    parameters = dict(model.named_parameters())
    expected_gradient = {key: torch.zeros_like(value) for key, value in parameters.items()}
    expected = torch.zeros((), dtype=torch.float64)

    def force(choices: tuple[int, ...]) -> None:
        to_come = iter(choices)
        monkeypatch.setattr(bahdanau, "choose", lambda weights, sample: torch.eye(3).to(weights)[[next(to_come)]])

    for choices in itertools.product(range(3), repeat=2):
        model.baseline.fill_(-1.7)
        force(choices)
        logits, surrogate = model.logits_and_surrogate(source, target_in, target_out)
        assert surrogate is not None
        likelihood = logits.product().log_softmax(-1).gather(-1, target_out[..., None]).sum()
        force(choices)
        decoded = model._advance(model.start(model.encode(source)), target_in)
        chance = (torch.stack(decoded.weights, 1) * decoded.alignment).sum(-1).prod()
        expected = expected + chance * likelihood
        found = torch.autograd.grad(surrogate - likelihood, list(parameters.values()), retain_graph=True)
        for key, gradient in zip(parameters, found, strict=True):
            expected_gradient[key] -= gradient * chance.detach()
    exact = torch.autograd.grad(expected, list(parameters.values()))
    for key, gradient in zip(parameters, exact, strict=True):
        torch.testing.assert_close(expected_gradient[key], gradient, msg=key)


def test_the_baseline_follows_the_likelihood_of_a_piece_in_training_alone() -> None:
    model = build("bahdanau weighting=hard")
    assert isinstance(model, bahdanau.Bahdanau)
    batch = torch.tensor([[5, 6, EOS]]), torch.tensor([[BOS, 7]]), torch.tensor([[7, EOS]])
    assert model.logits_and_surrogate(*batch)[1] is None
    assert model.baseline == 0
    model.train()
    logits, _ = model.logits_and_surrogate(*batch)
    likelihood = logits.product().log_softmax(-1).gather(-1, batch[2][..., None]).mean()
    assert float(model.baseline) == pytest.approx(float(likelihood.detach()) * 0.1)


def test_soft_attention_has_no_surrogate() -> None:
    model = models.build(SETTINGS["bahdanau"], VOCABULARY, VOCABULARY).train()
    batch = torch.tensor([[5, 6, EOS]]), torch.tensor([[BOS, 7]]), torch.tensor([[7, EOS]])
    assert model.logits_and_surrogate(*batch)[1] is None
