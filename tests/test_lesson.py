"""The page about attention: its numbers against numpy, from the inputs that it prints; and its files."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import torch

from lookback import lesson as mechanisms
from lookback.config import load_params
from lookback.errors import LookbackError
from lookback.lesson import layers, worked
from lookback.models.transformer import Transformer
from lookback.rendering import figures
from tests import reference_attention as reference
from tests.reference_transformer import sinusoidal_positions
from tests.test_report import Page

ROOT = Path(__file__).parents[1]
COMMITTED = ROOT / "reports/mechanisms"
CAT = 1


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mechanisms")
    shutil.copy(COMMITTED / layers.FILE_NAME, folder)
    (folder / "figures").mkdir()
    (folder / "figures/old.svg").touch()
    mechanisms.write(folder, load_params(ROOT).report)
    return folder


@pytest.fixture(scope="module")
def tables(written) -> dict[str, list[list[str]]]:
    """The tables of the page by name, cells as text, without the heads."""
    html = (written / "index.html").read_text(encoding="utf-8")
    found = {}
    for name, body in re.findall(r'<table id="table-([\w-]+)".*?<tbody>(.*?)</tbody>', html, flags=re.DOTALL):
        assert name not in found
        rows = re.findall(r"<tr.*?</tr>", body, flags=re.DOTALL)
        found[name] = [["".join(Page(cell).text) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]
    return found


def numbers(text: str) -> np.ndarray:
    """Those in a cell, with their printed precision."""
    return np.array([float(n) for n in re.findall(r"-?\d+\.?\d*", text.replace("−", "-").replace(",", " "))])


def column(rows: list[list[str]], index: int) -> np.ndarray:
    return np.stack([numbers(row[index]) for row in rows])


def close(printed, expected, digits: int = 2) -> None:
    """Equal to the last printed digit."""
    np.testing.assert_allclose(np.squeeze(printed), np.squeeze(expected), rtol=0, atol=0.5 * 10**-digits + 1e-9)


@pytest.fixture(scope="module")
def x(tables) -> np.ndarray:
    return column(tables["vectors"], 1)


@pytest.fixture(scope="module")
def matrices(tables) -> tuple[np.ndarray, ...]:
    """W_q, W_k and W_v."""
    return tuple(column(tables["matrices"], index) for index in (1, 2, 3))


# --- the numbers ------------------------------------------------------------------------------------------------------


def test_inputs_are_told(tables, x) -> None:
    assert [row[0] for row in tables["vectors"]] == list(worked.WORDS)
    assert x.shape == (5, 4)
    assert (x[0] == x[3]).all()


def test_untrained_attention_step_by_step(written, tables, x) -> None:
    contexts, weights = reference.self_attention_untrained(x)
    *rows, total = tables["simple-steps"]
    scores = reference.dot_scores(x[CAT], x)
    close(column(rows, 1), scores)
    close(column(rows, 2), np.exp(scores))
    close(column(rows, 3), weights[CAT])
    close(column(rows, 4), weights[CAT][:, None] * x)
    close(numbers(total[2]), np.exp(scores).sum())
    close(numbers(total[4]), contexts[CAT])
    spelled_out = re.search(r"Its score for dog, say, is (.*?) = (\S+)\.\n", text_of(written))
    assert spelled_out is not None
    assert numbers(spelled_out[1]).reshape(4, 2).prod(1).sum() == pytest.approx(float(spelled_out[2]))


def text_of(folder: Path) -> str:
    return "".join(Page((folder / "index.html").read_text(encoding="utf-8")).text)


def test_queries_keys_and_values(tables, x, matrices) -> None:
    keyed, weights = reference.self_attention_query_key(x, *matrices[:2])
    contexts, same = reference.self_attention(x, *matrices)
    assert np.allclose(weights, same)
    for index, matrix in enumerate(matrices, start=1):
        close(column(tables["parts"], index), x @ matrix.T)
    query, keys, values = (x @ matrix.T for matrix in matrices)
    *rows, total = tables["trained-steps"]
    close(column(rows, 1), keys @ query[CAT], 3)
    close(column(rows, 2), keys @ query[CAT] / 2, 3)
    close(column(rows, 3), weights[CAT])
    close(column(rows, 4), weights[CAT][:, None] * x)
    close(column(rows, 5), weights[CAT][:, None] * values)
    close(numbers(total[4]), keyed[CAT])
    close(numbers(total[5]), contexts[CAT])


def test_scales(tables, x, matrices) -> None:
    *rows, entropies = tables["scales"]
    query, keys = (x @ matrix.T for matrix in matrices[:2])
    scales: tuple[reference.Scale, ...] = ("one", "sqrt", "width")
    for index, scale in enumerate(scales, start=1):
        weights = reference.attention(query, keys, keys, scale=scale)[1][CAT]
        close(column(rows, index)[:, 0], reference.dot_scores(query[CAT], keys, scale), 3)
        close(column(rows, index)[:, 1], weights)
        close(numbers(entropies[index]), reference.entropy(weights))


def test_wider_vectors(tables) -> None:
    assert [row[0] for row in tables["widths"]] == [str(width) for width in worked.WIDTHS]
    for row in tables["widths"]:
        width = int(row[0])
        random = np.random.RandomState(1)
        query, keys = random.normal(size=(1000, 1, width)), random.normal(size=(1000, 5, width))
        products = (query * keys).sum(-1)
        close(numbers(row[1]), np.sqrt(width))
        close(numbers(row[2]), products.std(), 1)  # n or n - 1
        for divisor, cell in zip((1, np.sqrt(width), width), row[3:], strict=True):
            entropies = [reference.entropy(reference.softmax(scores)) for scores in products / divisor]
            mean, low, high = numbers(cell)
            close(mean, np.mean(entropies))
            error = np.std(entropies) / np.sqrt(1000)
            close((low, high), (mean - 1.96 * error, mean + 1.96 * error), 1)


def test_causal_mask(tables, x, matrices) -> None:
    *rows, _ = tables["masked"]
    free, causal = (reference.self_attention(x, *matrices, causal=mask)[1][CAT] for mask in (False, True))
    close(column(rows, 2), free)
    close(column(rows[: CAT + 1], 3), causal[: CAT + 1])
    assert [row[3] for row in rows[CAT + 1 :]] == ["masked"] * 3
    assert causal[CAT + 1 :].tolist() == [0, 0, 0]


@pytest.fixture(scope="module")
def scores(written, tables, x) -> dict[str, np.ndarray]:
    told = re.search(r"the state, s = (\(.*?\)), is set by hand", text_of(written))
    assert told is not None
    state = numbers(told[1])
    *rows, last = tables["score-matrices"]
    w, u, general = (column(rows, index) for index in (1, 2, 3))
    return {
        "additive": reference.additive_scores(state, x, numbers(last[1]), w, u),
        "dot": reference.dot_scores(state, x),
        "scaled": reference.dot_scores(state, x, "sqrt"),
        "general": reference.general_scores(state, x, general),
    }


def test_four_scores_of_a_decoder(tables, scores) -> None:
    for index, expected in enumerate(scores.values(), start=1):
        close(column(tables["scored"], index)[:, 0], expected, 3)
        close(column(tables["scored"], index)[:, 1], reference.softmax(expected))


def test_soft_and_hard_attention(tables, scores, x) -> None:
    context, weights = reference.soft_attention(scores["dot"], x)
    rows = tables["hard"]
    close(column(rows, 1), weights)
    error = np.sqrt(weights * (1 - weights) / worked.DRAWS)
    assert (np.abs(column(rows, 2)[:, 0] - weights) < 4 * error).all()
    assert column(rows, 2).sum() == pytest.approx(1, abs=0.011)
    assert column(rows, 3)[:, 0].tolist() == reference.hard_attention(int(weights.argmax()), x)[1].tolist()
    soft, *hard = tables["hard-contexts"]
    close(numbers(soft[1]), context)
    for name, cell in hard:
        close(numbers(cell), reference.hard_attention(worked.WORDS.index(name.split(": ")[1]), x)[0])
    assert hard[-1][0] == f"hard, largest: {worked.WORDS[int(weights.argmax())]}"


def test_heads(tables, x, matrices) -> None:
    w_o = column(tables["output"], 1)
    w_q, w_k, w_v = matrices
    output, weights = reference.multi_head_self_attention(x, 2, w_q, w_k, w_v, w_o)
    values = x @ w_v.T
    one, two, total = tables["heads"]
    close(numbers(one[1]), weights[0, CAT] @ values[:, :2])
    close(numbers(two[1]), weights[1, CAT] @ values[:, 2:])
    close(numbers(total[1]), output[CAT])


def test_without_positions_order_is_lost(written, tables, x, matrices) -> None:
    signals = sinusoidal_positions(5, 4)
    close(column(tables["signals"], 1), signals)
    moved = [3, 4, 2, 0, 1]
    differences = []
    for first, added in ((1, np.zeros((5, 4))), (3, signals)):
        here = reference.self_attention(x + added, *matrices)[0]
        there = np.empty_like(here)
        there[moved] = reference.self_attention(x[moved] + added, *matrices)[0]
        close(column(tables["order"], first), here)
        close(column(tables["order"], first + 1), there)
        differences.append(np.abs(here - there).max())
    told = re.search(r"context vectors in the two is (\S+): .* With positions it is (\S+)\.\n", text_of(written))
    assert told is not None
    close(float(told[1]), differences[0], 6)
    close(float(told[2]), differences[1])
    assert differences[0] < 1e-12 < 0.1 < differences[1]


# --- the pictures -----------------------------------------------------------------------------------------------------


def cells(path: Path) -> dict[tuple[float, float], float]:
    """The gray cells of a map and how dark they are, from 0 to 1, by column and row."""
    side, found = None, {}
    for path_element in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}path"):
        if (fill := path_element.get("fill")) is None:
            continue
        for left, top, size in re.findall(r"M(\d+) (\d+)h(\d+)", path_element.attrib["d"]):
            side = int(size)
            found[int(left), int(top)] = 1 - int(fill[1:3], 16) / 255
    assert side is not None
    lefts, tops = (min(place[axis] for place in found) for axis in (0, 1))
    return {((left - lefts) / side, (top - tops) / side): dark for (left, top), dark in found.items()}


def test_maps_show_the_weights(written, x, matrices) -> None:
    for name, causal in (("trained-2", False), ("mask-2", True)):
        path = written / f"figures/{name}.svg"
        weights = reference.self_attention(x, *matrices, causal=causal)[1]
        shown = cells(path)
        for (row, column_), weight in np.ndenumerate(weights):
            assert shown.get((column_, row), 0) == pytest.approx(weight, abs=0.5 / figures.SHADES + 0.5 / 255)
        texts = [text.text for text in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
        percents = [int(text) for text in texts if text and text.isdigit()]
        assert percents == [round(100 * weight) for weight in weights.flat if weight]


def test_a_numbers_color_can_be_read_on_its_cell(written) -> None:
    for text in ElementTree.parse(written / "figures/mask-2.svg").iter("{http://www.w3.org/2000/svg}text"):
        if text.text and text.text.isdigit():
            assert (text.get("fill") == "#fff") is (int(text.text) > 50)


# --- a trained model --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_weights_of_heads_and_vectors_of_layers(norm) -> None:
    torch.manual_seed(1)
    model = Transformer(12, 12, d_model=8, heads=2, d_ff=16, layers=3, dropout=0.1, norm=norm).double().eval()
    source = torch.tensor([[5, 9, 4, 10, 3]])
    weights, states = layers.trace(model, source)
    assert weights.shape == (3, 2, 5, 5)
    assert states.shape == (4, 5, 8)
    assert torch.equal(states[-1], model.encode(source).states[0])
    for layer, found, before in zip(model.encoder, weights, states, strict=False):
        own = {name: value.detach().numpy() for name, value in layer.self_attention.named_parameters()}
        seen = before.numpy()
        if norm == "pre":
            own_norm = layer.self_attention_sublayer.norm
            seen = (seen - seen.mean(-1, keepdims=True)) / np.sqrt(seen.var(-1, keepdims=True) + own_norm.eps)
        parts = [own[f"{name}.{kind}"] for kind in ("weight", "bias") for name in ("query", "key", "value", "output")]
        expected = reference.multi_head_self_attention(seen, 2, *parts)[1]
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_positions_within_heads_are_refused() -> None:
    model = Transformer(12, 12, d_model=8, heads=2, d_ff=16, layers=1, dropout=0.0, positions="rotary").eval()
    with pytest.raises(LookbackError, match=r"positions: rotary act within the heads.*take a Transformer"):
        layers.trace(model, torch.tensor([[5, 3]]))


def test_the_file_is_what_a_trained_model_gives(tmp_path) -> None:
    found = layers.load(COMMITTED / layers.FILE_NAME)
    layers.save(found, tmp_path / "layers.json")
    assert (tmp_path / "layers.json").read_bytes() == (COMMITTED / layers.FILE_NAME).read_bytes()
    pieces = len(found.pieces)
    assert found.pieces[-1] == "</s>"
    assert "".join(found.pieces[:-1]).replace("▁", " ").strip() == found.sentence
    attention, cosine = np.array(found.attention), np.array(found.cosine)
    assert attention.shape[2:] == cosine.shape[1:] == (pieces, pieces)
    assert np.abs(attention.sum(-1) - 100).max() <= pieces / 2
    assert (cosine == cosine.transpose(0, 2, 1)).all()
    assert (np.diagonal(cosine, axis1=1, axis2=2) == 100).all()
    assert len(cosine) == len(attention) + 1


def test_which_model_it_was_is_told(written) -> None:
    origin = layers.load(COMMITTED / layers.FILE_NAME).model
    for name in ("index.html", "README.md"):
        text = (written / name).read_text(encoding="utf-8").replace("_<wbr>", "_")
        assert origin.run in text
        assert origin.git_commit[:10] in text
        assert f"{origin.target_tokens:,} target tokens" in text


# --- files ------------------------------------------------------------------------------------------------------------


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_page_is_what_is_committed_and_the_same_bytes_each_time(written, tmp_path) -> None:
    shutil.copy(COMMITTED / layers.FILE_NAME, tmp_path)
    mechanisms.write(tmp_path, load_params(ROOT).report)
    assert files(tmp_path) == files(written)
    assert files(written) == files(COMMITTED)


def test_the_page_is_small_whole_and_refers_to_nothing_outside(written) -> None:
    assert sum(map(len, files(written).values())) < 600_000
    assert len(files(written)[layers.FILE_NAME]) < 200_000
    html = (written / "index.html").read_text(encoding="utf-8")
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "img", "iframe", "object")
        for name in ("href", "xlink:href", "src"):
            target = attributes.get(name) or "#"
            assert target.startswith("#")
            assert target == "#" or target[1:] in ids
    assert not re.search(r"@import|url\((?!#)", html)


def test_the_readme_shows_every_figure_and_has_every_number(written, tables) -> None:
    readme = (written / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^]]+\]\((.*?)\)", readme)
    assert sorted(shown) == sorted(str(path.relative_to(written)) for path in (written / "figures").iterdir())
    for rows in tables.values():
        for cell in (cell for row in rows for cell in row):
            assert cell in readme.replace("\\", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"layers.json: no such file; it is in git: restore it, or run `python -m pipeline.mechanisms --layers"),
        ("{", r"layers.json: the file: Invalid JSON"),
        ('{"sentence": 1}', r"layers.json: model: Field required; restore it from git, or run"),
    ],
    ids=["missing", "damaged", "other content"],
)
def test_a_bad_layers_file_is_one_clear_line(content, message, tmp_path) -> None:
    if content is not None:
        (tmp_path / "layers.json").write_text(content)
    with pytest.raises(LookbackError, match=message) as caught:
        mechanisms.write(tmp_path, load_params(ROOT).report)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "index.html").exists()


def test_a_missing_model_is_one_clear_line_and_leaves_the_page() -> None:
    before = files(COMMITTED)
    command = [sys.executable, "-m", "pipeline.mechanisms", "--layers", "models/demo/nowhere"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: models/demo/nowhere/config.json: no such file; run the train stage\n"
    assert files(COMMITTED) == before
