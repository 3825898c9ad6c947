"""Words that translations leave out, counted on text of which it is known what was left out."""

import random

import numpy as np
import pytest

from lookback.config import FragmentCorpus
from lookback.corpus.fragment import generate
from lookback.corpus.ibm_model1 import model1
from lookback.evaluation import lexicon
from tests.test_dictionary import by_hand

KNOWN = {"the": frozenset({"der", "die", "das"}), "cat": frozenset({"katze"}), "dog": frozenset({"hund", "köter"})}


def test_the_table_has_all_probabilities_of_model_1() -> None:
    sources, targets = ["the house", "the the book", "a book"], ["das Haus", "das Buch", "ein Buch da"]
    table = model1([s.split() for s in sources], [t.split() for t in targets], 3)
    names = [*table.source_words, "(empty)"]
    found = {(table.target_words[t], names[s]): p for s, t, p in zip(table.source, table.target, table.t, strict=True)}
    assert found == pytest.approx(by_hand(sources, targets, 3))
    assert np.bincount(table.source, table.t) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("source", "hypothesis", "reference", "count"),
    [
        ("The cat saw the dog.", "Die Katze sah den Hund.", "Die Katze sah den Hund.", 0),
        ("The cat saw the dog.", "Die sah den Hund!", "Die Katze sah den Hund.", 1),
        ("The cat saw the dog.", "Die Katze sah den Köter.", "Die Katze sah den Hund.", 0),  # another translation
        ("The cat saw the dog.", "", "Die Katze sah den Hund.", 3),  # the, cat, dog: "the" is wanted but once
        ("the cat, the cat, the cat", "die Katze", "die Katze, die Katze, die Katze", 4),  # as often as it lacks
        ("the cat", "x", "y", 0),  # nor does the reference translate them
        ("a bird", "x", "ein Vogel", 0),  # not in the lexicon
        ("", "x", "Die Katze", 0),
    ],
)
def test_dropped_words(source: str, hypothesis: str, reference: str, count: int) -> None:
    assert lexicon.dropped(source, hypothesis, reference, KNOWN) == count


def test_empty_lines_teach_nothing() -> None:
    assert lexicon.learn(["", "a"], ["", ""]) == {}
    assert lexicon.learn(["", "a b", ""], ["x", "y", ""]) == {"a": frozenset({"y"}), "b": frozenset({"y"})}


def test_of_many_pairs_evenly_spread_ones_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon, "MAX_LINKS", 20)
    found = lexicon.learn([f"w{i}" for i in range(40)], [f"v{i}" for i in range(40)])
    assert found == {f"w{i}": frozenset({f"v{i}"}) for i in range(0, 40, 4)}


# --- the built-in corpus ----------------------------------------------------------------------------------------------

Pairs = tuple[list[str], list[str], list[list[tuple[int, int]]]]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Pairs:
    """Sources, references and their gold alignment."""
    folder = tmp_path_factory.mktemp("fragment")
    generate(FragmentCorpus(kind="fragment", train=100, valid=6, test_per_ten_words=60), folder)
    sources, references, alignment = (
        (folder / f"test.{name}").read_text(encoding="utf-8").splitlines() for name in ("source", "target", "alignment")
    )
    gold = [[(int(i), int(j)) for i, _, j in (link.partition("-") for link in line.split())] for line in alignment]
    return sources, references, gold


def without(pairs: Pairs, share: float) -> tuple[list[str], float]:
    """The references without so many of their words, by chance; of the source words, those with no word left."""
    chance = random.Random(3)
    hypotheses, gone, words = [], 0, 0
    for source, reference, gold in zip(*pairs, strict=True):
        kept = {j for j in range(len(reference.split())) if chance.random() >= share}
        hypotheses.append(" ".join(word for j, word in enumerate(reference.split()) if j in kept))
        gone += len({i for i, _ in gold} - {i for i, j in gold if j in kept})
        words += len(source.split())
    return hypotheses, gone / words


def counted(pairs: Pairs, hypotheses: list[str]) -> float:
    sources, references, _ = pairs
    known = lexicon.learn(sources, references)
    count = sum(lexicon.dropped(*lines, known) for lines in zip(sources, hypotheses, references, strict=True))
    return count / sum(len(lexicon.words(source)) for source in sources)


def test_references_drop_nothing(pairs: Pairs) -> None:
    assert counted(pairs, pairs[1]) == 0


def test_most_of_the_words_that_are_gone_are_found_and_no_others(pairs: Pairs) -> None:
    for share in (0.02, 0.15, 0.5):
        hypotheses, gone = without(pairs, share)
        assert share / 2 < gone < share * 1.2
        assert 0.6 * gone < counted(pairs, hypotheses) < gone


def test_words_that_are_added_or_in_another_order_are_not_dropped(pairs: Pairs) -> None:
    shuffled = [" ".join(random.Random(1).sample(line.split(), len(line.split()))) for line in pairs[1]]
    assert counted(pairs, shuffled) == 0
    assert counted(pairs, [f"und {line} ja ja" for line in pairs[1]]) == 0
