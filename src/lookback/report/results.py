"""The result files of an experiment, read and checked before the report uses them.

Exactly the runs of the configuration's grid are read, each from its own folder; nothing is searched for. So a missing
run is an error that names it, and a folder of a run that is no longer in the grid is ignored.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from lookback import config
from lookback.architectures import ARCHITECTURES, Architecture
from lookback.csv_tables import read_table
from lookback.errors import LookbackError
from lookback.evaluation.comparison import read_comparisons
from lookback.evaluation.systems import Score, System
from lookback.evaluation.tables import Row, read_rows
from lookback.probes.points import Point, read_points
from lookback.stats.buckets import Bucket

T = TypeVar("T")


JOINED = "joined-"
"""The prefix of the sets of joined sentences in `by_length.csv`."""

FILES = ("metrics.json", "by_length.csv", "curves.csv", "run.json", "examples.json", "probe.csv")
CURVE_COLUMNS: tuple[str, ...] = ("step", "target_tokens", "train_loss", "valid_loss")


@dataclass(frozen=True)
class CurvePoint:
    step: float
    target_tokens: float
    train_loss: float
    valid_loss: float


@dataclass(frozen=True)
class RunResult:
    """The six files of one run."""

    run: config.Run
    rows: tuple[Row, ...]
    curves: tuple[CurvePoint, ...]
    metrics: dict[str, Any]
    record: dict[str, Any]
    examples: tuple[dict[str, Any], ...]
    points: tuple[Point, ...]

    @property
    def system(self) -> System:
        return System(self.run.model, self.run.max_train_words)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """`run.json` with dotted names for nested values: `provenance.git_commit`."""
        return dict(flatten(self.record))

    def get(self, key: str) -> Any:
        """A value of `run.json`, at any depth, or else of `metrics.json`; None if it was not recorded."""
        if key in self.facts:
            return self.facts[key]
        deeper = [value for path, value in self.facts.items() if path.rsplit(".", 1)[-1] == key]
        return deeper[0] if deeper else self.metrics.get(key)

    @property
    def still_falling(self) -> bool | None:
        """Whether the validation loss was still falling when training ended; None if it was not recorded."""
        found = self.get("still_falling")
        return found if isinstance(found, bool) else None

    def curve(self, measure: str, series: str, x_by: str = "") -> list[Point]:
        """The points of one line of `probe.csv`; empty if it was not measured."""
        return [
            point
            for point in self.points
            if (point["measure"], point["series"]) == (measure, series)
            and point["x"] is not None
            and x_by in ("", point["x_by"])
        ]

    def total(self, measure: str, series: str) -> Point | None:
        """The number without an x for that line of `probe.csv`, if there is one."""
        found = (p for p in self.points if (p["measure"], p["series"], p["x"]) == (measure, series, None))
        return next(found, None)

    @cached_property
    def by_bucket(self) -> dict[Bucket, Row]:
        """The rows over the whole test set by source words, which the report uses except for its controls."""
        return self.rows_of("test")

    def rows_of(self, test_set: str, subset: str = "all", bucket_by: str = "source_words") -> dict[Bucket, Row]:
        """The rows over a test set, or a part of it, by source words or otherwise; see `lookback.data.testsets`."""
        return {
            Bucket(row["bucket_low"], row["bucket_high"]): row
            for row in self.rows
            if (row["test_set"], row["subset"], row["bucket_by"]) == (test_set, subset, bucket_by)
        }


@dataclass(frozen=True)
class Results:
    """All data for the report of one experiment."""

    experiment: config.Experiment
    runs: tuple[RunResult, ...]
    corpus: dict[str, Any]
    comparisons: tuple[Row, ...]
    """The rows of comparisons.csv: tests between systems, and inside and beyond each system's training length."""

    def comparison(
        self,
        measure: str,
        system: System,
        other: System | None = None,
        bucket: Bucket | None = None,
        test_set: str = "test",
    ) -> Row:
        """A row of comparisons.csv on BLEU of a test set, `system` less `other`; {} if there is none.

        Give a bucket for a measure that has a number for each bucket.
        """
        for row in self.comparisons:
            if (row["measure"], row["metric"], row["test_set"]) != (measure, "bleu", test_set):
                continue
            if bucket is not None and (row["bucket_low"], row["bucket_high"]) != (bucket.low, bucket.high):
                continue
            pair, asked = (row["system"], row["other"]), (system.name, other.name if other else None)
            if pair == asked:
                return row
            if pair == asked[::-1]:
                return negated(row)
        return {}

    def shown(self, row: Row) -> bool:
        """Whether the test of a row of comparisons.csv shows that its number is not 0; with the corrected p if any.

        Older files have no p for falls. Their interval is of the same test: it excludes 0 exactly if p is small enough.
        """
        p = row["p"] if row["p_corrected"] is None else row["p_corrected"]
        if p is None:
            return row["low"] is not None and (row["low"] > 0 or row["high"] < 0)
        return p < 1 - self.experiment.evaluate.confidence

    @property
    def compare_command(self) -> str:
        """The command that makes comparisons.csv."""
        return f"dvc repro compare@{self.experiment.name}"

    @cached_property
    def systems(self) -> tuple[System, ...]:
        """In the order of the grid: models, then lengths from long to short."""
        grid = self.experiment.grid
        lengths = sorted(set(grid.max_train_words), reverse=True)
        return tuple(System(model, words) for model in dict.fromkeys(grid.models) for words in lengths)

    def architecture(self, system: System) -> Architecture:
        """The entry of the system's architecture in the registry."""
        return ARCHITECTURES[self.experiment.models[system.model].architecture]

    def is_network(self, result: RunResult) -> bool:
        """Whether a run was trained on batches with a loss, unlike a dictionary."""
        return self.architecture(result.system).is_network

    @property
    def networks(self) -> tuple[RunResult, ...]:
        return tuple(result for result in self.runs if self.is_network(result))

    @property
    def dictionaries(self) -> tuple[RunResult, ...]:
        return tuple(result for result in self.runs if not self.is_network(result))

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.experiment.grid.seeds))

    @cached_property
    def buckets(self) -> tuple[Bucket, ...]:
        """By source words, from short to long, without the row over all lengths."""
        return self.buckets_of("test")

    def buckets_of(self, test_set: str, subset: str = "all", bucket_by: str = "source_words") -> tuple[Bucket, ...]:
        """The buckets of `rows_of` from short to long, without empty ones at the end."""
        rows = self.runs[0].rows_of(test_set, subset, bucket_by)
        buckets = sorted((bucket for bucket in rows if not bucket.is_all), key=_from_short)
        while len(buckets) > 1 and not rows[buckets[-1]]["n"]:
            buckets.pop()
        return tuple(buckets)

    def within(self, words: int, bucket: Bucket) -> bool:
        """Whether a bucket is wholly within a training length; an open one is if the longest test sentence is."""
        high = bucket.high
        if high is None:
            sides = self.corpus.get("words", {}).get("test", {})
            high = sides.get("source", {}).get("max", math.inf)
        return 0 < high <= words

    def of(self, system: System) -> tuple[RunResult, ...]:
        """The runs of one system, one for each seed."""
        return tuple(result for result in self.runs if result.system == system)

    def n(self, bucket: Bucket, test_set: str = "test", subset: str = "all", bucket_by: str = "source_words") -> int:
        """The number of sentences, or joined lines, in a bucket of a test set or a part of it."""
        return self.runs[0].rows_of(test_set, subset, bucket_by).get(bucket, {}).get("n") or 0

    @cached_property
    def joined(self) -> tuple[int, ...]:
        """The sentences per line of each set of joined sentences, in rising order; empty if there are none."""
        found = {row["test_set"] for row in self.runs[0].rows}
        return tuple(sorted(int(name.removeprefix(JOINED)) for name in found if name.startswith(JOINED)))

    def score(
        self,
        system: System,
        bucket: Bucket,
        metric: str = "bleu",
        test_set: str = "test",
        subset: str = "all",
        bucket_by: str = "source_words",
    ) -> Score:
        """A column of `by_length.csv` on one bucket, with its interval if it has one (BLEU of all kinds, chrF)."""
        rows = [run.rows_of(test_set, subset, bucket_by).get(bucket, {}) for run in self.of(system)]

        def take(column: str, combine: Callable[[Sequence[float]], float]) -> float:
            values = [row.get(column) for row in rows]
            known = [float(value) for value in values if value is not None]
            return combine(known) if known and len(known) == len(values) else math.nan

        return Score(
            value=take(metric, lambda values: math.fsum(values) / len(values)),
            low=take(f"{metric}_low", min),
            high=take(f"{metric}_high", max),
            n=self.n(bucket, test_set, subset, bucket_by),
            seeds=tuple(math.nan if row.get(metric) is None else float(row[metric]) for row in rows),
        )

    @property
    def signatures(self) -> dict[str, str]:
        """sacreBLEU's signature of each metric; `read` has checked that there is one of each."""
        found = {"BLEU": "signature", "chrF": "chrf_signature"}
        return {metric: self._signature(column) for metric, column in found.items()}

    @property
    def legacy_signature(self) -> str:
        """The signature of the column `legacy_bleu`; empty if the column is blank."""
        return self._signature("legacy_signature")

    def _signature(self, column: str) -> str:
        return next((row[column] for row in self.runs[0].by_bucket.values() if row[column]), "")


def negated(row: Row) -> Row:
    """A row of comparisons.csv with the opposite sign: `other` less `system`, or a rise in place of a fall."""
    value, low, high = (None if row[name] is None else -row[name] for name in ("value", "high", "low"))
    return row | {"value": value, "low": low, "high": high}


def _from_short(bucket: Bucket) -> float:
    return math.inf if bucket.low is None else bucket.low


def flatten(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested dictionaries, with dotted names; lists are leaves."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


# --- reading ----------------------------------------------------------------------------------------------------------


def read(experiment: config.Experiment, folder: Path) -> Results:
    """The results of every run of the grid, from `folder`/runs/<run>/, and the corpus from `folder`/corpus.json.

    Raises:
        LookbackError: a file is missing or malformed (the message names the run, the file and the command that makes
            it), or the runs were not scored on one test set in one way (it names two runs and what differs).
    """
    runs = tuple(_read_run(experiment, run, folder / "runs" / run.name) for run in experiment.runs)
    _one_test(runs)
    read_speed = partial(read_points, stage="speed")
    runs = tuple(_with_speed(runs, _made_by("speed", experiment.name, read_speed, folder / "speed.csv")))
    corpus = _json(folder / "corpus.json", dict, "the corpus", f"dvc repro tokenize@{experiment.name}")
    comparisons = _made_by("compare", experiment.name, read_comparisons, folder / "comparisons.csv")
    return Results(experiment, runs, corpus, tuple(comparisons))


def _made_by(stage: str, experiment: str, reader: Callable[[Path], list[T]], path: Path) -> list[T]:
    """Read what a stage that runs once for each experiment has written."""
    if not path.is_file():
        raise LookbackError(f"{path}: missing; make it with `dvc repro {stage}@{experiment}`")
    return reader(path)


def _with_speed(runs: Sequence[RunResult], points: Sequence[Point]) -> Iterator[RunResult]:
    """The runs. The first run of each model gets the points of `speed.csv`: times belong to models, not to runs."""
    told = set()
    for result in runs:
        model = result.run.model
        mine = tuple(point | {"series": ""} for point in points if point["series"] == model and model not in told)
        told.add(model)
        yield replace(result, points=result.points + mine)


def make_command(run: config.Run, stage: str = "evaluate") -> str:
    """The command that makes the results of one run."""
    return f"dvc repro {stage}@{run.experiment}-{run.name}"


def _read_run(experiment: config.Experiment, run: config.Run, folder: Path) -> RunResult:
    who, command = f"run {run.name!r} of experiment {experiment.name!r}", make_command(run)
    for name in FILES:
        if not (folder / name).is_file():
            maker = make_command(run, "probe") if name == "probe.csv" else command
            raise LookbackError(
                f"{folder / name}: missing, so the report would lack {who}; make it with `{maker}`, "
                f"or take the run out of grid in conf/{experiment.name}.yaml"
            )
    evaluation = f"evaluate@{run.experiment}-{run.name}"
    rows = read_rows(folder / "by_length.csv", evaluation)
    expected = (run.experiment, run.model, run.max_train_words, run.seed)
    for line, row in enumerate(rows, start=2):
        found = (row["experiment"], row["model"], row["max_train_words"], row["seed"])
        if found != expected:
            raise LookbackError(
                f"{folder / 'by_length.csv'}: line {line}: these are results of {_joined(found)}, but the folder is "
                f"that of {_joined(expected)}; make it again with `{command}`"
            )
    nan = dict.fromkeys(CURVE_COLUMNS, math.nan)
    curves = read_table(folder / "curves.csv", dict.fromkeys(nan, float), evaluation, nan)
    result = RunResult(
        run=run,
        rows=tuple(rows),
        curves=tuple(CurvePoint(**row) for row in curves),
        metrics=_json(folder / "metrics.json", dict, who, command),
        record=_json(folder / "run.json", dict, who, command),
        examples=tuple(_json(folder / "examples.json", list, who, command)),
        points=tuple(read_points(folder / "probe.csv", f"probe@{run.experiment}-{run.name}")),
    )
    if not any(not bucket.is_all for bucket in result.by_bucket):
        raise LookbackError(
            f"{folder / 'by_length.csv'}: no row of the test set (test_set 'test', subset 'all') with bucket_by "
            f"'source_words' and a bucket_low; make it again with `{command}`"
        )
    return result


def _joined(values: Sequence[Any]) -> str:
    return " ".join(str(value) for value in values)


def _json(path: Path, kind: type, who: str, command: str) -> Any:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LookbackError(f"{path}: missing, so the report would lack {who}; make it with `{command}`") from None
    except ValueError as error:
        raise LookbackError(f"{path}: not valid JSON ({error}); make it again with `{command}`") from None
    if not isinstance(value, kind):
        raise LookbackError(f"{path}: holds no JSON {kind.__name__}; make it again with `{command}`")
    return value


def _one_test(runs: Sequence[RunResult]) -> None:
    """Check that all runs were scored on the same sentences, in the same way, in the same buckets."""

    def column(name: str) -> Callable[[RunResult], Any]:
        return lambda result: sorted({row[name] for row in result.by_bucket.values() if row[name]})

    properties: tuple[tuple[str, Callable[[RunResult], Any]], ...] = (
        ("test set (test_fingerprint in run.json)", lambda result: result.get("test_fingerprint")),
        ("BLEU signature", column("signature")),
        ("chrF signature", column("chrf_signature")),
        ("legacy signature", column("legacy_signature")),
        ("buckets", lambda result: [str(bucket) for bucket in sorted(result.by_bucket, key=_from_short)]),
        ("sentences a bucket", lambda result: {str(b): row["n"] for b, row in result.by_bucket.items()}),
        ("further test sets", _sizes),
    )
    first = runs[0]
    for what, of in properties:
        for other in runs[1:]:
            if of(other) != of(first):
                raise LookbackError(
                    f"results that may not be mixed: the {what} of run {first.run.name!r} is {_short(of(first))}, "
                    f"that of run {other.run.name!r} is {_short(of(other))}; bring both up to date with "
                    f"`{make_command(first.run)}` and `{make_command(other.run)}`"
                )


def _sizes(result: RunResult) -> dict[str, int]:
    """The number of lines of each test set, or part of it, that has a row over all lengths."""
    rows = [row for row in result.rows if row["bucket_low"] is None and row["bucket_high"] is None]
    return {f"{row['test_set']} {row['subset']}": row["n"] for row in rows}


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return repr(value) if len(repr(value)) <= 160 else repr(value)[:157] + "..."
