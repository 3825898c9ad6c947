"""The report of one experiment: report.md, report.html, by_length.csv and the figures, from the result files in git.

Nothing is trained, translated or scored here. The same inputs give the same bytes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lookback import config
from lookback.evaluation.systems import SPARSE
from lookback.evaluation.tables import write_rows
from lookback.published.reading import read as read_published
from lookback.rendering import figures
from lookback.rendering.chart import Chart
from lookback.rendering.chart import table as numbers
from lookback.rendering.html import document, inline_svg, render
from lookback.report import charts, claims, interactive, probes, prose, published, sentences, tables
from lookback.report.results import Results, read

TEMPLATES = Path(__file__).parent / "templates"
EVERY_SENTENCE = "every-sentence.html"


@dataclass(frozen=True)
class Picture:
    """A figure in all forms that the templates need."""

    name: str
    title: str
    """A short title."""
    caption: str
    alternative: str
    """The text alternative: its content in words, with all its numbers."""
    svg: Markup | None
    """Only for an alignment; the script of the page draws charts."""
    files: dict[str, str]
    """Format to path, relative to the report; `csv` has the numbers."""
    chart: Chart | None
    """The chart, unless the figure is an alignment."""


def write(
    experiment: config.Experiment,
    results: Path,
    settings: config.Report,
    every: Mapping[str, Sequence[dict[str, Any]]] | None = None,
) -> None:
    """Write the report of one experiment into the folder that holds its results.

    Reads `results`/corpus.json and `results`/runs/<run>/ of exactly the runs of the grid. Writes by_length.csv (the
    rows of all runs), report.md, report.html (one self-contained file) and figures/ into `results`. `every` has all
    test sentences by the name of the run, in the form of examples.json. With it, every-sentence.html is written too:
    the same page with all sentences.

    Raises:
        LookbackError: a result file is missing or malformed; runs were scored on different test sets or with different
            signatures; the style is unknown. In these cases nothing is written.
    """
    found = read(experiment, results)
    context = _context(found)
    with figures.styled(settings):
        pictures = _pictures(found, context["published"], settings)
    written = {name: data for picture, files in pictures for name, data in files.items()}
    context["pictures"] = {picture.name: picture for picture, _ in pictures}
    context["probes"] = [
        (section, [picture for picture, _ in pictures if picture.name in section.charts])
        for section in probes.sections(found)
    ]
    context["alignments"] = [picture for picture, _ in pictures if picture.name.startswith("alignment")]
    pages = {"report.html": sentences.examples(found)}
    if every:
        pages[EVERY_SENTENCE] = sentences.examples(found, every=every)
    drawn = {picture.name: picture.chart for picture, _ in pictures if picture.chart}
    told = context | {"examples": pages["report.html"], "few": sentences.few(found, pages["report.html"])}
    markdown = render("report.md.j2", told | {"page": False, "parts": "parts.md.j2"}, TEMPLATES)
    texts = {"report.md": re.sub(r"\n{3,}", "\n\n", markdown)}
    for name, examples in pages.items():
        told = context | {"examples": examples, "page": True, "parts": "parts.html.j2"}
        opening, body, contents = document(render("report.md.j2", told, TEMPLATES))
        told |= {"opening": opening, "body": body, "contents": contents}
        texts[name] = render("report.html.j2", told | {"data": interactive.data(found, drawn, examples)}, TEMPLATES)

    folder = results / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():  # figures of sentences or formats that are no longer drawn
        if old.name not in written and old.suffix.removeprefix(".") in (*figures.FORMATS, "csv"):
            old.unlink()
    for name, content in written.items():
        (folder / name).write_bytes(content)
    write_rows(results / "by_length.csv", (row for run in found.runs for row in run.rows))
    for name, text in texts.items():
        (results / name).write_text(text, encoding="utf-8")


def _context(results: Results) -> dict[str, Any]:
    """The variables of the templates, except the pictures."""
    quality = tables.quality(results)
    return {
        "results": results,
        "experiment": results.experiment,
        "headline": claims.headline(results),
        "measured": prose.measured(results),
        "models": prose.models(results),
        "statements": claims.statements(results),
        "reading": prose.reading(results),
        "quality": [*quality, *tables.comparisons(results)],
        "joined": tables.joined(results),
        "joined_statements": claims.joined_statements(results),
        "published": published.section(results, read_published()),
        "comparison": prose.comparison(results),
        "fairness": tables.fairness(results),
        "numbers": {system.name: number for number, system in enumerate(results.systems)},
        "longest": max(system.max_train_words for system in results.systems),
        "watched": sentences.watched(results),
        "corpus": tables.corpus(results.corpus),
        "sources": tables.sources(results),
        "provenance": [tables.runs(results), *tables.provenance(results)],
        "signatures": results.signatures,
        "limits": prose.limits(results),
        "commands": {
            "whole": f"dvc repro report@{results.experiment.name}",
            "again": f"python -m pipeline.report --experiment {results.experiment.name}",
        },
    }


# --- pictures ---------------------------------------------------------------------------------------------------------


def _pictures(
    results: Results, beside: published.Section, settings: config.Report
) -> list[tuple[Picture, dict[str, bytes]]]:
    """Every figure of the report, with its files."""
    seeds, thin = "", ""
    if len(results.seeds) > 1:
        thin = " Thin lines: the other seeds."
        seeds = f" Lines join the means of {len(results.seeds)} seeds; a seed outside the marker of its mean is a dot."
    sparse = any(0 < results.n(bucket) < SPARSE for bucket in results.buckets)
    marks = f" †: fewer than {SPARSE} sentences." if sparse else ""
    percent = f"{100 * results.experiment.evaluate.confidence:g} %"
    drawn: list[tuple[str, str, str, Chart | list[figures.Alignment]]] = [
        (
            "length",
            f"BLEU against source length. Bars: {percent} bootstrap intervals.{seeds} Vertical lines: the longest "
            f"sentence that a system was trained on.{marks}",
            prose.alternative(results, "bleu", "BLEU"),
            charts.length(results),
        ),
        (
            "curves",
            f"Validation loss during training. The marker is the lowest point: the weights that were used.{thin}",
            prose.alternative_of_curves(results),
            charts.curves(results),
        ),
    ]
    if any(row["reference_loss"] is not None for run in results.runs for row in run.by_bucket.values()):
        drawn.append(
            (
                "loss",
                "Loss on the references against source length (nats per target piece): what the model knows, without "
                f"the search.{seeds}",
                prose.alternative(results, "reference_loss", "Loss on the references", 2),
                charts.length(results, "reference_loss"),
            )
        )
    drawn += [(panel.name, panel.caption, panel.alternative, panel.chart) for panel in beside.panels]
    for section in probes.sections(results):
        for name, it in section.charts.items():
            caption = f"{it.caption} Bands: {percent} bootstrap intervals."
            drawn.append((name, caption, it.alternative(results), charts.probe(results, it.measure)))
    for number, sentence in enumerate(sentences.aligned(results), start=1):
        drawn.append(
            (
                f"alignment-{number}",
                f"Where the decoder looks ({sentence.label}, {sentence.words} words): a row for each target piece, "
                "darker for more weight. Of a Transformer: the cross-attention of its last layer, averaged over heads.",
                f"Alignments of {claims.listed([item.system for item in sentence.items])} for: {sentence.source}",
                list(sentence.items),
            )
        )
    return [_picture(*item, settings) for item in drawn]


def _picture(
    name: str, caption: str, alternative: str, of: Chart | list[figures.Alignment], settings: config.Report
) -> tuple[Picture, dict[str, bytes]]:
    svg = chart = None
    if isinstance(of, Chart):
        figure, table, chart = figures.draw(of, settings.width_inches), numbers(of), of
        title = f"{of.y.label} by {of.x.label}"
    else:
        figure, table, title = figures.alignments(of, settings.width_inches), figures.table(of), "Alignments"
        svg = inline_svg(figures.save(figure, "svg", settings.dpi, text_as_paths=False), f"{name}-", alternative)
    files = {f"{name}.{kind}": figures.save(figure, kind, settings.dpi) for kind in settings.formats}
    files[f"{name}.csv"] = table.encode()
    picture = Picture(
        name=name,
        title=title,
        caption=caption,
        alternative=alternative,
        svg=svg,
        files={file.rsplit(".", 1)[-1]: f"figures/{file}" for file in files},
        chart=chart,
    )
    return picture, files
