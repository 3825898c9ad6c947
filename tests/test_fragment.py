"""The built-in corpus as a whole: its words, its balance, what is held out, and that it comes out the same again."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from lookback.config import FragmentCorpus
from lookback.corpus import fragment
from lookback.corpus.fragment import CONSTRUCTIONS, SHOWCASE, Sentence, describe, draw_splits, generate
from lookback.corpus.fragment import lexicon as lexicon
from lookback.corpus.fragment import morphology as morphology
from lookback.corpus.fragment.derivation import Node, Word, derives, draw, tree
from lookback.corpus.fragment.grammar import LEXICON
from lookback.errors import LookbackError

SMALL = FragmentCorpus(kind="fragment", seed=3, train=2_000, valid=120, test_per_ten_words=20)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("fragment")
    return folder, generate(SMALL, folder)


def lines(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text(encoding="utf-8").removesuffix("\n").split("\n")


def pairs(folder: Path) -> list[tuple[str, str]]:
    return [
        pair
        for split in ("train", "valid", "test")
        for pair in zip(lines(folder, f"{split}.source"), lines(folder, f"{split}.target"), strict=True)
    ]


# --- words ------------------------------------------------------------------------------------------------------------


def test_enough_words() -> None:
    nouns = [noun for sort in lexicon.SORTS for noun in lexicon.NOUNS[sort]]
    verbs = {verb for frame in lexicon.VERBS.values() for verb, _, _ in frame}
    assert len({noun.english for noun in nouns}) == len({noun.german for noun in nouns}) == len(nouns) >= 150
    assert len(lexicon.ADJECTIVES_OUTER + lexicon.ADJECTIVES_INNER) >= 40
    assert len({verb.english for verb in verbs}) >= 40
    assert len({verb.english for verb in verbs if verb.prefix}) >= 20
    assert {noun.gender for noun in nouns} == {"m", "f", "n"}


def test_every_noun_declines() -> None:
    for sort in lexicon.SORTS:
        for noun in lexicon.NOUNS[sort]:
            singular = [noun.form(False, case) for case in ("nom", "acc", "dat")]
            plural = [noun.form(True, case) for case in ("nom", "acc", "dat")]
            assert all(re.fullmatch("[A-ZÄÖÜ][a-zäöüß]+", form) for form in singular + plural), noun
            assert singular[1] == singular[2], noun
            if singular[1] != singular[0]:  # weak: der Junge, den Jungen, die Jungen
                assert noun.gender == "m", noun
                assert singular[1] == plural[0], noun
                assert singular[1].endswith("n"), noun
            assert plural[1] == plural[0], noun
            assert plural[2][-1] in "ns", noun
            assert noun.english_plural != noun.english, noun


def test_weak_nouns() -> None:
    weak = {
        noun.german for sort in lexicon.SORTS for noun in lexicon.NOUNS[sort] if noun.oblique != noun.german
    }  # fmt: skip
    assert weak == {
        "Junge", "Nachbar", "Bauer", "Student", "Soldat", "Prinz", "Polizist",
        "Bär", "Löwe", "Affe", "Elefant",
    }  # fmt: skip


def test_an_english_word_has_one_german_word() -> None:
    """Whatever the use, so that the German is a function of the English."""
    german: dict[str, set[str]] = {}
    for category, entries in LEXICON.items():
        for entry in entries:
            word = entry.word
            if category in ("that", "which", "which,", "dass") or category.startswith(("Det", "P.")):
                continue  # told apart by what stands around them
            form = f"{word.german} {word.prefix}" if isinstance(word, morphology.Verb) else word.german
            german.setdefault(word.progressive if entry.progressive else word.english, set()).add(form)
    assert {word: forms for word, forms in german.items() if len(forms) > 1} == {}


PARADIGMS = """
der kleine Hund     den kleinen Hund     dem kleinen Hund
die kleine Katze    die kleine Katze     der kleinen Katze
das kleine Pferd    das kleine Pferd     dem kleinen Pferd
die kleinen Hunde   die kleinen Hunde    den kleinen Hunden
ein kleiner Hund    einen kleinen Hund   einem kleinen Hund
eine kleine Katze   eine kleine Katze    einer kleinen Katze
ein kleines Pferd   ein kleines Pferd    einem kleinen Pferd
unsere kleinen Hunde  unsere kleinen Hunde  unseren kleinen Hunden
dieser kleine Hund  diesen kleinen Hund  diesem kleinen Hund
jedes kleine Pferd  jedes kleine Pferd   jedem kleinen Pferd
zwei kleine Katzen  zwei kleine Katzen   zwei kleinen Katzen
viele kleine Hunde  viele kleine Hunde   vielen kleinen Hunden
"""


def test_declension_against_written_paradigms() -> None:
    nouns = {noun.german: noun for noun in lexicon.NOUNS["a"]} | {n.german_plural: n for n in lexicon.NOUNS["a"]}
    small = next(word for word, _ in lexicon.ADJECTIVES_OUTER if word.english == "small")
    stems = {"der": "d", "die": "d", "das": "d", "ein": "ein", "eine": "ein", "unsere": "unser", "dieser": "dies",
             "jedes": "jed", "zwei": "zwei", "viele": "viel"}  # fmt: skip
    for row in PARADIGMS.strip().splitlines():
        words = row.split()
        noun, plural = nouns[words[2]], words[2].endswith(("e", "n")) and words[2] != "Katze"
        (determiner,) = {d for _, d in lexicon.DETERMINERS if d.german == stems[words[0]] and d.plural == plural}
        made: list[str] = []
        for case in ("nom", "acc", "dat"):
            made.append(morphology.determiner(determiner, noun.gender, case))
            made.append(morphology.adjective(small, determiner, noun.gender, case))
            made.append(noun.form(plural, case))
        assert made == words


# --- the language -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [4, 5, 8, 13, 21, 34, 60])
def test_draws_have_their_length_and_are_in_the_language(length: int) -> None:
    random = Random(length)
    for _ in range(20):
        sentence = Sentence(draw(random, length))
        assert len(sentence.english.split()) == length
        assert derives(sentence.derivation)


def test_no_sentence_of_an_impossible_length() -> None:
    with pytest.raises(ValueError, match="no sentence"):
        draw(Random(0), 1)


def test_german_is_a_function_of_english() -> None:
    random = Random(5)
    german: dict[str, str] = {}
    again = 0
    for draw_number in range(12_000):
        sentence = Sentence(draw(random, 4 + draw_number % 3))
        again += sentence.english in german
        assert german.setdefault(sentence.english, sentence.german) == sentence.german
    assert again > 100


def test_alignments_are_within_the_sentences_and_cover_every_word() -> None:
    random = Random(8)
    nouns = {
        english: {noun.form(plural, case) for case in ("nom", "acc", "dat")}
        for sort in lexicon.SORTS
        for noun in lexicon.NOUNS[sort]
        for plural, english in ((False, noun.english), (True, noun.english_plural))
    }
    for number in range(500):
        sentence = Sentence(draw(random, 4 + number % 57))
        source, target = sentence.english.split(), sentence.german.split()
        assert {i for i, _ in sentence.alignment} == set(range(len(source)))
        assert {j for _, j in sentence.alignment} == set(range(len(target)))
        assert sentence.alignment == sorted(set(sentence.alignment))
        for i, j in sentence.alignment:
            if forms := nouns.get(source[i].rstrip(".,")):
                assert target[j].rstrip(".,") in forms


def test_the_alignment_stands_beside_valid_and_test(corpus: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = corpus
    for name, split in draw_splits(SMALL):
        if name == "train":
            break
        pharaoh = [" ".join(f"{i}-{j}" for i, j in sentence.alignment) for sentence in split]
        assert lines(folder, f"{name}.alignment") == pharaoh
    assert not (folder / "train.alignment").exists()


def test_plain_text(corpus: tuple[Path, dict[str, Any]]) -> None:
    for pair in pairs(corpus[0]):
        for text in pair:
            assert re.fullmatch(r"[A-ZÄÖÜ][A-Za-zÄÖÜäöüß]*(,? [A-Za-zÄÖÜäöüß]+)+\.", text), text


def test_articles_agree_with_their_nouns(corpus: tuple[Path, dict[str, Any]]) -> None:
    """Which article forms can stand right before which noun forms, written down apart from the library."""
    nouns = {noun.german: noun for sort in lexicon.SORTS for noun in lexicon.NOUNS[sort]}
    allowed = {
        "m": {"der", "ein", "im", "zum", "dem", "einem", "den", "einen"},
        "f": {"die", "eine", "der", "einer", "zur"},
        "n": {"das", "ein", "dem", "einem", "im", "ins", "zum"},
    }
    articles = set().union(*allowed.values())
    seen: Counter[str] = Counter()
    for _, german in pairs(corpus[0]):
        words = german.split()
        for before, word in pairwise(words):
            noun = nouns.get(word.rstrip(".,"))
            article = before.lower()
            if noun and article in articles and noun.german != noun.german_plural:
                seen[article] += 1
                assert article in allowed[noun.gender], german
    assert all(seen[article] for article in articles)


def test_german_clauses_are_set_off_by_commas(corpus: tuple[Path, dict[str, Any]]) -> None:
    """Subordinators are first, after a comma, or after a conjunction; "dass" is always after a comma."""
    for _, german in pairs(corpus[0]):
        words = german.split()
        for index, word in enumerate(words):
            if word in ("weil", "obwohl", "während", "bevor"):
                assert words[index - 1].endswith(",") or words[index - 1] in ("und", "aber"), german
            if word in ("dass", "denen"):
                commas = words[index - 1].endswith(",") or words[index - 2].endswith(",")
                assert commas, german
            if word == "aber":
                assert words[index - 1].endswith(","), german


def relatives(node: Node | Word) -> int:
    if isinstance(node, Word):
        return 0
    return (node.rule == "relative") + sum(relatives(part) for part in node.parts)


def test_relative_clauses_end_with_a_verb() -> None:
    """Between a relative pronoun and the next comma or full stop stands a clause that ends with its verb."""
    verbs = {
        f"{verb.prefix}{verb.form(plural)}"
        for verb in [lexicon.BE, *(verb for frame in lexicon.VERBS.values() for verb, _, _ in frame)]
        for plural in (False, True)
    }
    pattern = re.compile(
        r"(?<=, )(?:(?:auf|in|unter|neben|hinter|vor) )?(?:der|die|das|dem|den|denen) ([^,.]+)(?=[,.])"
    )
    random = Random(4)
    clauses = 0
    for length in range(10, 61):
        for _ in range(8):
            sentence = Sentence(draw(random, length))
            final = sum(clause.split()[-1] in verbs for clause in pattern.findall(sentence.german))
            assert final >= relatives(sentence.derivation), sentence.german
            clauses += relatives(sentence.derivation)
    assert clauses > 400


# --- the corpus -------------------------------------------------------------------------------------------------------


def test_balanced_by_length(corpus: tuple[Path, dict[str, Any]]) -> None:
    folder, manifest = corpus
    test = Counter((len(line.split()) - 1) // 10 for line in lines(folder, "test.source"))
    assert test == dict.fromkeys(range(6), 20)
    within = Counter(len(line.split()) for line in lines(folder, "test.source"))
    assert set(within) == set(range(4, 61))
    train = Counter(len(line.split()) for line in lines(folder, "train.source"))
    assert set(train) == set(range(4, 61))
    assert train[12] == max(train.values()) > 10 * train[60] > 0
    for pair in pairs(folder):
        assert max(len(text.split()) for text in pair) <= 60
    assert manifest["splits"]["train"]["lengths"]["source"] == {str(n): train[n] for n in sorted(train)}


def test_a_shorter_language(tmp_path: Path) -> None:
    generate(FragmentCorpus(kind="fragment", train=50, valid=20, test_per_ten_words=10, max_words=15), tmp_path)
    lengths = [len(line.split()) for line in lines(tmp_path, "test.source")]
    assert sum(n <= 10 for n in lengths) == sum(10 < n <= 15 for n in lengths) == 10


def test_nothing_held_out_is_in_train() -> None:
    keys = {name: [sentence.key for sentence in sentences] for name, sentences in draw_splits(SMALL)}
    held_out = keys["test"] + keys["valid"] + [Sentence(SHOWCASE).key]
    assert len(set(held_out)) == len(held_out)
    assert not set(held_out) & set(keys["train"])


def test_key_is_structure_with_content_words() -> None:
    def key(determiner: str, noun: str, verb: str) -> str:
        clause = ("clause", ("noun", determiner, noun), ("intransitive", verb))
        return Sentence(tree("sentence", ("plain", ("main", clause)))).key

    assert key("the", "dog", "slept") == key("two+", "dog", "sleeping")
    assert key("the", "dog", "slept") != key("the", "cat", "slept")
    assert key("the", "dog", "slept") != key("the", "dog", "jumped")


def test_the_showcase_is_in_the_language_and_in_no_split(corpus: tuple[Path, dict[str, Any]]) -> None:
    showcase = Sentence(SHOWCASE)
    assert derives(SHOWCASE)
    assert showcase.english == "The cat that was sitting on the mat, which was next to the dog, jumped."
    assert showcase.german == "Die Katze, die auf der Matte saß, die neben dem Hund war, sprang."
    assert showcase.english not in {english for english, _ in pairs(corpus[0])}


def digest(folder: Path) -> str:
    names = [f"{split}.{side}" for split in ("train", "valid", "test") for side in ("source", "target")]
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in names)).hexdigest()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Also in a process whose hashes of text differ."""
    settings = FragmentCorpus(kind="fragment", train=100, valid=20, test_per_ten_words=3)
    program = (
        "import sys; from pathlib import Path; from lookback.config import FragmentCorpus;"
        "from lookback.corpus.fragment import generate;"
        "generate(FragmentCorpus.model_validate_json(sys.argv[1]), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, settings.model_dump_json(), str(tmp_path / "process")]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "123"})
    generate(settings, tmp_path / "here")
    generate(settings.model_copy(update={"seed": 2}), tmp_path / "other")
    assert digest(tmp_path / "process") == digest(tmp_path / "here") != digest(tmp_path / "other")


def test_test_stays_when_train_grows(tmp_path: Path) -> None:
    for train in (10, 20):
        settings = FragmentCorpus(kind="fragment", train=train, valid=10, test_per_ten_words=5)
        generate(settings, tmp_path / str(train))
    for name in ("test.source", "test.target", "valid.source", "valid.target"):
        assert (tmp_path / "10" / name).read_bytes() == (tmp_path / "20" / name).read_bytes()


def test_every_construction_has_its_share(corpus: tuple[Path, dict[str, Any]]) -> None:
    for split, described in corpus[1]["splits"].items():
        for construction, share in described["constructions"].items():
            assert share > 0.03, (split, construction)


def test_manifest_is_json_and_told(corpus: tuple[Path, dict[str, Any]]) -> None:
    manifest = json.loads(json.dumps(corpus[1]))
    assert manifest == corpus[1]
    assert {name: split["pairs"] for name, split in manifest["splits"].items()} == {
        "train": 2_000, "valid": 120, "test": 120,
    }  # fmt: skip
    text = describe(manifest)
    assert all(construction in text for construction in CONSTRUCTIONS)
    assert "4-grams of test (source)" in text


def test_overlap_by_another_way(corpus: tuple[Path, dict[str, Any]]) -> None:
    folder, manifest = corpus
    train = "\n".join(f" {line} " for line in lines(folder, "train.source"))
    grams = [
        " ".join(words[i : i + 4])
        for words in (line.split() for line in lines(folder, "test.source"))
        for i in range(len(words) - 3)
    ]
    found = sum(f" {gram} " in train for gram in grams)
    assert manifest["four_gram_overlap"]["source"]["tokens"] == pytest.approx(found / len(grams))


def test_too_large_a_corpus_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragment, "PATIENCE", 1)
    settings = FragmentCorpus(kind="fragment", train=10, valid=10, test_per_ten_words=20_000, max_words=10)
    with pytest.raises(LookbackError, match=r"too few sentences of \d words"):
        generate(settings, tmp_path)


@pytest.mark.slow
def test_every_word_is_often_in_train() -> None:
    """A quarter of the default size, and a quarter of the twenty times that a word should be learned from."""
    settings = FragmentCorpus(kind="fragment", train=15_000, valid=1, test_per_ten_words=1)
    counts: Counter[str] = Counter()
    for _, sentences in draw_splits(settings):
        for sentence in sentences:
            counts.update(word.rstrip(".,").lower() for word in sentence.english.split())
    for entries in LEXICON.values():
        for entry in entries:
            word = entry.word.progressive if entry.progressive else entry.word.english
            assert all(counts[part] >= 5 for part in word.rstrip(",").split()), word
    for sort in lexicon.SORTS:
        assert all(counts[noun.english_plural] >= 5 for noun in lexicon.NOUNS[sort])
