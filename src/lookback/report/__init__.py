"""The report of an experiment, made from its result files alone.

`results` reads and checks the files. `claims` turns scores into the statements that they support; `prose`, `tables` and
`sentences` write the rest. `charts` selects what `lookback.rendering.figures` draws. `page` puts all of it into
report.md and report.html.
"""

from lookback.report.page import write

__all__ = ["write"]
