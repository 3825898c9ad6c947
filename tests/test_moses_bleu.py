import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from lookback.config import Evaluate
from lookback.evaluation.by_length import rows_by_length
from lookback.evaluation.moses_bleu import Kind, tokens, unsmoothed, with_legacy
from lookback.evaluation.tables import Row

HYPOTHESES = [
    "Der High-Tech-Zug fährt heute, sagt er.",
    "Die Katze saß auf der roten Matte.",
    "Ein Hund, der schläft, bellt nicht oft.",
    "Das ist es wohl",
]
REFERENCES = [
    "Der High-Speed-Zug fährt heute, sagt er.",
    "Die Katze saß auf der blauen Matte.",
    "Ein Hund, der schläft, bellt nicht.",
    "Das ist es wohl.",
]
LENGTHS = [7, 7, 15, 4]


ABOUT: dict[str, Any] = {"experiment": "x", "system": "m-60", "model": "m", "max_train_words": 60, "seed": 1}


def multi_bleu(hypotheses: list[str], references: list[str]) -> float:
    """Corpus BLEU of tokens between white space, without smoothing, counted in another way than sacreBLEU's."""
    logarithms = 0.0
    for order in range(1, 5):
        correct = total = 0
        for pair in zip(hypotheses, references, strict=True):
            ours, theirs = (
                Counter(tuple(line.split()[i : i + order]) for i in range(len(line.split()) - order + 1))
                for line in pair
            )
            correct += (ours & theirs).total()
            total += ours.total()
        if not correct:
            return 0.0
        logarithms += math.log(correct / total) / 4
    written, wanted = (sum(len(line.split()) for line in lines) for lines in (hypotheses, references))
    return 100 * math.exp(logarithms + min(0.0, 1 - wanted / written))


def scored(kind: Kind, hypotheses: list[str] = HYPOTHESES, references: list[str] = REFERENCES) -> list[Row]:
    lines: dict[str, Any] = {
        "source_words": LENGTHS[: len(hypotheses)],
        "hypotheses": hypotheses,
        "references": references,
    }
    evaluate = Evaluate(bucket_edges=(10, 20, 30), resamples=200)
    rows = rows_by_length(**ABOUT, **lines, settings=evaluate)
    return with_legacy(rows, **lines, language="de", kind=kind, settings=evaluate)


def test_moses_tokens_keep_compounds_and_split_ones_mark_their_hyphens() -> None:
    lines = ['Der "High-Tech-Zug" kostet 3-4 Euro - ja, A-B-C.']
    (kept,), (split,) = tokens(lines, "de", split=False), tokens(lines, "de", split=True)
    assert kept == 'Der " High-Tech-Zug " kostet 3-4 Euro - ja , A-B-C .'
    # A letter ends one match and cannot begin the next, as in the papers' one-line program: so "B-C" stays.
    assert split == (
        'Der " High ##AT##-##AT## Tech ##AT##-##AT## Zug " kostet 3 ##AT##-##AT## 4 Euro - ja , A ##AT##-##AT## B-C .'
    )


@pytest.mark.parametrize("kind", ["moses", "moses-split"])
def test_the_score_is_that_of_multi_bleu_on_the_same_tokens(kind: Kind) -> None:
    sides = [tokens(lines, "de", kind == "moses-split") for lines in (HYPOTHESES, REFERENCES)]
    short, empty, total = (scored(kind)[i] for i in (0, 2, -1))
    assert total["legacy_bleu"] == pytest.approx(multi_bleu(*sides))
    assert short["legacy_bleu"] == pytest.approx(multi_bleu(*([side[i] for i in (0, 1, 3)] for side in sides)))
    assert 0 < total["legacy_bleu_low"] < total["legacy_bleu"] < total["legacy_bleu_high"] < 100
    assert (empty["n"], empty["legacy_bleu"], empty["legacy_bleu_low"]) == (0, None, None)


def test_split_compounds_score_other_than_whole_ones() -> None:
    whole, split = (scored(kind)[-1] for kind in ("moses", "moses-split"))
    assert split["legacy_bleu"] > whole["legacy_bleu"]
    assert whole["bleu"] == split["bleu"]
    assert "-de|" in whole["legacy_signature"]
    assert "-de-hyphens-split|" in split["legacy_signature"]
    for said in ("smooth:none", "tok:sacremoses-", "punctuation:as-is", "text:detokenised"):
        assert said in whole["legacy_signature"]


def test_an_order_without_a_match_makes_the_score_nothing() -> None:
    (row, *_) = scored("moses", ["eins zwei drei vier fünf"], ["eins drei zwei fünf vier"])
    assert row["legacy_bleu"] == 0 < row["bleu"]
    assert row["legacy_bleu_low"] is None
    assert unsmoothed(np.array([[5, 5, 5, 4, 3, 0, 5, 4, 3, 2], [4, 4, 4, 3, 2, 1, 4, 3, 2, 1]])).tolist() == [0, 100]
