"""The result files of one cell: what the report, and the reader of the repository, sees of it."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lookback.config import Cell, Evaluate
from lookback.diagnosis import error_tags
from lookback.scoring import Row, overall, rows_by_length, write_rows

CURVE_COLUMNS = ("step", "target_tokens", "train_loss", "valid_loss", "learning_rate")


def evaluate(
    cell: Cell,
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
) -> list[Row]:
    """Scores one cell's translations and writes metrics.json, by_length.csv, curves.csv, run.json and examples.json.

    Args:
        sources, references, hypotheses: N lines each of plain text.
        source_words: [N], by which a sentence finds its bucket.
        further_lengths: [N] for each unit of the settings' `further_buckets`, but for source characters.
        search: columns cut_off, reference_nats, reference_pieces of N numbers each; None where a model has none.
        examples: translations with alignment, of test sentences (`index`) and of others (`source`).
        training: what the training stage wrote of the run; a dictionary has no loss, parameters and target tokens.
        output: the folder, which exists.

    Returns:
        the rows of by_length.csv.

    Raises:
        LookbackError: the lines do not match in number.
    """
    rows = rows_by_length(
        experiment=cell.experiment,
        system=cell.system,
        model=cell.model,
        max_train_words=cell.max_train_words,
        seed=cell.seed,
        source_words=source_words,
        sources=sources,
        further_lengths=further_lengths,
        hypotheses=hypotheses,
        references=references,
        settings=settings,
        cut_off=search["cut_off"],
        reference_loss=search["reference_nats"],
        reference_pieces=search["reference_pieces"],
    )
    write_rows(output / "by_length.csv", rows)
    with (output / "curves.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, CURVE_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: point[name] for name in CURVE_COLUMNS} for point in training["history"])
    run = {key: value for key, value in training.items() if key != "history"} | {"cell": cell.model_dump()}
    _write_json(output / "run.json", run)
    _write_json(output / "metrics.json", _metrics(rows, training))
    # A line an example, without spaces: indented, each percent of the alignments would take a line.
    kept = [_example(example, sources, references, source_words) for example in examples]
    lines = [json.dumps(example, ensure_ascii=False, separators=(",", ":")) for example in kept]
    (output / "examples.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    return rows


def _metrics(rows: Sequence[Row], training: Mapping[str, Any]) -> dict[str, Any]:
    """What `dvc metrics show` prints: one line a cell."""
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
    """Whole percents: what a picture shows, at a third of the size in git."""
    percent = [[round(100 * weight) for weight in row] for row in alignment["weights"]]
    pieces = {side: alignment[side] for side in ("source_pieces", "target_pieces")}
    return pieces | {"percent": percent}


def _write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
