"""Charts as data: what stands in them, in the CSV file behind a figure, and in the page."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from lookback import report
from lookback.config import Report
from lookback.decoding.word_alignment import WordAlignment
from lookback.errors import LookbackError
from lookback.evaluation.systems import Score, System
from lookback.evaluation.tables import read_rows, write_rows
from lookback.rendering.chart import Axis, as_json, by_length, of_scores, table
from lookback.rendering.looks import looks
from lookback.report import charts, interactive, sentences
from lookback.report.results import Results, read
from lookback.stats.buckets import Bucket
from pipeline.every import read_every
from tests import fake_results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    experiment = fake_results.experiment()
    return read(experiment, fake_results.write_all(tmp_path_factory.mktemp("demo"), experiment))


def test_a_chart_of_scores_has_means_spans_counts_and_seeds(results: Results) -> None:
    chart = charts.length(results)
    assert [line.system for line in chart.lines] == [system.name for system in results.systems]
    system, point = results.systems[2], chart.lines[2].points[3]
    score = results.score(system, results.buckets[3])
    assert (point.x, point.y, point.low, point.high, point.n) == (3, score.value, score.low, score.high, 200)
    assert point.seeds == score.seeds
    assert len(point.seeds) == 2
    assert [words for words, _ in chart.marks] == [30, 60]


def test_the_file_behind_a_figure_has_all_its_points(results: Results) -> None:
    chart = charts.length(results)
    rows = list(csv.DictReader(io.StringIO(table(chart))))
    assert len(rows) == 6 * 6
    assert rows[0]["source words"] == "1-10"
    assert rows[0]["n"] == "200"
    assert float(rows[0]["BLEU"]) == pytest.approx(chart.lines[0].points[0].y, rel=1e-5)
    assert len(rows[0]["seeds"].split()) == 2
    training = list(csv.DictReader(io.StringIO(table(charts.curves(results)))))
    assert {row["seed"] for row in training} == {"1", "2"}
    assert sum(len(line.points) for line in charts.curves(results).lines) == len(training)


def test_the_page_has_the_numbers_of_the_chart_and_no_nan(results: Results) -> None:
    styles = looks([System("a", 30), System("b", 30)])
    scores = [Score(0.123456789, math.nan, math.nan, 7, (0.1,)), Score(math.nan, math.nan, math.nan, 0, ())]
    line = of_scores("b-30", styles[System("b", 30)], scores)
    buckets = [Bucket(1, 10), Bucket(11, None)]
    chart = by_length([line], buckets, {System("b", 25): styles[System("b", 30)]}, Axis("BLEU", digits=1))
    found = as_json(chart, ["a-30", "b-30"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["x"]["ticks"] == [["1–10", 7], ["11+", 0]]
    (drawn,) = found["lines"]
    assert drawn["system"] == 1
    assert drawn["points"] == [[0, 0.12346, None, None, 7], [1, None, None, None, 0]]
    assert found["marks"] == [[1.0, 25]]


def test_the_page_has_the_values_of_the_seeds(results: Results) -> None:
    point = as_json(charts.length(results), [system.name for system in results.systems])["lines"][0]["points"][0]
    assert point[5] == pytest.approx(charts.length(results).lines[0].points[0].seeds, rel=1e-4)


def test_every_way_of_sharing_out_can_be_chosen(tmp_path: Path) -> None:
    experiment = fake_results.experiment(grid={"models": ["bahdanau"], "max_train_words": [60]})
    folder = fake_results.write_all(tmp_path, experiment)
    (path,) = folder.glob("runs/*/by_length.csv")
    rows = read_rows(path)
    known = [row | {"subset": "known", "bleu": 1.0} for row in rows]
    windows = [row | {"bucket_by": "source_words_window"} for row in rows if row["bucket_low"]]
    write_rows(path, [*rows, *windows, *known])
    found = read(experiment, folder)
    kinds = charts.kinds(found)
    assert [kind.label for kind in kinds] == [
        "source words",
        "source words, sliding windows",
        "source words, sentences without unknown words",
    ]
    assert {point.y for point in charts.length(found, "bleu", kinds[2]).lines[0].points} == {1.0}
    data = json.loads(interactive.data(found, {}, sentences.examples(found)))
    scores = data["scores"]
    assert "legacy_bleu" not in scores["columns"], "blank in all rows"
    assert set(scores["values"]) == set(scores["columns"])
    assert {len(values) for values in scores["values"].values()} == {len(kinds)}
    assert scores["values"]["bleu"][2][0][0][0] == 1.0


def test_the_scores_are_stored_once_as_tables_show_them(results: Results) -> None:
    drawn = {"length": charts.length(results), "loss": charts.length(results, "reference_loss")}
    data = json.loads(
        interactive.data(results, drawn | {"curves": charts.curves(results)}, sentences.examples(results))
    )
    assert list(data["charts"]) == ["curves"]
    assert data["scored"] == {"length": "bleu", "loss": "reference_loss"}
    for column, digits in (("bleu", 1), ("reference_loss", 3)):
        for system, values in zip(results.systems, data["scores"]["values"][column][0], strict=True):
            for bucket, (value, *more) in zip(results.buckets, values, strict=True):
                score = results.score(system, bucket, column)
                assert value == float(f"{score.value:.{digits}f}")
                bounds = [None, None] if math.isnan(score.low) else [score.low, score.high]
                assert more == [None if it is None else round(it, digits) for it in (*bounds, *score.seeds)]
    names = [data["systems"][place]["name"] for place in data["scores"]["systems"]]
    assert names == [system.name for system in results.systems]


def test_an_alignment_is_packed_as_its_largest_weights() -> None:
    weights = np.array([[0.04, 0.96], [0.5, 0.5], [0.049, 0.03]])
    assert interactive.packed(WordAlignment(("a", "b"), ("x", "y", "z"), weights)) == "1:96,0:50 1:50,0:5"
    wide = np.full((1, 10), 0.1)
    assert interactive.packed(WordAlignment(tuple("abcdefghij"), ("x",), wide)) == "0:10 1:10 2:10 3:10 4:10"


def test_data_cannot_end_the_element_it_stands_in(results: Results) -> None:
    assert "<" not in interactive.data(results, {}, sentences.examples(results))


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """What `prepare` and `translate` write, of three sentences that one system translates."""
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared/test.source").write_text("a b c\na\na b\n")
    (tmp_path / "prepared/test.target").write_text("x y z\nx\nx y\n")
    np.save(tmp_path / "prepared/test.words.npy", np.array([[3, 3], [1, 1], [2, 2]], dtype=np.int16))
    run = tmp_path / "translations/bahdanau-60-s1"
    run.mkdir(parents=True)
    (run / "test.hypotheses").write_text("x y z\nx x x x\ny\n")
    (run / "test.csv").write_text("pieces,cut_off\n3,0\n4,1\n1,0\n")
    return tmp_path


ONE = {"models": ["bahdanau"], "max_train_words": [60], "seeds": [1, 2]}


def test_a_page_with_every_sentence_has_them_all_from_short_to_long(local: Path) -> None:
    experiment = fake_results.experiment(grid=ONE)
    every = read_every(experiment, local / "prepared", local / "translations")
    assert list(every) == ["bahdanau-60-s1"], "the first seed, as in the page"
    folder = fake_results.write_all(local / "demo", experiment)
    found = sentences.examples(read(experiment, folder), every=every)
    (of_ours,) = (it for it in found if it.label == "test sentence 2" and it.source == "a")
    assert "cut off" in of_ours.outputs[0].tags
    report.write(experiment, folder, Report(formats=("svg",)), every)
    page = (folder / "every-sentence.html").read_text(encoding="utf-8")
    assert page.count('<details class="example') == len(found)
    assert '<dd class="source" lang="en" dir="auto">a b c</dd>' in page
    assert '<dd class="source" lang="en" dir="auto">a b c</dd>' not in (folder / "report.html").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda it: (it / "prepared/test.source").unlink(), r"test.source: not here.*`dvc repro`"),
        (
            lambda it: (it / "translations/bahdanau-60-s1/test.csv").unlink(),
            r"bahdanau-60-s1: no translations.*translate@demo-bahdanau-60-s1",
        ),
        (
            lambda it: (it / "translations/bahdanau-60-s1/test.hypotheses").write_text("x\n"),
            r"bahdanau-60-s1: 1 translations of 3 sentences",
        ),
    ],
)
def test_sentences_that_are_not_there_are_asked_for(local: Path, spoil, message: str) -> None:
    spoil(local)
    with pytest.raises(LookbackError, match=message):
        read_every(fake_results.experiment(grid=ONE), local / "prepared", local / "translations")
