"""What every model must do, whatever its architecture; then what each paper says, against another calculation."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lookback import config, models
from lookback.architectures import ARCHITECTURES
from lookback.errors import LookbackError
from lookback.models import base, rnn
from lookback.models.attention import MultiHeadAttention
from lookback.models.bahdanau import Bahdanau
from lookback.models.cells import CELLS, FusedRecurrence, SteppedRecurrence, recurrence
from lookback.models.positions import alibi_slopes, rotate, sinusoids
from lookback.models.transformer import DecoderLayer, EncoderLayer, Norm, Sizes, Transformer

VOCABULARY = 11
PAD, BOS, EOS = 0, 2, 3

RNN = config.RNNEncoderDecoder(
    architecture="rnn_encoder_decoder", embedding=6, hidden=10, readout=7, dropout=0.2, initialisation="glorot"
)
BAHDANAU = config.Bahdanau(
    architecture="bahdanau", embedding=6, hidden=8, attention=5, readout=7, dropout=0.2, initialisation="glorot"
)
TRANSFORMER = config.Transformer(architecture="transformer", d_model=12, heads=3, d_ff=16, layers=2, dropout=0.2)

OPTIONS: list[tuple[config.Model, list[dict[str, Any]]]] = [
    (
        RNN,
        [
            {},
            *({"cell": cell} for cell in CELLS if cell != "gru"),
            {"encoder": "bidirectional"},
            {"summary_projection": False},
            {"encoder": "bidirectional", "summary_projection": False, "cell": "lstm"},
            {"summary_use": "initial-state", "reverse_source": True},
            {"output": "factorised"},
            {"initialisation": "paper"},
        ],
    ),
    (
        BAHDANAU,
        [
            {},
            *({"cell": cell} for cell in CELLS if cell != "gru"),
            {"order": "equation-4"},
            {"order": "code"},
            {"order": "code", "cell": "lstm"},
            *({"score": score} for score in ("dot", "scaled-dot", "width-scaled-dot", "general")),
            {"weighting": "hard"},
            {"weighting": "hard", "order": "code", "score": "general"},
            {"output": "factorised"},
            {"initialisation": "paper"},
        ],
    ),
    (
        TRANSFORMER,
        [
            {},
            {"norm": "pre"},
            {"d_k": 6, "d_v": 2},
            *({"positions": kind} for kind in ("learned", "relative", "rotary", "alibi", "none")),
            {"positions": "relative", "relative_clip": 2, "d_k": 2, "d_v": 5},
        ],
    ),
]

SETTINGS: dict[str, config.Model] = {
    " ".join([model.architecture, *(f"{key}={value}" for key, value in changes.items())]): type(model)(
        **{**model.model_dump(exclude={"optimiser"}), **changes}
    )
    for model, many in OPTIONS
    for changes in many
}
"""Every model with each of its options."""

ALIGNED = [name for name, settings in SETTINGS.items() if settings.architecture != "rnn_encoder_decoder"]

Model = models.TranslationModel[Any, Any]


def build(name: str, seed: int = 1) -> Model:
    """In float64, where two ways of computing the same differ by rounding only, and with dropout off.

    The weights are moved away from where they start: biases at 0 and small weights would hide mistakes.
    """
    torch.manual_seed(seed)
    model = models.build(SETTINGS[name], VOCABULARY, VOCABULARY).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def sized(settings: config.Model, width: int) -> config.Model:
    """The same model with room to learn."""
    names = ("embedding", "hidden", "attention", "readout", "d_model", "d_ff")
    return settings.model_copy(update={name: width for name in names if hasattr(settings, name)})


@pytest.fixture(params=SETTINGS)
def model(request: pytest.FixtureRequest) -> Model:
    return build(request.param)


@pytest.fixture(params=ALIGNED)
def aligned(request: pytest.FixtureRequest) -> Model:
    return build(request.param)


def sources(*lengths: int, width: int | None = None) -> Tensor:
    """Random sentences of so many pieces and an end mark, padded to `width` or to the longest."""
    source = torch.zeros(len(lengths), width or max(lengths) + 1, dtype=torch.long)
    generator = torch.Generator().manual_seed(sum(lengths))
    for row, length in zip(source, lengths, strict=True):
        row[:length] = torch.randint(4, VOCABULARY, (length,), generator=generator)
        row[length] = EOS
    return source


def targets(rows: int, length: int, seed: int = 5) -> Tensor:
    pieces = torch.randint(4, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(seed))
    return torch.cat([torch.full((rows, 1), BOS), pieces], 1)


def is_hard(model: Model) -> bool:
    return isinstance(model, Bahdanau) and model.hard


def tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [tensor for part in value for tensor in tensors(part)] if isinstance(value, tuple) else []


# --- every model ------------------------------------------------------------------------------------------------------


def test_logits_have_a_row_for_each_target_piece(model: Model) -> None:
    assert model(sources(4, 2), targets(2, 6)).shape == (2, 7, VOCABULARY)


def test_padding_changes_no_logit_and_no_alignment(model: Model) -> None:
    source, target_in = sources(5, 3, 1), targets(3, 4)
    logits, alignment = model.decode_with_alignment(model.encode(source), target_in)
    wider = torch.cat([source, torch.zeros(3, 4, dtype=torch.long)], 1)
    wider_logits, wider_alignment = model.decode_with_alignment(model.encode(wider), target_in)
    torch.testing.assert_close(wider_logits, logits)
    if alignment is not None and wider_alignment is not None:
        torch.testing.assert_close(wider_alignment[:, :, : source.shape[1]], alignment)


def test_a_sentence_alone_and_in_a_batch_has_the_same_logits(model: Model) -> None:
    source, target_in = sources(5, 3, 1), targets(3, 4)
    together = model(source, target_in)
    for row, length in enumerate((5, 3, 1)):
        alone = model(source[row : row + 1, : length + 1], target_in[row : row + 1])
        torch.testing.assert_close(alone[0], together[row])


def test_what_stands_in_the_padding_of_the_embedding_is_never_seen(model: Model) -> None:
    source, target_in = sources(5, 3), targets(2, 4)
    before = model(source, target_in)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Embedding) and module.num_embeddings == VOCABULARY:
                module.weight[PAD] += 100.0
    after = model(source, target_in)
    others = [piece for piece in range(VOCABULARY) if piece != PAD]  # the Transformer's output matrix is its embedding
    torch.testing.assert_close(after[..., others], before[..., others])


def test_a_later_target_piece_changes_no_earlier_logit(model: Model) -> None:
    source, target_in = sources(5, 3), targets(2, 6)
    changed = target_in.clone()
    changed[:, 4] = (changed[:, 4] - 4 + 1) % (VOCABULARY - 4) + 4
    before, after = model(source, target_in), model(source, changed)
    torch.testing.assert_close(after[:, :4], before[:, :4])
    assert not torch.allclose(after[:, 4], before[:, 4])


def test_every_piece_of_source_and_target_matters(model: Model) -> None:
    source, target_in = sources(5), targets(1, 4)
    before = model(source, target_in)[0, -1]
    for row in (source, target_in):
        for position in range(1, row.shape[1] - 1):
            kept = int(row[0, position])
            row[0, position] = kept + 1 if kept + 1 < VOCABULARY else 4
            assert not torch.allclose(model(source, target_in)[0, -1], before)
            row[0, position] = kept


def test_step_repeated_equals_decode(model: Model) -> None:
    source, target_in = sources(5, 3, 4), targets(3, 6)
    memory = model.encode(source)
    logits, alignment = model.decode_with_alignment(memory, target_in)
    torch.testing.assert_close(model.decode(memory, target_in), logits)
    state = model.start(memory)
    for position, token in enumerate(target_in.unbind(1)):
        step = model.step(state, token)
        torch.testing.assert_close(step.logits, logits[:, position])
        assert (step.alignment is None) == (alignment is None)
        if step.alignment is not None and alignment is not None:
            torch.testing.assert_close(step.alignment, alignment[:, position])
        state = step.state


def test_rows_of_a_state_go_where_they_are_sent(model: Model) -> None:
    source, target_in = sources(5, 3, 4), targets(3, 3)
    rows = torch.tensor([2, 0, 0, 1])
    state = model.start(model.encode(source))
    moved = models.select(state, rows)
    for token in target_in.unbind(1):
        step, moved_step = model.step(state, token), model.step(moved, token[rows])
        torch.testing.assert_close(moved_step.logits, step.logits[rows])
        state, moved = step.state, moved_step.state


def test_reorder_moves_all_but_the_memory(model: Model) -> None:
    memory = models.select(model.encode(sources(4, 2)), torch.tensor([0, 0, 1, 1]))
    state = model.step(model.start(memory), torch.tensor([5, 6, 7, 8])).state
    rows = torch.tensor([1, 0, 3, 3])
    reordered = models.reorder(state, rows)
    assert reordered.memory is state.memory
    token = torch.tensor([4, 5, 6, 7])
    expected = model.step(models.select(state, rows), token).logits
    torch.testing.assert_close(model.step(reordered, token).logits, expected)


def test_memory_and_state_are_values_that_no_call_changes(model: Model) -> None:
    memory = model.encode(sources(4, 2))
    state = model.start(memory)
    before = [tensor.clone() for tensor in tensors((memory, state))]
    model.decode(memory, targets(2, 3))
    later = model.step(model.step(state, torch.tensor([5, 6])).state, torch.tensor([7, 8])).state
    assert later is not state
    for tensor, copy in zip(tensors((memory, state)), before, strict=True):
        assert torch.equal(tensor, copy)
    with pytest.raises(AttributeError):
        state.memory = memory  # type: ignore[misc]


def test_all_that_is_in_a_memory_and_a_state_has_a_row_a_sentence(model: Model) -> None:
    memory = model.encode(sources(4, 2, 3))
    state = model.step(model.start(memory), torch.tensor([5, 6, 7])).state
    assert all(tensor.shape[0] == 3 for tensor in tensors((memory, state)))


def test_no_tensor_stays_on_a_module(model: Model) -> None:
    def held(module: nn.Module) -> set[str]:
        names = {name for name, value in vars(module).items() if isinstance(value, Tensor | tuple | list)}
        return names | set(module._parameters) | set(module._buffers)

    before = {name: held(module) for name, module in model.named_modules()}
    memory = model.encode(sources(4, 2))
    model.decode_with_alignment(memory, targets(2, 3))
    model.step(model.start(memory), torch.tensor([5, 6]))
    assert {name: held(module) for name, module in model.named_modules()} == before
    saved = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    assert set(model.state_dict()) == saved | ({"baseline"} if is_hard(model) else set())


def test_a_gradient_reaches_every_parameter(model: Model) -> None:
    source, target_in = sources(5, 3, 4), targets(3, 6)
    weights = torch.randn(3, 7, VOCABULARY, dtype=torch.float64)
    if is_hard(model):  # draws, and learns from them, in training only
        model.training = True
    logits, surrogate = model.logits_and_surrogate(source, target_in, target_in)
    ((logits.product() * weights).sum() + (0 if surrogate is None else surrogate)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name
        # And every column of a matrix, but for pieces that do not occur and what a ReLU has closed.
        if parameter.ndim == 2 and not any(part in name for part in ("embedding.weight", "feed_forward.output")):
            assert (parameter.grad.abs().amax(0) > 0).all(), name


def test_gradients_are_those_of_the_function(model: Model) -> None:
    if is_hard(model):
        pytest.skip("a choice has no derivative; test_attention.py has the mean over all choices")
    source, target_in = sources(3, 2), targets(2, 2)
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(2, 3, VOCABULARY, dtype=torch.float64, generator=generator)

    def loss() -> Tensor:
        return (model(source, target_in).log_softmax(-1) * weights).sum()

    loss().backward()
    for parameter in model.parameters():
        direction = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
        size = 1e-6
        with torch.no_grad():
            parameter.add_(size * direction)
            above = loss()
            parameter.sub_(2 * size * direction)
            below = loss()
            parameter.add_(size * direction)
        assert parameter.grad is not None
        expected = float((above - below) / (2 * size))
        assert float((parameter.grad * direction).sum()) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_seed_decides_the_weights(name: str) -> None:
    def weights(seed: int) -> dict[str, Tensor]:
        torch.manual_seed(seed)
        return models.build(SETTINGS[name], VOCABULARY, VOCABULARY).state_dict()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(first[key], again[key]) for key in first)
    matrices = [key for key, value in first.items() if value.ndim == 2]
    assert all(not torch.equal(first[key], other[key]) for key in matrices)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_weight_is_initialised_by_us(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch's own constructors would have left behind is spoilt, and none of it is there afterwards."""

    def spoil(module: nn.Module) -> None:
        for parameter in module.parameters():
            nn.init.constant_(parameter, math.nan)

    for kind in (nn.Linear, nn.Embedding, nn.RNNBase, nn.LayerNorm):
        monkeypatch.setattr(kind, "reset_parameters", spoil)
    for key, value in models.build(SETTINGS[name], VOCABULARY, VOCABULARY).state_dict().items():
        assert value.isfinite().all(), key


@pytest.mark.parametrize("name", SETTINGS)
def test_at_first_no_piece_is_much_preferred(name: str) -> None:
    """The first loss is near log V, so that training starts from ignorance and not from error."""
    torch.manual_seed(1)
    model = models.build(sized(SETTINGS[name], 48), 500, 500).eval()
    source, target_in, target_out = torch.randint(4, 500, (3, 8, 20))
    loss = nn.functional.cross_entropy(model(source, target_in).flatten(0, 1), target_out.flatten())
    assert abs(float(loss.detach()) - math.log(500)) < 1.5


@pytest.mark.parametrize("name", SETTINGS)
def test_dropout_acts_in_training_only_and_follows_the_seed(name: str) -> None:
    model, source, target_in = build(name), sources(5, 3), targets(2, 4)
    assert torch.equal(model(source, target_in), model(source, target_in))
    model.train()
    torch.manual_seed(1)
    first, second = model(source, target_in), model(source, target_in)
    torch.manual_seed(1)
    assert torch.equal(model(source, target_in), first)
    assert not torch.equal(second, first)


@pytest.mark.parametrize("name", SETTINGS)
def test_weights_saved_and_loaded_give_the_same_logits(name: str, tmp_path: Any) -> None:
    model, other = build(name, seed=1), build(name, seed=2)
    source, target_in = sources(5, 3), targets(2, 4)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    assert not torch.allclose(other(source, target_in), model(source, target_in))
    other.load_state_dict(torch.load(tmp_path / "weights.pt"))
    assert torch.equal(other(source, target_in), model(source, target_in))


@pytest.mark.parametrize("name", SETTINGS)
def test_mixed_precision_is_close_to_single(name: str) -> None:
    model, source, target_in = build(name).float(), sources(5, 3), targets(2, 4)
    with torch.autocast("cpu", torch.bfloat16):
        memory = model.encode(source)
        logits = model.decode(memory, target_in)
        step = model.step(model.start(memory), target_in[:, 0])
    expected = model(source, target_in)
    scale = float(expected.detach().std())
    torch.testing.assert_close(logits.float(), expected, atol=0.1 * scale, rtol=0.1)
    torch.testing.assert_close(step.logits.float(), expected[:, 0], atol=0.1 * scale, rtol=0.1)


@pytest.mark.parametrize("name", SETTINGS)
def test_one_batch_can_be_learned_by_heart(name: str) -> None:
    torch.manual_seed(1)
    changes: dict[str, Any] = {"dropout": 0.0}
    if SETTINGS[name].architecture != "transformer":
        changes["initialisation"] = "glorot"  # the papers' own wants Adadelta, and longer
    model = models.build(sized(SETTINGS[name], 48).model_copy(update=changes), VOCABULARY, VOCABULARY)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    source, target_in = sources(4, 6, 5, 3), targets(4, 6)
    target_out = torch.cat([target_in[:, 1:], torch.full((4, 1), EOS)], 1)
    loss = torch.tensor(math.inf)
    for _ in range(150):
        loss = nn.functional.cross_entropy(model(source, target_in).flatten(0, 1), target_out.flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if float(loss.detach()) < 0.05:
            break
    assert float(loss.detach()) < 0.05


# --- alignment --------------------------------------------------------------------------------------------------------


def test_alignment_rows_sum_to_one_and_are_zero_on_padding(aligned: Model) -> None:
    source, target_in = sources(5, 3, 1), targets(3, 4)
    _, alignment = aligned.decode_with_alignment(aligned.encode(source), target_in)
    assert alignment is not None
    assert alignment.shape == (3, 5, 6)
    torch.testing.assert_close(alignment.sum(-1), torch.ones(3, 5, dtype=torch.float64))
    padding = (source == PAD)[:, None].expand_as(alignment)
    assert (alignment[padding] == 0).all()
    assert is_hard(aligned) or (alignment[~padding] > 0).all()


def test_the_fixed_vector_model_has_no_alignment_and_a_memory_of_one_size() -> None:
    model = build("rnn_encoder_decoder")
    short, long = model.encode(sources(2)), model.encode(sources(40))
    assert [t.shape for t in tensors(short)] == [t.shape for t in tensors(long)]
    assert model.decode_with_alignment(short, targets(1, 3))[1] is None


# --- recurrent parts --------------------------------------------------------------------------------------------------


def test_reversal_turns_real_positions_and_leaves_padding() -> None:
    sequence = torch.tensor([[1, 2, 3, 4], [5, 6, 0, 0]])[..., None]
    lengths = torch.tensor([4, 2])
    reversed_ = rnn.reverse_within(sequence, lengths)
    assert reversed_[..., 0].tolist() == [[4, 3, 2, 1], [6, 5, 0, 0]]
    assert torch.equal(rnn.reverse_within(reversed_, lengths), sequence)


def test_the_encoder_equals_torchs_bidirectional_gru_over_a_packed_sequence() -> None:
    model = build("bahdanau cell=gru-reset-after")
    assert isinstance(model, Bahdanau)
    source = sources(5, 2, 3)
    lengths = torch.tensor([6, 3, 4])
    reference = nn.GRU(6, 8, batch_first=True, bidirectional=True).double()
    assert isinstance(model.forward_encoder, FusedRecurrence)
    assert isinstance(model.backward_encoder, FusedRecurrence)
    weights = dict(model.forward_encoder.kernel.named_parameters())
    weights |= {f"{name}_reverse": value for name, value in model.backward_encoder.kernel.named_parameters()}
    reference.load_state_dict(weights)
    packed = nn.utils.rnn.pack_padded_sequence(
        model.source_embedding(source), lengths, batch_first=True, enforce_sorted=False
    )
    expected, _ = nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
    real = source != PAD
    torch.testing.assert_close(model.encode(source).annotations[real], expected[real])


@pytest.mark.parametrize("name", ["gru-reset-after", "lstm", "rnn-tanh"])
def test_a_cell_step_by_step_equals_torchs_kernel_with_gradients(name: str) -> None:
    torch.manual_seed(1)
    fused = recurrence(name, 5, 7, context=4).double()
    stepped = SteppedRecurrence(CELLS[name](7), 5, 4).double()
    assert isinstance(fused, FusedRecurrence)
    assert stepped.context is not None
    kernel = dict(fused.kernel.named_parameters())
    with torch.no_grad():
        stepped.input.weight.copy_(kernel["weight_ih_l0"][:, :5])
        stepped.context.weight.copy_(kernel["weight_ih_l0"][:, 5:])
        stepped.cell.recurrent.weight.copy_(kernel["weight_hh_l0"])
        if name == "gru-reset-after":
            stepped.input.bias.copy_(kernel["bias_ih_l0"])
            stepped.cell.recurrent.bias.copy_(kernel["bias_hh_l0"])
        else:
            stepped.input.bias.copy_(kernel["bias_ih_l0"] + kernel["bias_hh_l0"])
    sequence, context = torch.randn(3, 6, 5).double().requires_grad_(), torch.randn(3, 4).double().requires_grad_()
    state = tuple(torch.randn(3, 7).double().requires_grad_() for _ in range(fused.states))
    results = []
    for layer in (fused, stepped):
        shown, last = layer(sequence, state, context)
        loss = (shown.sin().sum(0) * torch.arange(7)).sum() + sum(part.cos().sum() for part in last)
        results.append((shown, *last, *torch.autograd.grad(loss, (sequence, context, *state))))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("name", CELLS)
def test_gradients_of_each_cell_by_gradcheck(name: str) -> None:
    torch.manual_seed(1)
    cell = CELLS[name](3).double()
    inputs = torch.randn(2, cell.gates * 3).double().requires_grad_()
    state = [torch.randn(2, 3).double().requires_grad_() for _ in range(cell.states)]
    weights = list(cell.parameters())
    assert torch.autograd.gradcheck(lambda x, *rest: cell(x, rest[: cell.states]), (inputs, *state, *weights))


def test_reversed_source_is_read_from_its_last_word_and_keeps_its_end_mark() -> None:
    forwards = build("rnn_encoder_decoder")
    torch.manual_seed(1)
    settings = SETTINGS["rnn_encoder_decoder"].model_copy(update={"reverse_source": True})
    backwards = models.build(settings, VOCABULARY, VOCABULARY).double().eval()
    backwards.load_state_dict(forwards.state_dict())
    source = torch.tensor([[4, 5, 6, EOS, PAD], [7, 8, EOS, PAD, PAD]])
    turned = torch.tensor([[6, 5, 4, EOS, PAD], [8, 7, EOS, PAD, PAD]])
    torch.testing.assert_close(backwards.encode(source), forwards.encode(turned))


def test_the_summary_as_initial_state_alone_reaches_the_decoder_once() -> None:
    """With the state set to something else, the source is forgotten; the paper's decoder still sees c."""
    for name, forgets in (("rnn_encoder_decoder", False), ("rnn_encoder_decoder summary_use=initial-state "
                                                           "reverse_source=True", True)):  # fmt: skip
        model = build(name)
        state = model.start(model.encode(sources(5, 3)))
        same = tuple(torch.zeros_like(part) for part in state.hidden)
        logits = model.step(state._replace(hidden=same), torch.tensor([BOS, BOS])).logits
        assert torch.allclose(logits[0], logits[1]) == forgets


@pytest.mark.parametrize("name", ["rnn_encoder_decoder initialisation=paper", "bahdanau initialisation=paper"])
def test_the_papers_initialisation(name: str) -> None:
    torch.manual_seed(1)
    model = models.build(sized(SETTINGS[name], 96), 300, 300)
    stds = {"score.query.weight": 0.001, "score.key.weight": 0.001}
    for key, value in model.named_parameters():
        if key.endswith("bias") or key == "score.energy":
            assert (value == 0).all(), key
        elif key.endswith("recurrent.weight"):
            for gate in value.split(96):
                torch.testing.assert_close(gate @ gate.T, torch.eye(96), atol=1e-5, rtol=0)
        else:
            assert float(value.detach().std()) == pytest.approx(stds.get(key, 0.01), rel=0.05), key


# --- the Transformer's layers against torch's own ---------------------------------------------------------------------


def copy_attention(reference: nn.MultiheadAttention, ours: MultiHeadAttention) -> None:
    with torch.no_grad():
        projections = (ours.query, ours.key, ours.value)
        reference.in_proj_weight.copy_(torch.cat([part.weight for part in projections]))
        reference.in_proj_bias.copy_(torch.cat([part.bias for part in projections]))
        reference.out_proj.weight.copy_(ours.output.weight)
        reference.out_proj.bias.copy_(ours.output.bias)


def copy_linear(reference: nn.Module, ours: nn.Module) -> None:
    reference.load_state_dict(ours.state_dict())


def copy_norms(reference: nn.Module, ours: nn.Module) -> None:
    """Gains and biases that are not 1 and 0 in both."""
    norms = [(m for m in layer.modules() if isinstance(m, nn.LayerNorm)) for layer in (reference, ours)]
    for theirs, mine in zip(*norms, strict=True):
        with torch.no_grad():
            mine.weight.copy_(torch.randn(12))
            mine.bias.copy_(torch.randn(12))
        copy_linear(theirs, mine)


def test_attention_and_its_weights_equal_torchs() -> None:
    torch.manual_seed(1)
    ours = MultiHeadAttention(12, 3).double()
    reference = nn.MultiheadAttention(12, 3, batch_first=True).double()
    copy_attention(reference, ours)
    states, source = torch.randn(2, 5, 12).double(), torch.randn(2, 7, 12).double()
    padding = torch.tensor([[False] * 7, [False] * 4 + [True] * 3])
    expected, expected_weights = reference(states, source, source, key_padding_mask=padding)
    mask = ~padding[:, None, None]
    seen = ours.keys_values(source)
    torch.testing.assert_close(ours(states, seen, mask), expected)
    output, weights = ours.with_weights(states, seen, mask)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(weights.mean(1), expected_weights)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_encoder_layer_equals_torchs_with_gradients(norm: Norm) -> None:
    torch.manual_seed(1)
    ours = EncoderLayer(Sizes(12, 3, 16, dropout=0.0, norm=norm)).double()
    reference = nn.TransformerEncoderLayer(12, 3, 16, dropout=0.0, batch_first=True, norm_first=norm == "pre").double()
    copy_attention(reference.self_attn, ours.self_attention)
    copy_norms(reference, ours)
    copy_linear(reference.linear1, ours.feed_forward.inner)
    copy_linear(reference.linear2, ours.feed_forward.output)
    states = torch.randn(2, 6, 12, dtype=torch.float64, requires_grad=True)
    padding = torch.tensor([[False] * 6, [False] * 4 + [True] * 2])
    results = []
    for output in (ours(states, ~padding[:, None, None]), reference(states, src_key_padding_mask=padding)):
        weighted = (output[~padding] * torch.arange(12)).sin().sum()
        results.append((output[~padding], *torch.autograd.grad(weighted, states)))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_decoder_layer_equals_torchs_with_gradients(norm: Norm) -> None:
    torch.manual_seed(1)
    ours = DecoderLayer(Sizes(12, 3, 16, dropout=0.0, norm=norm)).double()
    reference = nn.TransformerDecoderLayer(12, 3, 16, dropout=0.0, batch_first=True, norm_first=norm == "pre").double()
    copy_attention(reference.self_attn, ours.self_attention)
    copy_attention(reference.multihead_attn, ours.cross_attention)
    copy_norms(reference, ours)
    copy_linear(reference.linear1, ours.feed_forward.inner)
    copy_linear(reference.linear2, ours.feed_forward.output)
    states = torch.randn(2, 6, 12, dtype=torch.float64, requires_grad=True)
    source = torch.randn(2, 5, 12, dtype=torch.float64, requires_grad=True)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    causal = nn.Transformer.generate_square_subsequent_mask(6, dtype=torch.float64)
    expected = reference(states, source, tgt_mask=causal, memory_key_padding_mask=padding)
    for align in (False, True):
        output, _, _ = ours(states, None, ours.cross_attention.keys_values(source), ~padding[:, None, None], align)
        torch.testing.assert_close(output, expected)
        gradients = [torch.autograd.grad((x * torch.arange(12)).sin().sum(), (states, source), retain_graph=True)
                     for x in (output, expected)]  # fmt: skip
        torch.testing.assert_close(gradients[0], gradients[1])


def test_positions_follow_the_papers_formula_and_have_no_end() -> None:
    signal = sinusoids(98, 5, 6, torch.empty(0, dtype=torch.float64))
    for row, position in enumerate(range(98, 103)):
        for i in range(3):
            angle = position / 10_000 ** (2 * i / 6)
            assert float(signal[row, 2 * i]) == pytest.approx(math.sin(angle))
            assert float(signal[row, 2 * i + 1]) == pytest.approx(math.cos(angle))
    assert sinusoids(1_000_000, 2, 7, torch.empty(0)).shape == (2, 7)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name.startswith("transformer")])
def test_the_order_of_the_source_matters_unless_there_are_no_positions(name: str) -> None:
    model, target_in = build(name), targets(1, 3)
    a, b = model(torch.tensor([[4, 5, 6, EOS]]), target_in), model(torch.tensor([[6, 5, 4, EOS]]), target_in)
    assert torch.allclose(a, b) == ("positions=none" in name)


@pytest.mark.parametrize("kind", ["relative", "rotary", "alibi"])
def test_only_distances_count(kind: str) -> None:
    """What is put before a sentence and hidden by the mask moves it to other positions, and changes nothing."""
    model = build(f"transformer positions={kind}")
    assert isinstance(model, Transformer)
    layer = model.encoder[0]
    states, mask = torch.randn(2, 5, 12).double(), torch.ones(2, 1, 1, 5, dtype=torch.bool)
    moved, moved_mask = nn.functional.pad(states, (0, 0, 3, 0)), nn.functional.pad(mask, (3, 0))
    torch.testing.assert_close(layer(moved, moved_mask)[:, 3:], layer(states, mask))


def test_positions_beyond_those_that_were_learned_get_the_last_of_them() -> None:
    settings = SETTINGS["transformer positions=learned"].model_copy(update={"max_positions": 3})
    model = models.build(settings, VOCABULARY, VOCABULARY).eval()
    assert isinstance(model, Transformer)
    embedded = model._embed(torch.tensor([[4, 4, 4, 4, 4]]), 0)[0]
    assert torch.equal(embedded[2], embedded[4])
    assert not torch.equal(embedded[1], embedded[2])


def test_slopes_of_alibi() -> None:
    assert alibi_slopes(8) == [2.0**-i for i in range(1, 9)]
    assert alibi_slopes(3) == [2.0**-4, 2.0**-8, 2.0**-2]


def test_rotation_keeps_lengths_and_starts_at_rest() -> None:
    vectors = torch.randn(1, 2, 4, 6).double()
    turned = rotate(vectors, 0)
    torch.testing.assert_close(turned.norm(dim=-1), vectors.norm(dim=-1))
    torch.testing.assert_close(turned[:, :, 0], vectors[:, :, 0])
    torch.testing.assert_close(rotate(vectors[:, :, 2:], 2), turned[:, :, 2:])


def test_the_transformer_uses_one_matrix_for_source_target_and_output() -> None:
    model = build("transformer")
    matrices = [name for name, value in model.named_parameters() if VOCABULARY in value.shape]
    assert matrices == ["embedding.weight"]


# --- building ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETTINGS)
def test_build_knows_every_architecture_of_the_configuration(name: str) -> None:
    assert isinstance(models.build(SETTINGS[name], VOCABULARY, VOCABULARY), base.TranslationModel)
    networks = {name for name, entry in ARCHITECTURES.items() if entry.is_network}
    assert networks == {settings.architecture for settings in SETTINGS.values()}


def test_the_transformer_refuses_two_vocabularies() -> None:
    with pytest.raises(LookbackError, match="one vocabulary"):
        models.build(TRANSFORMER, 11, 12)


def test_parameters_are_counted_once() -> None:
    model = models.build(TRANSFORMER, VOCABULARY, VOCABULARY)
    d, f = 12, 16
    attention, feed_forward, norm = 4 * (d * d + d), 2 * d * f + f + d, 2 * d
    encoder_layer, decoder_layer = attention + feed_forward + 2 * norm, 2 * attention + feed_forward + 3 * norm
    assert models.parameter_count(model) == VOCABULARY * d + 2 * (encoder_layer + decoder_layer)
