"""The data for the script of the page (templates/report.js.j2), as JSON."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from lookback.decoding.word_alignment import WordAlignment
from lookback.evaluation.systems import SPARSE
from lookback.rendering.chart import Chart, Point, as_json, dasharray
from lookback.rendering.looks import looks
from lookback.report import charts
from lookback.report.columns import Column, known, note
from lookback.report.results import Results
from lookback.report.sentences import Example

SCORED = {"length": "bleu", "loss": "reference_loss"}
"""The charts of the page that show a measure by source words: name to column."""
LEAST_PERCENT = 5
"""The page does not show smaller weights of an alignment."""
MOST_WORDS = 5
"""The most source words that the page shows for one target word."""


def data(results: Results, drawn: Mapping[str, Chart], examples: Iterable[Example]) -> Markup:
    """Systems, scores by length, the other charts, and alignments; each is stored once.

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
    columns = known(results)
    scored = {name: column for name, column in SCORED.items() if name in drawn and column in columns}
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
        "sparse": SPARSE,
        "charts": {name: as_json(chart, names) for name, chart in drawn.items() if name not in scored},
        "scored": scored,
        "scores": _scores(results, columns, names),
        "buckets": [[str(bucket), bucket.low, bucket.high] for bucket in results.buckets],
        "alignments": {
            place: {names.index(name): packed(it) for name, it in example.alignments.items()}
            for place, example in enumerate(examples)
            if example.alignments
        },
    }
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # No text in it may end the enclosing element.
    return Markup(text.replace("<", "\\u003c"))


def _scores(results: Results, columns: Mapping[str, Column], names: list[str]) -> dict[str, Any]:
    """Every column by every kind of buckets, as bare numbers.

    `values` has, by column and kind, one list for each of `systems`. The list has for each bucket the value, then the
    bounds and the values of the seeds, if any. They are rounded as in tables.
    """
    kinds = charts.kinds(results)
    drawn = [as_json(charts.length(results, "bleu", kind), names) for kind in kinds]
    return {
        "systems": [names.index(system.name) for system in results.systems],
        "columns": {
            name: {"title": column.title, "note": note(results, name)}
            | {"axis": column.axis, "top": column.top, "digits": column.digits}
            for name, column in columns.items()
        },
        "kinds": [
            {"label": kind.label, "x": chart["x"], "marks": chart["marks"]}
            for kind, chart in zip(kinds, drawn, strict=True)
        ],
        "values": {
            name: [
                [[_numbers(point, column.digits) for point in line.points] for line in chart.lines]
                for chart in (charts.length(results, name, kind) for kind in kinds)
            ]
            for name, column in columns.items()
        },
    }


def _numbers(point: Point, digits: int) -> list[Any]:
    """The value, the bounds and the values of the seeds, without missing values at the end."""
    numbers = [None if math.isnan(it) else round(it, digits) for it in (point.y, point.low, point.high, *point.seeds)]
    while numbers[-1] is None and len(numbers) > 1:
        numbers.pop()
    return numbers


def packed(alignment: WordAlignment) -> str:
    """For each target word, the indices of the source words it looked at and their percents: `0:93,1:51 2:40`."""
    rows = []
    for weights in alignment.weights:
        order = [int(place) for place in np.argsort(-weights, kind="stable")[:MOST_WORDS]]
        percents = [(place, round(100 * float(weights[place]))) for place in order]
        rows.append(" ".join(f"{place}:{percent}" for place, percent in percents if percent >= LEAST_PERCENT))
    return ",".join(rows)
