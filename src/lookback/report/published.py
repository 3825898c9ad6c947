"""The report's section on published scores: charts, tables, and a list of what differs from the experiment."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lookback.config import Words
from lookback.data.testsets import KNOWN
from lookback.evaluation.systems import SPARSE, System
from lookback.published.reading import Literature, PublishedFigure, PublishedTable, Source
from lookback.rendering.table import Table
from lookback.rendering.wording import decimal, escape_markdown, integer, interval, listed
from lookback.report.claims import longest
from lookback.report.prose import direction
from lookback.report.published_curves import SHORT, Panel, all_kept, in_words, ours, panels, same_test, titled, verdicts
from lookback.report.results import Results
from lookback.stats.buckets import ALL_LENGTHS


@dataclass(frozen=True)
class Section:
    introduction: str
    panels: tuple[Panel, ...]
    kept: tuple[str, ...]
    """The share of its best that each system keeps, published and here."""
    verdicts: tuple[str, ...]
    """Whether published and measured agree."""
    differences: tuple[str, ...]
    tables_introduction: str
    tables: tuple[Table, ...]


def section(results: Results, literature: Literature) -> Section:
    """The report's section on published scores."""
    same = [figure for figure in literature.figures if same_test(results.experiment, figure.source)]
    tables = [t for t in literature.tables if t.source.experiment in ("", results.experiment.name)]
    return Section(
        introduction=introduction(results, same),
        panels=tuple(panels(results, literature.figures)),
        kept=tuple(all_kept(results, literature.figures)),
        verdicts=tuple(verdicts(results, literature.figures)),
        differences=tuple(differences(results, [item.source for item in (*literature.figures, *tables)])),
        tables_introduction=tables_introduction(results, tables),
        tables=tuple(table(results, published) for published in tables),
    )


def introduction(results: Results, same: Sequence[PublishedFigure]) -> str:
    """Which curves share the axes of BLEU, and which are shown as shapes."""
    shape = (
        "a percent of its own best, which tells how a system falls with length and nothing of how well it translates. "
        f"Lengths of up to {SHORT} are left out, in the search for the best too"
    )
    percent = f"{100 * results.experiment.evaluate.confidence:g} %"
    drawn = (
        f"The papers print no intervals and counts for their curves, in gray. Here bands are {percent} bootstrap "
        f"intervals of BLEU, and only buckets of {SPARSE} sentences or more are drawn, each at its middle."
    )
    if not same:
        return (
            f"No paper here has this test set, so BLEU cannot be compared with theirs: each curve is {shape}. {drawn}"
        )
    n, texts = integer(results.n(ALL_LENGTHS)), [f"{titled(it.source)} ({it.source.test_set})" for it in same]
    tokens = "in tokens, as near to theirs as can be" if results.legacy_signature else "not in their tokens"
    return (
        f"BLEU stands on the axes of {listed(texts)}: that is the test set translated here ({n} sentences). It is "
        f"measured {tokens}, and more differs (below). Each curve of other papers is {shape}. {drawn}"
    )


# --- tables -----------------------------------------------------------------------------------------------------------


def tables_introduction(results: Results, tables: Sequence[PublishedTable]) -> str:
    """Says which tables can be compared with the scores of this experiment."""
    groups = [[t for t in tables if same_test(results.experiment, t.source) is wanted] for wanted in (True, False)]
    same, other = ([titled(t.source) for t in group if not t.source.experiment] for group in groups)
    texts = []
    if same:
        texts.append(
            f"{listed(same)}: the test set of this experiment; compare tokenised BLEU with tokenised BLEU, where it "
            "was measured, and mind what differs."
        )
    if other:
        whose = "The other tables are not" if same else "These tables are not"
        texts.append(
            f"{whose} comparable with the scores here: other sentences were translated, and most of what is listed "
            "above differs too. Rows marked *here* only stand beside them."
        )
    return " ".join(texts)


def table(results: Results, published: PublishedTable) -> Table:
    """A published table, with rows for the systems of this experiment that are of its kinds.

    If the test set differs, only the systems trained on the longest sentences are added. If the table names our models,
    each is placed under the row that it repeats.
    """
    source, columns = published.source, published.columns
    rows: list[tuple[str, ...]] = []
    mine = ours(results, {entry.kind for entry in published.entries})
    same = same_test(results.experiment, source)
    if not same:
        mine = [system for system in mine if system in longest(results)]
    by_row: dict[str, dict[str, str]] = {}
    for entry in published.entries:
        by_row.setdefault(entry.system, {})[entry.column] = entry.text
    models = {entry.system: entry.model for entry in published.entries}
    for name, numbers in by_row.items():
        rows.append((name, *(numbers.get(column, "–") for column in columns)))
        if models[name]:
            rows += [_here(results, s, published, "bleu") for s in mine if s.model == models[name]]
    if not any(models.values()):
        rows += [_here(results, system, published, "bleu") for system in mine]
        if same and results.legacy_signature:
            rows += [_here(results, system, published, "legacy_bleu") for system in mine]
    note = f"{source.paper}. Read: {source.read}. Published: {source.scoring}; {source.test_set}. {source.note}".strip()
    if mine:
        known = results.n(ALL_LENGTHS, subset=KNOWN)
        without = f", {integer(known)} of them without unknown words" if known and source.bleu_known else ""
        note += f" Here: sacreBLEU of detokenised text; {integer(results.n(ALL_LENGTHS))} sentences{without}."
    title = f"{source.title}: {source.source_language}–{source.target_language}"
    return Table(f"published-{_stem(title)}", title, ("system", *columns), tuple(rows), note, folded=True)


def _stem(title: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())


def _here(results: Results, system: System, published: PublishedTable, metric: str) -> tuple[str, ...]:
    """The row of one system, with a dash in columns that are not measured here."""
    source, runs = published.source, results.of(system)

    def mean(key: str) -> float:
        values = [run.get(key) for run in runs]
        return math.fsum(values) / len(values) if values and None not in values else math.nan

    found = {
        source.bleu: interval(results.score(system, ALL_LENGTHS, metric)),
        source.bleu_known: interval(results.score(system, ALL_LENGTHS, metric, subset=KNOWN)),
        source.perplexity: decimal(math.exp(mean("valid_loss")), 2),
        source.parameters: decimal(mean("parameters") / 1e6),
    }
    tokens = ", Moses tokens" if metric == "legacy_bleu" else ""
    return f"here: {system.name}{tokens}", *(found.get(column, "–") for column in published.columns)


# --- what differs -----------------------------------------------------------------------------------------------------


def differences(results: Results, sources: Sequence[Source]) -> Iterable[str]:
    """The differences other than the models between this experiment and each paper; ours first."""
    yield f"**Here**: {_facts(_ours(results))}"
    for work in sorted({source.work for source in sources}):
        mine = [source for source in sources if source.work == work]
        told = {
            "training text": [s.training_text for s in mine],
            "model": [s.model for s in mine],
            "unknown words": [s.unknown_words for s in mine],
            "budget": [s.budget for s in mine],
            "translated": [f"{s.source_language}–{s.target_language}, {s.test_set}" for s in mine],
            "scores": [s.scoring for s in mine],
            "lengths": [f"{in_words(s.length)}, {s.lengths}" for s in mine if s.length],
        }
        yield f"**{escape_markdown(work)}**: {_facts({key: map(escape_markdown, t) for key, t in told.items()})}"


def _facts(told: dict[str, Iterable[str]]) -> str:
    """`training text: …; model: …`; repeated and unknown facts are left out."""
    known = {key: [text for text in dict.fromkeys(texts) if text] for key, texts in told.items()}
    return "; ".join(f"*{key}* {' / '.join(texts)}" for key, texts in known.items() if texts) + "."


def _ours(results: Results) -> dict[str, Iterable[str]]:
    experiment, corpus = results.experiment, results.corpus
    pairs = (corpus.get("pairs") or {}).get("train")
    words = (corpus.get("words") or {}).get("train", {}).get("source", {}).get("total")
    text = escape_markdown(experiment.title)
    if pairs:
        text += f", {integer(pairs)} pairs" + (f" with {integer(words)} source words" if words else "")
    sizes = {run.get("parameters") for run in results.networks} - {None}
    tokens = {run.get("target_tokens") for run in results.networks} - {None}
    vocabulary = f"{integer(experiment.tokenize.vocabulary_size)} entries"
    are_words = isinstance(experiment.tokenize, Words)
    scores = f"sacreBLEU {results.signatures['BLEU']}"
    if results.legacy_signature:
        scores += f", and BLEU of tokens, {results.legacy_signature}"
    return {
        "training text": [text],
        "model": [f"{_range(sizes, 1e6)} million parameters"] if sizes else [],
        "unknown words": [f"a vocabulary of {vocabulary} a language" if are_words else f"none: {vocabulary} of pieces"],
        "budget": [f"{_range(tokens, 1e6)} million target tokens a model"] if tokens else [],
        "translated": [f"{direction(experiment)}, {integer(results.n(ALL_LENGTHS))} sentences"],
        "scores": [escape_markdown(scores)],
        "lengths": ["source words, in buckets whose bounds are in the tables"],
    }


def _range(values: set[float], unit: float) -> str:
    low, high = decimal(min(values) / unit), decimal(max(values) / unit)
    return low if low == high else f"{low} to {high}"
