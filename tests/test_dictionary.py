"""Model 1 on corpora whose answer is known, and the dictionary of a run from the encoded corpus to a translation."""

import json
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from lookback.config import Hardware, Prepare, Run, SentencePiece, Tokenize, Translate, WordByWord, Words
from lookback.corpus import clean
from lookback.data.encode import tokenize
from lookback.decoding import dictionary
from lookback.decoding.translator import load_translator
from lookback.errors import LookbackError
from lookback.tokenizer import load_tokenizer
from lookback.training import dictionary as training

SETTINGS = WordByWord(architecture="word_by_word")
DETERMINERS = {"the": "das", "a": "ein", "my": "mein", "this": "dieses"}
ADJECTIVES = {"red": "rote", "small": "kleine", "old": "alte"}
NOUNS = {"house": "Haus", "book": "Buch", "car": "Auto"}
WORDS = DETERMINERS | ADJECTIVES | NOUNS
RUN = Run(experiment="demo", model="word_by_word", max_train_words=3, seed=1)


def by_hand(sources: list[str], targets: list[str], iterations: int) -> dict[tuple[str, str], float]:
    """t(target | source) of Brown et al. 1993, section 4.1, in loops as its equations stand there."""
    pairs = [(["(empty)", *s.split()], t.split()) for s, t in zip(sources, targets, strict=True)]
    t = {(f, e): 1.0 for source, target in pairs for e, f in product(source, target)}
    for _ in range(iterations):
        counts = dict.fromkeys(t, 0.0)
        for source, target in pairs:
            for f in target:
                total = sum(t[f, e] for e in source)
                for e in source:
                    counts[f, e] += t[f, e] / total
        t = {(f, e): c / sum(d for (_, other), d in counts.items() if other == e) for (f, e), c in counts.items()}
    return t


def learned(sources: list[str], targets: list[str], iterations: int = 5) -> dict[str, str]:
    return training.learn([s.split() for s in sources], [t.split() for t in targets], iterations)


def train(settings: WordByWord, corpus: Path, run: Run, model: Path, provenance: dict[str, str]) -> training.Result:
    return training.train(settings, None, Hardware(), corpus, run, model / "resume", model, provenance)


def test_the_textbook_example() -> None:
    sources, targets = ["the house", "the book", "a book"], ["das Haus", "das Buch", "ein Buch"]
    assert learned(sources, targets) == {"a": "ein", "book": "Buch", "house": "Haus", "the": "das"}


@pytest.mark.parametrize("iterations", [1, 2, 6])
def test_it_is_the_most_probable_word_of_the_equations(iterations: int) -> None:
    random = np.random.default_rng(3)
    sources, targets = [], []
    for _ in range(25):
        chosen = random.choice(list(WORDS), size=random.integers(1, 7)).tolist()
        others = [WORDS[word] for word in random.permutation(chosen) if random.random() < 0.8]
        sources.append(" ".join(chosen))
        targets.append(" ".join([*others, "ja"]))
    t = by_hand(sources, targets, iterations)
    found = learned(sources, targets, iterations)
    assert list(found) == sorted({word for line in sources for word in line.split()})
    for source, target in found.items():
        assert t[target, source] == pytest.approx(max(p for (_, e), p in t.items() if e == source), rel=1e-9)


# --- a run -----------------------------------------------------------------------------------------------------------


def encoded(folder: Path, settings: Tokenize) -> Path:
    """All phrases such as "this old car" with their word order turned round, and one too long for the run."""
    phrases = [(f"{d} {a} {n}", f"{NOUNS[n]} {ADJECTIVES[a]} {DETERMINERS[d]}")
               for d, a, n in product(DETERMINERS, ADJECTIVES, NOUNS)]  # fmt: skip
    splits = {"train": [*phrases, ("the red red house", "Haus Haus Haus Haus")], "valid": [("my my", "mein mein")]}
    splits["test"] = [("car old the", "das alte Auto")]
    (folder / "raw").mkdir()
    for split, pairs in splits.items():
        for side, lines in zip(("source", "target"), zip(*pairs, strict=True), strict=True):
            (folder / f"raw/{split}.{side}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    manifest = clean.prepare(folder / "raw", folder / "prepared", Prepare(), "en", "de")
    languages: dict = {"source": "en", "target": "de"}
    tokenize(folder / "prepared", folder / "encoded", manifest["pairs"]["train"], settings, "NFC", languages)
    return folder / "encoded"


TOKENIZERS = [SentencePiece(vocabulary_size=50), Words(kind="words", vocabulary_size=100)]


@pytest.mark.parametrize("settings", TOKENIZERS, ids=lambda settings: settings.kind)
def test_a_run_from_the_corpus_to_a_translation(settings: Tokenize, tmp_path: Path) -> None:
    corpus, model = encoded(tmp_path, settings), tmp_path / "model"
    training = train(SETTINGS, corpus, RUN, model, {"git_commit": "abc"})
    assert asdict(training) | {"seconds": 0} == {"history": (), "entries": len(WORDS), "sentences": 36, "seconds": 0}
    assert json.loads((model / "dictionary.json").read_text(encoding="utf-8")) == {
        "model": SETTINGS.model_dump(),
        "provenance": {"git_commit": "abc"},
        "entries": dict(sorted(WORDS.items())),
    }
    tokenizer, search = load_tokenizer(model), Translate(length_penalty=1.0)
    translator = load_translator(model, tokenizer, Hardware())
    (source,) = tokenizer.encode(["car old the"], "source")
    (translation,) = translator.translate([source], search, "test")
    assert (translation.text, translation.pieces, translation.cut_off) == ("Auto alte das", 3, False)
    assert translation.score is None
    (source,) = tokenizer.encode(["small hours old old"], "source")
    unknown = "hours" if isinstance(settings, SentencePiece) else "⁇"
    assert translator.translate_with_alignment(source, search)[0].text == f"kleine {unknown} alte alte"
    assert translator.reference_loss([source], [source], 1, "test") is None


def test_pairs_are_spread_over_those_within_the_length(tmp_path: Path) -> None:
    corpus = encoded(tmp_path, TOKENIZERS[0])
    few = SETTINGS.model_copy(update={"pairs": 10})
    found = train(few, corpus, RUN, tmp_path / "model", {})
    assert found.sentences == 9
    assert set(dictionary.Dictionary.load(tmp_path / "model", load_tokenizer(corpus), Hardware()).entries) >= set(
        DETERMINERS
    )


def test_no_pair_is_short_enough(tmp_path: Path) -> None:
    corpus = encoded(tmp_path, TOKENIZERS[0])
    with pytest.raises(LookbackError, match="no train pair has at most 1 words"):
        train(SETTINGS, corpus, RUN.model_copy(update={"max_train_words": 1}), tmp_path / "model", {})


@pytest.mark.parametrize(("text", "told"), [(None, "no such file"), ("{", "not a dictionary"), ("[]", "not a dict")])
def test_a_damaged_dictionary_is_named(text: str | None, told: str, tmp_path: Path) -> None:
    corpus = encoded(tmp_path, TOKENIZERS[0])
    if text is not None:
        (tmp_path / "dictionary.json").write_text(text)
    with pytest.raises(LookbackError, match=rf"dictionary.json: {told}"):
        dictionary.Dictionary.load(tmp_path, load_tokenizer(corpus), Hardware())
