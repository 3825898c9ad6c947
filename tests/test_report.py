import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from dvc_render.vega import VegaRenderer

from lookback import config, report
from lookback.errors import LookbackError
from lookback.evaluation.comparison import write_comparisons
from lookback.evaluation.systems import SPARSE, System
from lookback.evaluation.tables import read_rows
from lookback.probes.points import Point, write_points
from lookback.rendering.html import _brief, document, inline_svg
from lookback.rendering.wording import code, interval
from lookback.report import claims, probes, prose, sentences, tables
from lookback.report.results import Results, read
from lookback.stats.buckets import Bucket
from tests import fake_results

ROOT = Path(__file__).parents[1]
ONLY = {"models": ["bahdanau"], "max_train_words": [60]}
FAST = config.Report(formats=("svg",))
VOID = {"meta", "br", "wbr", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """What a browser would make of a page: its elements, in order, and whether they are closed properly."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """The report of the demo's grid with two seeds, in the formats of the default settings."""
    experiment = fake_results.experiment()
    folder = fake_results.write_all(tmp_path_factory.mktemp("reports") / "demo", experiment)
    report.write(experiment, folder, config.Report())
    return folder


def results(folder: Path, experiment: config.Experiment | None = None, **changes) -> Results:
    experiment = experiment or fake_results.experiment(grid=ONLY)
    return read(experiment, fake_results.write_all(folder, experiment, **changes))


@pytest.mark.parametrize("banned", [False, True])
def test_it_is_said_when_the_search_writes_no_unknown_word(banned: bool, tmp_path: Path) -> None:
    experiment = fake_results.experiment(grid=ONLY, translate={"ban_unknown": banned})
    told = prose.measured(results(tmp_path, experiment))
    assert ("the unknown word never written" in told) is banned


# --- files ------------------------------------------------------------------------------------------------------------


def test_all_files_are_there(written):
    figures = {path.name for path in (written / "figures").iterdir()}
    published = ("published-no-attention", "published-attention", "published-pieces")
    names = ("length", "curves", "loss", *published, "memory", "alignment-1", "alignment-2")
    assert figures == {f"{name}.{form}" for name in names for form in ("svg", "png", "csv")}
    assert (written / "report.md").read_text(encoding="utf-8").count("](figures/") == 2 * len(names), (
        "each with its numbers"
    )


def test_table_of_all_runs_holds_the_rows_of_the_runs_in_grid_order(written):
    runs = [read_rows(written / "runs" / run.name / "by_length.csv") for run in fake_results.experiment().runs]
    assert read_rows(written / "by_length.csv") == [row for rows in runs for row in rows]


def test_same_results_give_the_same_bytes(tmp_path):
    experiment = fake_results.experiment(grid=ONLY)
    for name in ("one", "two"):
        report.write(experiment, fake_results.write_all(tmp_path / name, experiment), FAST)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) > 8
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_formats_are_those_asked_for(tmp_path):
    experiment = fake_results.experiment(grid=ONLY)
    folder = fake_results.write_all(tmp_path, experiment)
    report.write(experiment, folder, config.Report(formats=("pdf",)))
    assert {path.suffix for path in (folder / "figures").iterdir()} == {".pdf", ".csv"}
    assert "](figures/length.pdf)" in (folder / "report.md").read_text(encoding="utf-8")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert '<figure id="figure-length" data-chart="length">' in page
    assert 'href="figures/length.pdf"' in page
    assert "<img" not in page, "there is no picture that a browser shows"
    assert "<svg" in page, "of the alignments"


def test_figures_of_other_formats_and_sentences_leave(tmp_path):
    experiment = fake_results.experiment(grid=ONLY)
    folder = fake_results.write_all(tmp_path, experiment)
    (folder / "figures").mkdir()
    for name in ("alignment-9.svg", "length.png", "notes.txt"):
        (folder / "figures" / name).write_text("old")
    report.write(experiment, folder, FAST)
    left = {path.name for path in (folder / "figures").iterdir()}
    assert "notes.txt" in left, "not ours to delete"
    assert not {"alignment-9.svg", "length.png"} & left


# --- which results are read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "stage"),
    [(name, "evaluate") for name in ("metrics.json", "by_length.csv", "curves.csv", "run.json", "examples.json")]
    + [("probe.csv", "probe")],
)
def test_missing_file_is_named_with_its_run_and_command_and_nothing_is_written(name, stage, tmp_path):
    experiment = fake_results.experiment()
    folder = fake_results.write_all(tmp_path, experiment)
    (folder / "runs" / "bahdanau-30-s2" / name).unlink()
    with pytest.raises(LookbackError) as error:
        report.write(experiment, folder, FAST)
    for part in (f"bahdanau-30-s2/{name}", "run 'bahdanau-30-s2'", f"`dvc repro {stage}@demo-bahdanau-30-s2`"):
        assert part in str(error.value)
    assert not (folder / "report.md").exists()
    assert not (folder / "by_length.csv").exists()


def test_missing_corpus_is_named(tmp_path):
    experiment = fake_results.experiment(grid=ONLY)
    folder = fake_results.write_all(tmp_path, experiment)
    (folder / "corpus.json").unlink()
    with pytest.raises(LookbackError, match=r"corpus.json: missing.*dvc repro tokenize@demo"):
        report.write(experiment, folder, FAST)


def test_run_taken_out_of_the_grid_leaves_the_report(tmp_path):
    both = fake_results.experiment(grid={"models": ["bahdanau", "transformer"], "max_train_words": [60]})
    folder = fake_results.write_all(tmp_path, both)
    report.write(both, folder, FAST)
    assert "transformer-60" in (folder / "report.md").read_text(encoding="utf-8")
    report.write(fake_results.experiment(grid=ONLY), folder, FAST)
    for name in ("report.md", "report.html", "by_length.csv", "figures/length.svg"):
        assert "transformer-60" not in (folder / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"record": {"test_fingerprint": "00" * 32}}, "test set"),
        ({"row": {"signature": "nrefs:1|tok:intl"}}, "BLEU signature.*tok:intl"),
        ({"row": {"chrf_signature": "nrefs:1|nc:4"}}, "chrF signature.*nc:4"),
        ({"edges": (5, 20, 30, 40, 50, 60)}, "buckets"),
        ({"n": (200, 200, 200, 200, 200, 199, 0)}, "sentences a bucket"),
        ({"further": {("joined-1", "all"): (120, 70.0)}}, "further test sets.*joined-1 all"),
    ],
)
def test_results_of_another_test_or_signature_are_refused_and_named(changes, what, tmp_path):
    experiment = fake_results.experiment()
    folder = fake_results.write_all(tmp_path, experiment)
    fake_results.write_run(folder, experiment.run("transformer-30-s1"), **changes)
    with pytest.raises(LookbackError, match=rf"(?s){what}") as error:
        report.write(experiment, folder, FAST)
    assert "'rnn_encoder_decoder-30-s1'" in str(error.value)
    assert "'transformer-30-s1'" in str(error.value)


def test_results_without_the_test_set_are_refused(tmp_path):
    experiment = fake_results.experiment(grid=ONLY)
    folder = fake_results.write_all(tmp_path, experiment, row={"test_set": "newstest"})
    with pytest.raises(LookbackError, match="no row of the test set"):
        report.write(experiment, folder, FAST)


FURTHER = {
    ("joined-1", "all"): (240, 80.0),
    ("joined-2", "all"): (120, 78.0),
    ("joined-2", "alone"): (120, 80.5),
    ("joined-4", "all"): (60, 50.0),
    ("joined-4", "alone"): (60, 81.0),
}


JOINED = [
    fake_results.comparison(
        "joined", "bahdanau-60", test_set="joined-4", value=31.1, low=29.0, high=33.2, p_corrected=0.002
    ),
    # Its own p is small; among the sets of the system it is not.
    fake_results.comparison(
        "joined", "transformer-60", test_set="joined-4", value=0.6, low=0.1, high=1.1, p=0.03, p_corrected=0.06
    ),
    fake_results.comparison("joined", "transformer-60", test_set="joined-2", value=9.0, low=8.0, high=10.0),
]


def test_a_loss_by_joining_within_the_training_length_is_told_beside_those_beyond(tmp_path):
    experiment = fake_results.experiment(
        grid={"models": ["bahdanau"], "max_train_words": [30, 60], "seeds": [1]},
        test_sets={"joined": {"max_words": 15}},
    )
    rows = [
        fake_results.comparison("joined", f"bahdanau-{words}", test_set="joined-4", value=31.1, low=29.0, high=33.2)
        for words in (30, 60)
    ]
    folder = fake_results.write_all(tmp_path, experiment, further=FURTHER)
    write_comparisons(folder / "comparisons.csv", rows)
    told = claims.joined_statements(read(experiment, folder))[-1]
    assert "the longest sentences that `bahdanau-30` saw in training have fewer" in told
    assert told.endswith(" It is not the whole reason: `bahdanau-60` saw lines as long and lost BLEU too.")


def test_joined_sentences_are_told_beside_the_same_one_by_one(tmp_path):
    experiment = fake_results.experiment(
        grid={"models": ["bahdanau", "transformer"], "max_train_words": [60], "seeds": [1]},
        test_sets={"joined": {"max_words": 15}},
    )
    folder = fake_results.write_all(tmp_path, experiment, further=FURTHER)
    steady = {**FURTHER, ("joined-4", "all"): (60, 80.4)}
    fake_results.write_run(folder, experiment.run("transformer-60-s1"), further=steady)
    found = read(experiment, folder)
    assert found.joined == (1, 2, 4)
    assert found.buckets == read(experiment, fake_results.write_all(tmp_path / "without", experiment)).buckets
    assert claims.joined_statements(found) == [
        "Translated 4 at a time, the same 240 sentences score, at once against one by one, with `bahdanau-60` "
        "(50.0 [48.5, 51.5] against 81.0 [79.5, 82.5]) and `transformer-60` (80.4 [78.9, 81.9] against "
        "81.0 [79.5, 82.5]); whether they differ has not been tested yet: `dvc repro compare@demo` tests it.",
    ]
    write_comparisons(folder / "comparisons.csv", JOINED)
    found = read(experiment, folder)
    assert claims.joined_statements(found) == [
        "Translated 4 at a time, the same 240 sentences score lower in BLEU than one by one with `bahdanau-60` "
        "(50.0 [48.5, 51.5] against 81.0 [79.5, 82.5], less by 31.1 [29.0, 33.2]).",
        "Translated 4 at a time, the same 240 sentences score no differently from one by one, as far as is shown, with "
        "`transformer-60` (80.4 [78.9, 81.9] against 81.0 [79.5, 82.5], a fall of 0.6 [0.1, 1.1]).",
    ]
    longer = experiment.model_copy(update={"test_sets": config.FurtherSets(joined=config.Joined(max_words=16))})
    assert claims.joined_statements(read(longer, folder))[-1] == (
        "A line of 4 may have up to 64 source words, and the longest sentences that `bahdanau-60` and `transformer-60` "
        "saw in training have fewer: where it falls, length beyond training may be why."
    )
    scores, ratios = tables.joined(found)
    assert [row[:3] for row in scores.rows] == [
        ("1", "240", "80.0 [78.5, 81.5]"),
        ("2", "120", "78.0 [76.5, 79.5]"),
        ("2, translated one by one", "120", "80.5 [79.0, 82.0]"),
        ("4", "60", "50.0 [48.5, 51.5]"),
        ("4, translated one by one", "60", "81.0 [79.5, 82.5]"),
    ]
    assert "same 240 test sentences of at most 15 source words" in scores.note
    assert [row[2] for row in ratios.rows][:1] == ["1.00"]
    report.write(experiment, folder, FAST)
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert "### Sentences joined to longer lines\n" in markdown
    assert "\n- Translated 4 at a time, the same 240 sentences score lower" in markdown
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert "table-joined" in [attributes.get("id") for _, attributes in page.elements]
    assert "Translated 4 at a time" in " ".join(page.text)


def test_joined_sentences_that_score_low_either_way_or_more_at_once(tmp_path):
    experiment = fake_results.experiment(grid=ONLY)
    row = fake_results.comparison("joined", "bahdanau-60", test_set="joined-4", p_corrected=0.002)
    for low, (name, alone, numbers, told) in enumerate(
        [
            ("a", 9.9, {}, "under 10 BLEU, as they do one by one, too low to fall, with `bahdanau-60` (4.9 "),
            ("b", 10.1, {}, "lower in BLEU than one by one with `bahdanau-60` (4.9 "),
            ("c", 10.1, {"value": -5.0, "low": -6.0, "high": -4.0}, "higher in BLEU than one by one with"),
        ]
    ):
        further = {**FURTHER, ("joined-4", "all"): (60, 4.9), ("joined-4", "alone"): (60, alone)}
        found = results(tmp_path / name, experiment, further=further, comparisons=[row | numbers])
        (text,) = claims.joined_statements(found)
        assert told in text
        assert text.endswith(("a fall of ", "less by ", "more by ")[low] + "5.0 [4.0, 6.0]).")


def test_too_few_joined_lines_are_marked_and_nothing_is_told_of_them(tmp_path):
    experiment = fake_results.experiment(grid=ONLY)
    further = {key: (n // 2, bleu) for key, (n, bleu) in FURTHER.items()}
    found = read(experiment, fake_results.write_all(tmp_path, experiment, further=further))
    assert claims.joined_statements(found) == []
    assert tables.joined(found)[0].rows[-1][1] == "30 †"


def test_sentences_without_unknown_words_have_a_table_of_their_own(tmp_path):
    experiment = fake_results.experiment(grid=ONLY)
    folder = fake_results.write_all(tmp_path, experiment, further={("test", "known"): (400, 90.0)})
    found = read(experiment, folder)
    (table,) = [table for table in tables.quality(found) if table.name.startswith("known")]
    assert table.rows[-1] == ("all", "400", "90.0 [88.5, 91.5]")
    assert found.n(found.buckets[0]) == 200, "the rest of the report is of all sentences"
    report.write(experiment, folder, FAST)
    assert "<details><summary>Without unknown words</summary>" in (folder / "report.md").read_text(encoding="utf-8")
    assert "<summary>Without unknown words</summary>" in (folder / "report.html").read_text(encoding="utf-8")


def test_legacy_bleu_is_shown_with_its_own_signature(tmp_path):
    experiment = fake_results.experiment(grid=ONLY)
    signature = "nrefs:1|tok:sacremoses-0.1.1-de|smooth:none"
    row = {"legacy_bleu": 33.3, "legacy_bleu_low": 31.0, "legacy_bleu_high": 35.0, "legacy_signature": signature}
    found = read(experiment, fake_results.write_all(tmp_path, experiment, row=row))
    (table,) = [table for table in tables.quality(found) if table.name == "measures"]
    assert ("BLEU as the papers score", "33.3 [31.0, 35.0]") in table.rows
    assert f"BLEU as the papers score: {signature}" in table.note


def test_without_further_sets_and_legacy_bleu_nothing_is_said_of_them(written):
    for name in ("report.md", "report.html"):
        text = (written / name).read_text(encoding="utf-8")
        for absent in ("joined", "Without unknown words", "as the papers score"):
            assert absent not in text


def test_results_in_the_wrong_folder_are_refused(tmp_path):
    experiment = fake_results.experiment()
    folder = fake_results.write_all(tmp_path, experiment)
    runs = folder / "runs"
    shutil.copy(runs / "bahdanau-60-s1" / "by_length.csv", runs / "bahdanau-30-s1" / "by_length.csv")
    with pytest.raises(LookbackError, match=r"bahdanau-30-s1/by_length.csv: line 2: .* demo bahdanau 60 1"):
        read(experiment, folder)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.json", "{", r"run.json: not valid JSON"),
        ("examples.json", "{}", r"examples.json: holds no JSON list"),
        ("curves.csv", "step,target_tokens\n1,2\n", r"curves.csv: line 1: no column 'train_loss'"),
        ("curves.csv", "step,target_tokens,train_loss,valid_loss\n1,2,x,1\n", r"curves.csv: line 2: .*not a number"),
        ("probe.csv", "measure\n", r"probe.csv: line 1: no column 'series'"),
    ],
)
def test_damaged_file_is_named(name, text, message, tmp_path):
    experiment = fake_results.experiment(grid=ONLY)
    folder = fake_results.write_all(tmp_path, experiment)
    (folder / "runs" / "bahdanau-60-s1" / name).write_text(text)
    with pytest.raises(LookbackError, match=message):
        read(experiment, folder)


# --- claims follow the numbers ----------------------------------------------------------------------------------------

LEVEL = (80.0,) * 6
LONG, SHORT = System("bahdanau", 60), System("bahdanau", 30)


def fall(system: str = "bahdanau-60", measure: str = "capacity", **numbers) -> dict:
    """A row of comparisons.csv: from 11-20 to 51-60 words, by default 12.2 [9.8, 14.5], not by chance."""
    about = {"bucket_low": 11, "bucket_high": 60, "n": 200, "value": 12.166, "low": 9.801, "high": 14.53}
    return fake_results.comparison(measure, system, **(about | numbers))


NOTHING: dict[str, Any] = {"value": 0.19, "low": -1.634, "high": 2.013, "p": 0.8}
RISE: dict[str, Any] = {"value": -12.166, "low": -14.53, "high": -9.801}


@pytest.mark.parametrize(
    ("numbers", "told", "top"),
    [
        ({}, "it falls by 12.2 [9.8, 14.5].", "`bahdanau` loses 12.2 [9.8, 14.5] BLEU."),
        (RISE, "it rises by 12.2 [9.8, 14.5].", "`bahdanau` gains 12.2 [9.8, 14.5] BLEU."),
        (
            NOTHING,
            "no change with length is shown (a fall of 0.2 [−1.6, 2.0]).",
            "no change is shown for `bahdanau` (0.2 [−1.6, 2.0]).",
        ),
        ({"p": 0.051}, "no change with length is shown (a fall of 12.2 [9.8, 14.5]).", "no change is shown"),
        ({"p": 0.049}, "it falls by", "loses"),
        # Tables written before falls had a p: the interval is of the same test.
        ({"p": None}, "it falls by", "loses"),
        (NOTHING | {"p": None}, "no change with length is shown", "no change is shown"),
    ],
)
def test_a_fall_is_told_as_its_test_has_it(numbers, told, top, tmp_path):
    """Whatever the two scores: they are level here, and their intervals meet."""
    found = results(tmp_path, bleu=LEVEL, comparisons=[fall(**numbers)])
    change = claims.capacity(found, LONG)
    assert change
    assert (change.start, change.end) == (Bucket(11, 20), Bucket(51, 60))
    text = claims.capacity_statement(change)
    assert told in text
    assert text.startswith(f"`bahdanau-60` scores {interval(change.before)} BLEU at 11–20 words and ")
    assert top in claims.headline(found)
    assert claims.headline(found).startswith("Trained on sentences of up to 60 words, from 11–20 to 51–60 source words")


def test_sentence_and_table_print_one_number(tmp_path):
    found = results(tmp_path, comparisons=[fall(), fall(measure="slope", bucket_low=None, bucket_high=None)])
    change = claims.capacity(found, LONG)
    assert change
    (table,) = tables.comparisons(found)
    assert table.rows[0][2].replace(" (11–60)", "") == change.amount == "12.2 [9.8, 14.5]"


@pytest.mark.parametrize(("scores", "low"), [((9.5, 9.5), True), ((12.0, 2.0), False), ((2.0, 12.0), False)])
def test_two_low_scores_are_too_low_to_fall(scores, low, tmp_path):
    bleu = (scores[0],) * 5 + (scores[1],)
    change = claims.capacity(found := results(tmp_path, bleu=bleu, comparisons=[fall()]), LONG)
    assert change
    text = claims.capacity_statement(change)
    assert ("both are under 10 BLEU, too low to fall (a difference of 12.2 [9.8, 14.5])." in text) is low
    assert ("falls by" in text) is not low
    assert ("under 10 BLEU at both, too low to fall: `bahdanau`" in claims.headline(found)) is low
    assert ("loses" in claims.headline(found)) is not low


def test_what_has_not_been_compared_is_not_claimed(tmp_path):
    experiment = fake_results.experiment()
    found = results(tmp_path, experiment)
    told = "The systems have not been compared yet, so no change with length and no difference is claimed: "
    assert claims.headline(found) == f"{told}`dvc repro compare@demo` compares them."
    assert list(claims.statements(found)) == ["What is lost"]
    report.write(experiment, tmp_path, FAST)
    for name in ("report.md", "report.html"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "dvc repro compare@demo" in text
        assert not re.search(r"falls by|rises by|loses \d|no change is|\d more|\d less", text)


def test_few_sentences_make_no_claim(tmp_path):
    found = results(tmp_path, n=(200, 200, 200, 200, 200, 49, 0), comparisons=[fall(n=49)])
    assert claims.capacity(found, LONG) is None
    assert "nothing can be said" in claims.headline(found)
    assert any("51–60 (n = 49)" in text for text in prose.reading(found))


def test_a_fall_between_other_buckets_than_the_scores_is_refused(tmp_path):
    found = results(tmp_path, comparisons=[fall(bucket_high=70)])
    with pytest.raises(LookbackError, match=r"comparisons.csv: capacity of bahdanau-60 is between .*compare@demo"):
        claims.headline(found)


def difference(system: str, other: str, **numbers) -> dict:
    about = {"bucket_low": 51, "bucket_high": 60, "n": 200, "p_corrected": 0.006}
    return fake_results.comparison("difference", system, other, **(about | numbers))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [difference("bahdanau-60", "bahdanau-30")],
            "there: 5.0 [4.0, 6.0] more (p = 0.006, corrected over the buckets).",
        ),
        ([difference("bahdanau-30", "bahdanau-60")], "there: 5.0 [4.0, 6.0] less (p = 0.006"),
        (
            [difference("bahdanau-60", "bahdanau-30", p=0.03, p_corrected=0.06)],
            "there: no effect of longer training sentences is shown there (a difference of 5.0 [4.0, 6.0]; p = 0.060, "
            "corrected over the buckets).",
        ),
        ([], "there: not compared yet; `dvc repro compare@demo` compares them."),
    ],
)
def test_extrapolation_is_told_apart_from_capacity(rows, told, tmp_path):
    experiment = fake_results.experiment(grid={"models": ["bahdanau"], "max_train_words": [30, 60]})
    rows = [fall("bahdanau-30", "extrapolation", bucket_low=21), fall("bahdanau-30", bucket_high=30), *rows]
    found = results(tmp_path, experiment, comparisons=rows)
    assert claims.extrapolation(found, LONG) is None
    change = claims.extrapolation(found, SHORT)
    assert change
    assert (change.start, change.end) == (Bucket(21, 30), Bucket(51, 60))
    text = claims.extrapolation_statement(found, change)
    assert "lengths that its training did not contain: it falls by 12.2 [9.8, 14.5]. Trained on up to 60, it" in text
    assert text.endswith(told) or told in text


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ({}, ": 5.0 [4.0, 6.0] more (p = 0.006, corrected over the buckets)."),
        ({"value": -5.0, "low": -6.0, "high": -4.0}, ": 5.0 [4.0, 6.0] less (p = 0.006, corrected over the buckets)."),
        (
            {"p": 0.03, "p_corrected": 0.06},
            ": no difference is shown (a difference of 5.0 [4.0, 6.0]; p = 0.060, corrected over the buckets).",
        ),
    ],
)
def test_a_system_is_better_only_where_the_corrected_test_says_so(numbers, told, tmp_path):
    experiment = fake_results.experiment(grid={"models": ["rnn_encoder_decoder", "bahdanau"], "max_train_words": [60]})
    rows = [difference("bahdanau-60", "rnn_encoder_decoder-60", **numbers)]
    (text,) = claims.attention_statements(results(tmp_path, experiment, comparisons=rows))
    assert text.startswith("At 51–60 words `bahdanau-60` scores ")
    assert text.endswith(told)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        (
            {},
            "Along all buckets the difference of the two changes by 5.0 [4.0, 6.0] in ten words (p = 0.001): "
            "with length it changes in favour of `bahdanau-60`.",
        ),
        ({"p": 0.0004}, "(p < 0.001): with length it changes in favour of `bahdanau-60`."),
        ({"p": 0.051}, "(p = 0.051): no change with length is shown."),
        (
            {"value": -5.0, "low": -6.0, "high": -4.0},
            "by −5.0 [−6.0, −4.0] in ten words (p = 0.001): with length it changes in favour of "
            "`rnn_encoder_decoder-60`.",
        ),
        ({"test_set": "joined-2"}, "compares them."),
        ({"metric": "chrf"}, "compares them."),
        ({"value": None, "low": None, "high": None, "p": None}, "compares them."),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_that_a_gap_grows_is_told_from_its_test(numbers, told, turned, tmp_path):
    experiment = fake_results.experiment(grid={"models": ["rnn_encoder_decoder", "bahdanau"], "max_train_words": [60]})
    row = fake_results.comparison("gap_growth", "bahdanau-60", "rnn_encoder_decoder-60", **numbers)
    if turned:
        row |= {"system": row["other"], "other": row["system"]}
        if row["value"] is not None:
            row |= {"value": -row["value"], "low": -row["high"], "high": -row["low"]}
    (text,) = claims.attention_statements(results(tmp_path, experiment, comparisons=[row]))
    assert text.endswith(told)


@pytest.mark.parametrize(("n", "told_twice"), [(600, True), (1200, False)])
def test_within_the_training_length_a_gap_is_told_where_that_leaves_out_buckets(n, told_twice, tmp_path):
    experiment = fake_results.experiment(grid={"models": ["rnn_encoder_decoder", "bahdanau"], "max_train_words": [60]})
    pair = ("bahdanau-60", "rnn_encoder_decoder-60")
    inside = {"n": n, "value": 0.3, "low": -0.1, "high": 0.7, "p": 0.14}
    rows = [
        fake_results.comparison("gap_growth", *pair),
        fake_results.comparison("gap_growth_inside", *pair, **inside),
    ]
    (text,) = claims.attention_statements(results(tmp_path, experiment, comparisons=rows))
    assert "Along all buckets the difference of the two changes by 5.0 [4.0, 6.0] in ten words" in text
    told = (
        "Within the training length of both the difference of the two changes by 0.3 [−0.1, 0.7] in ten words "
        "(p = 0.140): no change with length is shown."
    )
    assert text.endswith(told) is told_twice


def test_comparisons_are_tables_where_something_was_compared(tmp_path):
    experiment = fake_results.experiment(
        grid={"models": ["rnn_encoder_decoder", "bahdanau"], "max_train_words": [30, 60], "seeds": [1]}
    )
    assert tables.comparisons(results(tmp_path / "none", experiment)) == []
    base = "rnn_encoder_decoder-60"
    rows = [
        fake_results.comparison("slope", base, value=-8.0, low=-8.5, high=-7.5, p=None),
        fake_results.comparison("capacity", base, bucket_low=11, bucket_high=60, value=50.0, low=49.0, high=51.0),
        fake_results.comparison("difference", base, "bahdanau-60", bucket_low=1, bucket_high=10, p_corrected=0.04),
        fake_results.comparison("difference", base, "bahdanau-60", bucket_low=11, bucket_high=20, p_corrected=0.06),
        fake_results.comparison("difference", base, "bahdanau-60", p=0.2),
        fake_results.comparison("gap_growth", base, "bahdanau-60"),
        fake_results.comparison("difference", base, "bahdanau-30"),  # of another training length
    ]
    falls, differences = tables.comparisons(results(tmp_path / "some", experiment, comparisons=rows))
    assert falls.rows == ((base, "−8.0 [−8.5, −7.5]", "50.0 (11–60) [49.0, 51.0]", "–"),)
    assert "over sentences, not over training runs" in falls.note
    ((pair, first, second, *others, everything, growth),) = differences.rows
    assert pair == f"bahdanau-60 − {base}"
    assert first == "−5.0 * [−6.0, −4.0]"
    assert second == everything == "−5.0 [−6.0, −4.0]"
    assert set(others) == {"–"}
    assert growth == "−5.0 * [−6.0, −4.0]"
    (tmp_path / "some/comparisons.csv").unlink()
    with pytest.raises(LookbackError, match=r"comparisons\.csv: missing; make it with `dvc repro compare@demo`"):
        read(experiment, tmp_path / "some")


def test_open_and_sparse_buckets_are_told_as_such(tmp_path):
    grid = {"models": ["rnn_encoder_decoder", "bahdanau"], "max_train_words": [60], "seeds": [1]}
    pair = ("bahdanau-60", "rnn_encoder_decoder-60")
    rows = [
        fake_results.comparison("slope", pair[0], value=-8.0, low=-8.5, high=-7.5, p=None),
        fake_results.comparison("capacity", pair[0], bucket_low=11, bucket_high=60, n=200),
        fake_results.comparison("extrapolation", pair[0], bucket_low=51, bucket_high=None, n=9),
        fake_results.comparison("difference", *pair, bucket_low=51, bucket_high=60, n=200, p_corrected=0.01),
        fake_results.comparison("difference", *pair, bucket_low=61, bucket_high=None, n=9, p_corrected=0.01),
    ]
    experiment = fake_results.experiment(grid=grid)
    found = results(tmp_path, experiment, comparisons=rows, n=(200,) * 6 + (9,))
    falls, differences = tables.comparisons(found)
    assert falls.rows[0][2:] == ("5.0 (11–60) [4.0, 6.0]", "5.0 (51+ †) [4.0, 6.0]")
    assert differences.columns[-4:] == ("51–60", "61+ †", "all", "for ten words more")
    assert differences.rows[0][-4:-2] == ("5.0 * [4.0, 6.0]", "5.0 [4.0, 6.0]")


def test_an_open_bucket_is_told_as_inside_where_the_comparison_has_it_so(tmp_path):
    experiment = fake_results.experiment(grid=ONLY, evaluate={"bucket_edges": [10, 20, 30]})
    found = results(tmp_path, experiment, n=(200,) * 4, comparisons=[fall(bucket_high=None)])
    change = claims.capacity(found, LONG)
    assert change
    assert change.end == Bucket(31, None)
    for longest in (60, 61):
        found.corpus["words"]["test"]["source"]["max"] = longest
        assert any("31+ lies partly" in text for text in prose.limits(found)) is (longest > 60)
        assert (Bucket(31, None) in claims.inside(found, LONG)) is (longest == 60)


def test_short_translations_are_named_only_where_there_are_any(tmp_path):
    assert claims.brevity_statements(results(tmp_path / "a", bleu=(99.0,) * 6)) == []
    (text,) = claims.brevity_statements(results(tmp_path / "b", bleu=(99.0, 90.0, 80.0, 70.0, 40.0, 10.0)))
    assert re.search(r"At 51–60 words .*`bahdanau-60` 0\.74 \(0\.7\d\)", text)


def test_models_of_one_architecture_are_told_apart_by_their_settings(tmp_path):
    kinds = {
        "rotary": {"architecture": "transformer", "positions": "rotary"},
        "none": {"architecture": "transformer", "positions": "none", "average_checkpoints": 5},
        "bahdanau": {},
    }
    grid = {"models": list(kinds), "max_train_words": [30], "seeds": [1]}
    experiment = fake_results.experiment(grid=grid, models=kinds)
    folder = tmp_path / "positions"
    for run in experiment.runs:
        fake_results.write_run(folder, run, bleu=(90.0, 90.0, 90.0, 50.0, 40.0, 30.0))
    fake_results.write_json(folder / "corpus.json", fake_results.corpus())
    write_points(folder / "speed.csv", [])
    write_comparisons(folder / "comparisons.csv", [])
    rotary, none, bahdanau = prose.models(read(experiment, folder))
    assert "`rotary` (Transformer): self-attention" in rotary
    assert "; `positions` rotary" in rotary
    assert none.endswith("; its weights are the mean of those at the last 5 validations.")
    assert ";" not in bahdanau


# --- is the comparison fair -------------------------------------------------------------------------------------------

PAIR = {"models": ["rnn_encoder_decoder", "bahdanau"], "max_train_words": [60]}


@pytest.mark.parametrize(
    ("run", "tell", "says", "warns"),
    [
        ({}, prose.batches, "all networks saw the same batches", False),
        ({"batches_fingerprint": "99" * 32}, prose.batches, "did not see the same batches", True),
        ({"batches_fingerprint": None}, prose.batches, "not recorded", False),
        ({}, prose.budget, "Every network was trained on 3,000,412 target tokens.", False),
        ({"target_tokens": 3_001_900}, prose.budget, "within 1 %", False),
        ({"target_tokens": 9_000_000}, prose.budget, "training budgets differ", True),
        ({}, prose.parameters, "1.08 times the parameters", False),
        ({"parameters": 9_000_000}, prose.parameters, "not of one size", True),
    ],
)
def test_fairness_is_told_from_what_was_recorded(run, tell, says, warns, tmp_path):
    experiment = fake_results.experiment(grid=PAIR)
    folder = fake_results.write_all(tmp_path, experiment)
    fake_results.write_run(folder, experiment.run("bahdanau-60-s1"), record=run)
    found = read(experiment, folder)
    assert says in tell(found)
    assert (tell(found) in prose.limits(found)) == warns


def test_budgets_for_each_training_length_are_told_apart(tmp_path):
    train = {"target_tokens_by_length": {30: 10, 60: 20}, "batch_target_tokens": 8}
    experiment = fake_results.experiment(grid=PAIR | {"max_train_words": [30, 60]}, train=train)
    folder = fake_results.write_all(tmp_path, experiment)
    for model in PAIR["models"]:
        fake_results.write_run(folder, experiment.run(f"{model}-30-s1"), record={"target_tokens": 2_000_000})
    assert prose.budget(read(experiment, folder)) == (
        "Up to 30 words: every network was trained on 2,000,000 target tokens. "
        "Up to 60 words: every network was trained on 3,000,412 target tokens."
    )


DICTIONARY = {"models": ["rnn_encoder_decoder", "bahdanau", "word_by_word"], "max_train_words": [30, 60]}


def with_dictionary(grid: dict) -> config.Experiment:
    models = {name: {} for name in DICTIONARY["models"]}
    return fake_results.experiment(grid=grid, models=models)


def test_a_dictionary_is_shown_but_not_asked_what_only_networks_have(tmp_path):
    experiment = with_dictionary(DICTIONARY)
    rows = [fall(), *(fall(f"{model}-60", **NOTHING) for model in ("bahdanau", "word_by_word"))]
    rows[0]["system"] = "rnn_encoder_decoder-60"
    folder = fake_results.write_all(tmp_path, experiment, comparisons=rows)
    report.write(experiment, folder, FAST)
    found = read(experiment, folder)
    without = read(with_dictionary(DICTIONARY | {"models": DICTIONARY["models"][:2]}), folder)
    # the networks are compared as if it were not there
    *told, last = prose.comparison(found)
    assert told == prose.comparison(without)
    assert "`word_by_word-30-s1` has 1,765 entries, learned from 9,970 pairs" in last
    assert "not recorded" not in " ".join(told)
    assert prose.limits(found) == prose.limits(without)
    assert claims.attention_statements(found) == claims.attention_statements(without)
    assert prose.alternative_of_curves(found) == prose.alternative_of_curves(without)
    assert "the dictionary has no search" in prose.measured(found)
    assert "dictionary" not in prose.measured(without)
    # and it is there where it can be
    assert "`bahdanau` (0.2 [−1.6, 2.0]) and `word_by_word` (0.2 [−1.6, 2.0])." in claims.headline(found)
    assert b"word_by_word" in b"".join(path.read_bytes() for path in folder.glob("report.html"))
    page = " ".join(Page((folder / "report.html").read_text(encoding="utf-8")).text)
    assert "nan" not in page.lower().split()
    assert "None" not in page
    shared, differing = tables.provenance(found)
    assert ("precision", "32-true") in shared.rows
    assert not {row[0] for row in differing.rows} & {row[0] for row in shared.rows}
    others = next(table for table in tables.quality(found) if table.name == "measures")
    (loss,) = [row for row in others.rows if row[0] == "Loss on the references"]
    assert [cell == "–" for cell in loss[1:]] == [False] * 4 + [True] * 2


def test_a_report_of_a_dictionary_alone(tmp_path):
    experiment = with_dictionary(DICTIONARY | {"models": ["word_by_word"]})
    folder = fake_results.write_all(tmp_path, experiment)
    report.write(experiment, folder, FAST)
    (only,) = prose.comparison(read(experiment, folder))
    assert only.startswith("A dictionary is no network")


def test_runs_still_falling_are_named(tmp_path):
    found = results(tmp_path / "a", record={"still_falling": True})
    assert "training of `bahdanau-60-s1` ended: it may gain" in prose.falling(found)
    assert prose.falling(found) in prose.limits(found)
    found = results(tmp_path / "b", record={"still_falling": False})
    assert prose.falling(found).startswith("No run's")
    assert prose.falling(found) not in prose.limits(found)
    assert "was not recorded" in prose.falling(results(tmp_path / "c", record={"still_falling": None}))


def test_speed_is_a_ratio_within_one_hardware(tmp_path):
    experiment = fake_results.experiment(grid=PAIR)
    folder = fake_results.write_all(tmp_path, experiment)
    found = read(experiment, folder)
    assert prose.speed_ratio(found, found.runs[1]) == pytest.approx(6700 / 9100)
    fake_results.write_run(folder, experiment.run("bahdanau-60-s1"), record={"hardware": "another"})
    found = read(experiment, folder)
    assert prose.speed_ratio(found, found.runs[1]) != prose.speed_ratio(found, found.runs[1])  # NaN


def test_what_one_seed_and_two_seeds_leave_open(tmp_path):
    assert any("one seed" in text for text in prose.limits(results(tmp_path / "a")))
    experiment = fake_results.experiment(grid=ONLY | {"seeds": [1, 2]})
    two = results(tmp_path / "b", experiment)
    assert any(re.search(r"2 seeds a system: .* by up to \d\.\d BLEU", text) for text in prose.limits(two))


def test_bucket_across_a_training_length_is_used_for_neither(tmp_path):
    grid = {"models": ["bahdanau"], "max_train_words": [35, 60]}
    found = results(tmp_path, fake_results.experiment(grid=grid))
    assert claims.inside(found, System("bahdanau", 35))[-1] == Bucket(21, 30)
    assert any("The bucket 31–40 lies partly" in text for text in prose.limits(found))


# --- translations -----------------------------------------------------------------------------------------------------


def test_words_that_differ_and_are_missing_are_found():
    parts = sentences.compare("der Hund sah eine Katze gestern", "der Hund sah die kleine Katze dort oben")
    assert [(part.kind, part.text) for part in parts] == [
        ("same", "der Hund sah"),
        ("differs", "eine"),
        ("missing", "kleine"),
        ("same", "Katze"),
        ("differs", "gestern"),
        ("missing", "oben"),
    ]


def test_examples_go_from_short_to_long_and_group_equal_outputs(tmp_path):
    experiment = fake_results.experiment()
    found = sentences.examples(results(tmp_path, experiment))
    assert found[0].showcase
    words = [example.words for example in found[1:]]
    assert words == sorted(words)
    assert found[1].outputs[0].everyone
    assert found[1].outputs[0].equal
    longest = found[-1].outputs
    assert [system for output in longest for system in output.systems] == [
        "rnn_encoder_decoder-60",
        "rnn_encoder_decoder-30",
        "bahdanau-60",
        "transformer-60",
        "bahdanau-30",
        "transformer-30",
    ]
    assert "loops" in longest[0].tags


def test_alignments_are_drawn_of_every_model_that_has_them(tmp_path):
    experiment = fake_results.experiment()
    aligned = sentences.aligned(results(tmp_path, experiment))
    assert aligned[0].source == fake_results.SHOWCASE
    assert aligned[1].words == 18
    for sentence in aligned:
        assert [item.system for item in sentence.items] == ["bahdanau-60", "transformer-60"]


SOURCE_PIECES = ["▁The", "▁cat", ",", "▁jum", "ped", ".", "</s>"]
TARGET_PIECES = ["▁Die", "▁Katze", ",", "▁spr", "ang", ".", "</s>"]
ELSEWHERE = [[14] * 7] * 3
"""Rows of *Die*, *Katze* and the comma, which are not looked at."""


def watched(
    folder: Path,
    *,
    text: str = "Die Katze, sprang.",
    rows: list | None = None,
    source=SOURCE_PIECES,
    target=TARGET_PIECES,
) -> str:
    """What is said of `bahdanau-60` with this translation and alignment of "The cat, jumped."."""
    showcase = {"text": "The cat, jumped.", "source_word": "jumped", "target_word": "sprang"}
    experiment = fake_results.experiment(grid=ONLY, translate={"showcase": ["Of no interest.", showcase]})
    fake_results.write_all(folder, experiment)
    (path,) = (folder / "runs").glob("*/examples.json")
    item = json.loads(path.read_text(encoding="utf-8"))[0]
    alignment = rows and {"source_pieces": source, "target_pieces": target, "percent": rows}
    item |= {"source": "The cat, jumped.", "hypothesis": text, "alignment": alignment}
    fake_results.write_json(path, [item | {"source": "Of no interest.", "hypothesis": "?"}, item])
    report.write(experiment, folder, FAST)
    ((question, (answer,)),) = sentences.watched(read(experiment, folder)).items()
    assert "have *sprang*" in question
    assert "peak at *jumped*" in question
    assert "“The cat, jumped.”, translated with seed 1" in question
    return answer


@pytest.mark.parametrize(
    ("spr", "ang", "peak", "there"),
    [
        # Summed over jum and ped: (30 + 40 + 20 + 50) / 2. Of the full stop's row nothing counts.
        ([0, 20, 0, 30, 40, 10, 0], [0, 10, 0, 20, 50, 20, 0], "*jumped* (word 3 of 3) with 0.70", ""),
        ([0, 80, 0, 10, 10, 0, 0], [0, 60, 0, 10, 10, 20, 0], "*cat* (word 2 of 3) with 0.70", "0.20"),
        ([0, 0, 90, 5, 5, 0, 0], [0, 0, 90, 5, 5, 0, 0], "the *,* at word 2 of 3 with 0.90", "0.10"),
        ([0, 0, 0, 20, 20, 60, 0], [0, 0, 0, 20, 20, 60, 0], "the *.* at word 3 of 3 with 0.60", "0.40"),
        ([0, 0, 0, 0, 0, 0, 99], [0, 0, 0, 2, 0, 0, 97], "the end mark with 0.98", "0.01"),
    ],
    ids=["the word", "another word", "a comma", "its full stop", "the end mark"],
)
def test_the_peak_of_a_word_is_found(spr, ang, peak, there, tmp_path):
    full_stop = [0, 100, 0, 0, 0, 0, 0]
    answer = watched(tmp_path, rows=[*ELSEWHERE, spr, ang, full_stop, full_stop])
    not_there = there and f", not at *jumped*, which has {there}"
    assert answer == f"`bahdanau-60` writes *sprang*; its row peaks at {peak}{not_there}."
    assert f"- {answer}\n" in (tmp_path / "report.md").read_text(encoding="utf-8")
    page = "".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text)
    assert re.sub(r"[`*]", "", answer) in page


@pytest.mark.parametrize(
    ("text", "rows", "told"),
    [
        ("Die Katze, schlief.", None, "does not write *sprang*; it has no alignment."),
        ("Die Katze, besprang.", [*ELSEWHERE, *ELSEWHERE, [0] * 7], "does not write *sprang*: no row to look at."),
        ("Die Katze, sprang.", None, "writes *sprang*; it has no alignment."),
        ("sprang sprang", None, "writes *sprang* 2 times; it has no alignment."),
    ],
)
def test_a_word_without_a_row_is_told_too(text, rows, told, tmp_path):
    assert watched(tmp_path, text=text, rows=rows) == f"`bahdanau-60` {told}"


def test_the_peaks_of_a_word_that_is_written_twice_are_told_both(tmp_path):
    rows = [[9, 0, 0, 90, 0, 0, 1], [0, 80, 0, 0, 0, 0, 20], [0] * 7]
    answer = watched(tmp_path, text="sprang sprang", rows=rows, target=["▁sprang", "▁sprang", "</s>"])
    assert answer == (
        "`bahdanau-60` writes *sprang* 2 times; its rows peak at *jumped* (word 3 of 3) with 0.90 and "
        "*cat* (word 2 of 3) with 0.80, not at *jumped*, which has 0.00."
    )


def test_with_words_every_token_is_a_word(tmp_path):
    source, target = ["The", "cat", ",", "jumped", ".", "</s>"], ["Katze", "sprang", ".", "</s>"]
    rows = [[0] * 6, [0, 0, 10, 90, 0, 0], [0] * 6, [0] * 6]
    answer = watched(tmp_path, rows=rows, source=source, target=target)
    assert answer == "`bahdanau-60` writes *sprang*; its row peaks at *jumped* (word 4 of 5) with 0.90."


def test_a_word_of_the_corpus_is_no_mark_up(tmp_path):
    word = "c*a<b>t_`x`|$y&amp;\\*z"
    watched(tmp_path, rows=[[100, 0], [0, 100]], source=[f"▁{word}", "</s>"], target=["▁sprang", "</s>"])
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert f"peaks at {word} (word 1 of 1)" in "".join(page.text)
    assert "b" not in {tag for tag, _ in page.elements}
    assert "<b>" not in re.sub(r"\\<", "", (tmp_path / "report.md").read_text(encoding="utf-8"))


# --- what was measured on the models ----------------------------------------------------------------------------------


def remembered(folder: Path, points: list[Point]) -> str:
    """What the section on memory says of one system, `bahdanau-60`, with these points."""
    (section,) = probes.sections(results(folder, points=points))
    assert section.about.startswith("The Jacobian says")
    return " ".join(section.texts)


def test_memory_is_shown_only_where_it_was_measured(written, tmp_path):
    for name in ("report.md", "report.html"):
        text = (written / name).read_text(encoding="utf-8")
        assert "What a state remembers" in text
        assert "The Jacobian says how" in text
    assert "<code>rnn_<wbr>encoder_<wbr>decoder-60-s1</code>: the norm" in text
    experiment = fake_results.experiment(grid=ONLY)
    report.write(experiment, fake_results.write_all(tmp_path, experiment), FAST)
    for name in ("report.md", "report.html"):
        assert "What a state remembers" not in (tmp_path / name).read_text(encoding="utf-8")
    assert not list((tmp_path / "figures").glob("memory*"))


def test_steps_until_little_is_left_are_counted(tmp_path):
    told = remembered(tmp_path, fake_results.remembering(0.5, lags=12))
    # 0.5 ** 7 is the first below 0.01, 0.25 ** 4 before training
    assert "`bahdanau-60`: the norm falls below 1 % after 7 steps (n = 50); after 12 steps it is 2.4·10⁻⁴ [" in told
    assert "(n = 50 sentences). Before training it falls below 1 % after 4 steps (n = 50) and is 6.0·10⁻⁸" in told
    assert told.endswith("more gets through after training.")


def test_what_is_never_forgotten_is_said(tmp_path):
    told = remembered(tmp_path, fake_results.remembering(0.99, ("trained",), lags=1))
    assert told.startswith(
        "`bahdanau-60`: the norm stays at 1 % or more for all 1 step; after 1 step it is 0.99 [0.89,"
    )


@pytest.mark.parametrize(
    ("trained", "untrained", "verdict"),
    [(0.5, 0.3, "more gets through"), (0.3, 0.5, "less gets through"), (0.5, 0.5, "no effect of training is shown")],
)
def test_an_effect_of_training_is_told_only_where_intervals_do_not_meet(trained, untrained, verdict, tmp_path):
    points = fake_results.remembering(trained, ("trained",), 4) + fake_results.remembering(untrained, ("untrained",), 4)
    assert verdict in remembered(tmp_path, points)


def plain(factor: float, radius: float, lags: int = 20) -> list[Point]:
    """As of an RNN without gates whose bound changes by so much a step."""
    one = {"jacobian_bound": factor, "matrix_power_norm": 1.1 * radius, "spectral_radius": radius}
    points = fake_results.remembering(0.5, lags=lags)
    for measure, base in one.items():
        points += fake_results.curve(measure, "trained", [base**lag for lag in range(lags + 1)], n=1)
    points += fake_results.curve("commuted_error", "trained", [0.0, 0.0, *(0.1 * lag for lag in range(2, lags + 1))])
    return points + fake_results.curve("commuted_ratio", "trained", [1.0] * (lags + 1))


def test_a_bound_is_told_for_what_it_is(tmp_path):
    told = remembered(tmp_path / "large", plain(2.0, 0.9))
    assert "a factor of 2 a step, to 1.0·10⁶ after 20 steps: it does not make the norm fall" in told
    assert "The spectral radius of the recurrent matrix, 0.9, is no bound: after 20 steps its power is 0.12," in told
    assert "the norm of the matrix's power 0.82, and that of the Jacobian 9.5·10⁻⁷." in told
    assert "it alone makes the norm fall" in remembered(tmp_path / "small", plain(0.6, 0.9))


def test_the_commuted_form_is_told_after_two_ten_and_the_last_steps(tmp_path):
    told = remembered(tmp_path / "long", plain(2.0, 0.9))
    assert "relative error is 0.2 [0.18, 0.22] after 2 steps (norm 1 times that of the product), 1 [0.9, 1.1] " in told
    assert "after 10 steps (norm 1 times that of the product) and 2 [1.8, 2.2] after 20 steps" in told
    assert "relative error" not in remembered(tmp_path / "short", plain(2.0, 0.9, lags=1)), (
        "one step has nothing to move"
    )


def over_all(measure: str, series: str, value: float) -> Point:
    return Point(
        measure=measure, series=series, x_by="source words", x=None, n=1200, value=value, low=value, high=value
    )


def test_what_a_decoder_looks_at_is_told_and_drawn(tmp_path):
    points = fake_results.curve("gradient_by_distance", "gradient", [0.2, 0.1], x_by="pieces from the aligned word")
    points += fake_results.curve("gradient_by_distance", "even", [0.04, 0.04], x_by="pieces from the aligned word")
    for series in ("first word", "last word"):
        points += fake_results.curve("gradient_by_distance", series, [0.3, 0.2, 0.1], x_by="pieces from the end")
    points += fake_results.curve("alignment_entropy", "nats", [0.7, 0.9], x_by="source words")
    points += fake_results.curve("alignment_error_rate", "alignment", [0.2, 0.3], x_by="source words")
    points += [over_all("alignment_entropy", "nats", 0.75), over_all("alignment_error_rate", "alignment", 0.21)]
    points += [over_all("alignment_error_rate", "diagonal", 0.5)]
    found = results(tmp_path, points=points)
    (section,) = probes.sections(found)
    assert section.texts[0] == (
        "`bahdanau-60`: of a target word's gradient, 0.2 [0.18, 0.22] falls on the aligned source word (n = 50), where "
        "an even spread would put 0.04; its weights have an entropy of 0.75 [0.75, 0.75] nats (n = 1200); its "
        "alignment error rate is 0.21 [0.21, 0.21], that of a diagonal 0.5 [0.5, 0.5] (n = 1200)."
    )
    assert set(section.charts) == {"gradient", "entropy", "agreement"}
    assert "first word: 0.3 at 0, 0.2 at 1, 0.1 at 2" in section.charts["gradient"].alternative(found)
    assert "0.04" not in section.charts["gradient"].alternative(found)


def test_what_can_be_read_from_the_vectors_is_told_of_short_and_of_long_sentences(tmp_path):
    points = []
    for place, values, usual in (("1st", [1.0, 0.99], [0.2, 0.2]), ("2nd to last", [0.6, 0.08], [0.1, 0.12])):
        points += fake_results.curve("readable_words", place, values, x_by="source words")
        points += fake_results.curve("readable_words", f"{place}, majority", usual, x_by="source words")
    (section,) = probes.sections(results(tmp_path, points=points))
    told = section.texts[0]
    assert (
        "the 2nd to last piece in 0.6 [0.54, 0.66] of the shortest sentences (0 words on average, n = 50) and" in told
    )
    assert (
        "0.08 [0.072, 0.088] of the longest (1 words, n = 50), where the most frequent piece would be right in" in told
    )
    assert told.endswith("0.12.")


def test_times_are_told_once_a_model_whatever_its_training_lengths(tmp_path):
    experiment = fake_results.experiment(grid={"models": ["bahdanau"], "max_train_words": [30, 60], "seeds": [1]})
    folder = fake_results.write_all(tmp_path, experiment)
    training = fake_results.curve("training_step", "bahdanau", [1.0, 4.0], n=15, x_by="source pieces")
    search = fake_results.curve("search_step", "bahdanau", [1.0, 5.0], n=15, x_by="source pieces")
    write_points(folder / "speed.csv", training + search)
    (section,) = probes.sections(read(experiment, folder))
    assert section.texts == (
        "`bahdanau`: a training step takes 1 [0.9, 1.1] at 0 source pieces and 4 [3.6, 4.4] at 1; a step of the search "
        "takes 1 [0.9, 1.1] at 0 source pieces and 5 [4.5, 5.5] at 1 (n = 15 rounds).",
    )
    assert set(section.charts) == {"training-step", "search-step"}
    found = read(experiment, folder)
    assert section.charts["training-step"].alternative(found).endswith(" bahdanau: 1 at 0, 4 at 1.")
    report.write(experiment, folder, FAST)
    for name in ("report.md", "report.html"):
        text = (folder / name).read_text(encoding="utf-8")
        assert "The numbers are in " in text
        assert "speed.csv" in text
        assert "probe.csv" not in text, "nothing was probed"
    (folder / "speed.csv").unlink()
    with pytest.raises(LookbackError, match=r"speed\.csv: missing; make it with `dvc repro speed@demo`"):
        read(experiment, folder)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (0.01234, "0.012"),
        (0.001, "0.001"),
        (4321.0, "4300"),
        (4.56e-7, "4.6·10⁻⁷"),
        (math.inf, "∞"),
    ],
)
def test_numbers_of_any_size_are_short(value, text):
    assert probes.number(value) == text


# --- the pages --------------------------------------------------------------------------------------------------------


def test_page_is_one_file_that_fetches_nothing(written):
    whole = (written / "report.html").read_text(encoding="utf-8")
    pictures = re.findall(r'<noscript><img src="([^"]+)" alt=""></noscript>', whole)
    assert len(pictures) == whole.count("data-chart=")
    assert all((written / name).is_file() for name in pictures), "without the script those beside it are shown"
    text = re.sub(r"<noscript>.*?</noscript>", "", whole)
    page = Page(text)
    assert not {"link", "iframe", "img", "image", "object", "embed"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            target = attributes.get(name) or "#"
            beside = tag == "a" and (written / target).is_file()  # opened when asked for
            assert target.startswith("#") or beside, attributes
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert len(text.encode()) < 1_000_000


def test_a_drawing_keeps_what_does_something():
    svg = """<?xml?>
<svg width="5" height="5" viewBox="0 0 5 5"><defs><clipPath id="clip"><path d="M 0 0
L 1.25 3.000001
z"/></clipPath></defs><g id="axes"><g id="empty"/><g clip-path="url(#clip)"><g id="inner"><path id="line" d="M 1 2
L 3 4"/></g></g></g></svg>"""
    assert inline_svg(svg.encode(), "p-", "words") == (
        '<svg viewBox="0 0 5 5" role="img" aria-label="words"><defs><clipPath id="p-clip"><path d="M0 0L1.2 3.0z"/>'
        '</clipPath></defs><g clip-path="url(#p-clip)"><path d="M1 2L3 4"/></g></svg>'
    )


def test_page_is_accessible(written):
    page = Page((written / "report.html").read_text(encoding="utf-8"))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("h1") == 1
    assert dict(page.elements)["html"]["lang"] == "en"
    pictures = [attributes for tag, attributes in page.elements if attributes.get("role") == "img"]
    assert len(pictures) == tags.count("figure") == 9
    assert all(attributes["aria-label"] for attributes in pictures)
    assert any("bahdanau-60: 9" in (attributes["aria-label"] or "") for attributes in pictures)
    assert all(attributes["role"] == "img" for tag, attributes in page.elements if tag == "svg")
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.elements if tag == "th")
    assert tags.count("table") == tags.count("caption")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = [a["href"] for tag, a in page.elements if tag == "a"]
    assert targets
    assert all((target or "")[1:] in ids or (written / (target or "")).is_file() for target in targets)


def test_every_reference_inside_a_drawing_is_resolved(written):
    text = (written / "report.html").read_text(encoding="utf-8")
    ids = set(re.findall(r'\bid="([^"]+)"', text))
    used = re.findall(r'xlink:href="#([^"]+)"|url\(#([^)]+)\)', text)
    assert used
    assert {one or other for one, other in used} <= ids


HOSTILE = (
    '<script>alert(1)</script> & "quotes" <img src=http://x.y/z> | `code` **bold** [a](http://x.y) --> $x^2$ </svg>'
)


def test_text_of_a_corpus_stays_text(tmp_path):
    experiment = fake_results.experiment(grid=ONLY, title=HOSTILE)
    folder = fake_results.write_all(tmp_path, experiment, source=HOSTILE)
    (path,) = (folder / "runs").glob("*/examples.json")
    items = json.loads(path.read_text(encoding="utf-8"))
    for item in items:
        item |= {"source": HOSTILE, "hypothesis": f"{HOSTILE} {item['index']}", "tags": [HOSTILE]}
        item["alignment"] |= {"source_pieces": [HOSTILE], "percent": [[100]] * len(item["alignment"]["target_pieces"])}
        item["reference"] = item["reference"] and HOSTILE
    fake_results.write_json(path, items)
    corpus = fake_results.corpus()
    corpus["raw"]["licence"] = HOSTILE
    fake_results.write_json(folder / "corpus.json", corpus)
    report.write(experiment, folder, FAST)
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    tags = [tag for tag, _ in page.elements]
    pictures = [attributes["src"] or "" for tag, attributes in page.elements if tag == "img"]
    assert all((folder / name).is_file() for name in pictures), "our own figures alone"
    assert tags.count("script") == 2, "the data and the program of the page"
    assert "".join(page.text).count(HOSTILE) > 10
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert "<script>" not in re.sub(r"\\<", "", markdown)
    assert '\\<script\\>alert(1)\\</script\\> & "quotes"' in markdown
    assert "[a\\](http://x.y)" in markdown


def test_a_shorter_path_goes_the_same_way():
    path = "M1.0 2.0L3.0 2.0L3.0 4.0L1.0 4.0zM5.0 6.0L7.0 6.0M5.0 6.0L5.0 8.0M1.0 2.0L3.0 4.0L3.0 5.0L1.0 5.0z"
    assert _brief(f'd="{path}"') == (
        'd="M1.0 2.0H3.0V4.0H1.0zM5.0 6.0H7.0M5.0 6.0V8.0M1.0 2.0L3.0 4.0L3.0 5.0L1.0 5.0z"'
    )


def test_sections_have_ids_and_html_in_a_line_is_text():
    opening, body, sections = document(
        "# One\n\nA *b* <i>c</i>.\n\n## The `x` & it's\n\n### y z\n\n<div>\n*d*\n</div>\n"
    )
    assert opening == "<h1>One</h1>\n<p>A <em>b</em> &lt;i&gt;c&lt;/i&gt;.</p>\n"
    assert '<h2 id="the-x--its">The <code>x</code> &amp; it\'s</h2>' in body
    assert '<h3 id="y-z">' in body
    assert "<div>\n*d*\n</div>" in body
    assert sections == {"the-x--its": "The <code>x</code> &amp; it's"}


def test_examples_of_the_markdown_are_few_and_of_the_longest_training(tmp_path):
    found = results(tmp_path, fake_results.experiment())
    every = sentences.examples(found)
    told = sentences.few(found, every)
    assert 1 < len(told) < len([it for it in every if it.highlighted])
    assert [it.words for it in told] == sorted(it.words for it in told)
    assert {name for it in told for output in it.outputs for name in output.systems} == {
        "rnn_encoder_decoder-60",
        "bahdanau-60",
        "transformer-60",
    }
    assert len(sentences.few(found, [it for it in every if it.words > 50])) <= 1, "one is told, however long"


@pytest.mark.parametrize("folder", sorted(ROOT.glob("reports/*/report.html")), ids=lambda path: path.parent.name)
def test_reports_in_git_are_short(folder):
    assert len(folder.with_name("report.md").read_text(encoding="utf-8").split()) <= 4000
    assert folder.stat().st_size <= 600_000


def test_markdown_tables_have_rows_of_one_width(written):
    lines = (written / "report.md").read_text(encoding="utf-8").splitlines()
    widths = []
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|"):
            width = len(re.findall(r"(?<!\\)\|", line))
            assert not before.startswith("|") or width == widths[-1], line
            assert before.startswith("|") or before == "", "a table needs an empty line before it"
            widths.append(width)
    assert widths


def test_both_pages_say_the_same(written):
    markdown = (written / "report.md").read_text(encoding="utf-8")
    html = "".join(Page((written / "report.html").read_text(encoding="utf-8")).text)
    experiment = fake_results.experiment()
    found = read(experiment, written)
    statements = [text for texts in claims.statements(found).values() for text in texts]
    for text in [claims.headline(found), *statements, *prose.limits(found), *prose.reading(found)]:
        assert text in markdown
        assert re.sub(r"[`*]", "", text) in html
    for question, answers in sentences.watched(found).items():
        assert len(answers) == len(found.systems)
        for text in [question, *answers]:
            assert text in markdown
            assert re.sub(r"[`*]", "", text) in html
    headings = re.findall(r"^## (.*)$", markdown, flags=re.MULTILINE)
    assert re.findall(r'<h2 id="[^"]+">(.*?)</h2>', (written / "report.html").read_text(encoding="utf-8")) == headings
    for command in ("dvc repro report@demo", "dvc repro evaluate@demo-<run>"):
        assert command in markdown.replace("\\", "")
        assert command in html


def test_signatures_fingerprints_and_runs_can_be_followed(written):
    markdown = (written / "report.md").read_text(encoding="utf-8")
    for text in (fake_results.BLEU_SIGNATURE, fake_results.CHRF_SIGNATURE):
        assert code(text) in markdown
    page = "".join(Page((written / "report.html").read_text(encoding="utf-8")).text)
    for text in ("0123456789ab", "conf/demo.yaml"):
        assert text in markdown
        assert text in page
    assert "ef" * 32 in page
    assert "runs/<run>/run.json" in markdown
    assert "412.3" not in markdown + page, "bare seconds say nothing"


def test_each_run_is_found_in_git_and_in_mlflow(written):
    table = tables.runs(read(fake_results.experiment(), written))
    assert [row[0] for row in table.rows] == [run.name for run in fake_results.experiment().runs]
    recorded = json.loads((written / "runs/bahdanau-30-s2/run.json").read_text(encoding="utf-8"))
    commit = recorded["provenance"]["git_commit"]
    assert ("bahdanau-30-s2", "2", commit[:12], recorded["mlflow_run_id"]) in table.rows
    for table in tables.provenance(read(fake_results.experiment(), written)):
        assert not {"mlflow_run_id", "provenance.git_commit", "provenance.git_dirty"} & {row[0] for row in table.rows}


def test_a_run_with_uncommitted_changes_says_so(tmp_path):
    recorded = {"provenance": {"git_commit": "ab" * 20, "git_dirty": True}, "mlflow_run_id": None}
    ((_, _, commit, run),) = tables.runs(results(tmp_path, record=recorded)).rows
    assert (commit, run) == ("ab" * 6 + " with uncommitted changes", "–")


@pytest.mark.parametrize("measured", [False, True])
def test_numbers_are_followed_to_files_that_their_stages_write(tmp_path, measured):
    """As dvc.yaml has it; a file that is written for nothing is not named."""
    probed = {"probe": {"sentences": 50}, "speed": {"source_pieces": [3]}} if measured else {}
    table = tables.sources(results(tmp_path, fake_results.experiment(grid=ONLY, **probed)))
    stages = config.read_yaml(Path(__file__).parents[1] / "dvc.yaml")["stages"]
    outs = {
        name: {next(iter(out)) if isinstance(out, dict) else out for out in do.get("outs", []) + do.get("metrics", [])}
        for name, do in ((name, stage["do"]) for name, stage in stages.items())
    }
    for _, file, named, command in table.rows:
        last = named.split(", ")[-1]
        assert set(named.split(", ")) <= set(stages)
        path = f"reports/{file}".replace("runs/<run>", "${item.experiment}/runs/${item.run}")
        path = path if "${" in path else f"reports/${{key}}/{file}"
        assert path in outs[last]
        assert command == f"dvc repro {last}@demo{'-<run>' if '<run>' in file else ''}"
    files = {row[1] for row in table.rows}
    assert ({"speed.csv", "runs/<run>/probe.csv"} <= files) is measured


def test_corpus_is_told_without_what_is_only_for_machines(written):
    manifest = json.loads((written / "corpus.json").read_text(encoding="utf-8"))
    rows = [row for table in tables.corpus(manifest) for row in table.rows]
    assert ("over long", "12", "59,988") in rows
    assert ("subject relative", "41.2 %", "41.2 %", "41.2 %") in rows
    assert ("four gram overlap · source · types", "0.06206") in rows
    page = "".join(Page((written / "report.html").read_text(encoding="utf-8")).text)
    for row in rows:
        assert all(cell in page for cell in row)
    assert "made here" in page
    assert "lengths · source" not in page
    assert "(corpus.json)" in (written / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "changes",
    [
        {"n": (200, 0, 3, 1, 200, 60, 12)},
        {"n": (0, 0, 0, 1, 0, 0, 0)},
        {"row": {"reference_loss": None, "cut_off": None, "chrf": None, "chrf_low": None, "chrf_high": None}},
    ],
    ids=["few sentences", "one sentence", "columns without values"],
)
def test_report_of_little(changes, tmp_path):
    experiment = fake_results.experiment(grid=ONLY)
    folder = fake_results.write_all(tmp_path, experiment, **changes)
    for path in (folder / "runs").glob("*/examples.json"):
        fake_results.write_json(path, [])
    fake_results.write_json(folder / "corpus.json", {})
    report.write(experiment, folder, FAST)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "nan" not in " ".join(Page(page).text).lower().split()
    assert "None" not in page


def test_tables_of_what_is_lost_and_repeated_are_there_where_it_was_counted(tmp_path):
    experiment = fake_results.experiment(grid=ONLY)
    names = dict.fromkeys(("Looping translations", "Source words dropped", "Target words repeated"))
    without = read(experiment, fake_results.write_all(tmp_path / "without", experiment))
    assert not names.keys() & {row[0] for row in tables.quality(without)[1].rows}
    row = {"looping": 0.125, "dropped": 0.25, "repeated": 0.0}
    found = tables.quality(read(experiment, fake_results.write_all(tmp_path / "with", experiment, row=row)))
    cells = {row[0]: row[1] for row in found[1].rows if row[0] in names}
    assert cells == dict(zip(names, ("12.5 %", "25.0 %", "0.0 %"), strict=True))


# --- the chart that DVC draws -----------------------------------------------------------------------------------------


def test_dvc_template_is_filled_and_uses_columns_that_exist(written):
    template = Path(__file__).parents[1] / ".dvc" / "plots" / "length.json"
    rows = [
        {key: "" if value is None else str(value) for key, value in row.items()} | {"rev": "workspace"}
        for row in read_rows(written / "by_length.csv")
    ]
    renderer = VegaRenderer(
        rows, "by_length", template=template.name, template_dir=str(template.parent), x="bucket_low", y="bleu"
    )
    chart = renderer.get_filled_template()
    assert "<DVC_METRIC" not in json.dumps(chart)
    used = set(re.findall(r"datum(?:\.(\w+)|\['(\w+)'\])", json.dumps(chart)))
    made = {step["as"] for step in chart["transform"] if "calculate" in step}
    (aggregate,) = (step for step in chart["transform"] if "aggregate" in step)
    made |= {step["as"] for step in aggregate["aggregate"]}
    assert {one or other for one, other in used} - made <= set(rows[0])
    drawn = set(re.findall(r'"field": "(\w+)"', json.dumps([chart["encoding"], chart["layer"]])))
    assert drawn <= made | set(aggregate["groupby"])
    assert {"bleu_low", "bleu_high"} <= {one or other for one, other in used}
    assert f"datum.n < {SPARSE}" in json.dumps(chart)
    channels = {name: facts.get("field") for layer in chart["layer"] for name, facts in layer["encoding"].items()}
    assert (channels["strokeDash"], channels["shape"]) == ("rev", "system"), "revisions and systems can be told apart"
