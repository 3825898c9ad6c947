"""Published scores: that they are read as printed, and what is told of them beside results that nobody ran."""

import math
from pathlib import Path

import pytest

from lookback import config, report
from lookback.errors import LookbackError
from lookback.evaluation.tables import read_rows, write_rows
from lookback.published import reading
from lookback.published.reading import Literature
from lookback.rendering.html import inline_html
from lookback.report import published_curves as shapes
from lookback.report.published import section
from lookback.report.results import Results, read
from tests import fake_results

PUBLISHED = reading.read()
BOTH = {"models": ["rnn_encoder_decoder", "bahdanau"], "max_train_words": [60], "seeds": [1]}
HUB = {"kind": "hub", "repository": "wmt/wmt14", "configuration": "fr-en"}
TEXT = [{"source": "a.en", "target": "a.fr"}]
FILES = {"kind": "files", "root": "wmt/wmt14", "train": TEXT, "valid": TEXT, "test": TEXT}


def experiment(**changes) -> config.Experiment:
    return fake_results.experiment(**{"grid": BOTH} | changes)


def results(folder: Path, of: config.Experiment, bleu: dict[str, tuple[float, ...]] | None = None, **more) -> Results:
    """Of one seed a system; `bleu` of a model in each bucket."""
    fake_results.write_all(folder, of, **more)
    for run in of.runs:
        if bleu:
            fake_results.write_run(folder, run, bleu=bleu[run.model], **more)
    return read(of, folder)


# --- the files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [item.source for item in (*PUBLISHED.figures, *PUBLISHED.tables)], ids=str)
def test_every_file_says_where_its_numbers_were_read(source):
    assert "arXiv" in source.paper
    assert source.read
    assert source.scoring.startswith("BLEU")
    assert source.hub in ("", "wmt/wmt14")


def test_curves_are_as_published():
    curves = {(f.source.title, c.system): dict(c.points) for f in PUBLISHED.figures for c in f.curves}
    assert curves["Bahdanau et al. 2015, Figure 2", "RNNsearch-50"][59] == 26.4
    assert curves["Bahdanau et al. 2015, Figure 2", "RNNenc-50"][25] == 20.9
    assert curves["Luong et al. 2015, Figure 6", "local-p + unk"][75] == 20.1
    assert curves["Luong et al. 2015, Figure 6", "no attention"][16] == 17.9
    assert curves["Koehn and Knowles 2017, Figure 7", "NMT"][85] == 27.7
    totals = {title: (0, 0.0) for title, _ in curves}
    for (title, _), points in curves.items():
        totals[title] = (totals[title][0] + len(points), totals[title][1] + sum(points.values()))
    assert {title: (n, round(total, 1)) for title, (n, total) in totals.items()} == {
        "Bahdanau et al. 2015, Figure 2": (52, 924.8),
        "Koehn and Knowles 2017, Figure 7": (18, 556.7),
        "Luong et al. 2015, Figure 6": (70, 1367.9),
    }


def test_tables_are_as_printed():
    found = {}
    for table in PUBLISHED.tables:
        pair = f"{table.source.title} {table.source.target_language}"
        found |= {(pair, entry.system, entry.column): entry.text for entry in table.entries}
    assert found["Bahdanau et al. 2015, Table 1 fr", "RNNsearch-50*", "no unknown words"] == "36.15"
    assert found["Cho et al. 2014b, Table 1 fr", "grConv", "10–20 words"] == "17.50"
    assert found["Luong et al. 2015, Table 1 de", "+ feed input", "BLEU"] == "18.1"
    assert found["Sutskever et al. 2014, Tables 1 and 2 fr", "LSTM reversed source", "BLEU"] == "30.59"
    assert found["Vaswani et al. 2017, Table 2 de", "Transformer (big)", "BLEU"] == "28.4"
    assert found["Vaswani et al. 2017, Table 2 fr", "Transformer (big)", "BLEU"] == "41.8"
    assert found["Vaswani et al. 2017, Table 3 de", "(C) d_ff 4096", "million parameters"] == "90"
    totals = [
        (table.source.place, len(table.entries), sum(e.value for e in table.entries)) for table in PUBLISHED.tables
    ]
    assert [(place, n, round(total, 2)) for place, n, total in totals] == [
        ("Table 1", 12, 330.03),
        ("Table 1", 15, 344.11),
        ("Table 1", 8, 135.7),
        ("Tables 1 and 2", 4, 128.07),
        ("Table 2", 15, 543.8),
        ("Table 2", 18, 3999.19),
        ("Table 3", 51, 1510.57),
    ]


def test_the_models_of_table_3_are_those_of_the_experiment_that_repeats_it():
    (table,) = [table for table in PUBLISHED.tables if table.source.experiment]
    repeats = config.load_experiment(table.source.experiment, Path(__file__).parents[1])
    assert {entry.model for entry in table.entries} == set(repeats.grid.models)


HEAD = """# work: Somebody 2020
# place: Figure 1
# paper: A paper
# read: as printed
# source_language: en
# target_language: de
# test_set: its own
# scoring: BLEU
"""
CURVES = HEAD + "# length: source_words\nsystem,kind,max_train_words,length,bleu\n"
TABLE = HEAD + "system,kind,max_train_words,column,value\n"


def test_a_file_of_ones_own_is_shown_without_code(tmp_path):
    (tmp_path / "mine.csv").write_text(CURVES + "Mine,attention,50,15,30\nMine,attention,50,45.5,15\n")
    (tmp_path / "mine-too.csv").write_text(TABLE + "Mine,attention,,chrF,51.20\n")
    found = reading.read(tmp_path)
    assert found.figures[0].curves[0].points == ((15, 30), (45.5, 15))
    told = section(results(tmp_path / "demo", experiment()), found)
    assert told.kept[0].startswith(
        "**Somebody 2020, Figure 1**: at the last point, 45.5 source words, each system keeps this"
    )
    assert "`Mine` 50 % (15.0 of 30.0)" in told.kept[0]
    assert [line.system for line in told.panels[0].chart.lines] == ["bahdanau-60", "Mine, Somebody"]
    assert told.tables[0].rows[0] == ("Mine", "51.20")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CURVES + "Mine,attention,50,15,3o\n", r"mine.csv: line 11: bleu: .*number.*'3o'"),
        (CURVES + "Mine,attention,50,15,nan\n", r"line 11: bleu: "),
        (CURVES + "Mine,attention,50,15,101\n", r"line 11: bleu: .*100.*'101'"),
        (CURVES + "Mine,attention,50,-1,30\n", r"line 11: length: "),
        (CURVES + "Mine,attention,,15,30\nMine,attentive,,20,30\n", r"line 12: kind: .*'phrases'.*'attentive'"),
        (CURVES + "Mine,attention,0,15,30\n", r"line 11: max_train_words: "),
        (CURVES + ",attention,50,15,30\n", r"line 11: system: "),
        (CURVES + "Mine,attention,50,15\n", r"line 11: not as many values"),
        (CURVES + "Mine,attention,50,15,30,5\n", r"line 11: not as many values"),
        (
            CURVES + "Mine,attention,50,15,30\nMine,attention,50,15.0,29\n",
            r"line 12: length: 15.0 of 'Mine' .* line 11",
        ),
        (CURVES, r"line 10: no row"),
        (CURVES.replace("length,bleu", "length"), r"line 10: no column 'bleu'; .*figure"),
        (TABLE.replace(",value", ""), r"line 9: no column 'value'; .*table"),
        (TABLE.replace("value", "value,author") + "Mine,attention,,BLEU,3,me\n", r"line 10: author: not known"),
        (TABLE.replace("# scoring", "# bleu: chrF\n# scoring") + "Mine,other,,BLEU,3\n", r"bleu: 'chrF' is not one of"),
        (CURVES.replace("# read: as printed\n", ""), r"read: missing"),
        (CURVES.replace("as printed", ""), r"line 4: read: "),
        (CURVES.replace("# read", "# red"), r"line 4: red: not known; known are work, place"),
        (CURVES.replace("source_words", "words"), r"line 9: length: .*'words'"),
        ("# a remark\n" + CURVES, r"line 1: '# a remark' is not"),
        ("", r"work: missing"),
    ],
)
def test_a_malformed_file_is_named_with_line_and_column(text, message, tmp_path):
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(LookbackError, match=message) as error:
        reading.read(tmp_path)
    assert "\n" not in str(error.value)


# --- the same axes, or the shape alone --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"corpus": HUB, "target_language": "fr"}, True),
        ({"corpus": HUB | {"max_train_pairs": 200_000}, "target_language": "fr"}, True),
        ({"corpus": HUB, "target_language": "de"}, False),
        ({"corpus": HUB, "source_language": "fr", "target_language": "en"}, False),
        ({"corpus": HUB | {"test_split": "validation"}, "target_language": "fr"}, False),
        ({"corpus": HUB | {"repository": "wmt/wmt16"}, "target_language": "fr"}, False),
        ({"corpus": FILES, "target_language": "fr"}, False),
    ],
    ids=["full", "capped", "other pair", "reversed", "other split", "other corpus", "files"],
)
def test_the_same_axes_need_the_same_test_set_and_direction(changes, same):
    assert shapes.same_test(experiment(**changes), PUBLISHED.figures[0].source) is same


def test_bleu_stands_on_the_axes_of_the_figure_of_the_same_test_set(tmp_path):
    found = results(tmp_path, experiment(corpus=HUB, target_language="fr"))
    panels = {panel.name: panel for panel in shapes.panels(found, PUBLISHED.figures)}
    assert list(panels) == ["published-same-1", "published-no-attention", "published-attention", "published-pieces"]
    same = panels["published-same-1"]
    lines = {line.system: line for line in same.chart.lines}
    assert list(lines)[:3] == ["rnn_encoder_decoder-60", "bahdanau-60", "RNNsearch-50, Bahdanau"]
    assert same.chart.y.label == "BLEU"
    assert [(p.x, p.y) for p in lines["RNNsearch-50, Bahdanau"].points][::12] == [(0, 12.6), (59, 26.4)]
    point, score = lines["bahdanau-60"].points[0], found.score(found.systems[1], found.buckets[0])
    assert (point.x, point.y, point.low, point.high, point.n) == (5.5, score.value, score.low, score.high, 200)
    assert "Figure 2" in same.caption
    for panel in list(panels.values())[1:3]:
        assert panel.chart.y.label == "percent of its own best"
        assert "Bahdanau" not in panel.caption
        assert any(line.system.endswith(", Luong") for line in panel.chart.lines)
    told = section(found, PUBLISHED)
    assert told.introduction.startswith(
        "BLEU stands on the axes of Bahdanau et al. 2015, Figure 2 (newstest2014, 3,003 sentences): that is the test "
        "set translated here (1,200 sentences). It is measured not in their tokens"
    )


def test_tokenised_bleu_stands_on_their_axes_where_it_was_measured(tmp_path):
    row = {"legacy_bleu": 33.3, "legacy_bleu_low": 31.0, "legacy_bleu_high": 35.0, "legacy_signature": "tok:moses"}
    found = results(tmp_path, experiment(corpus=HUB, target_language="fr"), row=row)
    same, other, *_ = shapes.panels(found, PUBLISHED.figures)
    assert {point.y for point in same.chart.lines[0].points} == {33.3}
    assert "Ours is BLEU of Moses tokens." in same.caption
    assert len({point.y for point in other.chart.lines[0].points}) > 1, "a shape is of sacreBLEU, as the report"


def test_a_shape_is_told_from_the_best_beyond_short_lines(tmp_path):
    found = results(
        tmp_path,
        experiment(),
        {"rnn_encoder_decoder": (90, 40, 20, 10, 10, 10), "bahdanau": (50, 40, 80, 60, 90, 20)},
        n=(200, 200, 200, 200, 20, 200, 0),
    )
    rnn, bahdanau = (shapes.measured(found, system) for system in found.systems)
    best, shape = rnn.points[1].y, shapes.shape(rnn)
    assert shape
    assert [p.y for p in shape.points] == pytest.approx([100 * p.y / best for p in rnn.points[1:]])
    assert shape.points[0].high == pytest.approx(100 * (best + 1.5) / best)
    assert shape.lengths[0] == "11–20"
    told = shapes.kept(bahdanau)
    assert told
    assert told.at == "51–60"
    assert told.percent == 25, "of 80 at 21-30: at 41-50 there are too few sentences"
    assert told.text.startswith("`bahdanau-60` 25 % [23, 27] (")


def test_without_two_points_there_is_no_shape(tmp_path):
    found = results(tmp_path, experiment(), n=(200, 200, 3, 0, 0, 0, 0))
    assert [shapes.kept(shapes.measured(found, system)) for system in found.systems] == [None, None]
    told = section(found, PUBLISHED)
    assert not [text for text in (*told.kept, *told.verdicts) if "Here" in text]
    assert [panel.name for panel in told.panels][-1] == "published-pieces"


def test_an_open_bucket_stands_as_if_as_wide_as_the_one_before(tmp_path):
    found = results(tmp_path, experiment(), n=(200,) * 7)
    trace = shapes.measured(found, found.systems[0])
    assert [point.x for point in trace.points][-2:] == [55.5, 65.5]
    assert trace.lengths[-1] == "61+"


def test_source_pieces_stand_beside_subwords(tmp_path):
    of = experiment()
    without = results(tmp_path, of)
    *_, pieces = shapes.panels(without, PUBLISHED.figures)
    assert [line.system for line in pieces.chart.lines] == ["NMT, Koehn", "PBMT, Koehn"]
    assert "not computed by source pieces" in pieces.caption
    for run in of.runs:
        path = tmp_path / "runs" / run.name / "by_length.csv"
        rows = read_rows(path)
        write_rows(path, [*rows, *(row | {"bucket_by": "source_pieces"} for row in rows if row["bucket_low"])])
    found = read(of, tmp_path)
    *_, pieces = shapes.panels(found, PUBLISHED.figures)
    assert [line.system for line in pieces.chart.lines][:2] == ["rnn_encoder_decoder-60", "bahdanau-60"]
    assert pieces.chart.x.label == "source pieces"
    assert "**Here**, at 51–60 source pieces (n = 200): " in " ".join(shapes.all_kept(found, PUBLISHED.figures))


# --- sentences --------------------------------------------------------------------------------------------------------

STEADY, FALLING = (50, 50, 50, 50, 50, 48), (50, 50, 45, 30, 20, 15)


@pytest.mark.parametrize(
    ("rnn", "bahdanau", "last"),
    [
        (
            FALLING,
            STEADY,
            "As in Bahdanau et al. 2015, Figure 2 and Luong et al. 2015, Figure 6, `bahdanau-60` keeps more",
        ),
        (
            STEADY,
            FALLING,
            "**Against Bahdanau et al. 2015, Figure 2 and Luong et al. 2015, Figure 6**, `bahdanau-60` keeps",
        ),
        (STEADY, STEADY, "In Bahdanau et al. 2015, Figure 2 and Luong et al. 2015, Figure 6 the system with attention"),
    ],
    ids=["as", "against", "not shown"],
)
def test_it_is_said_whether_the_order_is_that_of_the_papers(rnn, bahdanau, last, tmp_path):
    found = results(tmp_path, experiment(), {"rnn_encoder_decoder": rnn, "bahdanau": bahdanau})
    assert list(shapes.verdicts(found, PUBLISHED.figures))[-1].startswith(last)


def test_what_is_left_is_told_with_the_scores_it_is_made_from(tmp_path):
    found = results(tmp_path, experiment(), {"rnn_encoder_decoder": FALLING, "bahdanau": FALLING})
    told = list(shapes.all_kept(found, PUBLISHED.figures))
    assert "`RNNsearch-50` 96 % (26.4 of 27.6), `RNNsearch-30` 28 % (7.6 of 26.9), `RNNenc-50` 29 % (6.5 of" in told[0]
    assert told[0].endswith(
        "beyond the training length of `RNNsearch-50`, `RNNsearch-30`, `RNNenc-50` and `RNNenc-30`."
    )
    assert "`NMT` 80 % (27.7 of 34.7) and `PBMT` 98 % (33.9 of 34.7)." in told[1]
    assert "`no attention` 49 % (8.8 of 17.9), `local-p + unk` 85 % (20.1 of 23.6) and" in told[2]
    assert "ensemble" not in told[2]
    assert told[3].startswith("**Here**, at 51–60 source words (n = 200): `rnn_encoder_decoder-60` 3")
    assert "beyond" not in told[3]
    verdicts = shapes.verdicts(found, PUBLISHED.figures)
    (verdict,) = [text for text in verdicts if "of the kind *attention*" in text]
    assert verdict.startswith(
        "The published systems of the kind *attention* keep 85 to 96 % of their best (`RNNsearch-50, Bahdanau` at 59 "
        "and `local-p + unk, Luong` at 75). Here, at 51–60, less than that: `bahdanau-60` 3"
    )


def test_shorter_training_is_said_to_be_exceeded(tmp_path):
    grid = {"models": ["bahdanau"], "max_train_words": [30, 60], "seeds": [1]}
    found = results(tmp_path, experiment(grid=grid))
    (here,) = [text for text in shapes.all_kept(found, PUBLISHED.figures) if text.startswith("**Here**")]
    assert here.endswith("That is beyond the training length of `bahdanau-30`.")


# --- tables, and what differs -----------------------------------------------------------------------------------------


def tables(found: Results, published: Literature = PUBLISHED) -> dict[str, list[tuple[str, ...]]]:
    return {it.title: list(it.rows) for it in section(found, published).tables}


def test_our_systems_stand_in_tables_that_have_their_kind(tmp_path):
    further = {("test", "known"): (400, 90.0)}
    found = results(tmp_path, experiment(), further=further)
    told = tables(found)
    table = told["Bahdanau et al. 2015, Table 1: en–fr"]
    assert table[:2] == [("RNNenc-30", "13.93", "24.19"), ("RNNsearch-30", "21.50", "31.44")]
    assert [row[0] for row in table[-2:]] == ["here: rnn_encoder_decoder-60", "here: bahdanau-60"]
    assert table[-1][2] == "90.0 [88.5, 91.5]"
    assert [row[0] for row in told["Sutskever et al. 2014, Tables 1 and 2: en–fr"]][
        -1
    ] == "here: rnn_encoder_decoder-60"
    assert told["Vaswani et al. 2017, Table 2: en–fr"][-1][2] == "–", "no FLOPs are measured here"
    assert not any("Table 3" in title for title in told)
    told = section(found, PUBLISHED)
    assert told.tables_introduction.startswith("These tables are not comparable with the scores here: ")
    assert told.tables[0].note.endswith("1,200 sentences, 400 of them without unknown words.")


def test_of_the_same_test_set_all_systems_and_tokenised_bleu_are_shown(tmp_path):
    grid = {"models": ["bahdanau"], "max_train_words": [30, 60], "seeds": [1]}
    row = {"legacy_bleu": 33.3, "legacy_bleu_low": 31.0, "legacy_bleu_high": 35.0, "legacy_signature": "tok:moses"}
    found = results(tmp_path, experiment(grid=grid, corpus=HUB, target_language="fr"), row=row)
    told = tables(found)
    assert [row[0] for row in told["Bahdanau et al. 2015, Table 1: en–fr"]][-4:] == [
        "here: bahdanau-60",
        "here: bahdanau-30",
        "here: bahdanau-60, Moses tokens",
        "here: bahdanau-30, Moses tokens",
    ]
    assert told["Bahdanau et al. 2015, Table 1: en–fr"][-1][1] == "33.3 [31.0, 35.0]"
    assert [row[0] for row in told["Luong et al. 2015, Table 1: en–de"]][-1] == "here: bahdanau-60"
    introduction = section(found, PUBLISHED).tables_introduction
    assert introduction.startswith("Bahdanau et al. 2015, Table 1, Cho et al. 2014b, Table 1, Sutskever et al. 2014, ")
    assert "The other tables are not comparable" in introduction


def test_table_3_stands_in_the_experiment_that_repeats_it(tmp_path):
    base = {"architecture": "transformer"}
    of = experiment(
        name="wmt14-en-de-table3",
        corpus=HUB,
        grid={"models": ["base", "a_heads_1"], "max_train_words": [60], "seeds": [1]},
        models={"base": base, "a_heads_1": base | {"heads": 1}},
    )
    found = results(tmp_path, of, record={"valid_loss": 1.5, "parameters": 65_432_100})
    rows = tables(found)["Vaswani et al. 2017, Table 3: en–de"]
    assert rows[0] == ("base", "4.92", "25.8", "65")
    assert rows[1][0] == "here: base-60"
    assert (rows[1][1], rows[1][3]) == (f"{math.exp(1.5):.2f}", "65.4")
    assert [row[0] for row in rows[2:5]] == ["(A) 1 head", "here: a_heads_1-60", "(A) 4 heads"]


def test_what_differs_is_listed_ours_first(tmp_path):
    found = results(tmp_path, experiment())
    ours, bahdanau, *others = section(found, PUBLISHED).differences
    for part in (
        "59,557 pairs with 1,000,000 source words",
        "1.2 to 1.3 million parameters",
        "1,200 sentences",
        "tok:13a",
    ):
        assert part in ours
    assert bahdanau.startswith("**Bahdanau et al. 2015**: *training text* 348 million words of WMT14, selected")
    assert bahdanau.count("newstest2014") == 1, "what two files say alike is said once"
    assert [text.split("**")[1].split()[0] for text in others] == ["Cho", "Koehn", "Luong", "Sutskever", "Vaswani"]


def test_both_pages_have_the_section(tmp_path):
    of = experiment()
    fake_results.write_all(tmp_path, of)
    report.write(of, tmp_path, config.Report(formats=("svg",)))
    markdown, html = ((tmp_path / name).read_text(encoding="utf-8") for name in ("report.md", "report.html"))
    assert "\n## Published beside measured\n" in markdown
    assert '<h2 id="published-beside-measured">' in html
    assert 'href="#published-beside-measured"' in html
    for name in ("no-attention", "attention", "pieces"):
        assert f"](figures/published-{name}.svg)" in markdown
        assert f'id="figure-published-{name}"' in html
    numbers = (tmp_path / "figures" / "published-attention.csv").read_text(encoding="utf-8")
    assert "RNNsearch-50, Bahdanau" in numbers
    told = section(read(of, tmp_path), PUBLISHED)
    for text in (*told.verdicts, told.introduction):
        assert text in markdown
    for text in (*told.kept, *told.verdicts, *told.differences, told.introduction, told.tables_introduction):
        assert inline_html(text) in html
    assert "report.html#published-beside-measured" in markdown, "where the rest is"
    assert html.count('<details id="table-published-') == len(told.tables)


def test_text_of_a_published_file_stays_text(tmp_path):
    hostile = "<b>*x*</b> | `y`"
    (tmp_path / "mine.csv").write_text(TABLE.replace("A paper", hostile) + f"{hostile},attention,,{hostile},3\n")
    found = section(results(tmp_path / "demo", experiment()), reading.read(tmp_path))
    assert found.tables[0].rows[0][0] == hostile, "the templates escape tables"
    (tmp_path / "mine.csv").write_text(
        CURVES.replace("Somebody 2020", hostile) + "M,attention,,15,9\nM,attention,,20,9\n"
    )
    found = section(results(tmp_path / "again", experiment()), reading.read(tmp_path))
    assert found.kept[0].startswith(r"**\<b\>\*x\*\</b\> \| \`y\`, Figure 1**")
