"""Beam search over real models and over scripted ones whose best translations are known."""

import itertools
import math
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from lookback import config, models
from lookback.decoding.beam_search import Hypothesis, beam_search
from lookback.models.base import Logits, Step, TranslationModel

PAD, UNK, BOS, EOS = 0, 1, 2, 3
A, B, C = 4, 5, 6
"""The three words of a small vocabulary."""

SETTINGS: dict[str, config.Model] = {
    "rnn_encoder_decoder": config.RNNEncoderDecoder(
        architecture="rnn_encoder_decoder",
        embedding=32,
        hidden=96,
        readout=32,
        cell="gru-reset-after",
        initialisation="glorot",
    ),
    "bahdanau": config.Bahdanau(
        architecture="bahdanau",
        embedding=32,
        hidden=48,
        attention=32,
        readout=32,
        order="equation-4",
        initialisation="glorot",
    ),
    "transformer": config.Transformer(architecture="transformer", d_model=64, heads=4, d_ff=128, layers=2),
}

Model = models.TranslationModel[Any, Any]


@pytest.fixture(params=SETTINGS)
def model(request: pytest.FixtureRequest) -> Model:
    """Random and in float64; opinionated enough that hypotheses differ."""
    torch.manual_seed(3)
    model = models.build(SETTINGS[request.param], 7, 7).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
        weights = dict(model.named_parameters())
        output = weights.get("readout.output.weight", weights.get("embedding.weight"))
        assert output is not None
        output[EOS] *= 0.1  # or most would end at once
    return model


def translate(beam: int, **settings: Any) -> config.Translate:
    return config.Translate(beam=beam, **settings)


def sources(*lengths: int) -> Tensor:
    source = torch.zeros(len(lengths), max(lengths) + 1, dtype=torch.long)
    generator = torch.Generator().manual_seed(sum(lengths))
    for row, length in zip(source, lengths, strict=True):
        row[:length] = torch.randint(A, C + 1, (length,), generator=generator)
        row[length] = EOS
    return source


# --- what is found ----------------------------------------------------------------------------------------------------


def greedy(model: Model, source: Tensor, limit: int) -> tuple[list[int], float, bool]:
    """Piece by piece with `decode`, one sentence: tokens, log-probability, cut off."""
    memory, tokens, total = model.encode(source[None]), [], 0.0
    while True:
        log_p = model.decode(memory, torch.tensor([[BOS, *tokens]]))[0, -1].log_softmax(-1)
        log_p[[PAD, BOS]] = -math.inf
        if len(tokens) == limit or int(log_p.argmax()) == EOS:
            return tokens, total + float(log_p[EOS]), int(log_p.argmax()) != EOS
        tokens.append(int(log_p.argmax()))
        total += float(log_p.max())


@torch.no_grad()
def test_beam_one_is_greedy(model: Model) -> None:
    lengths = (1, 2, 3, 4, 5, 6, 7, 8)
    source = sources(*lengths)
    found = beam_search(model, source, translate(1, max_length_factor=1.5, max_length_extra=2, length_penalty=0.7))
    for hypothesis, row, length in zip(found, source, lengths, strict=True):
        tokens, total, cut_off = greedy(model, row[: length + 1], int(1.5 * length) + 2)
        assert (hypothesis.tokens, hypothesis.cut_off) == (tokens, cut_off)
        assert hypothesis.score == pytest.approx(total / ((5 + len(tokens) + 1) / 6) ** 0.7)


@torch.no_grad()
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 3.0])
def test_a_beam_that_holds_everything_finds_the_best_of_all(model: Model, alpha: float) -> None:
    source = sources(2, 1)
    settings = translate(4**5, max_length_factor=2.0, max_length_extra=0, length_penalty=alpha)
    found = beam_search(model, source, settings, banned=(UNK,))
    for hypothesis, row, limit in zip(found, source, (4, 2), strict=True):
        memory, scores = model.encode(row[None, : limit // 2 + 1]), {}
        for length in range(limit + 1):
            for words in itertools.product((A, B, C), repeat=length):
                log_p = model.decode(memory, torch.tensor([[BOS, *words]]))[0].log_softmax(-1)
                total = sum(float(log_p[i, piece]) for i, piece in enumerate((*words, EOS)))
                scores[words] = total / ((5 + length + 1) / 6) ** alpha
        best = max(scores, key=lambda words: scores[words])
        assert tuple(hypothesis.tokens) == best
        assert hypothesis.score == pytest.approx(scores[best])


@torch.no_grad()
def test_the_score_is_that_of_the_tokens(model: Model) -> None:
    source = sources(5, 3, 8, 2, 4, 7)
    found = beam_search(model, source, translate(3, length_penalty=2.5, min_length_factor=0.5))  # one token says little
    for row, hypothesis in zip(source, found, strict=True):
        log_p = model(row[None], torch.tensor([[BOS, *hypothesis.tokens]]))[0].log_softmax(-1)
        total = sum(float(log_p[i, piece]) for i, piece in enumerate((*hypothesis.tokens, EOS)))
        assert hypothesis.score == pytest.approx(total / ((5 + len(hypothesis.tokens) + 1) / 6) ** 2.5)


@torch.no_grad()
@pytest.mark.parametrize("beam", [1, 4])
def test_the_rest_of_the_batch_changes_no_translation(model: Model, beam: int) -> None:
    lengths = (6, 2, 4, 1, 3)
    source = sources(*lengths)
    settings = translate(beam, length_penalty=2.5, min_length_factor=0.5)
    together = beam_search(model, source, settings)
    order = [3, 0, 4, 2, 1]
    shuffled = beam_search(model, source[order], settings)
    for row, length in enumerate(lengths):
        alone = beam_search(model, source[row : row + 1, : length + 1], settings)[0]
        for other in (together[row], shuffled[order.index(row)]):
            assert (other.tokens, other.cut_off) == (alone.tokens, alone.cut_off)
            assert other.score == pytest.approx(alone.score)


@torch.no_grad()
def test_nothing_banned_is_produced(model: Model) -> None:
    source = sources(4, 6)
    free = {piece for hypothesis in beam_search(model, source, translate(4)) for piece in hypothesis.tokens}
    assert not free & {PAD, BOS, EOS}
    for banned in itertools.combinations((UNK, A, B, C), 3):
        found = beam_search(model, source, translate(4), banned=banned)
        assert not {piece for hypothesis in found for piece in hypothesis.tokens} & {PAD, BOS, EOS, *banned}


def test_no_sentences_no_translations(model: Model) -> None:
    assert beam_search(model, torch.zeros(0, 4, dtype=torch.long), translate(2)) == []


def test_the_search_leaves_no_gradient_and_no_mode_behind(model: Model) -> None:
    beam_search(model, sources(3), translate(2))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.training
    assert torch.is_grad_enabled()


# --- scripted models --------------------------------------------------------------------------------------------------


class Prefixes(NamedTuple):
    memory: Tensor
    """[B, 1], the first piece of the source."""
    tokens: Tensor
    """[B, T], what was read so far."""


Table = dict[tuple[int, ...] | None, dict[int, float]]


class Scripted(TranslationModel[Tensor, Prefixes]):
    """Next-piece probabilities from a table: {(first source piece, *prefix): {piece: probability}}.

    Other pieces are impossible; after a prefix that is not in the table comes what stands under `None`. A function of
    (first source piece, *prefix) may take the place of the table.
    """

    def __init__(self, script: Table | Callable[[tuple[int, ...]], dict[int, float]]) -> None:
        super().__init__()
        self.probabilities = script if callable(script) else lambda key: script.get(key, script[None])
        self.unused = nn.Parameter(torch.zeros(1))
        self.rows: list[int] = []

    def encode(self, source: Tensor) -> Tensor:
        return source[:, :1]

    def logits(self, memory: Tensor, target_in: Tensor) -> Logits:
        raise NotImplementedError

    def decode_with_alignment(self, memory: Tensor, target_in: Tensor) -> tuple[Tensor, None]:
        raise NotImplementedError

    def start(self, memory: Tensor) -> Prefixes:
        return Prefixes(memory, memory[:, :0])

    def step(self, state: Prefixes, token: Tensor) -> Step[Prefixes]:
        self.rows.append(len(token))
        tokens = torch.cat([state.tokens, token[:, None]], 1)
        logits = torch.full((len(token), 7), -math.inf)
        for row, (first, prefix) in enumerate(zip(state.memory[:, 0].tolist(), tokens[:, 1:].tolist(), strict=True)):
            for piece, probability in self.probabilities((first, *prefix)).items():
                logits[row, piece] = math.log(probability)
        return Step(logits, Prefixes(state.memory, tokens), None)


def chance(seed: int) -> Callable[[tuple[int, ...]], dict[int, float]]:
    """Random probabilities of the three words and the end after each prefix, always the same for the same prefix."""

    def probabilities(key: tuple[int, ...]) -> dict[int, float]:
        generator = random.Random(repr((seed, key)))
        weights = [generator.expovariate(1.0) ** 2 for _ in range(4)]
        return {piece: weight / sum(weights) for piece, weight in zip((EOS, A, B, C), weights, strict=True)}

    return probabilities


def plain_search(script: Callable[..., dict[int, float]], first: int, limit: int, beam: int, alpha: float) -> Any:
    """The rules of `lookback.decoding.beam_search` once more, for one sentence, with lists: (score, tokens)."""

    def normalised(total: float, length: int) -> float:
        return total / ((5 + length) / 6) ** alpha

    going: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    finished: list[tuple[float, tuple[int, ...]]] = []
    for length in range(limit + 1):
        extensions = [
            (total + math.log(probability), (*tokens, piece))
            for total, tokens in going
            for piece, probability in script((first, *tokens)).items()
            if length < limit or piece == EOS
        ]
        extensions.sort(reverse=True)
        finished += [(normalised(total, length + 1), t[:-1]) for total, t in extensions[:beam] if t[-1] == EOS]
        going = [extension for extension in extensions if extension[1][-1] != EOS][:beam]
        if len(finished) >= beam or not going:
            break
        if finished and max(finished)[0] >= normalised(going[0][0], limit + 1):
            break
    return max(finished)


@pytest.mark.parametrize("beam", [1, 2, 3, 5])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0])
def test_the_rules_are_those_of_the_plain_search(beam: int, alpha: float) -> None:
    source = torch.tensor([[A, B, A, EOS], [B, A, EOS, PAD], [C, EOS, PAD, PAD]])
    settings = translate(beam, length_penalty=alpha, max_length_factor=2.0, max_length_extra=1)
    for seed in range(25):
        found = beam_search(Scripted(chance(seed)), source, settings)
        for hypothesis, first, limit in zip(found, (A, B, C), (7, 5, 3), strict=True):
            score, tokens = plain_search(chance(seed), first, limit, beam, alpha)
            assert tuple(hypothesis.tokens) == tokens
            assert hypothesis.score == pytest.approx(score, rel=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0])
def test_a_beam_that_holds_everything_finds_the_best_of_any_distribution(alpha: float) -> None:
    for seed in range(10):
        script, scores = chance(seed), {}
        for length in range(4):
            for words in itertools.product((A, B, C), repeat=length):
                steps = [script((A, *words[:i]))[piece] for i, piece in enumerate((*words, EOS))]
                scores[words] = math.log(math.prod(steps)) / ((6 + length) / 6) ** alpha
        settings = translate(4**4, length_penalty=alpha, max_length_factor=2.0, max_length_extra=1)
        found = beam_search(Scripted(script), torch.tensor([[A, EOS]]), settings)[0]
        assert tuple(found.tokens) == max(scores, key=lambda words: scores[words])
        assert found.score == pytest.approx(max(scores.values()), rel=1e-5)


def test_an_endless_translation_is_cut_off_at_the_limit() -> None:
    model = Scripted({None: {A: 0.9, EOS: 0.1}})
    source = torch.tensor([[A, B, C, EOS], [A, EOS, PAD, PAD]])
    long, short = beam_search(model, source, translate(1, max_length_factor=1.5, max_length_extra=1))
    assert (long.tokens, long.cut_off) == ([A] * 5, True)
    assert (short.tokens, short.cut_off) == ([A] * 2, True)
    assert long.score == pytest.approx((5 * math.log(0.9) + math.log(0.1)) / (11 / 6))


def test_a_translation_that_ends_of_itself_at_the_limit_is_not_cut_off() -> None:
    model = Scripted({(A, B, C): {EOS: 0.6, B: 0.4}, None: {B: 0.5, C: 0.5}, (A,): {B: 1.0}, (A, B): {C: 1.0}})
    found = beam_search(model, torch.tensor([[A, EOS]]), translate(1, max_length_factor=1.0, max_length_extra=1))
    assert (found[0].tokens, found[0].cut_off) == ([B, C], False)


def test_a_beam_finds_what_greedy_search_misses() -> None:
    table: Table = {
        (A,): {B: 0.6, C: 0.4},
        (A, B): {B: 0.5, C: 0.5},
        (A, C): {EOS: 1.0},
        None: {EOS: 1.0},
    }
    source = torch.tensor([[A, EOS]])
    assert beam_search(Scripted(table), source, translate(1, length_penalty=0.0))[0].tokens[0] == B
    assert beam_search(Scripted(table), source, translate(2, length_penalty=0.0))[0].tokens == [C]


def test_the_length_penalty_favours_the_longer_translation() -> None:
    table: Table = {
        (A,): {EOS: 0.5, B: 0.5},
        (A, B): {C: 0.9, B: 0.1},
        (A, B, C): {B: 0.9, C: 0.1},
        None: {EOS: 1.0},
    }
    source = torch.tensor([[A, A, A, EOS]])
    assert beam_search(Scripted(table), source, translate(4, length_penalty=0.0))[0].tokens == []
    assert beam_search(Scripted(table), source, translate(4, length_penalty=1.0))[0].tokens == [B, C, B]


def test_a_score_may_be_divided_by_the_length_itself() -> None:
    table: Table = {(A,): {B: 0.5, EOS: 0.5}, (A, B): {C: 1.0}, None: {EOS: 1.0}}
    found = beam_search(Scripted(table), torch.tensor([[A, A, EOS]]), translate(4, normalization="length"))[0]
    assert found.tokens == [B, C]
    assert found.score == pytest.approx(math.log(0.5) / 3)


def test_a_translation_does_not_end_before_its_least_length() -> None:
    """GroundHog's rule: half as many pieces as the source has, whatever the model would like."""
    model = Scripted({(A,): {EOS: 0.9, B: 0.1}, (A, B): {EOS: 0.9, C: 0.1}, None: {EOS: 1.0}})
    source = torch.tensor([[A, A, A, A, EOS]])
    for factor, least in ((0.0, 0), (0.25, 1), (0.5, 2)):
        assert len(beam_search(model, source, translate(3, min_length_factor=factor))[0].tokens) == least


def test_sentences_that_are_done_leave_the_batch() -> None:
    model = Scripted({None: {EOS: 1.0}, (B,): {B: 1.0}, (B, B): {B: 1.0}, (C,): {B: 1.0}})
    source = torch.tensor([[A, EOS], [B, EOS], [C, EOS]])
    found = beam_search(model, source, translate(2))
    assert [hypothesis.tokens for hypothesis in found] == [[], [B, B], [B]]
    assert model.rows == [6, 4, 2]


def test_the_search_stops_when_nothing_can_overtake() -> None:
    """The second hypothesis could go on for 90 pieces, but is already too improbable to win."""
    model = Scripted({(A,): {EOS: 0.99, B: 0.01}, None: {B: 1.0}})
    source = torch.tensor([[A] * 40 + [EOS]])
    assert beam_search(model, source, translate(4, length_penalty=0.6))[0].tokens == []
    assert len(model.rows) == 1


def test_two_hypotheses_never_become_one() -> None:
    """Equal continuations of equal beginnings would fill the beam with copies; all finished ones are distinct."""
    table: Table = {
        (A,): {B: 0.5, C: 0.3, A: 0.2},
        (A, B): {B: 0.3, C: 0.3, A: 0.3, EOS: 0.1},
        (A, C): {EOS: 0.2, B: 0.8},
        (A, A): {EOS: 1.0},
        None: {EOS: 0.2, B: 0.8},
    }
    found = beam_search(Scripted(table), torch.tensor([[A, EOS]]), translate(3, length_penalty=0.0))
    assert found[0].tokens == [A]


# --- alignments -------------------------------------------------------------------------------------------------------


def test_alignments_come_when_asked_for_and_cover_the_sentence(model: Model) -> None:
    lengths = (5, 2, 3)
    source = sources(*lengths)
    plain = beam_search(model, source, translate(3))
    found = beam_search(model, source, translate(3), alignments=True)
    for before, after, length in zip(plain, found, lengths, strict=True):
        assert before.alignment is None
        assert (after.tokens, after.score, after.cut_off) == (before.tokens, before.score, before.cut_off)
        if type(model).__name__ == "RNNEncoderDecoder":
            assert after.alignment is None
        else:
            assert after.alignment is not None
            assert after.alignment.shape == (len(after.tokens) + 1, length + 1)
            torch.testing.assert_close(after.alignment.sum(1), torch.ones(len(after.tokens) + 1, dtype=torch.float64))


# --- learning ---------------------------------------------------------------------------------------------------------


def copies(count: int, longest: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Strings of ten digits: [count, longest + 1] with the end mark, and [count, longest + 1] with the begin mark."""
    lengths = torch.randint(1, longest + 1, (count, 1), generator=generator)
    digits = torch.randint(4, 14, (count, longest + 1), generator=generator)
    positions = torch.arange(longest + 1)
    source = torch.where(positions < lengths, digits, torch.where(positions == lengths, EOS, PAD))
    target_in = torch.cat([torch.full((count, 1), BOS), source[:, :-1]], 1)
    return source, target_in


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_copying_is_learned(name: str) -> None:
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(1)
    model, steps, longest = models.build(SETTINGS[name], 14, 14), 400, 5
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min((step + 1) / 50, 1 - step / steps))
    for _ in range(steps):
        source, target_in = copies(32, longest, generator)
        loss = nn.functional.cross_entropy(model(source, target_in).flatten(0, 1), source.flatten(), ignore_index=PAD)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if float(loss.detach()) < 0.02:
            break
    source, _ = copies(200, longest, generator)
    model.eval()
    for beam in (1, 4):
        found: list[Hypothesis] = beam_search(model, source, translate(beam))
        right = sum([*h.tokens, EOS] == row[row != PAD].tolist() for h, row in zip(found, source, strict=True))
        assert right >= 0.9 * len(found)
