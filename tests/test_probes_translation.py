"""Measures on translation models, on tiny ones and where the answer is known."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lookback import config
from lookback.config import Evaluate
from lookback.errors import LookbackError
from lookback.models import TranslationModel, build
from lookback.probes.alignments import (
    alignment_entropy,
    alignment_error_rate,
    entropies,
    errors,
    read_gold,
    reference_alignments,
    word_weights,
)
from lookback.probes.gradients import ASKED, FROM_ALIGNED, FROM_END, gradient_by_distance, gradient_norms
from lookback.probes.points import by_source_length, ratio
from lookback.probes.readability import FIT_SENTENCES, PLACES, fit_sentences, probe, readable_words, vectors_and_pieces
from lookback.tokenizer import BOS, EOS, PAD
from lookback.tokenizer.base import word_of_piece
from lookback.tokenizer.words import WordTokenizer
from tests.tiny import MODELS, PieceTokenizer

VOCABULARY = 12
SETTINGS = Evaluate(bucket_edges=(3, 6), resamples=200)
SOURCES = [[4, 5, 6, 7], [7], [8, 9, 10, 11, 4, 5, 8], [6, 6]]
REFERENCES = [[5, 4, 9], [7, 8, 9, 10], [11, 5, 6, 7], [4, 5, 6]]
WORDS = [len(source) for source in SOURCES]

REVERSED = MODELS[0].model_copy(update={"reverse_source": True, "encoder": "bidirectional"})
Model = TranslationModel[Any, Any]


@pytest.fixture(params=[*MODELS, REVERSED], ids=["rnn_encoder_decoder", "bahdanau", "transformer", "reversed"])
def model(request: pytest.FixtureRequest) -> Model:
    return tiny(request.param)


def tiny(settings: config.Model) -> Model:
    torch.manual_seed(1)
    return build(settings, VOCABULARY, VOCABULARY).double().eval()


class Whole(PieceTokenizer):
    """Pieces as SentencePiece writes them: even ids begin a word."""

    def pieces(self, ids, side) -> list[str]:
        return ["</s>" if i == EOS else f"▁{i}" if i % 2 == 0 else str(i) for i in ids]


# --- points -----------------------------------------------------------------------------------------------------------


def test_a_ratio_is_of_sums_and_leaves_out_what_has_no_denominator() -> None:
    (point,) = ratio("m", "s", "x", 2.0, [1, 6, 5], [2, 4, 0], SETTINGS, (1,))
    assert point["value"] == pytest.approx(7 / 6)
    assert point["n"] == 2
    assert (point["low"], point["high"]) == (0.5, 1.5)  # resamples: one of them twice, or both
    assert ratio("m", "s", "x", 2.0, [1], [0], SETTINGS, (1,)) == []


def test_one_sentence_has_no_interval() -> None:
    (point,) = ratio("m", "s", "x", None, [3], [4], SETTINGS, (1,))
    assert (point["n"], point["value"]) == (1, 0.75)
    assert math.isnan(point["low"])
    assert math.isnan(point["high"])


def test_points_by_length_have_their_mean_length_and_end_with_all() -> None:
    points = by_source_length("m", "s", [1.0, 2.0, 6.0, 3.0], np.ones(4), [2, 3, 9, 8], SETTINGS)
    assert [(p["x"], p["n"], p["value"]) for p in points] == [(2.5, 2, 1.5), (8.5, 2, 4.5), (None, 4, 3.0)]
    assert points == by_source_length("m", "s", [1.0, 2.0, 6.0, 3.0], np.ones(4), [2, 3, 9, 8], SETTINGS)


# --- gradients --------------------------------------------------------------------------------------------------------


def padded(rows: list[list[int]]) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [PAD] * (width - len(row)) for row in rows])


def norms(model: Model, rows: list[int], pieces: list[list[int]]) -> Tensor:
    """Of the summed log-probability of the given target places of each of the sentences `rows`."""
    target_out = padded([[*REFERENCES[i], EOS] for i in rows])
    asked = torch.zeros(1, *target_out.shape, dtype=torch.bool)
    for row, places in enumerate(pieces):
        asked[0, row, places] = True
    source, target_in = padded([[*SOURCES[i], EOS] for i in rows]), padded([[BOS, *REFERENCES[i]] for i in rows])
    return gradient_norms(model, source, target_in, target_out, asked)[0]


def test_gradients_are_those_of_finite_differences(model: Model) -> None:
    source, target_in = torch.tensor([[*SOURCES[0], EOS]]), torch.tensor([[BOS, *REFERENCES[0]]])
    embedding = model.get_submodule("embedding" if hasattr(model, "embedding") else "source_embedding")
    width = 8

    def log_p(place: int, component: int, change: float) -> float:
        # The reversed model embeds [7, 6, 5, 4, EOS].
        read = place if not getattr(model, "reverse_source", False) or place == 4 else 3 - place

        def move(module: Any, given: Any, embedded: Tensor) -> Tensor:
            moved = embedded.clone()
            moved[0, read, component] += change
            return moved

        with torch.no_grad():
            handle = embedding.register_forward_hook(move)
            memory = model.encode(source)
            handle.remove()
            found = model.decode(memory, target_in).log_softmax(-1)[0]
        return float(found[1, REFERENCES[0][1]] + found[2, REFERENCES[0][2]])

    by_hand = [
        math.hypot(*((log_p(place, c, 1e-5) - log_p(place, c, -1e-5)) / 2e-5 for c in range(width)))
        for place in range(5)
    ]
    assert norms(model, [0], [[1, 2]])[0].tolist() == pytest.approx(by_hand, rel=1e-5)


def test_gradients_of_a_sentence_do_not_depend_on_its_batch(model: Model) -> None:
    together = norms(model, [0, 1, 2], [[0], [3], [1, 2]])
    for row, places in enumerate([[0], [3], [1, 2]]):
        size = len(SOURCES[row]) + 1
        assert together[row, :size].tolist() == pytest.approx(norms(model, [row], [places])[0].tolist())
        assert not together[row, size:].any()


def test_a_hook_is_not_left_behind(model: Model) -> None:
    norms(model, [0], [[0]])
    assert not any(module._forward_hooks for module in model.modules())


def test_shares_of_a_sentence_sum_to_1(model: Model) -> None:
    """One sentence: the mean share of a position in each bin times the positions in it."""
    gold = [frozenset({(1, 0), (3, 0), (2, 1)})]  # the last word has no link
    points = gradient_by_distance(
        model, PieceTokenizer(), [SOURCES[0]], [REFERENCES[0]], gold, SETTINGS, batch_sentences=2, name="test"
    )
    from_end = {0: 1, 1: 1, 2: 1, 3.5: 2}
    for series in (*ASKED, "even"):
        found = {p["x"]: p["value"] for p in points if (p["x_by"], p["series"]) == (FROM_END, series)}
        assert set(found) == set(from_end)
        assert sum(found[x] * count for x, count in from_end.items()) == pytest.approx(1)
    # Positions 0 to 4; from 1 and 3: 1 0 1 0 1; from 2: 2 1 0 1 2. Counts over both.
    counts = {0: 3, 1: 5, 2: 2}
    for series in ("gradient", "even"):
        found = {p["x"]: p["value"] for p in points if (p["x_by"], p["series"]) == (FROM_ALIGNED, series)}
        assert set(found) == set(counts)
        assert sum(found[x] * count for x, count in counts.items()) == pytest.approx(2)
    expected = norms(model, [0], [[2]])[0]
    (last,) = (p for p in points if (p["series"], p["x"]) == ("last word", 0))
    assert last["value"] == pytest.approx(float(expected[-1] / expected.sum()))
    assert last["n"] == 1


def test_the_words_asked_are_all_pieces_of_the_first_the_middle_and_the_last(model: Model) -> None:
    reference = [4, 5, 6, 8, 9, 7, 10]  # words: 4 5 | 6 | 8 9 7 | 10
    points = gradient_by_distance(
        model, Whole(), [SOURCES[0]], [reference], [], SETTINGS, batch_sentences=2, name="test"
    )
    asked = torch.zeros(3, 1, 8, dtype=torch.bool)
    for which, places in enumerate(([0, 1], [2], [6])):
        asked[which, 0, places] = True
    expected = gradient_norms(
        model,
        torch.tensor([[*SOURCES[0], EOS]]),
        torch.tensor([[BOS, *reference]]),
        torch.tensor([[*reference, EOS]]),
        asked,
    )[:, 0]
    for series, of_word in zip(ASKED, expected, strict=True):
        (end,) = (p["value"] for p in points if (p["series"], p["x"]) == (series, 0))
        assert end == pytest.approx(float(of_word[-1] / of_word.sum()))


def test_references_of_two_words_are_not_asked(model: Model) -> None:
    points = gradient_by_distance(
        model, PieceTokenizer(), SOURCES, [[4, 5]] * 4, [], SETTINGS, batch_sentences=2, name="test"
    )
    assert points == []


# --- alignments -------------------------------------------------------------------------------------------------------


def test_alignments_of_the_references_are_those_of_each_sentence_alone(model: Model) -> None:
    found = reference_alignments(model, SOURCES, REFERENCES, 3, "test")
    if model.decode_with_alignment(model.encode(torch.tensor([[4, EOS]])), torch.tensor([[BOS]]))[1] is None:
        assert found == []
        return
    for source, reference, rows in zip(SOURCES, REFERENCES, found, strict=True):
        assert rows.shape == (len(reference) + 1, len(source) + 1)
        assert rows.sum(axis=1) == pytest.approx(1)
        memory = model.encode(torch.tensor([[*source, EOS]]))
        _, alone = model.decode_with_alignment(memory, torch.tensor([[BOS, *reference]]))
        assert alone is not None
        assert rows == pytest.approx(alone[0].detach().numpy(), abs=1e-5)


def test_entropy_of_even_and_of_sure_rows() -> None:
    rows = np.array([[0.25] * 4, [0, 1, 0, 0], [0.5, 0.5, 0, 0]], np.float32)
    assert entropies(rows) == pytest.approx([math.log(4), 0, math.log(2)])


def test_entropy_by_length() -> None:
    even = [np.full((2, size), 1 / size, np.float32) for size in (2, 4, 8)]
    sure = np.eye(8, dtype=np.float32)
    points = alignment_entropy([*even, sure], [1, 3, 7, 7], SETTINGS)
    nats = {p["x"]: p["value"] for p in points if p["series"] == "nats"}
    share = {p["x"]: p["value"] for p in points if p["series"] == "share of log length"}
    assert nats == pytest.approx({2.0: 1.5 * math.log(2), 7.0: 1.5 * math.log(2), None: 1.5 * math.log(2)})
    assert share == pytest.approx({2.0: 1.0, 7.0: 0.5, None: 0.75}, abs=1e-6)
    assert alignment_entropy([], [], SETTINGS) == []


def test_error_rate_of_known_sets() -> None:
    def rate(found: set[tuple[int, int]], gold: set[tuple[int, int]]) -> float:
        wrong, links = errors(frozenset(found), frozenset(gold))
        return wrong / links

    gold = {(0, 0), (2, 1), (1, 2)}
    assert rate(gold, gold) == 0
    assert rate({(1, 0), (0, 1)}, gold) == 1
    # Two of three links are right, and there are four in the gold: 1 - 2 * 2 / (3 + 4).
    assert rate({(0, 0), (2, 1), (2, 2)}, gold | {(3, 1)}) == pytest.approx(3 / 7)


def test_weights_between_pieces_become_weights_between_words() -> None:
    rows = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.1, 0.1, 0.3], [0, 0, 1, 0], [0, 0, 0, 1]], np.float32)
    assert word_weights(rows, [0, 0, 1], [0, 0, 1]) == pytest.approx(np.array([[0.45, 0.2], [0, 1]]))


# Sources 4 5 | 6 7 and 7 and 8 9 | 10 11 | 4 5 | 8; references 5 | 4 9 and 7 | 8 9 | 10 and 11 5 | 6 7.
ALIGNED_SOURCES, ALIGNED_REFERENCES = SOURCES[:3], [[5, 4, 9], [7, 8, 9, 10], [11, 5, 6, 7]]


def looking_at(source: int, pieces: list[int]) -> np.ndarray:
    """Each target piece at one source piece with most of its weight; the end mark has the rest."""
    rows = np.zeros((len(pieces) + 1, source + 1), np.float32)
    rows[:, -1] = 0.4
    rows[np.arange(len(pieces)), pieces] = 0.6
    return rows


def error_rates(alignments: list[np.ndarray], gold: list[set[tuple[int, int]]]) -> dict[str, dict[float | None, float]]:
    points = alignment_error_rate(
        alignments,
        Whole(),
        ALIGNED_SOURCES,
        ALIGNED_REFERENCES,
        [frozenset(links) for links in gold],
        [2, 1, 4],
        SETTINGS,
    )
    return {
        series: {p["x"]: p["value"] for p in points if p["series"] == series}
        for series in ("alignment", "diagonal", "best")
    }


def test_error_rate_of_alignments() -> None:
    gold = [{(1, 0), (0, 1)}, {(0, 0), (0, 1)}, {(0, 0), (2, 0), (3, 1)}]
    right = [looking_at(4, [3, 0, 1]), looking_at(1, [0, 0, 0, 0]), looking_at(7, [4, 5, 6, 6])]
    found = error_rates(right, gold)
    # Sentence 1: both right. 2: two right, and the third word, without a link, errs. 3: two of three, two links.
    assert found["alignment"] == pytest.approx({1.5: 1 - 2 * 4 / 9, 4.0: 1 - 4 / 5, None: 1 - 2 * 6 / 14})
    assert found["best"] == found["alignment"]
    # Diagonals: 0-0 1-1, both wrong; 0-0 0-1 0-2; 0-0 2-1.
    assert found["diagonal"] == pytest.approx({1.5: 1 - 2 * 2 / 9, 4.0: 1 - 2 / 5, None: 1 - 2 * 3 / 14})
    wrong = [looking_at(4, [0, 3, 2]), looking_at(1, [0, 0, 0, 0]), looking_at(7, [2, 3, 0, 0])]
    assert error_rates(wrong, gold)["alignment"] == pytest.approx({1.5: 1 - 2 * 2 / 9, 4.0: 1, None: 1 - 2 * 2 / 14})


def test_without_alignments_or_gold_there_are_no_rates() -> None:
    nothing = (Whole(), ALIGNED_SOURCES, ALIGNED_REFERENCES)
    assert alignment_error_rate([], *nothing, [frozenset()] * 3, [2, 1, 4], SETTINGS) == []
    assert alignment_error_rate([looking_at(4, [0, 1])] * 3, *nothing, [], [2, 1, 4], SETTINGS) == []


@pytest.mark.parametrize(
    ("gold", "message"),
    [([set()], "1 lines, but the test set has 3"), ([set(), {(1, 0)}, set()], "line 2: a link beyond the 1 source")],
)
def test_gold_of_another_text(gold: list[set[tuple[int, int]]], message: str) -> None:
    with pytest.raises(LookbackError, match=message):
        error_rates([looking_at(len(s), [0] * len(r)) for s, r in zip(SOURCES, REFERENCES, strict=True)][:3], gold)


def test_gold_is_read(tmp_path: Path) -> None:
    path = tmp_path / "test.alignment"
    tokenizer: Any = Whole()
    assert read_gold(path, tokenizer) == []
    path.write_text("0-0 2-1 2-3\n\n")
    assert read_gold(path, tokenizer) == [frozenset({(0, 0), (2, 1), (2, 3)}), frozenset()]
    path.write_text("0-0\n0-0 1:2\n")
    with pytest.raises(LookbackError, match=r"test\.alignment: line 2: '1:2' is no link"):
        read_gold(path, tokenizer)


def test_links_between_words_are_no_links_between_moses_tokens(tmp_path: Path) -> None:
    about = {"kind": "words", "normalization": "NFC", "source_language": "en", "target_language": "de"}
    tokenizer = WordTokenizer(json.dumps(about | {"source_words": ["a"], "target_words": ["b"]}).encode())
    (tmp_path / "test.alignment").write_text("0-0\n")
    assert read_gold(tmp_path / "test.alignment", tokenizer) == []


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["▁The", "▁c", "at", "▁sat", ".", "</s>"], [0, 1, 1, 2, 2, -1]),
        (["▁", "⁇", "x", "▁y"], [0, 0, 0, 1]),
        (["⁇", "▁y"], [0, 1]),
        (["The", "cat", ".", "</s>"], [0, 1, 2, -1]),
        ([], []),
    ],
)
def test_words_of_pieces(pieces: list[str], words: list[int]) -> None:
    assert word_of_piece(pieces) == words


# --- readability ------------------------------------------------------------------------------------------------------


def test_a_probe_reads_what_is_linearly_there() -> None:
    generator = np.random.default_rng(1)
    embeddings, turn = generator.normal(size=(20, 32)), generator.normal(size=(32, 32))
    labels = generator.integers(0, 20, 900)
    vectors = (embeddings[labels] @ turn + generator.normal(size=(900, 32))).astype(np.float32)
    assert (probe(vectors[:600], labels[:600], vectors[600:]) == labels[600:]).mean() > 0.95


def test_a_probe_is_at_chance_on_shuffled_labels() -> None:
    generator = np.random.default_rng(1)
    embeddings = generator.normal(size=(4, 16))
    labels = generator.integers(0, 4, 3_000)
    vectors, shuffled = embeddings[labels].astype(np.float32), generator.permutation(labels)
    right = (probe(vectors[:1_000], shuffled[:1_000], vectors[1_000:]) == shuffled[1_000:]).mean()
    assert right == pytest.approx(0.25, abs=5 * math.sqrt(0.25 * 0.75 / 2_000))


def test_a_probe_of_one_label_names_it() -> None:
    assert probe(np.ones((3, 2), np.float32), np.full(3, 7), np.ones((2, 2), np.float32)).tolist() == [7, 7]


def test_a_probe_does_without_labels_that_occur_once() -> None:
    vectors = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    assert set(probe(vectors, np.array([1, 2, 3, 3, 4, 4, 4]), vectors)) <= {3, 4}


def sentences(count: int, seed: int) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(4, VOCABULARY, size).tolist() for size in generator.integers(3, 10, count)]


def test_what_is_read_belongs_to_the_piece(model: Model) -> None:
    vectors, pieces = vectors_and_pieces(model, SOURCES, 2, "test")
    assert pieces.tolist() == [
        [4, 5, 7, PAD, PAD, 4, 6],
        [7, PAD, PAD, PAD, PAD, PAD, PAD],
        [8, 9, 11, PAD, PAD, 11, 5],
        [6, 6, PAD, PAD, PAD, PAD, 6],
    ]
    for source, read in zip(SOURCES, vectors, strict=True):
        memory = model.encode(torch.tensor([[*source, EOS]]))
        for place, of_place in zip(PLACES.values(), read, strict=True):
            if not -len(source) <= place < len(source):
                continue
            if hasattr(memory, "summary"):
                expected = memory.summary[0]
            else:
                states = memory.annotations if hasattr(memory, "annotations") else memory.states
                expected = states[0, :-1][place]  # without the end mark
            assert of_place == pytest.approx(expected.detach().numpy(), abs=1e-5)


def test_states_beside_a_piece_tell_it_and_one_vector_forgets() -> None:
    """Untrained models: a state is made of the piece's embedding; 8 numbers hold at best the last pieces."""
    tested, learnt = sentences(300, 2), sentences(900, 3)
    found: dict[str, dict[str, float]] = {}
    for settings in MODELS:
        points = readable_words(tiny(settings), tested, [*map(len, tested)], learnt, SETTINGS, 64, "test")
        overall = [p for p in points if p["x"] is None]
        assert {p["n"] for p in overall if p["series"] == "1st"} == {300}
        assert {p["n"] for p in overall if p["series"] == "8th"} == {sum(len(s) >= 8 for s in tested)}
        found[settings.architecture] = {p["series"]: p["value"] for p in overall}
    vector = found["rnn_encoder_decoder"]
    for place in PLACES:
        assert found["bahdanau"][place] > 0.95
        assert found["transformer"][place] > 0.65
        assert vector[f"{place}, majority"] == pytest.approx(1 / 8, abs=0.1)
        assert vector[place] < 0.6
    assert vector["1st"] < 0.25 < vector["2nd to last"]


def test_what_cannot_be_named_is_not_counted() -> None:
    """Piece 9 opens one sentence of those to learn from, piece 10 none."""
    learnt = [[4, 6], [4, 7], [5, 6], [5, 7], [9, 6]]
    points = readable_words(tiny(MODELS[1]), [[4], [5], [9], [10]], [1] * 4, learnt, SETTINGS, 4, "test")
    found = {p["series"]: (p["n"], p["value"]) for p in points if p["x"] is None}
    assert found == {"1st": (2, 1.0), "1st, majority": (2, 0.5)}


def test_a_probe_learns_from_as_many_sentences_of_each_length() -> None:
    words = np.repeat([2, 5, 9], [5_000, 2_000, 30])
    chosen = fit_sentences(words, SETTINGS)
    assert len(set(chosen)) == len(chosen)
    assert np.bincount(words[chosen])[[2, 5, 9]].tolist() == [FIT_SENTENCES // 3, FIT_SENTENCES // 3, 30]
