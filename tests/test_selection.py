"""The selection of training pairs, and the language models it rests on."""

import json
import math
import random
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookback.config import Prepare, Select, load_experiment
from lookback.corpus import clean, lines, words
from lookback.corpus.ngram import NgramModel, Vocabulary
from lookback.corpus.selection import lowest
from lookback.errors import LookbackError
from lookback.report import tables
from pipeline import prepare as prepare_stage

ROOT = Path(__file__).parent.parent

# --- the language model -----------------------------------------------------------------------------------------------

TINY = [["a", "b"], ["a", "b"], ["a", "c"]]


def trained(sentences: list[list[str]], order: int, least: int = 1) -> tuple[Vocabulary, NgramModel]:
    vocabulary = Vocabulary(sentences, least)
    return vocabulary, NgramModel(vocabulary.encode(sentences), len(vocabulary), order)


def distribution(vocabulary: Vocabulary, model: NgramModel, known: set[str], history: list[str]) -> dict:
    """p(. | the beginning of a sentence, `history`): of every known word, of an unknown one and of the end (None)."""
    found: dict[str | None, float] = {}
    for word in (*known, "never seen"):
        found[word] = math.exp(model.log_probabilities(vocabulary.encode([[*history, word]]))[len(history)])
    found[None] = math.exp(model.log_probabilities(vocabulary.encode([history]))[-1])
    return found


def test_bigrams_by_hand():
    """Counted: ^a 3, ab 2, b$ 2, ac 1, c$ 1, so D = 2 / (2 + 2 * 2) = 1/3.

    Unigrams by what they follow: a 1, b 1, c 1, end 2, so D = 3 / (3 + 2 * 1) = 3/5, of 5; what the 4 kinds leave,
    12/25, is shared by the five that the model predicts: 0.096 each.
    """
    vocabulary, model = trained(TINY, 2)
    assert len(vocabulary) == 5
    word, end, unknown = 0.4 / 5 + 0.096, 1.4 / 5 + 0.096, 0.096
    assert distribution(vocabulary, model, {*"abc"}, ["never seen"]) == pytest.approx(
        {"a": word, "b": word, "c": word, "never seen": unknown, None: end}
    )
    assert distribution(vocabulary, model, {*"abc"}, ["a"]) == pytest.approx(
        {
            "a": 2 / 9 * word,
            "b": (2 - 1 / 3) / 3 + 2 / 9 * word,
            "c": (1 - 1 / 3) / 3 + 2 / 9 * word,
            "never seen": 2 / 9 * unknown,
            None: 2 / 9 * end,
        }
    )
    assert distribution(vocabulary, model, {*"abc"}, [])["a"] == pytest.approx((3 - 1 / 3) / 3 + 1 / 9 * word)


def test_cross_entropy_is_in_nats_a_word_with_its_end():
    vocabulary, model = trained(TINY, 2)
    text = vocabulary.encode([["a", "b"], [], ["x"]])
    logs = model.log_probabilities(text)
    assert logs.shape == (6,)
    assert model.cross_entropy(text) == pytest.approx([-logs[:3].mean(), -logs[3], -logs[4:].mean()])


def reference(sentences: list[list[str]], known: set[str], order: int):
    """The definition of interpolated Kneser-Ney with one discount an order, word for word, and slow."""
    marked = [["^", *(w if w in known else "?" for w in sentence), "$"] for sentence in sentences]
    grams = [
        Counter(tuple(s[i - n + 1 : i + 1]) for s in marked for i in range(max(1, n - 1), len(s)))
        for n in range(1, order + 1)
    ]
    counts = [grams[-1]]
    for n in range(order - 1, 0, -1):
        after = Counter(gram[1:] for gram in grams[n])
        counts.insert(0, Counter({gram: after.get(gram, number) for gram, number in grams[n - 1].items()}))
    discounts = []
    for counted in counts:
        of = Counter(counted.values())
        discounts.append(of[1] / (of[1] + 2 * of[2]) if of[1] else 0.5)

    def p(word: str, history: tuple[str, ...]) -> float:
        n = len(history) + 1
        following = {gram[-1]: number for gram, number in counts[n - 1].items() if gram[:-1] == history}
        lower = p(word, history[1:]) if history else 1 / (len(known) + 2)
        if not following:
            return lower
        total, d = sum(following.values()), discounts[n - 1]
        return max(following.get(word, 0) - d, 0) / total + d * len(following) / total * lower

    def of_sentence(sentence: list[str]) -> list[float]:
        s = ["^", *(w if w in known else "?" for w in sentence), "$"]
        return [p(s[i], tuple(s[max(0, i - order + 1) : i])) for i in range(1, len(s))]

    return of_sentence


SENTENCES = st.lists(st.lists(st.sampled_from("aabbcdef"), max_size=7), min_size=1, max_size=8)


@given(SENTENCES, SENTENCES, st.integers(1, 4), st.sampled_from([1, 2]))
def test_probabilities_are_those_of_the_definition(text, other, order, least):
    known = {word for word, number in Counter(chain.from_iterable(text)).items() if number >= least}
    vocabulary, model = trained(text, order, least)
    assert len(vocabulary) == len(known) + 2
    assert vocabulary.words == len(known)
    expected = [p for sentence in other for p in reference(text, known, order)(sentence)]
    assert np.exp(model.log_probabilities(vocabulary.encode(other))) == pytest.approx(expected)


@given(SENTENCES, st.lists(st.sampled_from("abcdefgh"), max_size=4), st.integers(1, 4))
def test_probabilities_sum_to_one_after_every_history(text, history, order):
    vocabulary, model = trained(text, order)
    found = distribution(vocabulary, model, {*chain.from_iterable(text)}, history)
    assert sum(found.values()) == pytest.approx(1)
    assert min(found.values()) > 0


def test_a_model_over_a_vocabulary_of_which_its_text_has_nothing():
    vocabulary = Vocabulary(TINY)
    model = NgramModel(vocabulary.encode([["x"], ["y", "z"]]), len(vocabulary), 3)
    assert np.isfinite(model.cross_entropy(vocabulary.encode([["a", "b"], ["x"]]))).all()


# --- a mixture of two domains -----------------------------------------------------------------------------------------

Pair = tuple[str, str]


def sentence(chance: random.Random, domain: str, language: str) -> str:
    """Common words, and after each one of the 40 words that a domain prefers; the other uses them as well."""
    text = []
    for _ in range(chance.randint(3, 12)):
        text.append(f"{language}{chance.randrange(20)}")
        preferred = domain if chance.random() < 0.8 else chance.choice(["news", "law"])
        text.append(f"{language}-{preferred}{chance.randrange(40)}")
    return " ".join(text)


def pair(chance: random.Random, domain: str) -> Pair:
    return sentence(chance, domain, "s"), sentence(chance, domain, "t")


@pytest.fixture(scope="module")
def mixture() -> dict[str, list[Pair]]:
    """Of train, one pair in ten is news, at odd places; valid is news."""
    chance = random.Random(1)
    domains = [("news" if chance.random() < 0.1 else "law") for _ in range(3000)]
    train = [pair(chance, domain) for domain in domains]
    news = [one for one, domain in zip(train, domains, strict=True) if domain == "news"]
    return {
        "train": train,
        "news": news,
        "valid": [pair(chance, "news") for _ in range(150)],
        "test": [pair(chance, "law") for _ in range(20)],
    }


def write(folder: Path, splits: dict[str, list[Pair]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split in lines.SPLITS:
        for side, sentences in zip(lines.SIDES, zip(*splits[split], strict=True), strict=True):
            (folder / f"{split}.{side}").write_text("".join(f"{s}\n" for s in sentences), encoding="utf-8")
    return folder


def prepare(folder: Path, splits: dict[str, list[Pair]], select: Select | None, **settings) -> dict:
    raw = write(folder / "raw", splits)
    given = Prepare.model_validate({"select": select, "max_ratio": 50, **settings})
    return clean.prepare(raw, folder / "prepared", given, "en", "fr")


def kept(folder: Path) -> list[Pair]:
    sides = [(folder / "prepared" / f"train.{side}").read_text("utf-8").split("\n")[:-1] for side in lines.SIDES]
    return list(zip(*sides, strict=True))


def count(pairs: list[Pair], side: int) -> int:
    return sum(len(one[side].split()) for one in pairs)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_what_is_like_the_validation_set_is_kept(tmp_path, mixture, order):
    """Of a budget that has room for all of the news, at least 90 % are news: 10 % would be chance."""
    select = Select(words=count(mixture["news"], 0), side="source", order=order)
    prepare(tmp_path, mixture, select)
    found, news = kept(tmp_path), set(mixture["news"])
    assert sum(one in news for one in found) >= 0.9 * len(found)


@pytest.mark.parametrize(("budget", "side"), [(1, "source"), (777, "source"), (10_000, "target")])
def test_the_budget_is_met_to_within_one_pair_and_the_order_kept(tmp_path, mixture, budget, side):
    manifest = prepare(tmp_path, mixture, Select(words=budget, side=side))
    found, index = kept(tmp_path), lines.SIDES.index(side)
    total = count(found, index)
    assert budget <= total < budget + max(len(one[index].split()) for one in found)
    left = iter(mixture["train"])
    assert all(one in left for one in found)
    assert manifest["selection"]["words_kept"] == {"source": count(found, 0), "target": count(found, 1)}


def test_the_scores_are_those_of_the_formula(tmp_path, mixture):
    """Both sides, both models, each sentence divided by its words and its end; valid normalised as train is."""
    train = mixture["train"][:60]
    valid = [(f"{s} e\u0301", f"{t} e\u0301") for s, t in mixture["valid"][:20]]
    splits = {**mixture, "train": [(f"{s} é", t) for s, t in train], "valid": valid}
    manifest = prepare(tmp_path, splits, Select(words=200, side="source", order=2))
    train, number = splits["train"], manifest["selection"]["sampled_pairs"]
    sample = [train[i * len(train) // number] for i in range(number)]

    scores = np.zeros(len(train))
    for side in (0, 1):
        in_domain = [one[side].replace("e\u0301", "é").split() for one in valid]
        known = {word for word, count in Counter(chain.from_iterable(in_domain)).items() if count >= 2}
        inside = reference(in_domain, known, 2)
        outside = reference([one[side].split() for one in sample], known, 2)
        for i, one in enumerate(train):
            entropies = [-np.mean(np.log(model(one[side].split()))) for model in (inside, outside)]
            scores[i] += entropies[0] - entropies[1]
    is_kept = np.array([one in kept(tmp_path) for one in train])
    assert 0 < is_kept.sum() < 60
    assert scores[is_kept].max() == pytest.approx(manifest["selection"]["threshold"], abs=1e-5)
    assert scores[is_kept].max() < scores[~is_kept].min()


def test_of_equal_scores_the_first_are_kept():
    scores = np.array([2, 1, 1, 1, 0], dtype=np.float32)
    of_words = np.array([1, 5, 5, 5, 1], dtype=np.uint16)
    assert lowest(scores, of_words, 6).tolist() == [False, True, False, False, True]
    assert lowest(scores, of_words, 7).tolist() == [False, True, True, False, True]


def test_the_manifest(tmp_path, mixture):
    train = [("", "x"), *mixture["train"], mixture["train"][0]]
    plain = prepare(tmp_path / "plain", {**mixture, "train": train}, None)
    select = Select(words=2_000, side="target")
    manifest = prepare(tmp_path / "selected", {**mixture, "train": train}, select)
    found = kept(tmp_path / "selected")

    assert "selection" not in plain
    assert manifest["settings"] == plain["settings"]
    assert manifest["train"]["steps"][:-1] == plain["train"]["steps"]
    dropped = {"reason": "not selected", "dropped": 3000 - len(found), "left": len(found)}
    assert manifest["train"]["steps"][-1] == dropped
    assert manifest["train"]["kept"] == manifest["pairs"]["train"] == len(found)
    assert manifest["words"]["train"]["target"]["total"] == count(found, 1)
    assert manifest["words"]["valid"] == plain["words"]["valid"]
    selection = manifest["selection"]
    assert selection["settings"] == {"words": 2_000, "side": "target", "order": 4}
    assert selection["reached"] is True
    assert -5 < selection["threshold"] < 0  # well within the news
    for name, sentences in zip(lines.SIDES, zip(*mixture["valid"], strict=True), strict=True):
        often = [word for word, number in Counter(" ".join(sentences).split()).items() if number >= 2]
        assert selection["vocabulary"][name] == len(often) + 2  # and the unknown word and the end
    valid, of_train = (sum(count(mixture[name], side) for side in (0, 1)) for name in ("valid", "train"))
    assert selection["sampled_pairs"] == round(3000 * valid / of_train)

    assert manifest["test_fingerprint"] == plain["test_fingerprint"]
    assert manifest["corpus_fingerprint"] != plain["corpus_fingerprint"]
    for name, fingerprint in manifest["files"].items():
        assert lines.sha256(tmp_path / "selected/prepared" / name) == fingerprint
    assert {path.name for path in (tmp_path / "selected/prepared").iterdir()} == set(manifest["files"])


def test_the_same_again_whatever_the_size_of_a_block(tmp_path, mixture, monkeypatch):
    select = Select(words=4_000, side="source")
    manifest = prepare(tmp_path, mixture, select)
    assert prepare(tmp_path, mixture, select) == manifest
    monkeypatch.setattr(lines.LineReader.block, "__defaults__", (7,))
    monkeypatch.setattr(lines.LineReader.raw_block, "__defaults__", (7,))
    assert prepare(tmp_path, mixture, select) == manifest


def test_the_test_set_has_no_part_in_it(tmp_path, mixture):
    select = Select(words=4_000, side="source")
    other = [("s0 s-law1 " * 3, "t0 t-law1 " * 3)] * 50
    one = prepare(tmp_path, mixture, select)
    two = prepare(tmp_path, {**mixture, "test": other}, select)
    assert one["files"]["train.source"] == two["files"]["train.source"]


@pytest.mark.parametrize("tokenizer", ["whitespace", "moses"])
def test_word_counts_stay_with_their_pairs(tmp_path, tokenizer):
    chance = random.Random(2)
    splits = {
        split: [
            (f"Yes, {'no, ' * chance.randrange(9)}{i}.", f"Oui, {'l’un, ' * chance.randrange(9)}{i}.")
            for i in range(number)
        ]
        for split, number in (("train", 200), ("valid", 20), ("test", 3))
    }
    splits["train"] = [(f"a {s}", f"b {t}") for s, t in splits["train"]]
    prepare(tmp_path, splits, Select(words=300, side="target"), word_tokenizer=tokenizer)
    found, counts = kept(tmp_path), np.load(tmp_path / "prepared/train.words.npy")
    source, target = words.counter(tokenizer, "en"), words.counter(tokenizer, "fr")
    assert counts.tolist() == [[source(s), target(t)] for s, t in found]
    assert counts.dtype == np.uint16
    assert 300 <= counts[:, 1].sum() < 340


@pytest.mark.parametrize("more", [0, 1_000_000])
def test_a_budget_no_smaller_than_the_corpus_keeps_all_and_says_so(tmp_path, mixture, capsys, more):
    available = count(mixture["train"], 0)
    plain = prepare(tmp_path / "plain", mixture, None)
    manifest = prepare(tmp_path / "all", mixture, Select(words=available + more, side="source"))
    assert f"train has {available:,} words on the source side" in capsys.readouterr().out
    assert manifest["files"] == plain["files"]
    assert manifest["selection"]["reached"] is False
    assert manifest["selection"]["threshold"] is None
    assert manifest["train"]["steps"][-1] == {"reason": "not selected", "dropped": 0, "left": 3000}


def test_a_validation_set_larger_than_train(tmp_path, mixture):
    manifest = prepare(tmp_path, {**mixture, "train": mixture["train"][:30]}, Select(words=50, side="source"))
    assert manifest["selection"]["sampled_pairs"] == 30
    assert kept(tmp_path)


def test_a_validation_set_in_which_no_word_stands_twice(tmp_path, mixture):
    with pytest.raises(LookbackError) as caught:
        prepare(tmp_path, {**mixture, "valid": [("one two", "un deux")]}, Select(words=50, side="source"))
    assert "valid.source: no word occurs there twice" in str(caught.value)
    assert "prepare.select" in str(caught.value)
    assert not list((tmp_path / "prepared").iterdir())


# --- configuration, stage and report ----------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, mixture: dict[str, list[Pair]], monkeypatch: pytest.MonkeyPatch):
    """A function that runs the prepare stage where `prepare` has a further line, and returns the manifest it wrote."""
    (tmp_path / "conf").mkdir()
    raw = write(tmp_path / "data/mixture/raw", mixture)
    (raw / "manifest.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["prepare", "--experiment", "mixture"])

    def run(line: str) -> dict:
        demo = (ROOT / "conf/demo.yaml").read_text(encoding="utf-8")
        (tmp_path / "conf/mixture.yaml").write_text(demo.replace("prepare:\n", f"prepare:\n{line}"), encoding="utf-8")
        prepare_stage.main()
        return json.loads((tmp_path / "data/mixture/prepared/manifest.json").read_text(encoding="utf-8"))

    return run


def test_the_stage_with_and_without(project):
    plain, none = project(""), project("  select: null\n")
    assert plain == none
    assert [step["reason"] for step in plain["train"]["steps"]] == list(clean.REASONS)
    assert plain["settings"] == {
        "normalization": "NFC",
        "word_tokenizer": "whitespace",
        "max_words": 60,
        "max_ratio": 3.0,
    }
    selected = project("  select: {words: 5000, side: target}\n")
    assert selected["pairs"]["train"] < plain["pairs"]["train"]
    assert selected["selection"]["settings"]["words"] == 5000


def test_the_report_tells_what_was_selected(tmp_path, mixture):
    manifest = prepare(tmp_path, mixture, Select(words=5_000, side="target"))
    found = {table.name: table for table in tables.corpus(manifest)}
    left = len(kept(tmp_path))
    assert found["prepare"].rows[-1] == ("not selected", f"{3000 - left:,}", f"{left:,}")
    facts = {row[0]: row[1] for row in found["prepared"].rows}
    assert facts["selection · settings · side"] == "target"
    assert float(facts["selection · threshold"]) == pytest.approx(manifest["selection"]["threshold"], rel=1e-4)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("  select: {words: 0, side: source}\n", ["prepare.select.words", "greater than or equal to 1"]),
        ("  select: {words: 9, side: english}\n", ["prepare.select.side", "'source' or 'target'", "english"]),
        ("  select: {words: 9}\n", ["prepare.select.side", "required"]),
        ("  select: {words: 9, side: source, order: 7}\n", ["prepare.select.order", "less than or equal to 6"]),
        ("  select: {wrods: 9, side: source}\n", ["prepare.select.wrods", "unknown key"]),
    ],
)
def test_wrong_settings_are_named(tmp_path, line, told):
    (tmp_path / "conf").mkdir()
    demo = (ROOT / "conf/demo.yaml").read_text(encoding="utf-8")
    (tmp_path / "conf/demo.yaml").write_text(demo.replace("prepare:\n", f"prepare:\n{line}"), encoding="utf-8")
    with pytest.raises(LookbackError) as caught:
        load_experiment("demo", tmp_path)
    for part in ("conf/demo.yaml", *told):
        assert part in str(caught.value)
