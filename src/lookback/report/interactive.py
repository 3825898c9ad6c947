"""What the script of the page (templates/report.js.j2) works with, as JSON."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from lookback.decoding.word_alignment import WordAlignment
from lookback.rendering.chart import Chart, as_json, dasharray
from lookback.rendering.looks import looks
from lookback.report import charts
from lookback.report.columns import known, note
from lookback.report.results import Results
from lookback.report.sentences import Example

LEAST_PERCENT = 5
"""Smaller weights of an alignment are not shown on the page,"""
MOST_WORDS = 5
"""nor more source words than these for one target word."""


def data(results: Results, drawn: Mapping[str, Chart], examples: Iterable[Example]) -> Markup:
    """Systems, charts, the charts to choose from in place of the first, and alignments.

    Args:
        results: the experiment.
        drawn: the charts of the page by name.
        examples: the sentences of the page, in their order there.
    """
    styles = {system.name: look for system, look in looks(results.systems).items()}
    for chart in drawn.values():
        for line in chart.lines:  # published systems too, after ours
            styles.setdefault(line.system, line.look)
    names = list(styles)
    found = {
        "systems": [
            {
                "name": name,
                "color": look.color,
                "marker": look.marker,
                "filled": look.filled,
                "dash": dasharray(look.dash),
            }
            for name, look in styles.items()
        ],
        "charts": {name: as_json(chart, names) for name, chart in drawn.items()},
        "explorer": _explorer(results, names),
        "buckets": [[str(bucket), bucket.low, bucket.high] for bucket in results.buckets],
        "alignments": {
            place: {names.index(name): packed(it) for name, it in example.alignments.items()}
            for place, example in enumerate(examples)
            if example.alignments
        },
    }
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Nothing in it may end the element that it stands in.
    return Markup(text.replace("<", "\\u003c"))


def _explorer(results: Results, names: list[str]) -> dict[str, Any]:
    """Every column by every way of sharing out the sentences."""
    columns, kinds = known(results), charts.kinds(results)
    return {
        "columns": [[name, column.title, note(results, name)] for name, column in columns.items()],
        "kinds": [[f"{place}", kind.label] for place, kind in enumerate(kinds)],
        "charts": {
            f"{name} {place}": as_json(charts.length(results, name, kind), names)
            for name in columns
            for place, kind in enumerate(kinds)
        },
    }


def packed(alignment: WordAlignment) -> str:
    """For each target word, the places of the source words it looked at and the percents: `0:93,1:51 2:40`."""
    rows = []
    for weights in alignment.weights:
        order = [int(place) for place in np.argsort(-weights, kind="stable")[:MOST_WORDS]]
        percents = [(place, round(100 * float(weights[place]))) for place in order]
        rows.append(" ".join(f"{place}:{percent}" for place, percent in percents if percent >= LEAST_PERCENT))
    return ",".join(rows)
