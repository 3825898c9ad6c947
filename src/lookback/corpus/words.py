"""Words: the one way in which the project counts the length of a sentence.

The caps on training sentences, the filters of `prepare` and the buckets of the evaluation all use these counts, taken
once by `prepare` and stored beside the text.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

WordTokenizer = Literal["whitespace", "moses"]


@lru_cache(maxsize=16)
def splitter(tokenizer: WordTokenizer = "whitespace", language: str = "en") -> Callable[[str], list[str]]:
    """A function from a text to its words.

    Args:
        tokenizer: `whitespace` splits at white space (Unicode's, so also at no-break spaces); `moses` gives the tokens
            of the Moses tokenizer, where punctuation marks and clitics are words. The first is some thirty times as
            fast.
        language: a code such as `fr`; only `moses` uses it (abbreviations and apostrophes), and treats a language
            without rules as English.
    """
    if tokenizer == "moses":
        from sacremoses import MosesTokenizer  # imported here: most experiments do not need it

        tokenize = MosesTokenizer(lang=language).tokenize
        return lambda text: list(tokenize(text, escape=False))
    return str.split


def counter(tokenizer: WordTokenizer = "whitespace", language: str = "en") -> Callable[[str], int]:
    """A function from a text to its number of words; see `splitter`."""
    split = splitter(tokenizer, language)
    return lambda text: len(split(text))


def count(text: str, tokenizer: WordTokenizer = "whitespace", language: str = "en") -> int:
    """The number of words of one text; see `counter`."""
    return counter(tokenizer, language)(text)
