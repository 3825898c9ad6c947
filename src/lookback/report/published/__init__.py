"""Published scores, each from a file here that says where it was read, set beside those of an experiment."""

from lookback.report.published.reading import read
from lookback.report.published.section import Section, section

__all__ = ["Section", "read", "section"]
