"""The result files of one run, which the report is made from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookback.config import Evaluate, Run
from lookback.csv_tables import write_table
from lookback.data.testsets import ALONE, FurtherSet, joined_name
from lookback.evaluation import lexicon
from lookback.evaluation.by_length import overall, rows_by_length
from lookback.evaluation.diagnosis import error_tags
from lookback.evaluation.joined import put_together
from lookback.evaluation.moses_bleu import with_legacy
from lookback.evaluation.tables import Row, write_rows

CURVE_COLUMNS = ("step", "target_tokens", "train_loss", "valid_loss", "learning_rate")


@dataclass(frozen=True)
class FurtherTranslations:
    """One run's translations of a further test set."""

    of: FurtherSet
    hypotheses: Sequence[str]
    search: Mapping[str, Sequence[float] | None]
    """As in `evaluate`."""


def evaluate(
    run: Run,
    settings: Evaluate,
    *,
    sources: Sequence[str],
    references: Sequence[str],
    source_words: Sequence[int],
    further_lengths: Mapping[str, Sequence[int]] | None = None,
    hypotheses: Sequence[str],
    search: Mapping[str, Sequence[float] | None],
    examples: Sequence[Mapping[str, Any]],
    training: Mapping[str, Any],
    output: Path,
    target_language: str = "",
    further: Sequence[FurtherTranslations] = (),
) -> list[Row]:
    """Scores one run's translations and writes metrics.json, by_length.csv, curves.csv, run.json and examples.json.

    Args:
        sources, references, hypotheses: N lines each of plain text.
        source_words: [N], the lengths that decide the buckets.
        further_lengths: [N] for each unit of the settings' `further_buckets`, except source characters.
        search: columns cut_off, reference_nats, reference_pieces of N numbers each; None where a model has none.
        examples: translations with alignment, of test sentences (`index`) and of others (`source`).
        training: training.json of the run; a dictionary has no loss, parameters and target tokens.
        output: an existing folder.
        target_language: a code such as `fr`; used only with `settings.legacy`.
        further: translations of the other test sets; their rows come last in by_length.csv and are in no other file.

    Returns:
        The rows of the test set itself in by_length.csv.

    Raises:
        LookbackError: the numbers of lines differ.
    """
    texts: dict[str, Any] = {"source_words": source_words, "hypotheses": hypotheses, "references": references}
    # One lexicon for all sets, since they have the same sentences: dropped words are counted in the same way.
    known = lexicon.learn(sources, references) if len(sources) == len(references) else None
    own: dict[str, Any] = {"sources": sources, "lexicon": known}
    rows = _rows(run, settings, target_language, search, own=own | {"further_lengths": further_lengths}, **texts)
    settings = _as_shared_out(settings, rows)
    write_rows(output / "by_length.csv", [*rows, *_further_rows(run, settings, target_language, further, known)])
    history = training["history"]
    write_table(output / "curves.csv", CURVE_COLUMNS, ([point[name] for name in CURVE_COLUMNS] for point in history))
    record = {key: value for key, value in training.items() if key != "history"} | {"run": run.model_dump()}
    _write_json(output / "run.json", record)
    _write_json(output / "metrics.json", _metrics(rows, training))
    # One line for each example, without spaces: with indents, each percent of the alignments would take a line.
    kept = [_example(example, sources, references, source_words) for example in examples]
    lines = [json.dumps(example, ensure_ascii=False, separators=(",", ":")) for example in kept]
    (output / "examples.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    return rows


def _rows(
    run: Run,
    settings: Evaluate,
    language: str,
    search: Mapping[str, Sequence[float] | None],
    test_set: str = "test",
    subset: str = "all",
    own: Mapping[str, Any] | None = None,
    **texts: Any,
) -> list[Row]:
    """The rows of one test set, or of a part of it.

    `texts` are source_words, hypotheses and references; `own` are further arguments of `rows_by_length`.
    """
    rows = rows_by_length(
        experiment=run.experiment,
        system=run.system,
        model=run.model,
        max_train_words=run.max_train_words,
        seed=run.seed,
        settings=settings,
        cut_off=search.get("cut_off"),
        reference_loss=search.get("reference_nats"),
        reference_pieces=search.get("reference_pieces"),
        test_set=test_set,
        subset=subset,
        **(own or {}),
        **texts,
    )
    if settings.legacy == "none":
        return rows
    return with_legacy(rows, language=language, kind=settings.legacy, settings=settings, **texts)


def _as_shared_out(settings: Evaluate, rows: Sequence[Row]) -> Evaluate:
    """Settings for the further sets: the buckets of the test set, since merging a subset would give other buckets."""
    unit = overall(rows)["bucket_by"]
    edges = tuple(row["bucket_high"] for row in rows if row["bucket_by"] == unit and row["bucket_high"])
    changes = {"bucket_edges": edges, "merge_below": 0, "further_buckets": {}, "window": None}
    return settings.model_copy(update=changes)


def _further_rows(
    run: Run,
    settings: Evaluate,
    language: str,
    further: Sequence[FurtherTranslations],
    known: lexicon.Lexicon | None,
) -> Iterator[Row]:
    """Rows by length for a part of the test set; one row over all lengths for a set of joined sentences.

    A set that joins two or more has a second row, its subset `alone`: see `lookback.evaluation.joined`.
    """
    singles = next((found for found in further if found.of.test_set == joined_name(1)), None)
    for found in further:
        lines = {"source_words": found.of.words[:, 0], "references": found.of.references}
        about = {"test_set": found.of.test_set, "subset": found.of.subset}
        own = {"sources": found.of.sources, "lexicon": known}
        rows = _rows(run, settings, language, found.search, hypotheses=found.hypotheses, own=own, **about, **lines)
        if found.of.test_set == "test":
            yield from rows
            continue
        yield overall(rows)
        if singles and found is not singles:
            joined = put_together(singles.hypotheses, singles.of, found.of)
            about["subset"] = ALONE
            yield overall(_rows(run, settings, language, {}, hypotheses=joined, own=own, **about, **lines))


def _metrics(rows: Sequence[Row], training: Mapping[str, Any]) -> dict[str, Any]:
    """What `dvc metrics show` prints: one line for each run."""
    total = overall(rows)
    unit = total["bucket_by"]
    longest = next(
        row for row in reversed(rows) if row["n"] and row["bucket_low"] is not None and row["bucket_by"] == unit
    )
    scores = {
        "bleu": round(total["bleu"], 2),
        "chrf": round(total["chrf"], 2),
        "bleu_longest": round(longest["bleu"], 2),
    }
    if "valid_loss" in training:
        scores["valid_loss"] = round(training["valid_loss"], 4)
    return scores | {name: training[name] for name in ("parameters", "target_tokens") if name in training}


def _example(
    example: Mapping[str, Any], sources: Sequence[str], references: Sequence[str], source_words: Sequence[int]
) -> dict[str, Any]:
    index = example.get("index")
    translation = example["translation"]
    reference: str | None = None if index is None else references[int(index)]
    source: str = example["source"] if index is None else sources[int(index)]
    return {
        "index": index,
        "showcase": index is None,
        "source": source,
        "reference": reference,
        "hypothesis": translation["text"],
        "source_words": len(source.split()) if index is None else int(source_words[index]),
        "cut_off": translation["cut_off"],
        "tags": [] if reference is None else error_tags(translation["text"], reference, translation["cut_off"]),
        "alignment": example["alignment"] and _in_percent(example["alignment"]),
    }


def _in_percent(alignment: Mapping[str, Any]) -> dict[str, Any]:
    """Weights in whole percent: precise enough for a picture, in a third of the bytes."""
    percent = [[round(100 * weight) for weight in row] for row in alignment["weights"]]
    pieces = {side: alignment[side] for side in ("source_pieces", "target_pieces")}
    return pieces | {"percent": percent}


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
