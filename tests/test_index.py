"""The page of all experiments."""

import re
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from lookback import config
from lookback.config import Experiment
from lookback.report import claims, index
from lookback.report.results import Results, read
from tests import fake_results
from tests.browser import DESKTOP, PHONE, open_page
from tests.test_report import Page

VARIED = {
    "name": "runs",
    "title": "Units & gates <of> RNNs",
    "corpus": {"kind": "hub", "repository": "wmt/wmt14", "configuration": "de-en"},
    "grid": {"models": ["gru", "lstm"], "max_train_words": [60]},
    "models": {name: {"architecture": "rnn_encoder_decoder", "cell": name} for name in ("gru", "lstm")},
}
SVG = b'<svg width="9pt" height="9pt" xmlns="http://www.w3.org/2000/svg"><path id="a" d="M 0 0"/></svg>'


def varied(folder: Path) -> Results:
    """Two models of one architecture, with the scores of others."""
    experiment = fake_results.experiment(**VARIED)
    other = fake_results.experiment(grid={"models": ["bahdanau", "transformer"], "max_train_words": [60]})
    fake_results.write_all(folder, other)
    for old, new in (("bahdanau", "gru"), ("transformer", "lstm")):
        (folder / f"runs/{old}-60-s1").rename(folder / f"runs/{new}-60-s1")
    for path in folder.rglob("*.csv"):
        text = path.read_text(encoding="utf-8").replace("bahdanau", "gru").replace("transformer", "lstm")
        path.write_text(text.replace("demo,", "runs,"), encoding="utf-8")
    return read(experiment, folder)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Results]:
    folder = tmp_path_factory.mktemp("reports")
    demo = fake_results.experiment()
    return [varied(folder / "runs"), read(demo, fake_results.write_all(folder / "demo", demo))]


def write(folder: Path, found: list[Results]) -> str:
    others = [fake_results.experiment(name=name, title=f"Title of {name}") for name in ("second", "first")]
    further = [index.Further("Another page", "It *explains*.", "other/index.html", SVG, "a picture")]
    index.write(folder, found, others, further, config.Report())
    return (folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(found: list[Results], tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("written"), found)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", "".join(Page(html).text))


def test_each_experiment_has_its_headline_its_picture_and_its_links(page: str, found: list[Results]) -> None:
    articles = re.findall(r"<article.*?</article>", page, flags=re.DOTALL)
    assert len(articles) == 3
    for results, article in zip(reversed(found), articles, strict=False):
        name = results.experiment.name
        assert claims.headline(results).replace("`", "") in words(article)
        (picture,) = (attributes for tag, attributes in Page(article).elements if tag == "svg")
        assert all(system.name in (picture["aria-label"] or "") for system in results.systems)
        links = {attributes["href"] for tag, attributes in Page(article).elements if tag == "a"}
        assert links == {f"{name}/{file}" for file in ("report.html", "report.md", "by_length.csv")}
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", articles[0]))
    test = sum(found[1].n(bucket) for bucket in found[1].buckets)
    assert (facts["test"], facts["seeds"]) == (f"{test:,} sentences", "2")
    assert facts["trained on"] == "up to 30 and 60 words"
    assert facts["corpus"].startswith("the built-in fragment, English to German, ")
    assert "<code>wmt/wmt14 de-en</code> from the Hub" in articles[1]
    assert "Units &amp; gates &lt;of&gt; RNNs" in articles[1]


def test_architectures_come_first_then_variations_then_the_rest(page: str) -> None:
    ids = [attributes["id"] for tag, attributes in Page(page).elements if tag == "h3"]
    assert ids == ["demo", "runs", "further-1"]
    headings = re.findall(r"<(h\d).*?>(?:<a.*?>)?(.*?)<", page)
    assert [text for level, text in headings if level == "h2"] == [
        "Architectures against each other",
        "One architecture, varied",
        "Beside the experiments",
        "Without a report here",
    ]


def test_what_has_not_been_run_is_named(page: str) -> None:
    assert re.findall(r"<li><code>(.*?)</code>: (.*?)</li>", page) == [
        ("first", "Title of first"),
        ("second", "Title of second"),
    ]


def test_nothing_is_shown_where_there_is_nothing(tmp_path: Path) -> None:
    index.write(tmp_path, [], [], [], config.Report())
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<h2" not in html
    assert Page(html).open == []


def test_the_same_results_give_the_same_bytes(page: str, found: list[Results], tmp_path: Path) -> None:
    assert write(tmp_path, found[::-1]) == page


def test_ids_are_unique_and_pointed_to(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'(?:labelledby="|href="#|url\(#)([^")]+)', page)) <= set(ids)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_in_a_browser(browser: Chrome, page: str, size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    open_page(browser, tmp_path / "index.html", size)
    demo, units = browser.find_elements(By.TAG_NAME, "article")[:2]
    for element in browser.find_elements(By.TAG_NAME, "figure"):
        assert 100 < element.rect["width"] < size[0]
    assert units.rect["y"] > demo.rect["y"] + demo.rect["height"]
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    assert (browser.switch_to.active_element.get_attribute("href") or "").endswith("/demo/report.html")
    assert browser.switch_to.active_element.value_of_css_property("outline-style") == "solid"
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/report.html").write_text("<title>the report</title>", encoding="utf-8")
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert browser.title == "the report"


def test_all_experiments_of_conf_can_be_listed(tmp_path: Path) -> None:
    """Titles and corpora as they really are."""
    conf = Path(__file__).parents[1] / "conf"
    experiments: list[Experiment] = [config.load_experiment(path.stem) for path in sorted(conf.glob("*.yaml"))]
    index.write(tmp_path, [], experiments, [], config.Report())
    text = words((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert all(f"{experiment.name}: {experiment.title}" in text for experiment in experiments)
