"""The scans with gradients written by hand, against gradcheck and against the same steps one by one."""

from typing import Any

import pytest
import torch
from torch import Tensor

from lookback.models.attention import AdditiveScore
from lookback.models.bahdanau import Bahdanau
from lookback.models.cells import CELLS, GatedUnit
from lookback.models.scan import Attention, scan
from tests.test_models import SETTINGS, VOCABULARY, build, sources, targets

GATED = [name for name, cell in CELLS.items() if issubclass(cell, GatedUnit)]
SCANNED = [
    name
    for name in SETTINGS
    if name.startswith("bahdanau") and not any(word in name for word in ("score", "hard", "lstm", "rnn-"))
]


def random(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def arguments(batch: int, cell: GatedUnit, looks: bool) -> tuple[Tensor, Tensor, Attention | None]:
    """Inputs and state of 3 steps, and something of 4 positions to look at, the last of which is padding for row 0."""
    width = cell.hidden
    inputs, state = random(batch, 3, 3 * width), random(batch, width, seed=2)
    if not looks:
        return inputs, state, None
    mask = torch.zeros(batch, 4, dtype=torch.float64)
    mask[0, 3] = float("-inf")
    shapes = ((batch, 4, 5), (batch, 4, 3 * width), (5, width), (5,), (5,))
    keys, values, *parts = (random(*shape, seed=3 + i) for i, shape in enumerate(shapes))
    return inputs, state, Attention(keys, values, mask, *parts)


def step_by_step(cell: GatedUnit, inputs: Tensor, state: Tensor, attention: Attention | None) -> tuple[Tensor, Any]:
    states, alignments = [state], []
    for gates in inputs.unbind(1):
        if attention is not None:
            query = state @ attention.query.T + attention.query_bias
            scores = torch.tanh(attention.keys + query[:, None]) @ attention.energy
            alignments.append(torch.softmax(scores + attention.mask, 1))
            gates = gates + (alignments[-1][..., None] * attention.values).sum(1)
        (state,) = cell(gates, (state,))
        states.append(state)
    return torch.stack(states, 1), torch.stack(alignments, 1) if alignments else None


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("batch", [2, 8])
@pytest.mark.parametrize("name", GATED)
def test_values_and_gradients_are_those_of_the_steps_one_by_one(name: str, batch: int, looks: bool) -> None:
    torch.manual_seed(1)
    cell = CELLS[name](3).double()
    assert isinstance(cell, GatedUnit)
    inputs, state, attention = arguments(batch, cell, looks)
    leaves = [inputs, state, *(part for part in attention or ())]
    learned = [leaf.requires_grad_() for i, leaf in enumerate(leaves) if i != 4]  # the mask is not learned
    results = []
    for states, alignment in (
        cell.scan(inputs, (state,), attention),
        step_by_step(cell, inputs, state, attention),
    ):
        loss = (states * random(*states.shape, seed=11)).sum()
        if alignment is not None:
            loss = loss + (alignment * random(*alignment.shape, seed=12)).sum()
        results.append([states, alignment, torch.autograd.grad(loss, [*learned, *cell.parameters()])])
    torch.testing.assert_close(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])
    torch.testing.assert_close(results[0][2], results[1][2])


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("name", GATED)
def test_gradients_by_gradcheck(name: str, looks: bool) -> None:
    torch.manual_seed(1)
    cell = CELLS[name](3).double()
    assert isinstance(cell, GatedUnit)
    inputs, state, attention = arguments(2, cell, looks)
    parameters = list(cell.parameters())
    bias = parameters[1] if len(parameters) > 1 else None

    def states_and_alignment(*leaves: Tensor) -> tuple[Tensor, ...]:
        looked = (
            None
            if attention is None
            else Attention(leaves[2], leaves[3], attention.mask, leaves[4], leaves[5], leaves[6])
        )
        found = scan(leaves[0], leaves[1], parameters[0], bias, cell.reset_after, looked)
        return found if found[1] is not None else found[:1]  # pyright: ignore[reportReturnType]

    looked = [] if attention is None else [part for i, part in enumerate(attention) if i != 2]
    leaves = [leaf.requires_grad_() for leaf in (inputs, state, *looked)]
    assert torch.autograd.gradcheck(states_and_alignment, (*leaves, *parameters))


@pytest.mark.parametrize("name", SCANNED)
def test_bahdanaus_decoder_in_one_operation_has_values_and_gradients_of_its_steps(
    name: str,
) -> None:
    model, source, target_in = build(name), sources(5, 3, 4), targets(3, 6)
    assert isinstance(model, Bahdanau)
    assert isinstance(model.decoder, GatedUnit)
    assert isinstance(model.score, AdditiveScore)
    weights = random(3, 7, VOCABULARY), random(3, 7, 6, seed=2)
    memory, results = model.encode(source), []
    decoded = model._advance(model.start(memory), target_in)
    for logits, alignment in (
        model.decode_with_alignment(memory, target_in),
        (decoded.logits.product(), decoded.alignment),
    ):
        loss = (logits * weights[0]).sum() + (alignment * weights[1]).sum()
        learned = [value for key, value in model.named_parameters() if "encoder" not in key and "source" not in key]
        results.append((logits, alignment, torch.autograd.grad(loss, learned, retain_graph=True)))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("name", GATED)
def test_mixed_precision_is_close_to_single_with_gradients(name: str) -> None:
    torch.manual_seed(1)
    cell = CELLS[name](16)
    assert isinstance(cell, GatedUnit)
    inputs, state, attention = arguments(8, cell.double(), looks=True)
    cell.float()
    assert attention is not None
    leaves = [leaf.float().requires_grad_() for leaf in (inputs, state, attention.keys, attention.values)]
    looked = Attention(*leaves[2:], *(part.float() for part in attention[2:]))
    results = []
    for mixed in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            states, alignment = cell.scan(leaves[0], (leaves[1],), looked)
        assert alignment is not None
        assert states.dtype == alignment.dtype == torch.float32
        loss = (states * random(*states.shape)).sum() + (alignment * random(*alignment.shape)).sum()
        results.append((states, alignment, *torch.autograd.grad(loss, [*leaves, *cell.parameters()])))
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, atol=0.05 * float(expected.detach().abs().max()), rtol=0.05)


def test_the_same_batch_gives_the_same_bytes() -> None:
    model, source, target_in = build("bahdanau").float(), sources(9, 5, 7), targets(3, 6)
    gradients = []
    for _ in range(2):
        model.zero_grad()
        model(source, target_in).sin().sum().backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    for first, second in zip(*gradients, strict=True):
        assert torch.equal(first, second)
