"""Counting words."""

import pytest

from lookback.corpus import words


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        ("   ", 0),
        ("one", 1),
        ("The cat, which was next to the dog, jumped.", 9),
        ("  two \t words  ", 2),
        ("no-break\u00a0space divides", 3),
        ("a line\u2028separator", 3),
    ],
)
def test_whitespace(text, number):
    assert words.count(text) == words.counter("whitespace", "de")(text) == number


def test_moses_counts_punctuation():
    assert words.count("The cat, which jumped.", "moses", "en") == 6


def test_moses_heeds_the_language():
    assert words.count("l'eau qu'il boit", "moses", "fr") == 5
    assert words.count("see Mr. Miller", "moses", "en") == 3
    assert words.count("see Mr. Miller", "moses", "fr") == 4  # no abbreviation of French


def test_moses_counts_an_escaped_character_once():
    assert words.count("a & b < c", "moses", "en") == 5
