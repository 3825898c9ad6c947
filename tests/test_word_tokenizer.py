"""Words: the vocabularies, text to ids and back, and a tiny experiment from tokenizing to translating."""

import json
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from lookback import config, models
from lookback.data.encode import tokenize
from lookback.data.encoded import EncodedSplit
from lookback.decoding.beam_search import beam_search
from lookback.decoding.translate import translate, translate_with_alignment
from lookback.errors import LookbackError
from lookback.models.saved import load_model, save_model
from lookback.tokenizer import BOS, EOS, PAD, SIDES, UNK, Side, Tokenizer, load_tokenizer
from lookback.tokenizer.words import most_frequent, tokenized
from lookback.training.run import train
from tests.tiny import MODELS

LANGUAGES: dict[Side, str] = {"source": "fr", "target": "de"}
SOURCES = {
    "train": ["le chat dort .", "le chien dort .", "l'homme dort .", "le chat, le chien"],
    "valid": ["le chat dort ."],
    "test": ["le chat dort .", "le lion dort .", "le chien dort ."],
}
TARGETS = {
    "train": ["die Katze schläft.", "der Hund schläft.", "der Mensch schläft.", "die Katze, der Hund"],
    "valid": ["die Katze schläft."],
    "test": ["die Katze schläft.", "der Löwe schläft.", "der Wolf und der Hund schlafen."],
}


def prepare(folder: Path, sources: dict[str, list[str]] = SOURCES, targets: dict[str, list[str]] = TARGETS) -> Path:
    """A prepared corpus of these sentences."""
    prepared = folder / "prepared"
    prepared.mkdir()
    for split in sources:
        texts: dict[Side, list[str]] = {"source": sources[split], "target": targets[split]}
        for side, lines in texts.items():
            (prepared / f"{split}.{side}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        counts = [[len(line.split()) for line in pair] for pair in zip(*texts.values(), strict=True)]
        np.save(prepared / f"{split}.words.npy", np.array(counts, np.uint16))
    return prepared


def words(prepared: Path, encoded: Path, vocabulary_size: int = 100, languages: dict[Side, str] = LANGUAGES) -> dict:
    return tokenize(prepared, encoded, 4, config.Words(kind="words", vocabulary_size=vocabulary_size), "NFC", languages)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    words(prepare(tmp_path), tmp_path / "encoded")
    return load_tokenizer(tmp_path / "encoded")


# --- the vocabularies -------------------------------------------------------------------------------------------------


def test_the_most_frequent_words_are_kept_and_ties_are_in_alphabetical_order() -> None:
    counts = Counter({"b": 2, "a": 1, "é": 2, "Z": 2, "z": 3})
    assert most_frequent(counts, 4) == ["z", "Z", "b", "é"]


def test_each_language_has_its_own_words_after_the_special_ids(tokenizer: Tokenizer) -> None:
    # train: le 4, dort 3, . 3, chat 2, chien 2, then one each
    assert tokenizer.pieces(range(tokenizer.source_vocabulary), "source") == [
        *("<pad>", "⁇", "<s>", "</s>", "le", ".", "dort", "chat", "chien", ",", "homme", "l'")
    ]
    assert tokenizer.pieces(range(4, tokenizer.target_vocabulary), "target") == [
        *(".", "der", "schläft", "Hund", "Katze", "die", ",", "Mensch")
    ]
    assert tokenizer.pieces([PAD, UNK, BOS, EOS], "target") == ["<pad>", "⁇", "<s>", "</s>"]


def test_a_small_vocabulary_keeps_so_many_ids_a_language(tmp_path: Path) -> None:
    manifest = words(prepare(tmp_path), tmp_path / "encoded", vocabulary_size=7)
    tokenizer = load_tokenizer(tmp_path / "encoded")
    assert (tokenizer.source_vocabulary, tokenizer.target_vocabulary) == (7, 7)
    assert manifest["vocabulary_size"] == {"source": 7, "target": 7}
    assert tokenizer.pieces([4, 5, 6], "source") == ["le", ".", "dort"]
    assert tokenizer.encode(["le chat dort ."], "source") == [[4, UNK, 6, 5]]


def test_only_train_is_read_for_the_vocabulary(tmp_path: Path) -> None:
    prepared = prepare(tmp_path)
    words(prepared, tmp_path / "one")
    (prepared / "test.source").write_text("oiseau oiseau oiseau\n" * 3)
    words(prepared, tmp_path / "two")
    file = "tokenizer.json"
    assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert EncodedSplit.open(tmp_path / "two", "test").source[0].tolist() == [UNK] * 3


def test_the_same_text_gives_the_same_bytes(tmp_path: Path) -> None:
    prepared = prepare(tmp_path)
    for name in ("one", "two"):
        words(prepared, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert not [name for name in files if name.endswith((".tokens", ".part"))]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_the_manifest_counts_the_unknown(tmp_path: Path) -> None:
    manifest = words(prepare(tmp_path), tmp_path / "encoded")
    assert manifest["different_words_in_train"] == {"source": 8, "target": 8}
    assert manifest["fingerprint"] == load_tokenizer(tmp_path / "encoded").fingerprint
    assert manifest["splits"]["train"]["pairs_without_unknown"] == 4
    # lion; Löwe, and Wolf, und, schlafen
    assert manifest["splits"]["test"] == {
        "source": {"pieces": 12, "pieces_per_word": 1.0, "unknown_share": round(1 / 12, 5)},
        "target": {"pieces": 15, "pieces_per_word": 1.25, "unknown_share": round(4 / 15, 5)},
        "pairs_without_unknown": 1,
    }


def test_going_over_to_another_tokenizer_leaves_one_file(tmp_path: Path) -> None:
    prepared, encoded = prepare(tmp_path), tmp_path / "encoded"
    pieces = config.SentencePiece(vocabulary_size=45)
    tokenize(prepared, encoded, 4, pieces, "NFC", LANGUAGES)
    words(prepared, encoded)
    assert load_tokenizer(encoded).source_vocabulary == 12
    tokenize(prepared, encoded, 4, pieces, "NFC", LANGUAGES)
    assert load_tokenizer(encoded).source_vocabulary == 45


# --- text to ids and back ---------------------------------------------------------------------------------------------


def test_encoded_splits_are_the_text_with_unknown_words_marked(tokenizer: Tokenizer, tmp_path: Path) -> None:
    for split in ("train", "test"):
        encoded = EncodedSplit.open(tmp_path / "encoded", split)
        lines = (tmp_path / f"prepared/{split}.target").read_text(encoding="utf-8").splitlines()
        rows = [encoded.target[i].tolist() for i in range(len(encoded))]
        assert rows == tokenizer.encode(lines, "target")
        if split == "train":
            assert [tokenizer.decode(row) for row in rows] == lines
    assert [tokenizer.decode(row) for row in rows] == [
        "die Katze schläft.",
        "der ⁇ schläft.",
        "der ⁇ ⁇ der Hund ⁇.",
    ]


def test_case_matters(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode(["Die die katze Katze"], "target") == [
        [UNK, *tokenizer.encode(["die"], "target")[0], UNK, *tokenizer.encode(["Katze"], "target")[0]]
    ]


def test_a_line_of_nothing_is_encoded_as_nothing(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode(["", " \u2028 ", "\x01"], "source") == [[], [], []]
    assert tokenizer.decode([]) == ""


def test_a_decomposed_letter_is_encoded_as_train_was(tokenizer: Tokenizer) -> None:
    decomposed = unicodedata.normalize("NFD", "schläft")
    assert UNK not in tokenizer.encode([decomposed], "target")[0]


@pytest.mark.parametrize(
    ("language", "sentence", "tokens"),
    [
        ("fr", "L'homme n'a pas dit qu'il viendrait aujourd'hui, n'est-ce pas ?", "L' homme n' a pas dit qu' il"),
        ("fr", "« Où vas-tu ? », demanda-t-elle.", "« Où vas-tu ? » , demanda-t-elle ."),
        ("fr", "C'est l'un des \"meilleurs\" (20 %) : M. Dupont l'a dit à 10 h.", "C' est l' un des \" meilleurs \" ("),
        ("de", 'Er sagte: "Das ist nicht wahr", und ging (langsam) nach Hause.', 'Er sagte : " Das ist nicht wahr "'),
        ("de", "Die U-Bahn kostet z. B. 3,50 Euro; Dr. Müller weiß es!", "Die U-Bahn kostet z. B. 3,50 Euro ; Dr."),
        ("en", "The cat's mat isn't here, Mr. Smith paid $3.50 for it.", "The cat 's mat isn 't here , Mr. Smith"),
        ("en", "Tom & Jerry <3 [sic] | it's 5 > 4", "Tom & Jerry < 3 [ sic ]"),  # nothing is written as &amp;
    ],
)
def test_ordinary_sentences_come_back_as_they_were(language: str, sentence: str, tokens: str, tmp_path: Path) -> None:
    text = {split: [sentence] for split in SOURCES}
    words(prepare(tmp_path, text, text), tmp_path / "encoded", languages={"source": language, "target": language})
    tokenizer = load_tokenizer(tmp_path / "encoded")
    for side in SIDES:
        ids = tokenizer.encode([sentence], side)[0]
        assert UNK not in ids
        assert " ".join(tokenizer.pieces(ids, side)).startswith(tokens)
    if "<" not in sentence:
        assert tokenizer.decode(ids) == sentence


def test_several_processes_give_the_same_tokens_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lookback.tokenizer.base.BLOCK_LINES", 2)
    lines = [f"L'homme n'a pas dit {i}, n'est-ce pas?" for i in range(15)]
    alone = list(tokenized(lines, "fr"))
    assert len(alone) == 15
    assert alone[3] == "L' homme n' a pas dit 3 , n' est-ce pas ?"
    assert list(tokenized(lines, "fr", processes=2)) == alone


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"nonsense", "Invalid JSON"),
        (b"{}", "kind: Field required"),
        (b'{"kind": "letters"}', "kind: Input should be 'words'"),
        (b"\xff", "Invalid JSON"),
    ],
)
def test_a_broken_file(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(LookbackError, match=r"tokenizer\.json: not a readable word tokenizer") as caught:
        load_tokenizer(tmp_path)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


# --- models -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS[:2], ids=lambda model: model.architecture)
def test_a_tiny_experiment_from_text_to_translation(model: config.Model, tmp_path: Path) -> None:
    sources = {split: lines * 20 for split, lines in SOURCES.items()}
    targets = {split: lines * 20 for split, lines in TARGETS.items()}
    targets["train"][0] = "der Mensch und die Katze und der Hund schlafen."  # a vocabulary of another size
    words(prepare(tmp_path, sources, targets), tmp_path / "encoded")
    train(
        model,
        config.Train(target_tokens=300, batch_target_tokens=50, valid_interval_steps=3),
        config.Hardware(accelerator="cpu", threads=1),
        tmp_path / "encoded",
        config.Run(experiment="tiny", model=model.architecture, max_train_words=12, seed=1),
        tmp_path / "resume",
        tmp_path / "model",
        provenance={},
    )
    elsewhere = (tmp_path / "model").rename(tmp_path / "moved")
    assert {path.name for path in elsewhere.iterdir()} == {"weights.safetensors", "config.json", "tokenizer.json"}
    sizes = json.loads((elsewhere / "config.json").read_text())["vocabulary_size"]
    assert sizes == {"source": 12, "target": 14}
    loaded, tokenizer = load_model(elsewhere), load_tokenizer(elsewhere)
    test = EncodedSplit.open(tmp_path / "encoded", "test")
    rows = [test.source[i].tolist() for i in range(3)]
    settings = config.Translate(max_length_factor=1.0, max_length_extra=2)
    found = translate(loaded, tokenizer, rows, settings, "test")
    assert len(found) == 3
    translation, alignment = translate_with_alignment(loaded, tokenizer, rows[1], settings)
    assert translation.text == found[1].text
    assert translation.score == pytest.approx(found[1].score, rel=1e-5)
    if alignment is not None:
        assert alignment.source_pieces == ["le", "⁇", "dort", ".", "</s>"]


@pytest.mark.parametrize("model", MODELS[:2], ids=lambda model: model.architecture)
def test_unknown_is_written_unless_it_is_banned(model: config.Model, tokenizer: Tokenizer, tmp_path: Path) -> None:
    torch.manual_seed(1)
    built = models.build(model, tokenizer.source_vocabulary, tokenizer.target_vocabulary).eval()
    output = built.get_parameter("readout.output.bias")
    with torch.no_grad():
        output[UNK] = 20.0  # what it likes best
        output[EOS] = 1.0
    rows = tokenizer.encode(SOURCES["test"], "source")
    for settings, unknown in ((config.Translate(), True), (config.Translate(ban_unknown=True), False)):
        found = translate(built, tokenizer, rows, settings, "test")
        found += [translate_with_alignment(built, tokenizer, row, settings)[0] for row in rows]
        assert ["⁇" in translation.text for translation in found] == [unknown] * 6
    source = torch.tensor([[*rows[0], EOS]])
    best = beam_search(built, source, config.Translate(beam=1), banned=[UNK])[0]
    assert UNK not in best.tokens


def test_a_model_of_another_tokenizer_is_replaced_whole(tokenizer: Tokenizer, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(b"of an earlier run")
    sizes = tokenizer.source_vocabulary, tokenizer.target_vocabulary
    save_model(models.build(MODELS[0], *sizes), MODELS[0], *sizes, tmp_path / "encoded/tokenizer.json", folder, {})
    assert load_tokenizer(folder).fingerprint == tokenizer.fingerprint


def test_the_transformer_refuses_two_vocabularies() -> None:
    with pytest.raises(LookbackError, match=r"one matrix between both languages, which here have 12 and 14 pieces"):
        models.build(MODELS[2], 12, 14)
