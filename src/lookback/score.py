"""Scores any translations of one test set by sentence length, with the report's tables and figure.

Reads plain text, one sentence a line (UTF-8; also .gz and .xz), and prints two tables in Markdown. The first has a line
for each bucket and system, then a line over all lengths, whose BLEU and chrF are those of the `sacrebleu` command. The
second has slopes, falls and paired tests (see `lookback.evaluation.comparison`). With --output it writes by_length.csv,
comparisons.csv, length.svg and length.png into a folder.

Example: lookback-score --source test.en --reference test.de --hypothesis A.txt B.txt --train-words A=30 B=60
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from lookback import config
from lookback.console import one_line
from lookback.corpus.lines import LineReader
from lookback.corpus.words import counter
from lookback.errors import LookbackError
from lookback.evaluation import comparison, lexicon
from lookback.evaluation.by_length import characters, overall, rows_by_length
from lookback.evaluation.comparison import compare, write_comparisons
from lookback.evaluation.metrics import sentence_statistics
from lookback.evaluation.systems import SPARSE, Score, System
from lookback.evaluation.tables import Row, write_rows
from lookback.rendering import chart, figures
from lookback.rendering.looks import looks
from lookback.rendering.wording import decimal, integer, interval, share, signed
from lookback.stats.buckets import Bucket

UNITS = ("source_words", "source_characters", "reference_words")
DEFAULTS = config.Evaluate()
COLUMNS = ("BLEU", "chrF", "length ratio", "brevity penalty", "equal", "empty", "looping", "dropped", "repeated")


# --- the command line -------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; bad input ends it with one line and status 1."""
    given = _parser().parse_args(arguments)
    with one_line():
        _run(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lookback-score", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--source", required=True, type=Path, metavar="FILE", help="the sentences that were translated")
    add("--reference", required=True, type=Path, metavar="FILE", help="their reference translations")
    add("--hypothesis", required=True, type=Path, nargs="+", metavar="FILE", help="translations, one file a system")
    add("--names", nargs="+", metavar="NAME", help="names of the systems; the default is the names of the files")
    add("--by", choices=UNITS, default=UNITS[0], help="the unit of sentence length")
    add("--words", choices=("whitespace", "moses"), default="whitespace", help="how to split words")
    add("--language", default="en", metavar="CODE", help="language of the counted words, for --words moses")
    edges = " ".join(str(edge) for edge in DEFAULTS.bucket_edges)
    add("--edges", type=int, nargs="+", metavar="N", help=f"inclusive upper bounds of buckets; for words {edges}")
    add("--window", type=int, nargs=2, metavar=("WIDTH", "STEP"), help="show sliding windows in place of buckets")
    add("--merge-below", type=int, default=0, metavar="N", help="join buckets with fewer sentences to the shorter one")
    add("--resamples", type=int, default=DEFAULTS.resamples, metavar="N", help="of the bootstrap intervals")
    add("--confidence", type=float, default=DEFAULTS.confidence, metavar="P", help="of the intervals, as 0.95")
    add("--seed", type=int, default=DEFAULTS.seed, metavar="N", help="of the resamples")
    words = "longest training sentence in words, marked in the figure: N for all systems, or NAME=N"
    add("--train-words", nargs="+", default=[], metavar="N", help=words)
    add("--output", type=Path, metavar="FOLDER", help="write both tables and the figure there")
    return parser


def _run(given: argparse.Namespace) -> None:
    settings = _settings(given)
    names = _names(given.hypothesis, given.names)
    train_words = _train_words(given.train_words, names)
    if given.by == "source_characters" and train_words:
        raise LookbackError("--train-words: counts words, and the axis counts characters; leave it out")
    sources, references = _lines(given.source), _lines(given.reference)
    hypotheses = [_lines(path) for path in given.hypothesis]
    for path, lines in zip((given.source, *given.hypothesis), (sources, *hypotheses), strict=True):
        if len(lines) != len(references):
            raise LookbackError(
                f"{path} has {len(lines):,} lines but {given.reference} has {len(references):,}: "
                "line i of each file must belong to line i of the others"
            )
    count = characters if given.by == "source_characters" else counter(given.words, given.language)
    lengths = [count(line) for line in (references if given.by == "reference_words" else sources)]
    known = lexicon.learn(sources, references)
    counted = {name: sentence_statistics(lines, references) for name, lines in zip(names, hypotheses, strict=True)}
    systems = {
        name: rows_by_length(
            experiment="",
            system=name,
            model=name,
            max_train_words=train_words.get(name),
            seed=None,
            source_words=lengths,
            hypotheses=lines,
            references=references,
            settings=settings,
            sources=sources,
            lexicon=known,
            statistics=counted[name],
            test_set=given.reference.name,
            bucket_by=given.by,
        )
        for name, lines in zip(names, hypotheses, strict=True)
    }
    print(table(systems, settings))
    compared = compare(
        [comparison.System(name, train_words.get(name), [counted[name].bleu]) for name in names],
        lengths,
        settings,
        test_set=given.reference.name,
        bucket_by=given.by,
    )
    print(tests(compared, settings))
    if given.output:
        _write(given.output, systems, settings)
        write_comparisons(given.output / "comparisons.csv", compared)
        print(f"\nwrote by_length.csv, comparisons.csv, length.svg and length.png to {given.output}")


def _settings(given: argparse.Namespace) -> config.Evaluate:
    edges = given.edges or (None if given.by == "source_characters" else DEFAULTS.bucket_edges)
    if edges is None and not given.window:
        raise LookbackError("--edges: missing; give bounds in characters, since no default fits every script")
    edges = edges or ()
    if list(edges) != sorted(set(edges)):
        raise LookbackError(f"--edges {' '.join(map(str, edges))}: must rise")
    window = dict(zip(("width", "step"), given.window, strict=True)) if given.window else None
    try:
        return config.Evaluate.model_validate(
            {"bucket_edges": edges, "window": window, "merge_below": given.merge_below}
            | {"resamples": given.resamples, "confidence": given.confidence, "seed": given.seed}
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("bucket_edges", "edges").replace("_", "-")
        raise LookbackError(f"--{option}: {first['msg'].removeprefix('Value error, ')}, not {first['input']}") from None


def _names(paths: Sequence[Path], given: Sequence[str] | None) -> list[str]:
    names = list(given or (path.stem for path in paths))
    if len(names) != len(paths):
        raise LookbackError(f"--names: {len(names)} names for {len(paths)} files of --hypothesis; give one for each")
    for name in names:
        if names.count(name) > 1:
            raise LookbackError(f"two systems are called {name!r}; give each its own name with --names")
    return names


def _train_words(given: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in given:
        name, equals, number = text.rpartition("=")
        if not number.isdecimal() or int(number) < 1:
            raise LookbackError(f"--train-words: {text!r} is not a number of words; write 30 or {names[0]}=30")
        if equals and name not in names:
            raise LookbackError(f"--train-words: there is no system {name!r}; there are {', '.join(names)}")
        found |= {system: int(number) for system in ([name] if equals else names)}
    return found


def _lines(path: Path) -> list[str]:
    """All lines of a file.

    Raises:
        LookbackError: the file has no line, or it is not UTF-8.
    """
    lines: list[str] = []
    with LineReader(path) as reader:
        while block := reader.block():
            lines += block
    if not lines:
        raise LookbackError(f"{path}: is empty")
    return lines


# --- what is printed --------------------------------------------------------------------------------------------------


def table(systems: dict[str, list[Row]], settings: config.Evaluate) -> str:
    """The scores as a table in Markdown, with an explanation of the numbers beneath it.

    Args:
        systems: rows from `rows_by_length` for each name.
        settings: the settings that made the rows.
    """
    shown = {name: [*_shown(rows, settings), overall(rows)] for name, rows in systems.items()}
    first = next(iter(shown.values()))
    unit = first[-1]["bucket_by"].replace("_", " ")
    lines = []
    for rows in zip(*shown.values(), strict=True):
        lines += [_cells(name, row) for name, row in zip(shown, rows, strict=True)]
    text = _markdown((unit, "n", "system", *COLUMNS), lines, ["-", "-:", "-"])
    text += [
        "",
        f"BLEU: sacreBLEU {first[-1]['signature']}",
        f"chrF: sacreBLEU {first[-1]['chrf_signature']}",
        f"In brackets: {100 * settings.confidence:g} % bootstrap intervals over sentences ({settings.resamples:,} "
        f"resamples, seed {settings.seed}).",
        "Length ratio: tokens of the translations over those of the references. Equal: to the reference.",
        "Looping: the translation repeats itself and the reference does not.",
        "Dropped: of the source words, those that the reference translates and the translation does not, by a lexicon.",
        "Repeated: of the translation's words, those beyond their number in the reference, and beyond the first.",
    ]
    if any(0 < row["n"] < SPARSE for row in first):
        text.append(f"†: fewer than {SPARSE} sentences.")
    return "\n".join(text)


def tests(rows: Sequence[Row], settings: config.Evaluate) -> str:
    """Slopes, falls and differences as a table in Markdown, from rows of `lookback.evaluation.comparison.compare`."""
    lines = []
    for row in rows:
        unit, bucket = row["bucket_by"].replace("_", " "), _bucket(row)
        about = {
            "slope": f"for ten {unit} more",
            "gap_growth": f"for ten {unit} more",
            "gap_growth_inside": f"for ten {unit} more, inside the training length",
            "capacity": f"fall inside the training length, {bucket}",
            "extrapolation": f"fall beyond the training length, {bucket}",
            "difference": f"{bucket}",
        }[row["measure"]]
        systems = " − ".join(name for name in (row["system"], row["other"]) if name)
        chances = ("–" if row[name] is None else f"{row[name]:.3f}" for name in ("p", "p_corrected"))
        lines.append((systems, about, integer(row["n"]), signed(row), *chances))
    if not lines:
        return ""
    text = ["", *_markdown(("system", "BLEU", "n", "value", "p", "corrected p"), lines, ["-", "-", "-:", "-:"]), ""]
    text.append(
        f"p: two-sided, of a paired bootstrap test ({settings.resamples:,} resamples); corrected: over the buckets of "
        "a pair (Holm). Intervals and p are over sentences; they do not cover chance in training."
    )
    return "\n".join(text)


def _markdown(names: Sequence[str], lines: Sequence[Sequence[str]], align: Sequence[str]) -> list[str]:
    """A table's lines with aligned cells; columns beyond those of `align` are aligned to the right."""
    aligned = [*align, *("-:" for _ in names[len(align) :])]
    every = [names, aligned, *lines]
    widths = [max(len(line[column]) for line in every) for column in range(len(names))]
    return ["| " + " | ".join(map(_padded, line, widths, aligned)) + " |" for line in every]


def _shown(rows: Sequence[Row], settings: config.Evaluate) -> list[Row]:
    """The rows of the windows, or else of the buckets, without the row over all lengths."""
    unit = overall(rows)["bucket_by"] + ("_window" if settings.window else "")
    return [row for row in rows if row["bucket_by"] == unit and row["bucket_low"] is not None]


def _padded(cell: str, width: int, align: str) -> str:
    if cell == align:
        return cell.rjust(width, "-")
    return cell.rjust(width) if align == "-:" else cell.ljust(width)


def _cells(name: str, row: Row) -> tuple[str, ...]:
    return (
        str(_bucket(row)),
        integer(row["n"]) + (" †" if 0 < row["n"] < SPARSE else ""),
        name,
        interval(Score.of_row(row, "bleu")),
        interval(Score.of_row(row, "chrf")),
        *(decimal(row[column], 3) for column in ("length_ratio", "brevity_penalty")),
        *(
            share(math.nan if row[column] is None else row[column])
            for column in ("exact_match", "empty", "looping", "dropped", "repeated")
        ),
    )


def _bucket(row: Row) -> Bucket:
    return Bucket(row["bucket_low"], row["bucket_high"])


def _write(folder: Path, systems: dict[str, list[Row]], settings: config.Evaluate) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "by_length.csv", (row for rows in systems.values() for row in rows))
    report = config.Report()
    with figures.styled(report):
        known = {name: System(name, overall(rows)["max_train_words"] or 0) for name, rows in systems.items()}
        styles = looks(list(known.values()))
        lines = [
            chart.of_scores(name, styles[known[name]], [Score.of_row(row, "bleu") for row in _shown(rows, settings)])
            for name, rows in systems.items()
        ]
        rows = next(iter(systems.values()))
        unit = overall(rows)["bucket_by"].replace("_", " ")
        buckets = [_bucket(row) for row in _shown(rows, settings)]
        marked = {system: look for system, look in styles.items() if system.max_train_words and unit == "source words"}
        figure = figures.draw(
            chart.by_length(lines, buckets, marked, chart.Axis("BLEU", top=100, digits=1), unit), report.width_inches
        )
        for kind in ("svg", "png"):
            (folder / f"length.{kind}").write_bytes(figures.save(figure, kind, report.dpi))


if __name__ == "__main__":
    main()
