"""The tables of the report, as plain text cells; the templates turn them into HTML and Markdown."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from lookback.data.testsets import ALONE, KNOWN, joined_name
from lookback.evaluation.systems import SPARSE, Score, System
from lookback.rendering.table import Table
from lookback.rendering.wording import decimal, integer, interval, share, signed
from lookback.report.columns import COLUMNS, OF_SENTENCES, known, note
from lookback.report.prose import speed_ratio
from lookback.report.results import Results, flatten
from lookback.stats.buckets import ALL_LENGTHS, Bucket

# --- quality ----------------------------------------------------------------------------------------------------------


def quality(results: Results) -> list[Table]:
    """BLEU by length, and folded tables that help to understand it. Blank tables are left out."""
    bleu = _by_bucket(results, "bleu", "BLEU", _cell(results, "bleu"), note(results, "bleu"))
    others = [_others(results)] if set(known(results)) - {"bleu"} else []
    seeds = [_seeds(results)] if len(results.seeds) > 1 else []
    return [*_filled([bleu]), *others, *_filled([*seeds, *_known(results)])]


def _others(results: Results) -> Table:
    """All measures except BLEU, at the longest length with enough sentences; the chart has them by length."""
    usable = [bucket for bucket in results.buckets if results.n(bucket) >= SPARSE]
    bucket = usable[-1] if usable else ALL_LENGTHS
    names = [name for name in known(results) if name != "bleu"]
    notes = [(COLUMNS[name].title, note(results, name).removesuffix(".")) for name in names]
    told = [f"{title}: {text}." for title, text in notes if text != OF_SENTENCES.removesuffix(".")]
    return Table(
        name="measures",
        title=f"Other measures {'over all lengths' if bucket.is_all else f'at {bucket} source words'}",
        columns=("measure", *(system.name for system in results.systems)),
        rows=tuple(
            (COLUMNS[name].title, *(_cell(results, name)(system, bucket) for system in results.systems))
            for name in names
        ),
        note=f"{' '.join(told)} Other shares are of the sentences.",
        folded=True,
        page_only=True,
    )


def _cell(results: Results, name: str, subset: str = "all") -> Callable[[System, Bucket], str]:
    return lambda system, bucket: COLUMNS[name].told(results.score(system, bucket, name, subset=subset))


def _filled(tables: Iterable[Table]) -> list[Table]:
    return [table for table in tables if any(cell != "–" for row in table.rows for cell in row[2:])]


def _known(results: Results) -> list[Table]:
    """The sentences without unknown words, with both kinds of BLEU."""
    about = (
        "Only those test sentences that have no unknown word in source and reference, translated with the unknown word "
        'banned in the search (in Bahdanau et al. 2015 the column "No UNK"). They are not all sentences, so this '
        "table and that of all differ by more than the search."
    )
    named = (("", "bleu"), (", BLEU as the papers score", "legacy_bleu"))
    return [
        _by_bucket(
            results,
            f"known-{column}",
            f"Without unknown words{title}",
            _cell(results, column, KNOWN),
            f"{about} {note(results, column)}",
            KNOWN,
        )
        for title, column in named
    ]


def _by_bucket(
    results: Results, name: str, title: str, cell: Callable[[System, Bucket], str], note: str, subset: str = "all"
) -> Table:
    return Table(
        name=name,
        title=title,
        columns=("source words", "n", *(system.name for system in results.systems)),
        rows=tuple(
            (str(bucket), count(results, bucket, subset=subset), *(cell(system, bucket) for system in results.systems))
            for bucket in (*results.buckets, ALL_LENGTHS)
        ),
        note=note,
        folded=name != "bleu",
    )


def count(results: Results, bucket: Bucket, test_set: str = "test", subset: str = "all") -> str:
    n = results.n(bucket, test_set, subset)
    return integer(n) + _mark(n)


def _mark(n: int) -> str:
    return " †" if 0 < n < SPARSE else ""


def _seeds(results: Results) -> Table:
    def cell(system: System, bucket: Bucket) -> str:
        return " / ".join(decimal(value) for value in results.score(system, bucket).seeds)

    seeds = ", ".join(str(seed) for seed in results.seeds)
    return _by_bucket(results, "seeds", "BLEU of each seed", cell, f"In the order of the seeds {seeds}.")


# --- tests between systems --------------------------------------------------------------------------------------------


def comparisons(results: Results) -> list[Table]:
    """Falls of each system, and differences between systems; empty if nothing was compared."""
    if not results.comparisons:
        return []
    return [table for table in (_falls(results), _differences(results)) if table.rows]


def _falls(results: Results) -> Table:
    def cell(measure: str, system: System) -> str:
        row = results.comparison(measure, system)
        if not row:
            return "–"
        if measure == "slope":
            return signed(row)
        return signed(row, f" ({Bucket(row['bucket_low'], row['bucket_high'])}{_mark(row['n'])})")

    measures = ("slope", "capacity", "extrapolation")
    sparse = any(0 < results.n(bucket) < SPARSE for bucket in results.buckets)
    return Table(
        name="falls",
        title="How BLEU falls with length, inside and beyond the training length",
        columns=("system", "BLEU for ten words more", "fall inside (capacity)", "fall beyond (extrapolation)"),
        rows=tuple(
            (system.name, *(cell(measure, system) for measure in measures))
            for system in results.systems
            if results.comparison("slope", system)
        ),
        note="The first is the slope of a line through all buckets. A fall is the score of a bucket less that of a "
        "longer one, in brackets the words from one to the other: inside, from the second bucket (of two, the first) "
        "to the last within the training length; beyond, from there to the last of all"
        + (f" († where one has fewer than {SPARSE} sentences). " if sparse else ". ")
        + _covers(results),
    )


def _differences(results: Results) -> Table:
    """The differences between systems of the same training length."""
    buckets = (*results.buckets, ALL_LENGTHS)
    level = 1 - results.experiment.evaluate.confidence

    def cell(pair: tuple[System, System], bucket: Bucket) -> str:
        row = results.comparison("difference", *pair, bucket)
        p = row.get("p") if bucket.is_all else row.get("p_corrected")
        sparse = results.n(bucket) < SPARSE  # no statement is made from these buckets, and a star is a statement
        return signed(row, " *" if p is not None and p < level and not sparse else "")

    def growth(pair: tuple[System, System]) -> str:
        row = results.comparison("gap_growth", *pair)
        return signed(row, " *" if row and row["p"] is not None and row["p"] < level else "")

    pairs = [
        (other, base)
        for base, other in combinations(results.systems, 2)
        if base.max_train_words == other.max_train_words and results.comparison("difference", other, base)
    ]
    return Table(
        name="differences",
        title="Differences between systems of one training length",
        columns=("less", *(f"{bucket}{_mark(results.n(bucket))}" for bucket in buckets), "for ten words more"),
        rows=tuple(
            (f"{pair[0].name} − {pair[1].name}", *(cell(pair, bucket) for bucket in buckets), growth(pair))
            for pair in pairs
        ),
        note="BLEU of the first less that of the second, by source words, on the same resampled sentences; in the last "
        f"column how the difference changes. *: p < {level:g} in a two-sided bootstrap test (Riezler and Maxwell "
        "2005), corrected over the buckets of a pair (Holm 1979), not over pairs; never of fewer than "
        f"{SPARSE} sentences (†). All pairs, chrF and p stand in comparisons.csv. " + _covers(results),
        folded=True,
        page_only=True,
    )


def _covers(results: Results) -> str:
    """What the intervals are over."""
    seeds = len(results.seeds)
    over = "sentences, not over training runs" if seeds == 1 else f"sentences and the {seeds} seeds"
    return f"{100 * results.experiment.evaluate.confidence:g} % intervals are over {over}."


def joined(results: Results) -> list[Table]:
    """The same sentences alone and joined; empty if there are no such sets."""
    if not results.joined:
        return []
    versions = [
        (number, subset) for number in results.joined for subset in (("all",) if number == 1 else ("all", ALONE))
    ]

    def table(name: str, title: str, cell: Callable[[Score], str], metric: str, note: str) -> Table:
        rows = []
        for number, subset in versions:
            where = (ALL_LENGTHS, metric, joined_name(number), subset)
            header = f"{number}{', translated one by one' * (subset == ALONE)}"
            n = count(results, ALL_LENGTHS, joined_name(number), subset)
            rows.append((header, n, *(cell(results.score(system, *where)) for system in results.systems)))
        columns = ("sentences a line", "n", *(system.name for system in results.systems))
        return Table(name, title, columns, tuple(rows), note, folded=True, page_only=True)

    settings = results.experiment.test_sets.joined
    words = f" of at most {settings.max_words} source words" if settings else ""
    sentences = results.n(ALL_LENGTHS, joined_name(1))
    return [
        table(
            "joined",
            "The same sentences, alone and joined",
            interval,
            "bleu",
            f"BLEU. In every row the same {sentences} test sentences{words}, joined by a space in source and reference "
            "(Varis and Bojar 2021); n counts lines. One by one: the translations of the first row, joined afterwards, "
            "against the same references. BLEU counts n-grams across the seams too, so compare rows with as many "
            f"sentences a line. sacreBLEU {results.signatures['BLEU']}",
        ),
        table(
            "joined-length-ratio",
            "The same sentences, alone and joined: length ratio",
            lambda score: decimal(score.value, 2),
            "length_ratio",
            "Words of the translations over words of the references, as sacreBLEU counts them. Where no line of "
            "training has several sentences, as in the built-in corpus, joined ones are new to a model in more than "
            "their length: it may stop after the first.",
        ),
    ]


# --- the comparison ---------------------------------------------------------------------------------------------------


def fairness(results: Results) -> Table:
    """Facts in which two runs could differ besides the architecture."""

    def answer(value: bool | None) -> str:
        return "–" if value is None else "yes" if value else "no"

    def loss(value: Any) -> str:
        return decimal(value, 4)

    rows = []
    for result in results.runs:
        speed = speed_ratio(results, result)
        rows.append(
            (
                result.run.name,
                integer(result.get("parameters")),
                integer(result.get("target_tokens")),
                integer(result.get("sentences")),
                decimal(result.get("epochs"), 2),
                loss(result.get("valid_loss")),
                answer(result.still_falling),
                "–" if math.isnan(speed) else f"{speed:.2f} ×",
            )
        )
    return Table(
        name="fairness",
        title="What each run got, and where it ended",
        columns=(
            "run",
            "parameters",
            "target tokens",
            "sentences seen",
            "epochs",
            "validation loss",
            "still falling",
            "training speed",
        ),
        rows=tuple(rows),
        note="A run is one training run: model, longest training sentence, seed. Validation loss: nats per target "
        "piece, on the same validation set for all, which is not cut at any length. Training speed: target tokens a "
        "second, relative to the RNN encoder-decoder of the same training length, seed and hardware.",
        page_only=True,
    )


# --- the corpus -------------------------------------------------------------------------------------------------------


def corpus(manifest: Mapping[str, Any]) -> list[Table]:
    """All facts of the manifest: the raw text, what `prepare` dropped and why, lengths, the tokenizer.

    Manifests of different sources have different facts, so facts that are unknown here are listed unchanged.
    """
    tables = []
    train = manifest.get("train")
    if isinstance(train, Mapping) and isinstance(train.get("steps"), list):
        rows = [("as it came", "–", integer(train.get("raw")))]
        for step in train["steps"]:
            rows.append((step["reason"].replace("_", " "), integer(step["dropped"]), integer(step["left"])))
        tables.append(
            Table(
                "prepare",
                "Training pairs at each step of prepare",
                ("step", "dropped", "left"),
                tuple(rows),
                page_only=True,
            )
        )
    words = manifest.get("words")
    if isinstance(words, Mapping):
        tables.append(_lengths(words, manifest.get("pairs", {})))
    if shares := _constructions(manifest):
        tables.append(shares)
    raw, tokenizer = dict(manifest.get("raw") or {}), dict(manifest.get("tokenizer") or {})
    for name, title, facts in (("source", "Where it came from", raw), ("tokenizer", "Tokenizer", tokenizer)):
        if rows := tuple(_facts(facts)):
            tables.append(_facts_table(name, title, rows))
    told = ("train", "words", "raw", "tokenizer", "files")
    rest = {key: value for key, value in manifest.items() if key not in told}
    if rows := tuple(_facts(rest)):
        tables.append(_facts_table("prepared", "Prepared text", rows))
    return tables


def _facts_table(name: str, title: str, rows: tuple[tuple[str, ...], ...], note: str = "") -> Table:
    return Table(name, title, ("fact", "value"), rows, note, text=True, folded=True, page_only=True)


def _lengths(words: Mapping[str, Any], pairs: Mapping[str, Any]) -> Table:
    rows = []
    for split, sides in words.items():
        for side, facts in sides.items():
            numbers = [integer(facts.get(key)) for key in ("median", "p90", "p99", "max")]
            rows.append((f"{split} {side}", integer(pairs.get(split)), decimal(facts.get("mean")), *numbers))
    columns = ("text", "sentences", "mean", "median", "90 % up to", "99 % up to", "longest")
    return Table("lengths", "Words a sentence", columns, tuple(rows))


def _constructions(manifest: Mapping[str, Any]) -> Table | None:
    """For a generated corpus: the share of sentences with each construction."""
    splits = (manifest.get("raw") or {}).get("splits")
    found = {name: facts.get("constructions") for name, facts in splits.items()} if isinstance(splits, Mapping) else {}
    found = {name: shares for name, shares in found.items() if shares}
    if not found:
        return None
    names = dict.fromkeys(name for shares in found.values() for name in shares)
    rows = [(name, *(share(shares.get(name, 0.0)) for shares in found.values())) for name in names]
    columns = ("construction", *found)
    return Table("constructions", "Sentences with each construction", columns, tuple(rows), folded=True, page_only=True)


def _facts(facts: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for key, value in flatten(dict(facts)):
        # Lists of files and counts of each single length are for machines; they are in corpus.json.
        listed = isinstance(value, list) and any(isinstance(item, dict) for item in value)
        if listed or ".constructions." in key or key.rsplit(".", 1)[-1].isdigit():
            continue
        yield key.replace("_", " ").replace(".", " · "), told(value)


# --- provenance -------------------------------------------------------------------------------------------------------


def sources(results: Results) -> Table:
    """For each kind of number: its file, the stage that writes the file, and the command to make it again.

    `<run>` is the name of a run.
    """
    name = results.experiment.name
    files = {
        "scores by length": ("runs/<run>/by_length.csv", "evaluate"),
        "tests, slopes, differences": ("comparisons.csv", "compare"),
        "facts of a run": ("runs/<run>/run.json", "train, evaluate"),
        "training curves": ("runs/<run>/curves.csv", "train, evaluate"),
        "translations, alignments": ("runs/<run>/examples.json", "translate, evaluate"),
        "probes of a model": ("runs/<run>/probe.csv", "probe"),
        "cost of a step": ("speed.csv", "speed"),
        "the corpus": ("corpus.json", "prepare, tokenize"),
    }
    unused = {"probe": results.experiment.probe is None, "speed": results.experiment.speed is None}
    rows = []
    for what, (file, stages) in files.items():
        last = stages.rsplit(", ", 1)[-1]
        of = f"{name}-<run>" if file.startswith("runs/") else name
        if not unused.get(last):
            rows.append((what, file, stages, f"dvc repro {last}@{of}"))
    columns = ("number", "file", "stages", "to make it again")
    return Table("sources", "Follow a number", columns, tuple(rows), text=True)


def runs(results: Results) -> Table:
    """One row for each run: its seed, the commit it was trained at, and its MLflow run with curves and scores."""
    rows = []
    for result in results.runs:
        changed = " with uncommitted changes" if result.get("git_dirty") else ""
        commit = told(result.get("git_commit"))[:12]
        rows.append((result.run.name, str(result.run.seed), commit + changed, told(result.get("mlflow_run_id"))))
    return Table("runs", "Follow a run", ("run", "seed", "commit", "run in MLflow"), tuple(rows), text=True)


TOLD_OF_RUNS = ("provenance.git_commit", "provenance.git_dirty", "mlflow_run_id")


def _untold(key: str) -> bool:
    """Whether a fact is left out: it is in the columns' names or the table of runs; or it is a bare time, which means
    nothing without the machine's load. (The table of the comparison has the ratio of speeds.)"""
    return (
        key.startswith("run.")
        or key in TOLD_OF_RUNS
        or any(part in ("seconds", "second") for part in re.split(r"[._]", key))
    )


def provenance(results: Results) -> list[Table]:
    """The facts of `run.json` that all runs share, and those that differ from run to run.

    A fact that dictionaries do not have, such as a budget, does not count as a difference.
    """
    facts = [result.facts for result in results.runs]
    keys = [key for key in dict.fromkeys(key for fact in facts for key in fact) if not _untold(key)]
    shown = {key: [told(fact.get(key)) for fact in facts] for key in keys}
    networks = [results.is_network(result) for result in results.runs]
    values = {
        key: {text for text, network in zip(texts, networks, strict=True) if network or text != "–"}
        for key, texts in shown.items()
    }
    common = [(key, *texts) for key, texts in values.items() if len(texts) == 1 and texts != {"–"}]
    differing = [key for key, texts in values.items() if len(texts) > 1]
    tables = []
    if common:
        note = "A dictionary has only some of these." if results.dictionaries else ""
        tables.append(_facts_table("shared", "The same for every run", tuple(common), note))
    if differing:
        tables.append(
            Table(
                "differing",
                "What differs from run to run",
                ("fact", *(result.run.name for result in results.runs)),
                tuple((key, *(_brief(text) for text in shown[key])) for key in differing),
                note="Long values are cut here; they stand whole in runs/<run>/run.json.",
                text=True,
                folded=True,
                page_only=True,
            )
        )
    return tables


def told(value: Any) -> str:
    """A recorded value as text."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(told(item) for item in value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _brief(text: str) -> str:
    return text if len(text) <= 24 else text[:12] + "…"
