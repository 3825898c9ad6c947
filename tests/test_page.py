"""The page of a report, opened, read and clicked in a real browser."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from lookback import config, report
from lookback.evaluation.tables import read_rows, write_rows
from tests import fake_results
from tests.browser import DESKTOP, PHONE, open_page

ROOT = Path(__file__).parents[1]
SIZES = pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of six systems with buckets of another kind."""
    experiment = fake_results.experiment()
    folder = fake_results.write_all(tmp_path_factory.mktemp("reports") / "demo", experiment)
    for path in folder.glob("runs/*/by_length.csv"):
        rows = read_rows(path)
        shorter = [row for row in rows if row["bucket_high"] and row["bucket_high"] <= 40]
        write_rows(path, [*rows, *(row | {"bucket_by": "reference_words"} for row in shorter)])
    report.write(experiment, folder, config.Report(formats=("svg",)))
    return folder / "report.html"


def one(root: Chrome | WebElement, selector: str) -> WebElement:
    return root.find_element(By.CSS_SELECTOR, selector)


def every(root: Chrome | WebElement, selector: str) -> list[WebElement]:
    return root.find_elements(By.CSS_SELECTOR, selector)


def at(browser: Chrome, element: WebElement) -> None:
    """The pointer, on an element that stands in the middle of the window."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    ActionChains(browser).move_to_element(element).perform()


def click(browser: Chrome, element: WebElement) -> None:
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def lines(figure: WebElement) -> int:
    return len(every(figure, ".plot path.line"))


@SIZES
def test_a_point_tells_its_system_value_interval_and_n(browser: Chrome, page: Path, size: Any) -> None:
    open_page(browser, page, size)
    figure, tip = one(browser, "#figure-length"), one(browser, "#figure-length .tip")
    assert not tip.is_displayed()
    assert lines(figure) == 6
    markers = every(figure, ".plot path[transform]")
    at(browser, markers[-1])  # the last system's longest bucket
    told = tip.text
    assert re.fullmatch(
        r"transformer-30\nsource words 51–60: [\d.]+ \[[\d.]+, [\d.]+\], n = 200; seeds [\d.]+, [\d.]+", told
    )
    row = next(
        row
        for row in read_rows(page.parent / "by_length.csv")
        if (row["system"], row["bucket_low"], row["seed"]) == ("transformer-30", 51, 1)
    )
    value, low, high, first, second = (float(number) for number in re.findall(r"\d+\.\d", told.split(":")[1]))
    assert low < value < high
    assert first == pytest.approx(row["bleu"], abs=0.051)
    assert value == pytest.approx((first + second) / 2, abs=0.11)
    box, window = tip.rect, size[0]
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= window


@SIZES
def test_points_are_reached_from_the_keyboard_and_read_out(browser: Chrome, page: Path, size: Any) -> None:
    open_page(browser, page, size)
    plot = one(browser, "#figure-length .plot > svg")
    browser.execute_script("arguments[0].focus()", plot)
    keys = ActionChains(browser)
    keys.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN, Keys.ARROW_DOWN).perform()
    tip = one(browser, "#figure-length .tip")
    assert tip.text.startswith("bahdanau-60\nsource words 11–20: ")
    assert tip.get_attribute("role") == "status"
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not tip.is_displayed()


@SIZES
def test_measure_and_bucket_kind_are_chosen_and_stand_in_the_table(browser: Chrome, page: Path, size: Any) -> None:
    open_page(browser, page, size)
    figure = one(browser, "#figure-length")
    measure, kind = (Select(element) for element in every(figure, "select"))
    assert [option.text for option in kind.options] == ["source words", "reference words"]
    measure.select_by_visible_text("Length ratio")
    kind.select_by_visible_text("reference words")
    assert one(figure, ".what").text == "Length ratio by reference words."
    assert "Words of the translations over words of the references" in one(figure, "p.note").text
    assert not every(figure, ".mark"), "training lengths are in source words"
    summary = one(figure, "details.numbers summary")
    assert summary.text == "Table: length ratio by reference words"
    click(browser, summary)
    WebDriverWait(browser, 5).until(lambda _: every(figure, "details.numbers table"))
    rows = [[cell.text for cell in every(row, "th, td")] for row in every(figure, "details.numbers tr")]
    assert rows[0][:3] == ["reference words", "n", "rnn_encoder_decoder-60"]
    assert [row[0] for row in rows[1:]] == ["1–10", "11–20", "21–30", "31–40"]
    assert all(re.fullmatch(r"0\.\d\d|1\.00", cell) for row in rows[1:] for cell in row[2:])
    measure.select_by_visible_text("chrF")
    assert "[" in one(figure, "details.numbers td:nth-child(3)").text


@SIZES
def test_systems_are_chosen_in_all_charts_and_sentences(browser: Chrome, page: Path, size: Any) -> None:
    open_page(browser, page, size)
    length, curves = one(browser, "#figure-length"), one(browser, "#figure-curves")
    before = lines(curves)
    buttons = {button.text: button for button in every(length, ".legend button")}
    assert len(buttons) == 6
    click(browser, buttons["transformer-60"])
    assert (lines(length), lines(curves)) == (5, before - 2)
    active = browser.switch_to.active_element
    assert (active.text, active.get_attribute("aria-pressed")) == ("transformer-60", "false")
    assert "transformer-60" not in [name.text for name in every(browser, ".current code") if name.is_displayed()]
    active.send_keys(Keys.SPACE)
    assert lines(length) == 6
    for button in list(buttons):
        click(browser, next(it for it in every(length, ".legend button") if it.text == button))
    assert "No system is chosen." in one(length, ".plot").text


@SIZES
def test_sentences_go_from_short_to_long_and_are_found(browser: Chrome, page: Path, size: Any) -> None:
    open_page(browser, page, size)
    shown = [it for it in every(browser, ".example") if it.is_displayed()]
    assert len(shown) == 1
    shorter, longer = every(browser, ".steps button")
    words = []
    for _ in range(4):
        words.append(int((one(browser, ".current").get_attribute("data-words")) or 0))
        click(browser, longer)
    assert words == sorted(words) == [4, 9, 12, 18]
    click(browser, shorter)
    assert one(browser, ".steps output").text == "18 words; sentence 5 of 11"
    slider = one(browser, ".steps input")
    slider.send_keys(Keys.END)
    assert one(browser, ".current").get_attribute("data-words") == "58"
    assert slider.get_attribute("aria-valuetext") == "58 words"
    Select(one(browser, "#browser select")).select_by_visible_text("11–20 words")
    assert one(browser, ".steps output").text.endswith("of 3"), "12 and 18 words, and the showcase"
    Select(one(browser, "#browser select")).select_by_index(0)
    click(browser, one(browser, "#browser input[type=checkbox]"))
    assert not one(browser, ".steps output").text.endswith("of 11"), "all systems agree on short ones"
    one(browser, "#browser input[type=search]").send_keys("no such word")
    assert one(browser, ".steps output").text == "no sentence"


@SIZES
def test_a_word_lights_up_the_source_words_it_looked_at(browser: Chrome, page: Path, size: Any) -> None:
    open_page(browser, page, size)
    one(browser, ".steps input").send_keys(Keys.HOME)  # the showcase sentence
    current = one(browser, ".current")
    groups = every(current, "dd [role=group]")
    assert len(groups) == 1, "the models that have alignments wrote the same; the RNN encoder-decoder has none"
    word = next(it for it in every(groups[0], ".w") if it.text == "sprang.")
    at(browser, word)
    assert "asked" in (word.get_attribute("class") or "")
    lit = {it.text: it.get_attribute("style") for it in every(current, ".source .w") if it.get_attribute("style")}
    assert list(lit)[-1] == "jumped."
    told = one(current, ".looked").text.splitlines()
    assert len(told) == 4, "a line for each of the systems"
    assert re.match(r"bahdanau-60 “sprang.” ← .*jumped. \d+ %", told[0])
    browser.execute_script("arguments[0].focus()", groups[0])
    ActionChains(browser).send_keys(Keys.ARROW_LEFT).perform()
    assert "“lag,”" in one(current, ".looked").text
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not one(current, ".looked").text
    assert not every(current, ".asked")


def test_without_the_script_everything_is_there(browser: Chrome, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        figures = frozenset(f"figures/{path.name}" for path in (page.parent / "figures").glob("*.svg"))
        open_page(browser, page, PHONE, beside=figures)
        pictures = every(browser, ".plot svg, .plot img")
        assert len(pictures) == len(every(browser, "figure")) == len(figures)
        assert all(picture.is_displayed() for picture in pictures)
        assert all(picture.size["width"] >= 500 for picture in pictures), "their text can be read"
        assert all(browser.execute_script("return arguments[0].naturalWidth", it) for it in every(browser, ".plot img"))
        assert sum(it.is_displayed() for it in every(browser, ".example")) == 11
        assert not every(browser, "select")
        assert not one(browser, ".scripted").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_print_has_the_charts_and_no_controls(browser: Chrome, page: Path) -> None:
    open_page(browser, page, DESKTOP)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not any(it.is_displayed() for it in every(browser, ".controls, nav, .files"))
        assert all(it.is_displayed() for it in every(browser, "figure[data-chart] .plot > svg"))
        assert sum(it.is_displayed() for it in every(browser, ".example")) > 5
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@SIZES
@pytest.mark.parametrize("path", sorted(ROOT.glob("reports/*/*.html")), ids=lambda path: path.parent.name)
def test_the_reports_in_git_open(browser: Chrome, path: Path, size: Any) -> None:
    open_page(browser, path, size)
    for plot in every(browser, "figure[data-chart] .plot"):
        assert every(plot, "path.line")


# --- what is odd ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Right to left, one system without scores, one that writes nothing, and many sentences in narrow buckets."""
    experiment = fake_results.experiment(
        corpus={"kind": "hub", "repository": "a/b", "configuration": "x"},
        source_language="ar",
        target_language="he",
        grid={"models": ["bahdanau", "transformer"], "max_train_words": [30, 35], "seeds": [1]},
        evaluate={"bucket_edges": list(range(5, 65, 5))},
    )
    many: Any = {"n": (12_345,) * 12 + (0,), "edges": experiment.evaluate.bucket_edges}
    folder = fake_results.write_all(tmp_path_factory.mktemp("reports") / "odd", experiment, n=many["n"])
    scores = ("bleu", "chrf", "length_ratio", "brevity_penalty", "exact_match", "empty", "cut_off", "reference_loss")
    for run in experiment.runs:
        if run.name.startswith("bahdanau-35"):
            bounds = ("bleu_low", "bleu_high", "chrf_low", "chrf_high")
            fake_results.write_run(folder, run, row=dict.fromkeys((*scores, *bounds)), **many)
        path = folder / "runs" / run.name / "examples.json"
        items = json.loads(path.read_text("utf-8"))
        for item in items:
            for key in ("source", "reference", "hypothesis"):
                item[key] = item[key] and " ".join("אבג" for _ in item[key].split())
            if run.name.startswith("transformer-30"):
                item["hypothesis"] = ""
                item["alignment"] |= {"target_pieces": ["</s>"], "percent": item["alignment"]["percent"][-1:]}
        fake_results.write_json(path, items)
    report.write(experiment, folder, config.Report(formats=("svg",)))
    return folder / "report.html"


def press(browser: Chrome, element: WebElement, *keys: str) -> None:
    browser.execute_script("arguments[0].focus()", element)
    ActionChains(browser).send_keys(*keys).perform()


def test_the_keyboard_passes_over_systems_without_numbers(browser: Chrome, odd: Path) -> None:
    open_page(browser, odd)
    plot, tip = one(browser, "#figure-length .plot > svg"), one(browser, "#figure-length .tip")
    reached = []
    press(browser, plot, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    for _ in range(3):
        reached.append(tip.text.splitlines())
        press(browser, plot, Keys.ARROW_DOWN)
    assert [lines[0] for lines in reached] == ["bahdanau-30", "transformer-35", "transformer-30"]
    assert all(lines[1].startswith("source words 6–10: ") for lines in reached)


def test_the_keyboard_goes_to_the_same_place_of_another_line(browser: Chrome, page: Path) -> None:
    open_page(browser, page)
    figure = one(browser, "#figure-published-no-attention")
    plot, tip = one(figure, ".plot > svg"), one(figure, ".tip")
    press(browser, plot, *[Keys.ARROW_RIGHT] * 5)
    before = float(re.findall(r"words ([\d.]+):", tip.text)[0])
    press(browser, plot, Keys.ARROW_DOWN)
    after = float(re.findall(r"words ([\d.]+):", tip.text)[0])
    assert abs(before - after) <= 5, "published points stand five words apart, ours ten"


def test_an_empty_translation_has_no_words_to_go_through(browser: Chrome, odd: Path) -> None:
    open_page(browser, odd)
    one(browser, ".steps input").send_keys(Keys.END)
    groups = every(browser, ".current dd[data-systems]")
    assert not any(every(group, "[tabindex]") for group in groups if "nothing" in group.text)
    assert all(every(group, "[tabindex]") for group in groups if "nothing" not in group.text)


def test_text_stands_and_arrow_keys_go_as_its_script_does(browser: Chrome, odd: Path) -> None:
    open_page(browser, odd)
    current = one(browser, ".current")
    assert {it.value_of_css_property("direction") for it in every(current, "dd") if "א" in it.text} == {"rtl"}
    group = next(it for it in every(current, "dd [tabindex]") if "א" in it.text)
    press(browser, group, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    words = every(group, ".w")
    assert [index for index, word in enumerate(words) if "asked" in (word.get_attribute("class") or "")] == [1]


def test_search_finds_words_of_the_shown_texts_alone(browser: Chrome, page: Path) -> None:
    open_page(browser, page)
    search, told = one(browser, "#browser input[type=search]"), one(browser, ".steps output")
    for word, found in {"words": 0, "transformer": 0, "equal": 0, "showcase": 0, "sprang": 1, "MATTE": 11}.items():
        search.clear()
        search.send_keys(word)
        count = sum(word.lower() in texts for texts in searched(browser))
        assert (count > 0) == (found > 0)
        assert told.text.endswith(f"of {count}") if count else told.text == "no sentence"
    search.clear()
    search.send_keys("sprang")
    assert told.text.endswith("of 1")
    for button in range(len(every(browser, "#figure-length .legend button"))):
        click(browser, every(browser, "#figure-length .legend button")[button])
    assert told.text == "no sentence", "only translations have it, and none is shown"


def searched(browser: Chrome) -> list[str]:
    """The texts of all sentences, without names, numbers of words and tags."""
    return browser.execute_script(
        "return [...document.querySelectorAll('.example')].map((it) => { const copy = it.cloneNode(true);"
        "copy.querySelectorAll('summary, dt, del, .tag, .looked').forEach((one) => one.remove());"
        "return copy.textContent.toLowerCase(); })"
    )


def test_the_caption_tells_of_the_chart_that_is_chosen(browser: Chrome, page: Path) -> None:
    open_page(browser, page)
    figure = one(browser, "#figure-length")
    measure, kind = (Select(element) for element in every(figure, "select"))
    caption = one(figure, "figcaption")
    whole = caption.text
    assert "Bars: 95 %" in whole
    assert "Vertical lines" in whole
    assert one(figure, ".files").is_displayed()
    measure.select_by_visible_text("Length ratio")
    assert "Bars" not in caption.text, "it has no intervals"
    assert "Vertical lines" in caption.text
    assert not one(figure, ".files").is_displayed(), "the files have BLEU"
    kind.select_by_visible_text("reference words")
    assert "Vertical lines" not in caption.text, "training lengths are in source words"
    measure.select_by_index(0)
    assert "Bars" in caption.text
    kind.select_by_index(0)
    assert caption.text.split(". ", 1)[1] == whole.split(". ", 1)[1]


def test_charts_tell_windows_from_buckets(browser: Chrome, tmp_path: Path) -> None:
    experiment = fake_results.experiment(grid={"models": ["bahdanau"], "max_train_words": [60], "seeds": [1]})
    folder = fake_results.write_all(tmp_path / "demo", experiment)
    path = next(folder.glob("runs/*/by_length.csv"))
    rows = read_rows(path)
    windows = [row | {"bucket_by": "source_words_window"} for row in rows if row["bucket_high"]]
    write_rows(path, [*rows, *windows])
    report.write(experiment, folder, config.Report(formats=("svg",)))
    open_page(browser, folder / "report.html")
    figure = one(browser, "#figure-length")
    Select(every(figure, "select")[1]).select_by_visible_text("source words, sliding windows")
    assert one(figure, ".what").text == "BLEU by source words, sliding windows."
    summary = one(figure, "details.numbers summary")
    assert summary.text == "Table: BLEU by source words, sliding windows"
    click(browser, summary)
    WebDriverWait(browser, 5).until(lambda _: every(figure, "details.numbers table"))
    assert one(figure, "details.numbers caption").text == "BLEU by source words, sliding windows"


def test_each_seed_is_a_dot_and_in_the_tip(browser: Chrome, page: Path) -> None:
    open_page(browser, page)
    figure = one(browser, "#figure-length")
    assert len(every(figure, ".plot circle.seed")) == 6 * 6 * 2, "systems, buckets, seeds"
    press(browser, one(figure, ".plot > svg"), Keys.ARROW_RIGHT)
    told = re.search(r"(\d+\.\d) \[.*\], n = 200; seeds (\d+\.\d), (\d+\.\d)$", one(figure, ".tip").text)
    assert told
    mean, *seeds = map(float, told.groups())
    assert sum(seeds) / 2 == pytest.approx(mean, abs=0.11)


@pytest.mark.parametrize("width", [320, 390, 640, 1280])
def test_labels_of_a_chart_do_not_overlap(browser: Chrome, odd: Path, width: int) -> None:
    open_page(browser, odd)
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 640}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.refresh()
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    boxes = browser.execute_script(
        "return [...document.querySelectorAll('#figure-length .plot text')].map((it) => {"
        "const box = it.getBoundingClientRect(); return [it.textContent, box.left, box.right, box.top, box.bottom]; })"
    )
    assert {text for text, *_ in boxes} > {"n=12345", "source words"}
    for place, (text, left, right, top, bottom) in enumerate(boxes):
        for other, left_, right_, top_, bottom_ in boxes[:place]:
            apart = left >= right_ or left_ >= right or top >= bottom_ - 4 or top_ >= bottom - 4
            assert apart, f"{text} and {other}"


def test_a_page_without_scores_and_alignments(browser: Chrome, tmp_path: Path) -> None:
    models = ["rnn_encoder_decoder"]
    experiment = fake_results.experiment(grid={"models": models, "max_train_words": [60], "seeds": [1]})
    scores = ("bleu", "chrf", "length_ratio", "brevity_penalty", "exact_match", "empty", "cut_off", "reference_loss")
    bounds = ("bleu_low", "bleu_high", "chrf_low", "chrf_high")
    folder = fake_results.write_all(tmp_path / "demo", experiment, row=dict.fromkeys((*scores, *bounds)))
    report.write(experiment, folder, config.Report(formats=("svg",)))
    open_page(browser, folder / "report.html")
    assert not every(browser, "#figure-length select"), "there is nothing to choose"
    assert one(browser, ".steps output").text.endswith(" of 11")
    assert "light up" not in one(browser, "main").text, "no word can"
