import csv
import json
from pathlib import Path
from typing import Any

import pytest

from lookback.config import Cell, Evaluate, Window
from lookback.errors import LookbackError
from lookback.evaluation import evaluate

CELL = Cell(experiment="demo", model="bahdanau", max_train_words=60, seed=1)
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
    rows = evaluate(CELL, Evaluate(bucket_edges=(5, 10), resamples=10), **INPUTS, output=tmp_path)
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
    assert run["cell"]["seed"] == 1
    assert "history" not in run


def test_further_rows_do_not_change_the_metrics(tmp_path: Path) -> None:
    evaluate(CELL, Evaluate(bucket_edges=(5, 10), resamples=10), **INPUTS, output=tmp_path)
    metrics = (tmp_path / "metrics.json").read_text()
    further: Any = {"reference_words": (5, 6), "source_pieces": (8,), "source_characters": (30,)}
    settings = Evaluate(bucket_edges=(5, 10), further_buckets=further, window=Window(width=5, step=5), resamples=10)
    lengths = {"reference_words": [5, 7], "source_pieces": [8, 9]}
    rows = evaluate(CELL, settings, **INPUTS, further_lengths=lengths, output=tmp_path)
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
    rows = evaluate(CELL, Evaluate(bucket_edges=(5, 10), resamples=10), **inputs, output=tmp_path)
    assert {row["reference_loss"] for row in rows} == {None}
    assert set(json.loads((tmp_path / "metrics.json").read_text())) == {"bleu", "chrf", "bleu_longest"}
    assert len((tmp_path / "curves.csv").read_text().splitlines()) == 1
    assert json.loads((tmp_path / "run.json").read_text())["entries"] == 7


def test_examples_are_of_test_sentences_or_of_others(tmp_path: Path) -> None:
    evaluate(CELL, Evaluate(resamples=10), **INPUTS, output=tmp_path)
    tested, other = json.loads((tmp_path / "examples.json").read_text())
    assert (tested["source"], tested["reference"]) == (INPUTS["sources"][0], INPUTS["references"][0])
    assert tested["alignment"] == {
        "source_pieces": ["the", "</s>"],
        "target_pieces": ["die", "</s>"],
        "percent": [[90, 10], [20, 80]],
    }
    assert (tested["showcase"], other["showcase"]) == (False, True)
    assert (other["source_words"], other["reference"], other["tags"]) == (3, None, [])


def test_a_missing_translation_is_an_error(tmp_path: Path) -> None:
    inputs: dict[str, Any] = {**INPUTS, "hypotheses": ["die Katze"]}
    with pytest.raises(LookbackError, match="1 lines, but the reference has 2"):
        evaluate(CELL, Evaluate(), **inputs, output=tmp_path)
