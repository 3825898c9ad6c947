"""The report of one experiment: report.md, report.html, by_length.csv and the figures, from the result files in git.

Nothing is trained, translated or scored here. The same inputs give the same bytes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from lookback import config
from lookback.report import (
    charts,
    claims,
    figures,
    interactive,
    probes,
    prose,
    published,
    sentences,
    tables,
)
from lookback.report.charts import Chart
from lookback.report.results import SPARSE, Results, read
from lookback.scoring import write_rows

TEMPLATES = Path(__file__).parent / "templates"
EVERY_SENTENCE = "every-sentence.html"


@dataclass(frozen=True)
class Picture:
    """A figure in every form that the templates need."""

    name: str
    caption: str
    alternative: str
    """What it shows, in words with all its numbers, for those who do not see it."""
    svg: Markup
    files: dict[str, str]
    """Format to path, relative to the report; `csv` has the numbers."""
    chart: Chart | None
    """What is drawn, if it is a chart and no alignment."""


def write(
    experiment: config.Experiment,
    results: Path,
    settings: config.Report,
    every: Mapping[str, Sequence[dict[str, Any]]] | None = None,
) -> None:
    """Write the report of one experiment into the folder that holds its results.

    Reads `results`/corpus.json and `results`/cells/<cell>/ of exactly the cells of the grid. Writes there by_length.csv
    (the rows of all cells), report.md, report.html (one file that needs nothing else) and figures/; with `every`, which
    has all test sentences by the name of the cell in the form of examples.json, also every-sentence.html: the same page
    with these.

    Raises:
        LookbackError: a result file is missing or malformed; cells were scored on different test sets or with
            different signatures; the style is unknown. Nothing has been written then.
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
    texts = {"report.md": render("report.md.j2", context | {"examples": pages["report.html"]})}
    for name, examples in pages.items():
        data = interactive.data(found, drawn, examples)
        texts[name] = render("report.html.j2", context | {"examples": examples, "data": data})

    folder = results / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():  # figures of sentences or formats that are no longer drawn
        if old.name not in written and old.suffix.removeprefix(".") in (*figures.FORMATS, "csv"):
            old.unlink()
    for name, content in written.items():
        (folder / name).write_bytes(content)
    write_rows(results / "by_length.csv", (row for cell in found.cells for row in cell.rows))
    for name, text in texts.items():
        (results / name).write_text(text, encoding="utf-8")


def _context(results: Results) -> dict[str, Any]:
    """All that the templates say, but for the pictures."""
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
        "published": published.section(results, published.read()),
        "comparison": prose.comparison(results),
        "fairness": tables.fairness(results),
        "numbers": {system.name: number for number, system in enumerate(results.systems)},
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
    """Every figure of the report, with the files to write of it."""
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
    if any(row["reference_loss"] is not None for cell in results.cells for row in cell.by_bucket.values()):
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
    if isinstance(of, Chart):
        figure, table, chart = figures.draw(of, settings.width_inches), charts.table(of), of
    else:
        figure, table, chart = figures.alignments(of, settings.width_inches), figures.table(of), None
    files = {f"{name}.{kind}": figures.save(figure, kind, settings.dpi) for kind in settings.formats}
    files[f"{name}.csv"] = table.encode()
    svg = figures.save(figure, "svg", settings.dpi, text_as_paths=False)
    picture = Picture(
        name=name,
        caption=caption,
        alternative=alternative,
        svg=inline_svg(svg, f"{name}-", alternative),
        files={file.rsplit(".", 1)[-1]: f"figures/{file}" for file in files},
        chart=chart,
    )
    return picture, files


def inline_svg(svg: bytes, prefix: str, alternative: str) -> Markup:
    """An SVG file as an element of an HTML page: ids of its own, a text alternative, the width of its container."""
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*\n\s*", "\n", text)
    text = re.sub(r"; font-family: [^;\"]*", "", text)  # one for the whole page, in its style sheet
    # Of the ids only those that something points to, and no groups that say nothing: a third of the page.
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r'\sid="([^"]*)"', lambda match: match[0] if match[1] in used else "", text)
    text = _without_plain_groups(text)
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'href="#|url\(#', rf"\g<0>{prefix}", text)
    # A tenth of a point cannot be seen; six decimals, and blanks between commands, can, in the size of the page.
    text = re.sub(r'\s(?:d|transform)="[^"]*"', lambda match: re.sub(r"(\.\d)\d+", r"\1", match[0]), text)
    text = re.sub(r'\sd="[^"]*"', lambda match: re.sub(r"\s*([MLQCz])\s*", r"\1", match[0]), text)
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height|version|xmlns)="[^"]*"', "", head)
    return Markup(f'{head} role="img" aria-label="{escape(alternative)}">{rest}')


def _without_plain_groups(svg: str) -> str:
    """Without the tags of groups that have no attribute, and so do nothing."""
    kept: list[bool] = []

    def tag(match: re.Match[str]) -> str:
        if match[0].endswith("/>"):
            return "" if match[0] == "<g/>" else match[0]
        if match[0] == "</g>":
            return match[0] if kept.pop() else ""
        kept.append(match[0] != "<g>")
        return match[0] if kept[-1] else ""

    return re.sub(r"\n\n+", "\n", re.sub(r"<g\b[^>]*>|</g>", tag, svg))


# --- templates --------------------------------------------------------------------------------------------------------


def render(template: str, context: dict[str, Any], folder: Path = TEMPLATES) -> str:
    """A template of `folder` or of this package, filled in; in HTML whatever is not marked up here is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, TEMPLATES], encoding="utf-8"),
        autoescape=template.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"inline": inline_html, "md": claims.escape_markdown, "code": code}
    environment.filters |= {"breakable": breakable, "cell": table_cell}
    return environment.get_template(template).render(context)


def inline_html(text: str) -> Markup:
    """Our own sentences, which mark names with backticks and weight with asterisks, as HTML.

    What `claims.escape_markdown` has escaped stays a character here too.
    """
    html = re.sub(r"\\(&\w+;|[\\`*|~$_\]])", lambda match: f"&#{ord(unescape(match[1]))};", str(escape(text)))
    html = re.sub(r"`([^`]+)`", lambda match: f"<code>{breakable(match[1])}</code>", html)
    html = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", html)
    return Markup(re.sub(r"\*([^*]+)\*", r"<em>\1</em>", html))


def breakable(text: str) -> Markup:
    """Text that may be broken after an underscore, so that long names fit narrow columns."""
    return Markup(str(escape(text)).replace("_", "_<wbr>"))


def table_cell(text: str) -> Markup:
    """A cell of a table; an interval stands on a line of its own."""
    return Markup(re.sub(r" (\[.*\])$", r'<span class="interval"> \1</span>', str(escape(text))))


def code(text: str) -> str:
    """Text as Markdown code, whatever it holds."""
    text = " ".join(str(text).split())
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
