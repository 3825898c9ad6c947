import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lookback import config, models
from lookback.errors import LookbackError
from lookback.models.base import PAD
from lookback.models.cells import CELLS, Cell, LogisticRNN, PlainRNN, TanhRNN, recurrence
from lookback.models.rnn_encoder_decoder import RNNEncoderDecoder
from lookback.probes import recurrence as probe
from lookback.probes.points import Point, averaged, read_points, write_points
from tests.tiny import MODELS

PLAIN = ("rnn-tanh", "rnn-logistic")
H, VOCABULARY = 5, 11
SOURCE = torch.tensor([[4, 9, 5, 7, 8, 6, 3], [5, 10, 4, 3, PAD, PAD, PAD]])
STATISTICS = config.Evaluate(resamples=50)


def model(cell: str, **options: Any) -> RNNEncoderDecoder:
    """In float64, with weights and biases that are all alive."""
    torch.manual_seed(1)
    made = RNNEncoderDecoder(VOCABULARY, VOCABULARY, 4, H, 4, cell=cell, **options).double().eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return made


def randomised(cell: type[Cell], hidden: int = H) -> Any:
    torch.manual_seed(2)
    made = cell(hidden).double().requires_grad_(False)
    for parameter in made.parameters():
        parameter.normal_(std=0.6)
    return made


def reading(cell: PlainRNN, inputs: Tensor) -> probe.Reading:
    """The cell alone over inputs [B, S, H] to its unit."""
    states = [(inputs.new_zeros(len(inputs), cell.hidden),)]
    for inputs_i in inputs.unbind(1):
        states.append(cell(inputs_i, states[-1]))
    lengths = torch.full((len(inputs),), inputs.shape[1])
    return probe.Reading(cell, inputs, (torch.stack([h for (h,) in states], 1),), lengths)


def exact(found: probe.Reading, largest_lag: int) -> list[Tensor]:
    return [scale.exp()[:, None, None] * matrix for matrix, scale in probe.products(found, largest_lag)]


# --- the Jacobian -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
def test_one_step_equals_autograd(name: str) -> None:
    cell = randomised(CELLS[name])
    inputs, state = torch.randn(3, cell.gates * H).double(), torch.randn(3, cell.states * H).double()

    def step(x: Tensor, before: Tensor) -> Tensor:
        return torch.cat(cell(x[None], before.view(cell.states, 1, H).unbind(0)), 1)[0]

    expected = torch.func.vmap(torch.func.jacrev(step, argnums=1))(inputs, state)
    found = probe.step_jacobians(cell, inputs, tuple(state.split(H, 1)))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_what_is_read_is_what_the_models_encoder_reads(name: str, turned: bool) -> None:
    made = model(name, summary_projection=False, reverse_source=turned)
    found = probe.encode(made, SOURCE)
    assert found.lengths.tolist() == [7, 4]
    last = found.states[0][[0, 1], found.lengths]
    torch.testing.assert_close(last, made.encode(SOURCE).summary)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_products_equal_autograd_and_finite_differences_through_the_models_encoder(name: str, turned: bool) -> None:
    made = model(name, reverse_source=turned).requires_grad_(False)
    products = exact(probe.encode(made, SOURCE), 6)
    for row, length in enumerate((7, 4)):
        ids = SOURCE[row : row + 1, :length]
        ids = torch.cat([ids[:, :-1].flip(1), ids[:, -1:]], 1) if turned else ids
        sequence = made.source_embedding(ids)
        for lag in range(length):
            _, before = made.encoder(sequence[:, : length - lag], made.encoder.zeros(sequence))

            def rest(state: Tensor, sequence=sequence[:, length - lag :]) -> Tensor:
                parts = state.view(made.encoder.states, 1, H).unbind(0)
                return torch.cat(made.encoder(sequence, parts)[1] if sequence.shape[1] else parts, 1)[0]

            state = torch.cat(before, 1)[0]
            expected = torch.autograd.functional.jacobian(rest, state)
            assert isinstance(expected, Tensor)
            torch.testing.assert_close(products[lag][row], expected)
            steps = 1e-6 * torch.eye(len(state), dtype=torch.float64)
            columns = [(rest(state + step) - rest(state - step)) / 2e-6 for step in steps]
            torch.testing.assert_close(products[lag][row], torch.stack(columns, 1), rtol=1e-6, atol=1e-8)
        assert all(product[row].isnan().all() for product in products[length:])


@pytest.mark.parametrize("name", CELLS)
def test_norms_are_those_of_the_product_and_of_its_blocks(name: str) -> None:
    found = probe.encode(model(name), SOURCE)
    norms = {key: values.exp() for key, values in probe.jacobian_norms(found, 3).items()}
    blocks = {"jacobian_norm": slice(None)}
    if name == "lstm":
        blocks |= {"jacobian_norm_h": slice(0, H), "jacobian_norm_c": slice(H, 2 * H)}
    assert norms.keys() == blocks.keys()
    for lag, product in enumerate(exact(found, 3)):
        for key, block in blocks.items():
            expected = torch.linalg.matrix_norm(product[:, block, block], ord=2)
            torch.testing.assert_close(norms[key][:, lag], expected, rtol=1e-4, atol=0)


def test_norms_too_small_for_single_precision_are_kept() -> None:
    cell = randomised(LogisticRNN, 3)
    cell.recurrent.weight.mul_(0.01)
    inputs = torch.randn(2, 40, 3).double()
    expected = probe.jacobian_norms(reading(cell, inputs), 39)["jacobian_norm"]
    assert expected.min() < math.log(1e-80)
    found = probe.jacobian_norms(reading(cell.float(), inputs.float()), 39)["jacobian_norm"]
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", ["random", "orthogonal", "one large", "rank one", "small", "zero"])
def test_spectral_norms_against_singular_values(kind: str) -> None:
    torch.manual_seed(1)
    matrices = torch.randn(4, 3 if kind == "small" else 60, 60).double()
    if kind == "orthogonal":
        matrices = torch.linalg.qr(matrices)[0]
    elif kind == "one large":
        matrices[:, 5, 7] = 100
    elif kind == "rank one":
        matrices = matrices[:, :, :1] * matrices[:, :1]
    elif kind == "zero":
        matrices = matrices * 0
    expected = torch.linalg.matrix_norm(matrices, ord=2)
    torch.testing.assert_close(probe.spectral_norms(matrices), expected, rtol=1e-3, atol=0)


# --- what the arguments put in its place ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLAIN)
def test_the_bound_bounds_and_is_reached(name: str) -> None:
    cell = randomised(CELLS[name])
    found = probe.bound(cell, 20)
    norms = torch.stack(
        [torch.linalg.matrix_norm(p, ord=2) for p in exact(reading(cell, torch.randn(8, 21, H).double()), 20)]
    )
    assert (norms <= found[:, None] * (1 + 1e-12)).all()
    assert (norms[1:] < found[1:, None]).all()
    # Where every unit stays at its steepest: at sums of 0.
    torch.nn.init.orthogonal_(cell.recurrent.weight)
    inputs = torch.zeros(1, 6, H).double()
    if name == "rnn-logistic":
        inputs[:, 1:] -= 0.5 * cell.recurrent.weight.sum(1)
    norms = torch.stack([torch.linalg.matrix_norm(p, ord=2) for p in exact(reading(cell, inputs), 5)])[:, 0]
    torch.testing.assert_close(norms, probe.bound(cell, 5))


def test_a_spectral_radius_of_a_half_may_go_with_powers_of_norm_one() -> None:
    size = 20
    matrix = torch.zeros(size, size, dtype=torch.float64)
    matrix[range(size - 1), range(1, size)] = 1.0
    matrix[-1, 0] = 0.5**size
    assert probe.spectral_radius(matrix) == pytest.approx(0.5, rel=1e-3)
    norms = probe.matrix_power_norms(matrix, 2 * size)
    torch.testing.assert_close(norms[:size], torch.ones(size).double())
    assert norms[size] == pytest.approx(0.5**size)


def commuted(found: probe.Reading, lag: int) -> Tensor:
    """The form itself, term by term."""
    cell: Any = found.cell
    last = found.states[0].shape[1] - 1
    diagonals = [probe.slopes(cell, found.states[0][:, last - i]) for i in range(lag)]
    return torch.stack(diagonals).prod(0)[:, :, None] * torch.linalg.matrix_power(cell.recurrent.weight, lag)


@pytest.mark.parametrize("name", PLAIN)
def test_the_commuted_form_is_not_the_product(name: str) -> None:
    found = reading(randomised(CELLS[name]), torch.randn(3, 9, H).double())
    errors, ratios = probe.commuted_error(found, 8)
    torch.testing.assert_close(errors[:, :2], torch.zeros(3, 2).double(), atol=1e-12, rtol=0)
    for lag, product in list(enumerate(exact(found, 8)))[2:]:
        form, norm = commuted(found, lag), torch.linalg.matrix_norm(product)
        torch.testing.assert_close(errors[:, lag], torch.linalg.matrix_norm(form - product) / norm)
        torch.testing.assert_close(ratios[:, lag].exp(), torch.linalg.matrix_norm(form) / norm)
        assert (errors[:, lag] > 0.01).all()


@pytest.mark.parametrize("kind", ["diagonal matrix", "equal slopes"])
@pytest.mark.parametrize("name", PLAIN)
def test_the_commuted_form_is_exact_where_the_matrices_commute(name: str, kind: str) -> None:
    cell, inputs = randomised(CELLS[name]), torch.randn(3, 9, H).double()
    weight = cell.recurrent.weight
    if kind == "diagonal matrix":
        weight.copy_(weight.diag().diag())
    else:  # rows of equal sum and the same input for each unit: all units do the same
        weight.copy_(torch.stack([weight[0].roll(i) for i in range(H)]))
        inputs = inputs[:, :, :1].expand(-1, -1, H)
    errors, ratios = probe.commuted_error(reading(cell, inputs), 8)
    torch.testing.assert_close(errors, torch.zeros_like(errors), atol=1e-12, rtol=0)
    torch.testing.assert_close(ratios, torch.zeros_like(ratios), atol=1e-12, rtol=0)


def test_a_commuted_form_beyond_single_precision_is_a_number() -> None:
    cell = TanhRNN(2).requires_grad_(False)
    cell.recurrent.weight.copy_(torch.tensor([[0.0, 0.1], [0.1, 0.0]]))
    # One unit is saturated, the other is not: a step of the product passes through both in turn, the other form squares
    # the larger slope. The ratio grows by about 10^4.6 in two steps.
    found = reading(cell, torch.tensor([-0.1, 6.0]).expand(1, 40, 2))
    errors, ratios = probe.commuted_error(found, 30)
    assert errors.isfinite().all()
    assert ratios[0, 30] == pytest.approx(15 * 4.6 * math.log(10), rel=0.05)


# --- points -----------------------------------------------------------------------------------------------------------

SOURCES = [[4, 5, 6], [7, 8, 9, 10, 4, 5, 6, 7], [5] * 5, [9, 4, 8, 4, 6, 10]]


def curve(points: list[Point], measure: str, series: str = "trained") -> list[Point]:
    return [point for point in points if (point["measure"], point["series"]) == (measure, series)]


@pytest.mark.parametrize("name", CELLS)
def test_points_of_a_model(name: str) -> None:
    made = model(name)
    settings = config.Probe(sentences=3, largest_lag=6)
    points = list(probe.measure({"trained": made}, SOURCES, settings, STATISTICS))
    names = {"jacobian_norm"}
    if name == "lstm":
        names |= {"jacobian_norm_h", "jacobian_norm_c"}
    if name in PLAIN:
        names |= {"commuted_error", "commuted_ratio", "jacobian_bound", "matrix_power_norm", "spectral_radius"}
    assert {point["measure"] for point in points} == names
    norms = curve(points, "jacobian_norm")
    assert [(point["x"], point["n"]) for point in norms] == [(k, 3) for k in range(6)] + [(6, 2)]
    # each sentence alone, without padding
    one_by_one = torch.stack(
        [
            probe.jacobian_norms(probe.encode(made, torch.tensor([[*ids, 3]])), 5)["jacobian_norm"][0]
            for ids in SOURCES[1:]
        ]
    )
    assert [point["value"] for point in norms[:6]] == pytest.approx(one_by_one.mean(0).exp().tolist(), rel=1e-3)
    assert all(point["low"] <= point["value"] <= point["high"] for point in norms)
    if name in PLAIN:
        assert all(point["n"] == 1 and math.isnan(point["low"]) for point in curve(points, "jacobian_bound"))
        radius = probe.spectral_radius(
            made.encoder.get_parameter("kernel.weight_hh_l0" if name == "rnn-tanh" else "cell.recurrent.weight")
        )
        assert [p["value"] for p in curve(points, "spectral_radius")] == pytest.approx([radius**k for k in range(7)])


def test_trained_and_untrained_are_series_of_their_own() -> None:
    both = {"trained": model("gru"), "untrained": RNNEncoderDecoder(VOCABULARY, VOCABULARY, 4, H, 4).double().eval()}
    points = list(probe.measure(both, SOURCES, config.Probe(sentences=2, largest_lag=4), STATISTICS))
    trained, untrained = (curve(points, "jacobian_norm", series) for series in both)
    assert len(trained) == len(untrained) == 5
    assert trained[4]["value"] != untrained[4]["value"]


def test_other_architectures_have_no_points() -> None:
    made = {str(i): models.build(settings, VOCABULARY, VOCABULARY) for i, settings in enumerate(MODELS[1:])}
    assert list(probe.measure(made, SOURCES, config.Probe(), STATISTICS)) == []


def test_sentences_long_enough_for_each_lag_are_taken_where_there_are_some() -> None:
    lengths = [3, 40, 41, 7, 60, 45, 50]
    assert probe.long_enough(lengths, config.Probe(sentences=3, largest_lag=40)) == [1, 4, 6]
    assert probe.long_enough(lengths, config.Probe(sentences=6, largest_lag=40)) == [1, 2, 3, 4, 5, 6]
    assert probe.long_enough(lengths, config.Probe(sentences=9, largest_lag=40)) == [0, 1, 2, 3, 4, 5, 6]


def test_averages_are_arithmetic_or_geometric_over_what_is_known() -> None:
    values = np.log([[1.0, 4.0, 1e-3], [4.0, 4.0, math.nan], [16.0, 4.0, math.nan]])
    first, second, third = averaged("m", "s", "steps", values, STATISTICS, logarithms=True)
    assert (first["x"], first["n"], first["value"]) == (0, 3, pytest.approx(4.0))
    assert 1.0 <= first["low"] < 4.0 < first["high"] <= 16.0
    assert (second["low"], second["high"]) == pytest.approx((4.0, 4.0))
    assert (third["n"], third["value"]) == (1, pytest.approx(1e-3))
    assert math.isnan(third["low"])
    assert next(averaged("m", "s", "steps", np.exp(values), STATISTICS))["value"] == pytest.approx(7.0)
    assert [p["x"] for p in averaged("m", "s", "steps", np.array([[1.0, math.nan]]), STATISTICS)] == [0]


def test_points_are_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    points = [
        Point(measure="a", series="trained", x_by="steps", x=3, n=50, value=1.25e-30, low=1e-30, high=2e-30),
        Point(measure="b", series="", x_by="", x=None, n=1, value=0.5, low=math.nan, high=math.nan),
    ]
    write_points(tmp_path / "probe.csv", points)
    lines = (tmp_path / "probe.csv").read_text().splitlines()
    assert lines[0] == "measure,series,x_by,x,n,value,low,high"
    assert lines[2] == "b,,,,1,0.5,,"
    found = read_points(tmp_path / "probe.csv")
    assert found[0] == points[0]
    assert str(found[1]) == str(points[1])
    write_points(tmp_path / "probe.csv", [])
    assert read_points(tmp_path / "probe.csv") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("measure,series\n", "line 1: no column 'x_by'"),
        ("measure,series,x_by,x,n,value,low,high\na,b,c,1,x,1,1,1\n", "line 2: n is 'x', which is not a number"),
        ("measure,series,x_by,x,n,value,low,high\na,b,c,1,,1,1,1\n", "line 2: n is '', which is not a number"),
        (
            "measure,series,x_by,x,n,value,low,high\na,b,c,1\n",
            "line 2: the number of values differs from the number of columns",
        ),
    ],
)
def test_a_damaged_table_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "probe.csv").write_text(text)
    with pytest.raises(LookbackError, match=rf"probe.csv: {message}"):
        read_points(tmp_path / "probe.csv")


def test_slopes_are_those_of_the_activations() -> None:
    for cell in (TanhRNN(3), LogisticRNN(3)):
        sums = torch.randn(2, 3).double().requires_grad_()
        after = cell.activation(sums)
        (expected,) = torch.autograd.grad(after.sum(), sums)
        torch.testing.assert_close(probe.slopes(cell, after.detach()), expected)


def test_kernels_have_their_step() -> None:
    for name in CELLS:
        layer = recurrence(name, 4, H)
        steps = probe.stepped(layer)
        assert type(steps.cell) is CELLS[name]
