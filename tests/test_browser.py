"""What the tests of pages rest on: that `open_page` finds what is wrong with a page."""

from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.browser import DESKTOP, PHONE, open_page

HEAD = '<!DOCTYPE html><meta name="viewport" content="width=device-width"><title>x</title>'


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "a page.html"


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_page_is_as_wide_as_asked(browser: Chrome, page: Path, size: tuple[int, int]) -> None:
    page.write_text(f'{HEAD}<p>text</p><img alt="" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">')
    open_page(browser, page, size)
    assert browser.execute_script("return innerWidth") == size[0]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<img alt="" src="https://example.org/a.png">', "asks for .'https://example.org/a.png'"),
        ('<link rel="stylesheet" href="style.css">', "asks for .'file://.*/style.css'"),
        ("<script>undefined_function()</script>", "undefined_function is not defined"),
        ('<div style="width: 400px">wide</div>', "is 4.. pixels wide in a window of 390"),
    ],
)
def test_what_is_wrong_with_a_page_is_found(browser: Chrome, page: Path, body: str, told: str) -> None:
    page.write_text(HEAD + body)
    with pytest.raises(AssertionError, match=told):
        open_page(browser, page, PHONE)
