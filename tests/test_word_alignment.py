"""From pieces to whole words."""

import io

import numpy as np
import pytest
import sentencepiece as spm
from hypothesis import given, settings
from hypothesis import strategies as st

from lookback.decoding.word_alignment import END, by_words
from lookback.tokenizer import BOS, EOS, PAD, UNK
from lookback.tokenizer.sentencepiece import SentencePieceTokenizer

TEXT = ["The cat jumped over it.", "A well-kept dog, which slept, did not jump.", "No dogs? No cats!", "it jumped"]


@pytest.fixture(scope="module")
def tokenizer() -> SentencePieceTokenizer:
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT),
        model_writer=model,
        vocab_size=40,
        model_type="bpe",
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        minloglevel=2,
    )
    return SentencePieceTokenizer(model.getvalue())


def test_weights_are_summed_over_source_pieces_and_averaged_over_target_pieces() -> None:
    weights = [
        [0.1, 0.2, 0.3, 0.4, 0.0],
        [0.5, 0.1, 0.1, 0.1, 0.2],
        [0.0, 0.0, 0.0, 0.5, 0.5],
        [0.0, 0.0, 0.0, 0.0, 1.0],
    ]
    found = by_words(["▁The", "▁c", "at", ".", END], ["▁Kat", "ze", ".", END], weights)
    assert (found.source, found.target) == (("The", "cat.", END), ("Katze.", END))
    assert found.weights == pytest.approx(np.array([[0.2, 1.7 / 3, 0.7 / 3], [0.0, 0.0, 1.0]]))


def test_tokens_of_a_tokenizer_of_words_stay_as_they_are() -> None:
    weights = np.eye(3)[[0, 2]]
    found = by_words(["l'", "homme", END], ["Mann", END], weights)
    assert (found.source, found.target) == (("l'", "homme", END), ("Mann", END))
    assert (found.weights == weights).all()


@pytest.mark.parametrize(
    "pieces", [["▁a", "▁", END], ["▁a", "▁", "▁", END], ["▁a", "▁", "▁"], ["▁", "▁a", END], ["▁a"]]
)
def test_spaces_make_no_word(pieces: list[str]) -> None:
    found = by_words(pieces, pieces, np.eye(len(pieces)))
    assert [word for word in found.source if word != END] == ["a"] == [word for word in found.target if word != END]
    assert found.weights.sum(1) == pytest.approx(1)


@pytest.mark.parametrize("pieces", [[], [END], ["▁", END]])
def test_a_translation_without_a_word(pieces: list[str]) -> None:
    found = by_words(["▁a", END], pieces, np.full((len(pieces), 2), 0.5))
    assert found.target == (END,) * bool(pieces)
    assert found.weights == pytest.approx(np.full((len(found.target), 2), 0.5))


@given(source=st.sampled_from(TEXT), target=st.sampled_from(TEXT), seed=st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_rows_sum_to_one_and_words_are_those_of_the_text(
    tokenizer: SentencePieceTokenizer, source: str, target: str, seed: int
) -> None:
    ids = tokenizer.encode([source, target], "source")
    of_source, of_target = (tokenizer.pieces([*line, EOS], "source") for line in ids)
    assert len(of_source) > len(source.split()) + 1  # or there is nothing to put together
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(of_source)), len(of_target))
    found = by_words(of_source, of_target, weights)
    assert list(found.source) == [*source.split(), END]
    assert list(found.target) == [*target.split(), END]
    assert found.weights.sum(1) == pytest.approx(1)


def test_weights_of_another_shape_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"weights \[2, 1\] for 1 x 2 pieces"):
        by_words(["▁a", END], [END], [[1.0], [1.0]])
