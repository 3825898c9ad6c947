"""Products through oneDNN against torch's own."""

import pytest
import torch
from torch import Tensor, nn

from lookback.models import products
from lookback.models.products import Linear, linear

ONEDNN = products._onednn(torch.float32)


def random(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def with_gradients(function, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> list[Tensor]:
    leaves = [x.clone().requires_grad_() for x in (inputs, weight, bias) if x is not None]
    output = function(*leaves)
    return [output.detach(), *torch.autograd.grad((output * random(*output.shape, dtype=output.dtype)).sum(), leaves)]


@pytest.mark.parametrize("shape", [(1, 5), (8, 5), (13, 5), (300, 5), (6, 50, 5), (2, 3, 2, 5)])
@pytest.mark.parametrize("outputs", [3, 7])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4), (torch.bfloat16, 3e-2)]
)
def test_values_and_gradients_are_those_of_torchs_linear_layer(
    shape: tuple[int, ...], outputs: int, biased: bool, dtype: torch.dtype, tolerance: float
) -> None:
    inputs, weight = random(*shape, dtype=dtype), random(outputs, 5, dtype=dtype, seed=2)
    bias = random(outputs, dtype=dtype, seed=3) if biased else None
    found = with_gradients(linear, inputs, weight, bias)
    exact = [None if x is None else x.double() for x in (inputs, weight, bias)]
    expected = with_gradients(nn.functional.linear, exact[0], exact[1], exact[2])  # pyright: ignore[reportArgumentType]
    for value, reference in zip(found, expected, strict=True):
        assert value.dtype == dtype
        scale = float(reference.abs().max())
        torch.testing.assert_close(value.double(), reference, rtol=0, atol=tolerance * scale)


def test_rows_that_do_not_lie_one_after_the_other() -> None:
    inputs, weight = random(4, 9, 5, dtype=torch.float32).transpose(0, 1), random(3, 5, dtype=torch.float32)
    torch.testing.assert_close(linear(inputs, weight), nn.functional.linear(inputs, weight))
    sliced = random(9, 12, dtype=torch.float32)[:, 3:8]
    torch.testing.assert_close(linear(sliced, weight), nn.functional.linear(sliced, weight))


def test_gradients_by_gradcheck() -> None:
    leaves = [random(9, 5).requires_grad_(), random(3, 5).requires_grad_(), random(3).requires_grad_()]
    assert torch.autograd.gradcheck(products._Product.apply, leaves)


def test_in_mixed_precision_products_are_in_half_and_gradients_of_weights_are_not() -> None:
    layer, inputs = Linear(5, 3), random(9, 5, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(inputs)
    assert output.dtype == torch.bfloat16
    output.float().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    torch.testing.assert_close(layer.weight.grad, inputs.sum(0).expand(3, 5), atol=0.05, rtol=0.05)


@pytest.mark.skipif(not ONEDNN, reason="torch was built without oneDNN")
def test_few_numbers_of_rows_reach_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[int] = set()
    multiply = products.multiply

    def watched(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        seen.add(len(rows))
        return multiply(rows, weight, bias)

    monkeypatch.setattr(products, "multiply", watched)
    weight = random(3, 5, dtype=torch.float32)
    for rows in range(1, 900):
        linear(random(rows, 5, dtype=torch.float32), weight)
    assert len(seen) <= 50
