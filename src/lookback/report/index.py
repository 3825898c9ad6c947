"""All experiments at a glance, index.html: the headline, the figure of BLEU by length, and the facts of each.

Made from the result files in git, as the reports are. The same inputs give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lookback import config
from lookback.config import Experiment, FilesCorpus, FragmentCorpus
from lookback.rendering import figures, wording
from lookback.rendering.html import inline_svg, render
from lookback.report import charts, claims, prose
from lookback.report.page import TEMPLATES
from lookback.report.results import Results
from lookback.stats.buckets import ALL_LENGTHS

INCHES = 3.7
"""Width of the pictures."""


@dataclass(frozen=True)
class Further:
    """A page that does not belong to an experiment."""

    title: str
    text: str
    link: str
    """Relative to the index."""
    picture: bytes | None = None
    """SVG."""
    alternative: str = ""


def write(
    folder: Path,
    experiments: Sequence[Results],
    others: Sequence[Experiment],
    further: Sequence[Further],
    settings: config.Report,
) -> None:
    """Write index.html, one self-contained file, into the folder that holds the experiments' folders.

    Args:
        folder: the folder to write to; the index links to its `<experiment>/report.html` and `<experiment>/report.md`.
        experiments: results of the experiments that have a report.
        others: the experiments without a report, which are listed by name and title.
        further: other pages to link to.
        settings: the look of the figures, which are always SVG, and narrow.
    """
    largest_first = sorted(experiments, key=lambda results: (-len(results.runs), results.experiment.name))
    with figures.styled(settings):
        shown = [_entry(results, settings.dpi) for results in largest_first]
    groups = {
        "Architectures against each other": [entry for entry in shown if entry["architectures"] > 1],
        "One architecture, varied": [entry for entry in shown if entry["architectures"] == 1],
    }
    context = {
        "groups": {heading: entries for heading, entries in groups.items() if entries},
        "others": sorted(others, key=lambda experiment: experiment.name),
        "further": [
            (page, inline_svg(page.picture, f"further-{number}-", page.alternative) if page.picture else "")
            for number, page in enumerate(further)
        ],
    }
    (folder / "index.html").write_text(render("index.html.j2", context, TEMPLATES), encoding="utf-8")


def _entry(results: Results, dpi: int) -> dict[str, Any]:
    experiment = results.experiment
    models = list(dict.fromkeys(experiment.grid.models))
    return {
        "name": experiment.name,
        "title": experiment.title,
        "headline": claims.headline(results),
        "picture": _picture(results, dpi),
        "architectures": len({experiment.models[model].architecture for model in models}),
        "facts": {
            "corpus": _corpus(results),
            "models": claims.listed([claims.code(model) for model in models]),
            "trained on": f"up to {claims.listed(sorted(set(experiment.grid.max_train_words)))} words",
            "test": f"{wording.integer(results.n(ALL_LENGTHS))} sentences",
            "seeds": str(len(results.seeds)),
        },
    }


def _picture(results: Results, dpi: int) -> Markup:
    drawn = figures.save(figures.draw(charts.length(results), INCHES), "svg", dpi, text_as_paths=False)
    systems = claims.listed([system.name for system in results.systems])
    alternative = f"BLEU against source length of {systems}; the report has the numbers."
    return inline_svg(drawn, f"{results.experiment.name}-", alternative)


def _corpus(results: Results) -> str:
    """The corpus in a few words."""
    corpus = results.experiment.corpus
    if isinstance(corpus, FragmentCorpus):
        name = "the built-in fragment"
    elif isinstance(corpus, FilesCorpus):
        name = f"local text, {claims.code(Path(corpus.root).name)}"
    else:
        name = f"{claims.code(f'{corpus.repository} {corpus.configuration}')} from the Hub"
    pairs = wording.integer(results.corpus.get("pairs", {}).get("train"))
    return f"{name}, {prose.direction(results.experiment)}, {pairs} training pairs"
