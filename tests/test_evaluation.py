import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU

from lookback.config import Evaluate, Run, Window
from lookback.data.testsets import FurtherSet
from lookback.errors import LookbackError
from lookback.evaluation import lexicon
from lookback.evaluation.run import FurtherTranslations, evaluate
from lookback.evaluation.tables import read_rows

RUN = Run(experiment="demo", model="bahdanau", max_train_words=60, seed=1)
TRANSLATION = {"text": "die Katze schlief gut .", "pieces": 5, "score": -0.1, "cut_off": True}
ALIGNMENT = {"source_pieces": ["the", "</s>"], "target_pieces": ["die", "</s>"], "weights": [[0.9, 0.1], [0.2, 0.8]]}
INPUTS: dict[str, Any] = {
    "sources": ["the cat slept well .", "a dog sat on the mat ."],
    "references": ["die Katze schlief gut .", "ein Hund saß auf der Matte ."],
    "source_words": [5, 7],
    "hypotheses": ["die Katze schlief gut .", "ein Hund saß ."],
    "search": {"cut_off": [0, 1], "reference_nats": [2.0, 6.0], "reference_pieces": [6, 8]},
    "examples": [
        {"index": 0, "translation": TRANSLATION, "alignment": ALIGNMENT},
        {"source": "the mat .", "translation": TRANSLATION, "alignment": None},
    ],
    "training": {
        "history": [
            {"step": 1, "target_tokens": 9, "train_loss": 2.0, "valid_loss": 1.5, "learning_rate": 0.1, "more": 0}
        ],
        "valid_loss": 1.5,
        "parameters": 10,
        "target_tokens": 9,
        "provenance": {"git_commit": "abc"},
    },
}


def test_what_is_written_can_be_followed_back(tmp_path: Path) -> None:
    rows = evaluate(RUN, Evaluate(bucket_edges=(5, 10), resamples=10), **INPUTS, output=tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["bleu"] == round(rows[-1]["bleu"], 2)
    assert metrics["bleu_longest"] == round(rows[1]["bleu"], 2) < rows[0]["bleu"] == pytest.approx(100)
    with (tmp_path / "by_length.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [(row["system"], row["bucket_low"], row["n"]) for row in table] == [
        ("bahdanau-60", "1", "1"),
        ("bahdanau-60", "6", "1"),
        ("bahdanau-60", "", "2"),
    ]
    assert [float(row["reference_loss"]) for row in table] == pytest.approx([2 / 6, 6 / 8, 8 / 14], abs=1e-4)
    assert (tmp_path / "curves.csv").read_text().splitlines()[1] == "1,9,2.0,1.5,0.1"
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["provenance"] == {"git_commit": "abc"}
    assert run["run"]["seed"] == 1
    assert "history" not in run


def test_further_rows_do_not_change_the_metrics(tmp_path: Path) -> None:
    evaluate(RUN, Evaluate(bucket_edges=(5, 10), resamples=10), **INPUTS, output=tmp_path)
    metrics = (tmp_path / "metrics.json").read_text()
    further: Any = {"reference_words": (5, 6), "source_pieces": (8,), "source_characters": (30,)}
    settings = Evaluate(bucket_edges=(5, 10), further_buckets=further, window=Window(width=5, step=5), resamples=10)
    lengths = {"reference_words": [5, 7], "source_pieces": [8, 9]}
    rows = evaluate(RUN, settings, **INPUTS, further_lengths=lengths, output=tmp_path)
    assert (tmp_path / "metrics.json").read_text() == metrics
    with (tmp_path / "by_length.csv").open() as file:
        table = [(row["bucket_by"], row["n"]) for row in csv.DictReader(file)]
    assert len(table) == len(rows)
    assert table[3:] == [
        *[("source_words_window", "1")] * 2,
        *[("reference_words", "1"), ("reference_words", "0"), ("reference_words", "1")],
        *[("source_pieces", "1")] * 2,
        ("source_characters", "2"),
    ]
    assert rows[0]["dropped"] == 0  # the sources are passed on


def test_a_dictionary_has_scores_and_no_losses(tmp_path: Path) -> None:
    search = {"cut_off": [0, 0], "reference_nats": None, "reference_pieces": None}
    inputs: dict[str, Any] = {**INPUTS, "search": search, "training": {"history": [], "entries": 7}}
    rows = evaluate(RUN, Evaluate(bucket_edges=(5, 10), resamples=10), **inputs, output=tmp_path)
    assert {row["reference_loss"] for row in rows} == {None}
    assert set(json.loads((tmp_path / "metrics.json").read_text())) == {"bleu", "chrf", "bleu_longest"}
    assert len((tmp_path / "curves.csv").read_text().splitlines()) == 1
    assert json.loads((tmp_path / "run.json").read_text())["entries"] == 7


def test_examples_are_of_test_sentences_or_of_others(tmp_path: Path) -> None:
    evaluate(RUN, Evaluate(resamples=10), **INPUTS, output=tmp_path)
    tested, other = json.loads((tmp_path / "examples.json").read_text())
    assert (tested["source"], tested["reference"]) == (INPUTS["sources"][0], INPUTS["references"][0])
    assert tested["alignment"] == {
        "source_pieces": ["the", "</s>"],
        "target_pieces": ["die", "</s>"],
        "percent": [[90, 10], [20, 80]],
    }
    assert (tested["showcase"], other["showcase"]) == (False, True)
    assert (other["source_words"], other["reference"], other["tags"]) == (3, None, [])


SINGLE = [
    "ein Hund saß auf der Matte .",
    "der Zug fährt um neun los .",
    "sie liest viel .",
    "es regnet seit heute früh .",
]


def further(count: int, hypotheses: list[str]) -> FurtherTranslations:
    made_of = [list(range(i, i + count)) for i in range(0, len(SINGLE), count)]
    texts = [" ".join(SINGLE[i] for i in line) for line in made_of]
    words = np.array([[len(text.split())] * 2 for text in texts])
    of = FurtherSet(f"joined-{count}", f"joined-{count}", "all", False, texts, texts, words, made_of)
    numbers = [0.0] * len(texts)
    search = {"cut_off": numbers, "reference_nats": numbers, "reference_pieces": [5.0] * len(texts)}
    return FurtherTranslations(of, hypotheses, search)


def test_further_test_sets_come_last_in_by_length_alone(tmp_path: Path) -> None:
    alone = further(1, [*SINGLE[:3], "es schneit seit heute abend ."])
    joined = further(2, ["ein Hund saß auf der Matte .", "sie liest viel . es regnet seit heute früh ."])
    settings = Evaluate(bucket_edges=(5, 10), resamples=10)
    known = FurtherSet("known", "test", "known", True, SINGLE[:1], SINGLE[:1], np.array([[7, 7]]), [[1]])
    search = {"cut_off": [0.0], "reference_nats": [1.0], "reference_pieces": [7.0]}
    sets = [alone, joined, FurtherTranslations(known, ["ein Hund saß auf der Matte ."], search)]
    rows = evaluate(RUN, settings, **INPUTS, output=tmp_path, further=sets)
    found = read_rows(tmp_path / "by_length.csv")
    assert {(row["test_set"], row["subset"]) for row in rows} == {("test", "all")}
    assert [(row["test_set"], row["subset"], row["bucket_low"], row["n"]) for row in found[len(rows) :]] == [
        ("joined-1", "all", None, 4),
        ("joined-2", "all", None, 2),
        ("joined-2", "alone", None, 2),
        ("test", "known", 1, 0),
        ("test", "known", 6, 1),
        ("test", "known", None, 1),
    ]
    put_together = [" ".join(alone.hypotheses[i : i + 2]) for i in (0, 2)]
    expected = [
        BLEU().corpus_score(list(hypotheses), [list(references)]).score
        for hypotheses, references in (
            (alone.hypotheses, alone.of.references),
            (joined.hypotheses, joined.of.references),
            (put_together, joined.of.references),
        )
    ]
    assert [row["bleu"] for row in found[len(rows) : len(rows) + 3]] == pytest.approx(expected, abs=0.01)
    assert json.loads((tmp_path / "metrics.json").read_text())["bleu"] == round(rows[-1]["bleu"], 2)


def test_a_part_of_the_test_set_has_its_buckets_and_its_lexicon(tmp_path: Path, monkeypatch) -> None:
    """Merged by themselves, the buckets of a part would be others, and its column of the report would be blank."""
    learned = []
    monkeypatch.setattr(lexicon, "learn", lambda *pairs: learned.append(pairs) or {"mat": frozenset({"matte"})})
    sources = ["the cat slept .", "the dog slept .", "a big dog sat on the mat .", "a dog sat on the big mat ."]
    references = [
        "die Katze schlief .",
        "der Hund schlief .",
        "ein großer Hund saß auf der Matte .",
        "ein Hund saß auf der großen Matte .",
    ]
    texts: dict[str, Any] = {"sources": sources, "references": references, "source_words": [4, 4, 8, 8]}
    texts["hypotheses"] = [*references[:2], "ein Hund .", references[3]]
    texts["search"] = {"cut_off": [0.0] * 4, "reference_nats": [1.0] * 4, "reference_pieces": [7.0] * 4}
    of = FurtherSet("known", "test", "known", True, sources[2:3], references[2:3], np.array([[8, 8]]), [[2]])
    part = FurtherTranslations(
        of, texts["hypotheses"][2:3], {"cut_off": [0.0], "reference_nats": [1.0], "reference_pieces": [7.0]}
    )
    settings = Evaluate(bucket_edges=(2, 5, 10), merge_below=2, resamples=10)
    rows = evaluate(RUN, settings, **INPUTS | texts, output=tmp_path, further=[part])
    bounds = [(row["bucket_low"], row["bucket_high"]) for row in rows]
    assert bounds == [(1, 5), (6, 10), (None, None)]
    known = read_rows(tmp_path / "by_length.csv")[len(rows) :]
    assert [(row["bucket_low"], row["bucket_high"]) for row in known] == bounds
    assert [row["n"] for row in known] == [0, 1, 1]
    assert [row["dropped"] for row in known] == [None, *[pytest.approx(1 / 7, abs=1e-4)] * 2]
    assert learned == [(sources, references)]


def test_legacy_bleu_is_there_where_it_is_asked_for(tmp_path: Path) -> None:
    for kind in ("none", "moses"):
        settings = Evaluate(bucket_edges=(5, 10), resamples=10, legacy=kind)
        rows = evaluate(RUN, settings, **INPUTS, output=tmp_path, target_language="de")
        assert [row["legacy_bleu"] is not None for row in rows] == [kind == "moses"] * 3


def test_a_missing_translation_is_an_error(tmp_path: Path) -> None:
    inputs: dict[str, Any] = {**INPUTS, "hypotheses": ["die Katze"]}
    with pytest.raises(LookbackError, match="1 lines, but the reference has 2"):
        evaluate(RUN, Evaluate(), **inputs, output=tmp_path)
