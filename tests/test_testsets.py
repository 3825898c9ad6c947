import csv
import json
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

import pipeline.download
import pipeline.prepare
import pipeline.testsets
import pipeline.tokenize
import pipeline.translate
from lookback import models
from lookback.config import Bahdanau, FurtherSets, Hardware, Joined, SentencePiece, WordByWord, Words, load_experiment
from lookback.data import testsets
from lookback.data.testsets import derive, joined_lines
from lookback.errors import LookbackError
from lookback.models.saved import save_model
from lookback.tokenizer import UNK, load_tokenizer
from lookback.tokenizer.words import UNKNOWN_MARK
from lookback.training import dictionary

WORDS = [3, 9, 40, 5, 8, 2, 15, 16, 7, 4, 6, 11, 12, 1, 30, 10, 13, 14, 9, 8, 7, 6, 5, 4, 3, 2, 1, 2]
"""Of the source of each test sentence; 25 have at most 15."""


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    folder = tmp_path / "prepared"
    folder.mkdir()
    for side, letter in (("source", "s"), ("target", "t")):
        lines = [" ".join(f"{letter}{i}.{word}" for word in range(n)) for i, n in enumerate(WORDS)]
        (folder / f"test.{side}").write_text("".join(line + "\n" for line in lines))
    np.save(folder / "test.words.npy", np.array([[n, n] for n in WORDS], dtype=np.uint16))
    return folder


def made(prepared: Path, **settings) -> list[testsets.FurtherSet]:
    output = prepared.parent / "testsets"
    derive(prepared, prepared, output, FurtherSets(joined=Joined(max_words=15, **settings)), SentencePiece(), "x")
    return testsets.read(output)


def test_every_version_has_the_same_words_and_only_short_sentences(prepared: Path) -> None:
    sets = made(prepared, groups=2)
    assert [(s.name, s.test_set, s.subset, len(s.sources)) for s in sets] == [
        ("joined-1", "joined-1", "all", 24),
        ("joined-2", "joined-2", "all", 12),
        ("joined-3", "joined-3", "all", 8),
        ("joined-4", "joined-4", "all", 6),
    ]
    alone = sets[0]
    assert len({line[0] for line in alone.made_of}) == 24
    assert all(WORDS[i] <= 15 for (i,) in alone.made_of)
    for joined in sets[1:]:
        for lines, singles in ((joined.sources, alone.sources), (joined.references, alone.references)):
            assert " ".join(lines) == " ".join(singles), "the same sentences in the same order"
        assert joined.words.sum() == alone.words.sum()
        assert joined.words[:, 0].tolist() == [len(line.split()) for line in joined.sources]
        assert list(chain(*joined.made_of)) == list(chain(*alone.made_of))
    assert [" ".join(alone.references[2:4])] == sets[1].references[1:2]


def test_the_order_is_seeded(prepared: Path) -> None:
    first, again, other = (made(prepared, groups=1, seed=seed)[0].made_of for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == 12


def test_fewer_groups_are_made_and_told_and_none_is_an_error(prepared: Path) -> None:
    output = prepared.parent / "testsets"
    settings = FurtherSets(joined=Joined(max_words=15, groups=20))
    manifest = derive(prepared, prepared, output, settings, SentencePiece(), "x")
    assert (manifest["groups"], manifest["groups_asked_for"]) == (2, 20)
    assert json.loads((output / "manifest.json").read_text()) == manifest
    with pytest.raises(
        LookbackError, match=r"conf/x.yaml: test_sets.joined: .* has only 3 .* at most 2 words.* takes 12"
    ):
        joined_lines([2, 3, 1, 2, 9], Joined(max_words=2), "x")


def test_without_settings_and_words_there_is_the_manifest_alone(prepared: Path) -> None:
    output = prepared.parent / "testsets"
    assert derive(prepared, prepared, output, FurtherSets(), SentencePiece(), "x") == {"sets": []}
    assert testsets.read(output) == []
    assert [path.name for path in output.iterdir()] == ["manifest.json"]
    with pytest.raises(LookbackError, match="run the testsets stage"):
        testsets.read(prepared)


@pytest.mark.parametrize("join", [[2, 3], [1], [1, 3, 2], [1, 2, 2]])
def test_sentences_alone_come_first(join: list[int]) -> None:
    with pytest.raises(ValueError, match="join"):
        Joined.model_validate({"max_words": 15, "join": join})


# --- sentences without unknown words, from the corpus to their translations -------------------------------------------

CONF = """
title: Tiny
source_language: en
target_language: de
corpus: {kind: fragment, train: 300, valid: 20, test_per_ten_words: 20, max_words: 20}
prepare: {max_words: 60}
tokenize: {kind: words, vocabulary_size: 320}
test_sets: {joined: {max_words: 20, groups: 1}}
grid: {models: [bahdanau, word_by_word], max_train_words: [60]}
models:
  bahdanau: {embedding: 8, hidden: 8, attention: 8, readout: 8}
  word_by_word: {pairs: 300}
train: {updates: 1, batch_sentences: 10}
translate: {beam: 2, examples: 1, max_length_factor: 1.0, max_length_extra: 0}
evaluate: {}
"""


@pytest.fixture
def translated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A corpus of words, a network that would always write the unknown one, a dictionary, and their translations."""
    monkeypatch.chdir(tmp_path)
    for name, text in {"conf/tiny.yaml": CONF, "params.yaml": "hardware: {accelerator: cpu}\n"}.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    monkeypatch.setattr(sys, "argv", ["stage", "--experiment", "tiny"])
    for stage in (pipeline.download, pipeline.prepare, pipeline.tokenize, pipeline.testsets):
        stage.main()
    experiment, encoded = load_experiment("tiny"), Path("data/tiny/encoded")
    tokenizer = load_tokenizer(encoded)
    network, words = experiment.runs
    torch.manual_seed(1)
    sizes = tokenizer.source_vocabulary, tokenizer.target_vocabulary
    settings, baseline = experiment.model(network), experiment.model(words)
    assert isinstance(settings, Bahdanau)
    assert isinstance(baseline, WordByWord)
    built = models.build(settings, *sizes)
    with torch.no_grad():
        built.get_parameter("readout.output.bias")[UNK] = 20.0  # what it likes best
    save_model(built, settings, *sizes, encoded / "tokenizer.json", Path("models/tiny", network.name), {})
    folder = Path("models/tiny", words.name)
    dictionary.train(baseline, None, Hardware(), encoded, words, folder / "resume", folder, {})
    path = Path("models/tiny", words.name, dictionary.FILE_NAME)
    learned = json.loads(path.read_text())
    learned["entries"]["the"] = UNKNOWN_MARK
    path.write_text(json.dumps(learned))
    for run in experiment.runs:
        monkeypatch.setattr(sys, "argv", ["stage", "--experiment", "tiny", "--run", run.name])
        pipeline.translate.main()
    return tmp_path


def test_known_sentences_and_their_translations_have_no_unknown_word(translated: Path) -> None:
    tokenizer = load_tokenizer(translated / "data/tiny/encoded")
    (*joined, known) = testsets.read(translated / "data/tiny/testsets")
    assert (known.name, known.test_set, known.subset, known.ban_unknown) == ("known", "test", "known", True)
    sources = (translated / "data/tiny/prepared/test.source").read_text().splitlines()
    references = (translated / "data/tiny/prepared/test.target").read_text().splitlines()
    encoded = zip(tokenizer.encode(sources, "source"), tokenizer.encode(references, "target"), strict=True)
    expected = [i for i, pair in enumerate(encoded) if UNK not in pair[0] + pair[1]]
    assert 0 < len(expected) < len(sources)
    assert known.made_of == [[i] for i in expected]
    assert known.sources == [sources[i] for i in expected]
    assert known.words.tolist() == np.load(translated / "data/tiny/prepared/test.words.npy")[expected].tolist()

    folder = translated / "translations/tiny"
    for run in ("bahdanau-60-s1", "word_by_word-60-s1"):
        everything = (folder / run / "test.hypotheses").read_text()
        without = (folder / run / "known.hypotheses").read_text()
        assert UNKNOWN_MARK in everything, "it is written where it may be"
        assert len(without.splitlines()) == len(expected)
        assert UNKNOWN_MARK not in without
        for further in joined:
            assert len((folder / run / f"{further.name}.hypotheses").read_text().splitlines()) == len(further.sources)
            assert not further.ban_unknown
    with (folder / "bahdanau-60-s1/joined-4.csv").open() as file:
        rows = list(csv.DictReader(file))
    lengths = [len(ids) + 1 for ids in tokenizer.encode(joined[3].references, "target")]
    assert [int(row["reference_pieces"]) for row in rows] == lengths
    assert all(float(row["reference_nats"]) > 0 for row in rows)


def test_where_every_sentence_has_an_unknown_word_there_is_no_such_set(translated: Path) -> None:
    ids = translated / "data/tiny/encoded/test.target.ids.npy"
    np.save(ids, np.full_like(np.load(ids), UNK))
    output = translated / "none"
    sets = derive(translated / "data/tiny/prepared", ids.parent, output, FurtherSets(), Words(kind="words"), "tiny")
    assert sets == {"sets": []}
