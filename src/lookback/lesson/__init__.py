"""A page that explains the kinds of attention with small worked numbers, all computed by the library itself.

`worked` holds the inputs and calls `lookback.models.attention`; `layers` takes a trained model's weights into a small
file; `drawing` draws; `lesson` tells, section by section (`self_attention`, `decoder`, `transformer`), and `page` puts
all of it into index.html and README.md.
"""

from lookback.lesson.lesson import HEADLINE
from lookback.lesson.page import TITLE, write

__all__ = ["HEADLINE", "TITLE", "write"]
