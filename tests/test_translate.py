import numpy as np
import pytest
import torch

from lookback.config import Translate
from lookback.decoding.translate import evenly_by_length, reference_loss, translate, translate_with_alignment
from lookback.models import build
from lookback.tokenizer import BOS, EOS
from tests.tiny import MODELS, PieceTokenizer


@pytest.fixture(params=MODELS, ids=lambda settings: settings.architecture)
def model(request):
    torch.manual_seed(1)
    return build(request.param, 12, 12).eval()


SOURCES = [[4, 5, 6], [7], [8, 9, 10, 11, 4, 5], [6, 6]]
REFERENCES = [[5, 4], [7, 8, 9, 10], [11], [4, 5, 6]]


def test_translations_come_in_the_order_of_the_sources(model) -> None:
    settings = Translate(batch_sentences=2)
    together = translate(model, PieceTokenizer(), SOURCES, settings, "test")
    alone = [translate(model, PieceTokenizer(), [source], settings, "test")[0] for source in SOURCES]
    assert [t.text for t in together] == [t.text for t in alone]


def test_a_translation_with_alignment_is_the_same_translation(model) -> None:
    plain = translate(model, PieceTokenizer(), SOURCES, Translate(), "test")
    for source, expected in zip(SOURCES, plain, strict=True):
        translation, alignment = translate_with_alignment(model, PieceTokenizer(), source, Translate())
        assert translation.text == expected.text
        if alignment is not None:
            assert np.shape(alignment.weights) == (len(alignment.target_pieces), len(source) + 1)
            assert np.sum(alignment.weights, axis=1) == pytest.approx(1, abs=0.01)


def test_reference_loss_is_that_of_each_sentence_alone(model) -> None:
    nats, pieces = reference_loss(model, SOURCES, REFERENCES, 3, "test")
    assert pieces.tolist() == [3, 5, 2, 4]
    for source, reference, expected in zip(SOURCES, REFERENCES, nats, strict=True):
        with torch.inference_mode():
            logits = model(torch.tensor([[*source, EOS]]), torch.tensor([[BOS, *reference]]))[0]
        by_hand = -sum(logits.log_softmax(-1)[i, piece] for i, piece in enumerate([*reference, EOS]))
        assert float(by_hand) == pytest.approx(expected, rel=1e-4)


def test_examples_are_spread_from_shortest_to_longest() -> None:
    words = [5, 1, 9, 3, 7]
    assert evenly_by_length(words, 3) == [1, 0, 2]
    assert sorted(evenly_by_length(words, 40)) == [0, 1, 2, 3, 4]
