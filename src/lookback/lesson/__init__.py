"""A page that explains the kinds of attention with small worked numbers, all computed by the library itself.

`worked` has the inputs and calls `lookback.models.attention`. `layers` saves the weights of a trained model in a small
file. `drawing` draws. `lesson` lists the sections (`self_attention`, `decoder`, `transformer`), and `page` puts them
into index.html and README.md.
"""

from lookback.lesson.lesson import HEADLINE
from lookback.lesson.page import TITLE, write

__all__ = ["HEADLINE", "TITLE", "write"]
