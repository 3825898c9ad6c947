import io
import xml.etree.ElementTree as ElementTree
from collections import Counter
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from PIL import Image

from lookback import config
from lookback.errors import LookbackError
from lookback.rendering import figures
from lookback.rendering.chart import LOWEST, position
from lookback.rendering.looks import looks
from lookback.report import charts
from lookback.report.results import Results, read
from lookback.stats.buckets import Bucket
from tests import fake_results

NARROW = 3.7
"""Inches: a column of a paper."""
ONE_MODEL = {"models": ["bahdanau"], "max_train_words": [60]}


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    experiment = fake_results.experiment()
    return read(experiment, fake_results.write_all(tmp_path_factory.mktemp("demo"), experiment))


def draw(kind: str, results: Results, **settings):
    report = config.Report(**settings)
    with figures.styled(report):
        chart = {"length": charts.length, "curves": charts.curves}[kind](results)
        figure = figures.draw(chart, report.width_inches)
        return figures.save(figure, report.formats[0], report.dpi)


@pytest.mark.parametrize("kind", ["length", "curves"])
def test_svg_is_well_formed_and_the_same_bytes_each_time(kind, results):
    first, second = draw(kind, results), draw(kind, results)
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert first == second
    assert b"<dc:date>" not in first


@pytest.mark.parametrize("form", ["png", "pdf"])
def test_other_formats_are_the_same_bytes_each_time(form, results):
    assert draw("length", results, formats=(form,)) == draw("length", results, formats=(form,))


def test_dpi_and_width_make_the_size(results):
    image = Image.open(io.BytesIO(draw("length", results, formats=("png",), dpi=100, width_inches=6.0)))
    assert image.width == 600


def test_a_png_has_a_palette_with_white_and_the_colours_of_the_lines(results):
    image = Image.open(io.BytesIO(draw("length", results, formats=("png",))))
    assert image.mode == "P"
    assert image.width == 2100
    pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert tuple(pixels[0]) == (255, 255, 255)
    for look in looks(results.systems).values():
        color = np.array([int(look.color[i : i + 2], 16) for i in (1, 3, 5)])
        assert np.abs(pixels.astype(int) - color).max(axis=1).min() <= 8, look.color


def test_style_changes_the_figure_and_nothing_else(results):
    before = dict(matplotlib.rcParams)
    assert draw("length", results) != draw("length", results, style="ggplot")
    assert dict(matplotlib.rcParams) == before


def test_unknown_style_is_named_with_the_key():
    with (
        pytest.raises(LookbackError, match=r"params.yaml: report.style: .*'fancy'.*ggplot"),
        figures.styled(config.Report(style="fancy")),
    ):
        pass


def test_each_system_looks_different_in_colour_and_in_gray(results):
    drawn = looks(results.systems).values()
    assert len({(look.color, str(look.dash)) for look in drawn}) == len(results.systems)
    assert len({(look.marker, str(look.dash), look.filled) for look in drawn}) == len(results.systems)


def test_every_system_is_named_in_wide_and_narrow_figures(results):
    with figures.styled(config.Report()):
        for width in (7.0, NARROW):
            svg = figures.save(figures.draw(charts.length(results), width), "svg", 100, text_as_paths=False).decode()
            for system in results.systems:
                assert svg.count(f">{system.name}<") == 1


@pytest.mark.parametrize(("width", "dpi"), [(7.0, 150), (NARROW, 72)])
@pytest.mark.parametrize("lengths", [[30, 60], [40, 50], [20, 30, 50, 60, 80]])
def test_no_two_texts_of_the_length_figure_overlap(width, dpi, lengths, tmp_path):
    models = {name: {} for name in ("rnn_encoder_decoder", "bahdanau", "transformer", "word_by_word")}
    grid = {"models": list(models), "max_train_words": lengths}
    experiment = fake_results.experiment(grid=grid, models=models)
    results = read(experiment, fake_results.write_all(tmp_path, experiment))
    with figures.styled(config.Report()):
        figure = figures.draw(charts.length(results), width)
        figure.set_dpi(dpi)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        axes = figure.axes[0]
        texts = [*axes.texts, *axes.get_xticklabels(), *(text for one in figure.legends for text in one.get_texts())]
        texts += [axes.xaxis.label, axes.yaxis.label]
        named = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in texts]
        boxes = [(text, box) for text, box in named if text]
    overlapping = [
        (a, b) for i, (a, one) in enumerate(boxes) for b, two in boxes[:i] if one.padded(-1).overlaps(two.padded(-1))
    ]
    assert overlapping == []
    outside = [text for text, box in boxes if box.x0 < -1 or box.x1 > figure.bbox.x1 + 1 or box.y1 > figure.bbox.y1 + 1]
    assert outside == [], "cut off at the edge of the figure"


@pytest.mark.parametrize(
    ("words", "place"),
    [(30, 2.5), (60, 5.5), (10, 0.5), (45, 4.0), (70, 6.0)],
    ids=["between two buckets", "at the end", "first", "within a bucket", "in the open bucket"],
)
def test_training_length_is_marked_where_it_lies_on_the_axis(words, place):
    buckets = (*(Bucket(low, low + 9) for low in range(1, 60, 10)), Bucket(61, None))
    assert position(words, buckets) == pytest.approx(place)


def test_training_length_is_marked_among_windows_by_their_middles():
    windows = (Bucket(1, 20), Bucket(11, 30), Bucket(21, 40))
    assert [position(words, windows) for words in (15, 30, 40, 41)] == pytest.approx([0.45, 1.95, 2, None])


def test_training_length_beyond_every_sentence_has_no_mark():
    assert position(200, (Bucket(1, 10), Bucket(11, 20))) is None


def test_labels_are_spread_and_keep_their_order():
    placed = figures.spread([0.9, 0.1, 0.11, 0.12, 0.5], gap=0.06)
    ordered = sorted(placed)
    assert all(b - a >= 0.06 - 1e-9 for a, b in pairwise(ordered))
    assert np.argsort(placed).tolist() == [1, 2, 3, 4, 0]
    assert placed[0] == pytest.approx(0.9)
    assert placed[4] == pytest.approx(0.5)


@pytest.mark.parametrize(
    "changes",
    [
        {"n": (200, 200, 0, 200, 0, 0, 0)},
        {"n": (3, 1, 200, 60, 40, 12, 1)},
        {"bleu": (0.1,) * 7},
    ],
    ids=["empty buckets", "few sentences", "hardly any score"],
)
def test_sparse_and_empty_results_are_drawn(changes, tmp_path):
    experiment = fake_results.experiment(grid=ONE_MODEL)
    results = read(experiment, fake_results.write_all(tmp_path, experiment, **changes))
    assert draw("length", results)
    assert draw("curves", results)


def test_a_column_without_intervals_is_drawn(results):
    with figures.styled(config.Report()):
        figure = figures.draw(charts.length(results, "reference_loss"), 7.0)
    assert figure.axes[0].get_ylim()[0] == 0


def test_memory_is_drawn_trained_and_untrained_with_the_bound_within_a_readable_range(tmp_path):
    experiment = fake_results.experiment(grid=ONE_MODEL)
    points = fake_results.remembering(0.2) + fake_results.curve(
        "jacobian_bound", "trained", [9.0**k for k in range(41)], 1
    )
    found = read(experiment, fake_results.write_all(tmp_path, experiment, points=points))
    with figures.styled(config.Report()):
        measure = charts.Measure("jacobian_norm", "steps", "norm", beside="jacobian_bound")
        axes = figures.draw(charts.probe(found, measure), 7.0).axes[0]
    drawn = [(line.get_linestyle(), np.asarray(line.get_ydata())) for line in axes.lines]
    lines = {dash: values for dash, values in drawn if len(values) == 41}
    assert set(lines) == {"-", "--", ":"}
    np.testing.assert_allclose(lines["-"], 0.2 ** np.arange(41), rtol=1e-4)
    np.testing.assert_allclose(lines["--"], 0.04 ** np.arange(41), rtol=1e-4)
    np.testing.assert_allclose(lines[":"], 9.0 ** np.arange(41), rtol=1e-4)
    low, high = axes.get_ylim()
    assert LOWEST / 10 < low < high <= 10
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["trained", "untrained", "bound"]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [[0.0, 0.0], [0.5], [0.0, 0.2, 0.9]], ids=["nothing", "one point", "a few"])
def test_any_measure_is_drawn(values, log, tmp_path):
    grid = {"models": ["bahdanau", "transformer"], "max_train_words": [30, 60], "seeds": [1, 2]}
    experiment = fake_results.experiment(grid=grid)
    folder = fake_results.write_all(tmp_path, experiment, points=fake_results.curve("other", "all", values))
    fake_results.write_run(folder, experiment.runs[0], points=[])
    with figures.styled(config.Report()):
        chart = charts.probe(read(experiment, folder), charts.Measure("other", "x", "y", log=log))
        figure = figures.draw(chart, 7.0)
        assert figures.save(figure, "svg", 100)
    assert figure.axes[0].get_yscale() == ("log" if log and any(values) else "linear")


def test_alignment_shows_each_weight_in_its_cell():
    weights = np.array([[0.9, 0.1, 0.0], [0.0, 0.25, 0.75]])
    item = figures.Alignment("bahdanau-60", ["a", "b", "</s>"], ["x", "</s>"], weights)
    with figures.styled(config.Report()):
        figure = figures.alignments([item, item], 7.0)
        svg = figures.save(figure, "svg", 100, text_as_paths=False).decode()
    (cells,) = (one for one in figure.axes[0].collections if isinstance(one, PathCollection))
    shades = {}
    for path, color in zip(cells.get_paths(), np.asarray(cells.get_facecolor()), strict=True):
        for corners in map(np.asarray, path.to_polygons()):
            column, row = corners.min(0) + 0.5
            shades[float(column), float(row)] = color[0]
    assert shades == pytest.approx({(0, 0): 0.1, (1, 0): 0.9, (1, 1): 0.75, (2, 1): 0.25}, abs=0.5 / figures.SHADES)
    assert Counter(svg.split(">"))["bahdanau-60</text"] == 2


def test_pieces_are_not_read_as_formulas():
    item = figures.Alignment("b-1", ["$x", "y$", "<b>"], ["&amp;"], np.array([[0.2, 0.3, 0.5]]))
    with figures.styled(config.Report()):
        svg = figures.save(figures.alignments([item], 4.0), "svg", 100, text_as_paths=False).decode()
    assert ">$x<" in svg
    assert "&lt;b&gt;" in svg
    assert "<b>" not in svg
