"""The loss in chunks, with its gradient written by hand, against torch's on all logits at once."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lookback.models import loss as losses
from lookback.models.base import PAD, Logits
from lookback.models.loss import token_losses

VOCABULARY, WIDTH = 11, 6


def factors(biased: bool) -> list[Tensor]:
    shapes = [(3, 50, WIDTH), (VOCABULARY, WIDTH), *([(VOCABULARY,)] if biased else [])]
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_() for shape in shapes]


def made_of(leaves: list[Tensor]) -> Logits:
    return Logits(leaves[0], leaves[1], leaves[2] if len(leaves) > 2 else None)


def some_targets() -> Tensor:
    target = torch.randint(1, VOCABULARY, (3, 50), generator=torch.Generator().manual_seed(2))
    target[1, 20:] = PAD
    return target


@pytest.mark.parametrize("at_a_time", [1, 64, 1000])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradients_are_those_of_torch_on_all_logits(
    smoothing: float, biased: bool, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(losses.CHUNK, "cpu", at_a_time * VOCABULARY)
    leaves, target = factors(biased), some_targets()
    loss, nll = token_losses(made_of(leaves), target, smoothing)
    logits = made_of(leaves).product().flatten(0, 1)

    def expected(by: float) -> Tensor:
        return functional.cross_entropy(logits, target.flatten(), ignore_index=PAD, label_smoothing=by, reduction="sum")

    torch.testing.assert_close((loss, nll), (expected(smoothing), expected(0.0).detach()))
    found, known = (torch.autograd.grad(3 * x, leaves, retain_graph=True) for x in (loss, expected(smoothing)))
    torch.testing.assert_close(found, known)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_gradients_by_gradcheck(smoothing: float) -> None:
    target = torch.tensor([[3, 1, PAD], [5, PAD, PAD]])
    leaves = [leaf.detach()[:2, :3].requires_grad_() if leaf.ndim == 3 else leaf for leaf in factors(biased=True)]
    assert torch.autograd.gradcheck(lambda *parts: token_losses(Logits(*parts), target, smoothing)[0], leaves)


def test_without_gradient_the_loss_is_the_same_and_none_is_made() -> None:
    leaves, target = factors(biased=True), some_targets()
    with_gradient = token_losses(made_of(leaves), target, 0.1)
    with torch.no_grad():
        without = token_losses(made_of(leaves), target, 0.1)
    assert with_gradient[0].requires_grad
    assert not without[0].requires_grad
    torch.testing.assert_close([x.detach() for x in with_gradient], list(without))


def test_in_mixed_precision_it_is_close_to_single() -> None:
    leaves = [leaf.detach().float().requires_grad_() for leaf in factors(biased=True)]
    results = []
    for mixed in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss, _ = token_losses(made_of(leaves), some_targets(), 0.1)
        assert loss.dtype == torch.float32
        results.append((loss, *torch.autograd.grad(loss, leaves)))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=0.05, atol=0.03 * float(expected.detach().abs().max()))


def test_logits_that_are_tiny_or_huge_have_finite_losses() -> None:
    logits = torch.tensor([[[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4 + 1]]]).requires_grad_()
    loss, _ = token_losses(logits, torch.tensor([[1, 2]]), 0.0)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert float(loss.detach()) == pytest.approx(1e4 + 0.5514, rel=1e-6)
    assert gradient.isfinite().all()
