"""Published curves of BLEU against length beside those of an experiment: charts, and sentences about them.

BLEU is drawn on the axes of a published figure only if language pair and test set are the same. Otherwise each curve is
divided by its own best value, which shows only its shape. Best value and shape use only lengths beyond `SHORT` words:
shorter lines are titles and phrases in one corpus and easy sentences in another, and a best value among them would
make equal shapes look different.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle

from lookback.config import Experiment, HubCorpus
from lookback.evaluation.systems import Score, System
from lookback.published.reading import Curve, Kind, PublishedFigure, Source
from lookback.rendering.chart import Axis, Chart, Line, Point
from lookback.rendering.looks import DASHES, MARKERS, Look, looks
from lookback.rendering.wording import code, decimal, escape_markdown, integer, listed
from lookback.report.claims import longest
from lookback.report.results import Results
from lookback.stats.buckets import Bucket

SHORT = 10
"""Words, or pieces; lengths up to this are not part of the shape of a curve."""

KINDS: dict[str, Kind] = {
    "rnn_encoder_decoder": "no attention",
    "bahdanau": "attention",
    "transformer": "self-attention",
}
"""The published kind of each architecture; a dictionary has none."""

PANELS: dict[str, tuple[Kind, ...]] = {
    "no-attention": ("no attention",),
    "attention": ("attention", "self-attention"),
}
"""The charts of shapes by source words, and the kinds in each; no paper here has a curve of a Transformer."""

GRAY = "#777777"
"""The colour of published curves."""


@dataclass(frozen=True)
class Trace:
    """BLEU against length: a published curve, or a system here, in buckets with enough sentences."""

    name: str
    label: str
    """Its name in a chart with curves of several papers."""
    kind: Kind
    max_train_words: int | None
    points: tuple[Point, ...]
    lengths: tuple[str, ...]
    """The length of each point, as text."""
    last: float
    """The shortest length in the last point."""


@dataclass(frozen=True)
class Kept:
    """The share of its best that a trace keeps at its last point, in whole percent, as printed."""

    trace: Trace
    percent: int
    low: int | None
    high: int | None
    text: str
    """The percent with the two scores it is computed from."""
    at: str


@dataclass(frozen=True)
class Panel:
    """A chart with its caption."""

    name: str
    chart: Chart
    caption: str
    alternative: str


# --- what can be compared ---------------------------------------------------------------------------------------------


def same_test(experiment: Experiment, source: Source) -> bool:
    """Whether an experiment translates a paper's test set in the paper's direction, according to its settings."""
    corpus = experiment.corpus
    return (
        isinstance(corpus, HubCorpus)
        and (corpus.repository, corpus.test_split) == (source.hub, "test")
        and (experiment.source_language, experiment.target_language) == (source.source_language, source.target_language)
    )


def same_column(results: Results) -> str:
    """Tokenised BLEU, as the papers score, if it was measured; otherwise sacreBLEU."""
    return "legacy_bleu" if results.legacy_signature else "bleu"


def kind_of(results: Results, system: System) -> Kind | None:
    return KINDS.get(results.experiment.models[system.model].architecture)


def ours(results: Results, kinds: Iterable[Kind]) -> list[System]:
    return [system for system in results.systems if kind_of(results, system) in tuple(kinds)]


def titled(source: Source) -> str:
    return escape_markdown(source.title)


# --- curves -----------------------------------------------------------------------------------------------------------


def published(source: Source, curve: Curve) -> Trace:
    return Trace(
        name=curve.system,
        label=f"{curve.system}, {source.work.split()[0]}",
        kind=curve.kind,
        max_train_words=curve.max_train_words,
        points=tuple(Point(length, bleu) for length, bleu in curve.points),
        lengths=tuple(f"{length:g}" for length, _ in curve.points),
        last=curve.points[-1][0],
    )


def measured(results: Results, system: System, unit: str = "source_words", column: str = "bleu") -> Trace:
    """The trace of a system; each bucket is placed at its middle. An open bucket is as wide as the one before it.

    Args:
        results: the experiment.
        system: one of its systems.
        unit: the value of `bucket_by`; without such rows there are no points.
        column: `bleu` or `legacy_bleu`.
    """
    key = ("test", "all", unit)
    buckets = results.buckets_of(*key)
    found = [(bucket, results.score(system, bucket, column, *key)) for bucket in buckets]
    usable = [(bucket, score) for bucket, score in found if score.usable]
    return Trace(
        name=system.name,
        label=system.name,
        kind=kind_of(results, system) or "other",
        max_train_words=system.max_train_words,
        points=tuple(Point(_middle(b, buckets), s.value, s.low, s.high, s.n, _seeds(s)) for b, s in usable),
        lengths=tuple(str(bucket) for bucket, _ in usable),
        last=usable[-1][0].low or 0 if usable else 0,
    )


def _middle(bucket: Bucket, buckets: Sequence[Bucket]) -> float:
    low, high = bucket.low or 0, bucket.high
    if high is None:
        before = buckets[buckets.index(bucket) - 1]
        high = low + (before.high or 0) - (before.low or 0) if len(buckets) > 1 else low
    return (low + high) / 2


def _seeds(score: Score) -> tuple[float, ...]:
    return score.seeds if len(score.seeds) > 1 else ()


def shape(trace: Trace) -> Trace | None:
    """A trace in percent of its best, beyond `SHORT`; None if fewer than two points are left.

    An interval is that of the score, divided by the best. It does not cover the uncertainty of the best.
    """
    kept = [i for i, point in enumerate(trace.points) if point.x > SHORT]
    best = max((trace.points[i].y for i in kept), default=0.0)
    if len(kept) < 2 or best <= 0:
        return None

    def percent(point: Point) -> Point:
        y, low, high = (100 * value / best for value in (point.y, point.low, point.high))
        return replace(point, y=y, low=low, high=high, seeds=tuple(100 * seed / best for seed in point.seeds))

    points = tuple(percent(trace.points[i]) for i in kept)
    return replace(trace, points=points, lengths=tuple(trace.lengths[i] for i in kept))


def kept(trace: Trace) -> Kept | None:
    """The share of the best at the longest length; None if `shape` is None."""
    if not (relative := shape(trace)):
        return None
    last, best = trace.points[-1].y, max(point.y for point in trace.points if point.x > SHORT)
    end = relative.points[-1]
    bounds = [None if math.isnan(value) else round(value) for value in (end.low, end.high)]
    of = "" if bounds[0] is None else f" [{bounds[0]}, {bounds[1]}]"
    return Kept(
        trace=trace,
        percent=round(end.y),
        low=bounds[0],
        high=bounds[1],
        text=f"{code(trace.name)} {round(end.y)} %{of} ({decimal(last)} of {decimal(best)})",
        at=trace.lengths[-1],
    )


# --- charts -----------------------------------------------------------------------------------------------------------


def panels(results: Results, figures: Sequence[PublishedFigure]) -> Iterable[Panel]:
    """BLEU on the axes of each figure of the same test set; for other figures, shapes by kind of system and unit."""
    others = [figure for figure in figures if not same_test(results.experiment, figure.source)]
    for number, figure in enumerate((figure for figure in figures if figure not in others), start=1):
        column = same_column(results)
        mine = [measured(results, system, figure.source.length, column) for system in ours(results, KINDS.values())]
        theirs = [published(figure.source, curve) for curve in figure.curves]
        yield _panel(results, f"published-same-{number}", "On the axes of the paper", theirs, mine, [figure], "BLEU")
    for name, kinds in PANELS.items():
        shown = [f for f in others if f.source.length == "source_words"]
        theirs = [published(f.source, curve) for f in shown for curve in f.curves if curve.kind in kinds]
        mine = [measured(results, system) for system in ours(results, kinds) if system in longest(results)]
        if mine and theirs:
            heading = "Without attention" if name == "no-attention" else "With attention"
            yield _panel(results, f"published-{name}", heading, theirs, mine, shown, "percent of its own best")
    if shown := [f for f in others if f.source.length == "source_pieces"]:
        theirs = [published(f.source, curve) for f in shown for curve in f.curves if curve.kind != "other"]
        mine = [measured(results, s, "source_pieces") for s in ours(results, KINDS.values()) if s in longest(results)]
        yield _panel(results, "published-pieces", "By source pieces", theirs, mine, shown, "percent of its own best")


def _panel(
    results: Results,
    name: str,
    heading: str,
    theirs: Sequence[Trace],
    mine: Sequence[Trace],
    figures: Sequence[PublishedFigure],
    label: str,
) -> Panel:
    relative = label != "BLEU"
    traces = [*mine, *theirs]
    if relative:
        traces = [found for trace in traces if (found := shape(trace))]
    styles = {system.name: look for system, look in looks(results.systems).items()}
    gray = zip(cycle(MARKERS), cycle(DASHES[1:]), strict=False)
    for trace in theirs:
        marker, dash = next(gray)
        styles[trace.label] = Look(GRAY, marker, dash, filled=False)
    lines = tuple(Line(trace.label, styles[trace.label], trace.points) for trace in traces if trace.points)
    unit = in_words(figures[0].source.length)
    texts = [
        f"{heading}: {'percent of its own best BLEU' if relative else 'BLEU'} against length in {unit}. Gray: "
        f"{listed([figure.source.title for figure in figures])}.",
        "" if relative else f"Ours is {'sacreBLEU' if same_column(results) == 'bleu' else 'BLEU of Moses tokens'}.",
    ]
    if unit == "source pieces":
        texts.append(
            "The pieces here are of another vocabulary than the paper's."
            if any(trace.points for trace in mine)
            else "The scores of this experiment were not computed by source pieces."
        )
    told = (
        f"{line.system}: {', '.join(f'{point.y:.{0 if relative else 1}f} at {point.x:g}' for point in line.points)}."
        for line in lines
    )
    tops = [point.high for line in lines for point in line.points if relative and not math.isnan(point.high)]
    chart = Chart(Axis(unit), Axis(label, top=max([100.0, *tops])), lines)
    return Panel(name, chart, " ".join(filter(None, texts)), f"{texts[0]} {' '.join(told)}")


# --- sentences --------------------------------------------------------------------------------------------------------


def all_kept(results: Results, figures: Sequence[PublishedFigure]) -> Iterable[str]:
    """The share of its best that each system keeps at the longest length, published and here."""
    for figure in figures:
        traces = (published(figure.source, curve) for curve in figure.curves if curve.kind != "other")
        if found := [k for trace in traces if (k := kept(trace))]:
            yield (
                f"**{titled(figure.source)}**: at the last point, {found[0].at} {in_words(figure.source.length)}, each "
                f"system keeps this share of its best: {listed([k.text for k in found])}.{_beyond(found)}"
            )
    for unit in dict.fromkeys(figure.source.length for figure in figures):
        traces = (measured(results, system, unit) for system in ours(results, KINDS.values()))
        if found := [k for trace in traces if (k := kept(trace))]:
            yield (
                f"**Here**, at {found[0].at} {in_words(unit)} (n = {integer(found[0].trace.points[-1].n)}): "
                f"{listed([k.text for k in found])}.{_beyond(found) if unit == 'source_words' else ''}"
            )


def in_words(unit: str) -> str:
    return unit.replace("_", " ")


def _beyond(found: Sequence[Kept]) -> str:
    """The systems whose training had no such length: one sentence, or an empty string."""
    names = [code(k.trace.name) for k in found if (k.trace.max_train_words or math.inf) < k.trace.last]
    return f" That is beyond the training length of {listed(names)}." if names else ""


def verdicts(results: Results, figures: Sequence[PublishedFigure]) -> Iterable[str]:
    """Compares the systems trained on the longest sentences with the published ones of their kind, and the two kinds
    with each other."""
    figures = [figure for figure in figures if figure.source.length == "source_words"]
    kinds: tuple[Kind, Kind] = ("no attention", "attention")
    mine = {
        kind: [k for s in ours(results, [kind]) if s in longest(results) and (k := kept(measured(results, s)))]
        for kind in kinds
    }
    theirs = {kind: [k for figure in figures for k in _longest_trained(figure, kind)] for kind in kinds}
    for kind, systems in mine.items():
        if not systems or not theirs[kind]:
            continue
        low, high = min(k.percent for k in theirs[kind]), max(k.percent for k in theirs[kind])
        told = {"less than that": [], "within that, or not shown to be outside": [], "more than that": []}
        for k in systems:
            where = 0 if (k.high or 0) < low else 2 if (k.low or 0) > high else 1
            list(told.values())[where].append(f"{code(k.trace.name)} {k.percent} % [{k.low}, {k.high}]")
        ranged = f"{low} %" if low == high else f"{low} to {high} %"
        yield (
            f"The published systems of the kind *{kind}* keep {ranged} of their best "
            f"({listed([f'{code(k.trace.label)} at {k.at}' for k in theirs[kind]])}). Here, at {systems[0].at}, "
            f"{'; '.join(f'{verdict}: {listed(names)}' for verdict, names in told.items() if names)}."
        )
    agree = [figure for figure in figures if _attention_keeps_more(figure)]
    if not agree or not mine["no attention"]:
        return
    base, papers = mine["no attention"][0], listed([titled(figure.source) for figure in agree])
    for k in mine["attention"]:
        names = f"{code(k.trace.name)} keeps", f"of its best than {code(base.trace.name)}"
        if (k.low or 0) > (base.high or 0):
            yield f"As in {papers}, {names[0]} more {names[1]}."
        elif (k.high or 0) < (base.low or 0):
            yield f"**Against {papers}**, {names[0]} less {names[1]}, and there the system with attention keeps more."
        else:
            yield (
                f"In {papers} the system with attention keeps more of its best; that {names[0]} more {names[1]} is not "
                "shown here, since the intervals meet."
            )


def _longest_trained(figure: PublishedFigure, kind: Kind) -> list[Kept]:
    """The systems of a kind trained on the longest sentences."""
    curves = [curve for curve in figure.curves if curve.kind == kind]
    most = max((curve.max_train_words or 0 for curve in curves), default=0)
    traces = (published(figure.source, curve) for curve in curves if (curve.max_train_words or 0) == most)
    return [k for trace in traces if (k := kept(trace))]


def _attention_keeps_more(figure: PublishedFigure) -> bool:
    without, with_it = (_longest_trained(figure, kind) for kind in ("no attention", "attention"))
    return bool(without and with_it) and min(k.percent for k in with_it) > max(k.percent for k in without)
