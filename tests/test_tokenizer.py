import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from lookback.config import SentencePiece
from lookback.corpus.lines import read_lines
from lookback.data.encode import tokenize
from lookback.data.encoded import EncodedSplit
from lookback.errors import LookbackError
from lookback.tokenizer import BOS, EOS, PAD, UNK, Side, load_tokenizer, word_of_piece

VOCABULARIES = {
    "source": ["the", "cat", "sat", "on", "a", "mat", "dog"],
    "target": ["die", "Katze", "saß", "auf", "einer", "Matte", "Hund"],
}
SETTINGS = SentencePiece(vocabulary_size=60)
LANGUAGES: dict[Side, str] = {"source": "en", "target": "de"}


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A prepared corpus of 200, 5 and 5 pairs."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    random_words = random.Random(1)
    for split, count in (("train", 200), ("valid", 5), ("test", 5)):
        words = np.zeros((count, 2), np.uint16)
        for column, (side, vocabulary) in enumerate(VOCABULARIES.items()):
            lines = [random_words.choices(vocabulary, k=random_words.randint(2, 7)) for _ in range(count)]
            words[:, column] = [len(line) for line in lines]
            (folder / f"{split}.{side}").write_text("".join(" ".join(line) + "\n" for line in lines), encoding="utf-8")
        np.save(folder / f"{split}.words.npy", words)
    return folder


def test_encoded_splits_decode_to_the_text(prepared: Path, tmp_path: Path) -> None:
    manifest = tokenize(prepared, tmp_path / "encoded", 200, SETTINGS, "NFC", LANGUAGES)
    tokenizer = load_tokenizer(tmp_path / "encoded")
    assert tokenizer.source_vocabulary == tokenizer.target_vocabulary == manifest["vocabulary_size"] == 60
    for split, side in (("train", "source"), ("train", "target"), ("test", "target")):
        encoded = EncodedSplit.open(tmp_path / "encoded", split)
        rows = [getattr(encoded, side)[i] for i in range(len(encoded))]
        assert [tokenizer.decode(row) for row in rows] == list(read_lines(prepared / f"{split}.{side}"))
        assert all({PAD, UNK, BOS, EOS}.isdisjoint(row.tolist()) for row in rows)
    assert sum(map(len, rows)) == manifest["splits"]["test"]["target"]["pieces"]


def test_the_same_text_gives_the_same_bytes(prepared: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        tokenize(prepared, tmp_path / name, 200, SETTINGS, "NFC", LANGUAGES)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_only_train_is_read_for_the_model(prepared: Path, tmp_path: Path) -> None:
    tokenize(prepared, tmp_path / "one", 200, SETTINGS, "NFC", LANGUAGES)
    (prepared / "test.source").write_text("Ω Ω\n" * 5, encoding="utf-8")
    tokenize(prepared, tmp_path / "two", 200, SETTINGS, "NFC", LANGUAGES)
    model = "tokenizer.model"
    assert (tmp_path / "one" / model).read_bytes() == (tmp_path / "two" / model).read_bytes()
    assert UNK in EncodedSplit.open(tmp_path / "two", "test").source[0]


def test_a_decomposed_letter_is_encoded_as_train_was(prepared: Path, tmp_path: Path) -> None:
    (prepared / "train.target").write_text("schön\n" * 200, encoding="utf-8")
    tokenize(prepared, tmp_path / "encoded", 200, SentencePiece(vocabulary_size=40), "NFC", LANGUAGES)
    tokenizer = load_tokenizer(tmp_path / "encoded")
    decomposed = unicodedata.normalize("NFD", "schön")
    assert tokenizer.encode([decomposed], "target") == tokenizer.encode(["schön"], "target")


def test_a_unicode_line_separator_is_part_of_its_sentence(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("one\u2028still one\x85\ntwo\n", encoding="utf-8")
    assert list(read_lines(tmp_path / "text")) == ["one\u2028still one\x85", "two"]


def test_too_little_text_for_the_vocabulary(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(LookbackError, match=r"tokenize\.vocabulary_size = 9000.*[Vv]ocabulary") as caught:
        tokenize(prepared, tmp_path / "encoded", 200, SentencePiece(vocabulary_size=9000), "NFC", LANGUAGES)
    assert "\n" not in str(caught.value)


def test_a_broken_model_file(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"nonsense")
    with pytest.raises(LookbackError, match=r"tokenizer\.model"):
        load_tokenizer(tmp_path)


def test_a_folder_without_tokenizer_or_with_two(tmp_path: Path) -> None:
    with pytest.raises(LookbackError, match=r"has no tokenizer\.model or tokenizer\.json; run the tokenize stage"):
        load_tokenizer(tmp_path)
    for name in ("tokenizer.model", "tokenizer.json"):
        (tmp_path / name).touch()
    with pytest.raises(LookbackError, match=r"has both tokenizer\.model and tokenizer\.json"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["▁The", "▁c", "at", ",", "▁which", ".", "</s>"], [0, 1, 1, 1, 2, 2, -1]),
        (["The", "cat", ",", "which", ".", "</s>"], [0, 1, 2, 3, 4, -1]),
        (["▁", "Ω", "▁cat"], [0, 0, 1]),
        (["▁", "▁cat"], [0, 0]),
        (["at", "▁cat"], [0, 1]),
        (["</s>"], [-1]),
        ([], []),
    ],
    ids=["sentencepiece", "words", "a mark alone", "two marks", "no mark at first", "nothing", "no piece"],
)
def test_pieces_know_their_word(pieces: list[str], words: list[int]) -> None:
    assert word_of_piece(pieces) == words


def test_joined_pieces_are_the_words_of_the_text(prepared: Path, tmp_path: Path) -> None:
    tokenize(prepared, tmp_path / "encoded", 200, SETTINGS, "NFC", LANGUAGES)
    tokenizer = load_tokenizer(tmp_path / "encoded")
    draw = random.Random(1)
    for _ in range(200):  # whatever a model may write, sense or not
        ids = draw.choices(range(EOS + 1, 60), k=draw.randint(1, 12))
        pieces = tokenizer.pieces(ids, "target")
        if pieces[-1] == "▁" or not any(piece.startswith("▁") for piece in pieces):
            continue
        joined: dict[int, str] = {}
        for piece, word in zip(pieces, word_of_piece(pieces), strict=True):
            joined[word] = joined.get(word, "") + piece.replace("▁", "")
        assert list(joined) == list(range(len(joined)))
        assert list(joined.values()) == tokenizer.decode(ids).split()
