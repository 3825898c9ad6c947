"""Result files of an experiment that nobody ran, for the tests of report and figures."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from lookback import config
from lookback.evaluation.comparison import COLUMNS as COMPARED
from lookback.evaluation.comparison import write_comparisons
from lookback.evaluation.run import CURVE_COLUMNS
from lookback.evaluation.tables import COLUMNS, write_rows
from lookback.probes.points import Point, write_points

SHOWCASE = "The cat that was sitting on the mat, which was next to the dog, jumped."
BLEU_SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0"
CHRF_SIGNATURE = "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0"

BLEU: dict[tuple[str, int], tuple[float, ...]] = {
    ("rnn_encoder_decoder", 60): (71.4, 58.2, 43.0, 31.9, 22.5, 15.1),
    ("rnn_encoder_decoder", 30): (74.9, 62.7, 46.4, 21.3, 9.8, 4.6),
    ("bahdanau", 60): (98.9, 98.7, 98.4, 98.3, 98.0, 97.9),
    ("bahdanau", 30): (99.1, 99.0, 98.8, 84.1, 57.2, 45.0),
    ("transformer", 60): (99.2, 99.0, 98.4, 97.2, 94.1, 89.3),
    ("transformer", 30): (99.4, 99.2, 98.6, 61.0, 30.2, 14.7),
    ("word_by_word", 60): (25.1, 20.3, 19.8, 19.4, 19.2, 19.1),
    ("word_by_word", 30): (25.0, 20.2, 19.7, 19.5, 19.0, 19.2),
}
"""Means over the seeds in each ten words, much as a quick trial gave them."""


def experiment(**changes: Any) -> config.Experiment:
    """The demo's shape; `grid` and `models` may be given as in a file of `conf/`."""
    data: dict[str, Any] = {
        "name": "demo",
        "title": "Controlled English–German fragment",
        "source_language": "en",
        "target_language": "de",
        "corpus": {"kind": "fragment"},
        "prepare": {},
        "tokenize": {},
        "grid": {
            "models": ["rnn_encoder_decoder", "bahdanau", "transformer"],
            "max_train_words": [30, 60],
            "seeds": [1, 2],
        },
        "models": {"rnn_encoder_decoder": {}, "bahdanau": {}, "transformer": {}},
        "train": {"target_tokens": 3_000_000, "batch_target_tokens": 800},
        "translate": {"showcase": [{"text": SHOWCASE, "source_word": "jumped", "target_word": "sprang"}]},
        "evaluate": {},
    }
    return config.Experiment.model_validate(data | changes)


def write_all(
    folder: Path, of: config.Experiment, comparisons: list[dict[str, Any]] | None = None, **changes: Any
) -> Path:
    """Writes the corpus and every run of the grid under `folder`, and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "corpus.json", corpus())
    write_points(folder / "speed.csv", [])
    write_comparisons(folder / "comparisons.csv", comparisons or [])
    for run in of.runs:
        write_run(folder, run, edges=of.evaluate.bucket_edges, **changes)
    return folder


def write_run(
    folder: Path,
    run: config.Run,
    *,
    edges: tuple[int, ...] = (10, 20, 30, 40, 50, 60),
    bleu: tuple[float, ...] | None = None,
    n: tuple[int, ...] = (200,) * 6 + (0,),
    half_width: float = 1.5,
    record: dict[str, Any] | None = None,
    row: dict[str, Any] | None = None,
    source: str | None = None,
    points: list[Point] | None = None,
    further: dict[tuple[str, str], tuple[int, float]] | None = None,
) -> Path:
    """Writes the six result files of one run into `folder`/runs/<run>.

    Args:
        bleu: in each bucket; from `BLEU` (of the architecture that the model is named after) if not given.
        n: sentences of each bucket, the open one last.
        half_width: of the intervals.
        record, row: entries of run.json and columns of by_length.csv that are to be otherwise.
        source: a source sentence to use in every example, instead of made-up ones.
        points: of probe.csv; the curves of a GRU for the model of that architecture, if not given.
        further: lines and BLEU of test sets and subsets beside the test set.
    """
    output = folder / "runs" / run.name
    output.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(run.seed * 1000 + len(run.name) + run.max_train_words)
    means = bleu or BLEU.get((run.model, run.max_train_words)) or BLEU["bahdanau", 60]
    means = (*means, *(means[-1],) * len(n))[: len(n)]
    scores = [min(99.9, max(0.1, mean + random.normal(0, 0.3))) for mean in means]
    lows = [1, *(edge + 1 for edge in edges)]
    highs = [*edges, None]
    rows = [
        _row(run, low, high, count, score, half_width)
        for low, high, count, score in zip(lows, highs, n, scores, strict=True)
    ]
    total = sum(count * score for count, score in zip(n, scores, strict=True)) / sum(n)
    rows.append(_row(run, None, None, sum(n), total, half_width / 2))
    if run.model == "word_by_word":
        row = {"reference_loss": None} | (row or {})
    rows = [one | (row or {}) for one in rows]
    for (test_set, subset), (lines, score) in (further or {}).items():
        rows.append(_row(run, None, None, lines, score, half_width) | {"test_set": test_set, "subset": subset})
    write_rows(output / "by_length.csv", rows)
    curve = _curve(run, random)
    with (output / "curves.csv").open("w", encoding="utf-8", newline="") as file:
        columns: list[str] = list(CURVE_COLUMNS)
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(curve)
    facts = _run(run, curve) | (record or {})
    metrics = {"bleu": round(total, 2)} | {key: facts[key] for key in ("valid_loss",) if key in facts}
    write_json(output / "run.json", facts)
    write_json(output / "metrics.json", metrics)
    write_json(output / "examples.json", _examples(run, random, source))
    if points is None:
        points = remembering(0.8) if run.model == "rnn_encoder_decoder" else []
    write_points(output / "probe.csv", points)
    return output


def remembering(factor: float, series: tuple[str, ...] = ("trained", "untrained"), lags: int = 40) -> list[Point]:
    """Norms of a Jacobian that lose so much a step after training, and as much again before."""
    points = []
    for number, name in enumerate(series, start=1):
        points += curve("jacobian_norm", name, [factor ** (number * lag) for lag in range(lags + 1)])
    return points


def curve(measure: str, series: str, values: list[float], n: int = 50, x_by: str = "steps") -> list[Point]:
    """With intervals of a tenth to each side, but for n = 1."""
    part = 0.1 if n > 1 else float("nan")
    about = {"measure": measure, "series": series, "x_by": x_by, "n": n}
    return [
        Point(**about, x=x, value=value, low=value * (1 - part), high=value * (1 + part))
        for x, value in enumerate(values)
    ]


def comparison(measure: str, system: str, other: str | None = None, **numbers: Any) -> dict[str, Any]:
    """A row of comparisons.csv, of BLEU on the test set; by default 5, not by chance."""
    about = {"measure": measure, "metric": "bleu", "system": system, "other": other, "test_set": "test"}
    some = {"bucket_by": "source_words", "n": 1200, "seeds": 1, "value": 5.0, "low": 4.0, "high": 6.0, "p": 0.001}
    return dict.fromkeys(COMPARED) | about | some | numbers


def write_json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _row(run: config.Run, low: int | None, high: int | None, n: int, bleu: float, half: float) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"experiment": run.experiment, "system": f"{run.model}-{run.max_train_words}", "model": run.model}
    row |= {"max_train_words": run.max_train_words, "seed": run.seed, "test_set": "test", "subset": "all"}
    row |= {"bucket_by": "source_words", "bucket_low": low, "bucket_high": high, "n": n}
    row |= {"signature": BLEU_SIGNATURE, "chrf_signature": CHRF_SIGNATURE}
    if n:
        chrf = 100 - (100 - bleu) * 0.6
        row |= {"bleu": bleu, "bleu_low": max(0.0, bleu - half), "bleu_high": min(100.0, bleu + half)}
        row |= {"chrf": chrf, "chrf_low": max(0.0, chrf - half), "chrf_high": min(100.0, chrf + half)}
        ratio = min(1.0, 0.7 + bleu / 250)
        row |= {"length_ratio": ratio, "brevity_penalty": float(np.exp(1 - 1 / ratio))}
        row |= {"exact_match": bleu / 120, "empty": 0.0, "cut_off": 0.0, "reference_loss": 4 * (1 - bleu / 101) + 0.02}
    return row


def _curve(run: config.Run, random: np.random.Generator) -> list[dict[str, Any]]:
    if run.model == "word_by_word":
        return []
    final = {"rnn_encoder_decoder": 1.1, "bahdanau": 0.06, "transformer": 0.09}.get(run.model, 0.3)
    points = []
    for step in range(250, 3001, 250):
        loss = final + 5.0 * float(np.exp(-step / 700)) + abs(random.normal(0, 0.01))
        points.append(
            {"step": step, "target_tokens": step * 1000, "train_loss": round(loss * 1.05, 4)}
            | {"valid_loss": round(loss, 4), "learning_rate": 0.002}
        )
    return points


def _run(run: config.Run, curve: list[dict[str, Any]]) -> dict[str, Any]:
    sizes = {"rnn_encoder_decoder": 1_204_312, "bahdanau": 1_301_144, "transformer": 1_388_800}
    speeds = {"rnn_encoder_decoder": 9_100.0, "bahdanau": 6_700.0, "transformer": 10_400.0}
    shared = {
        "mlflow_run_id": f"{abs(len(run.name) * 7919 + run.seed):032x}",
        "provenance": {"git_commit": "0123456789abcdef0123456789abcdef01234567", "git_dirty": False},
        "tokenizer_fingerprint": "ab" * 32,
        "corpus_fingerprint": "cd" * 32,
        "test_fingerprint": "ef" * 32,
        "versions": {"torch": "2.13.0", "sacrebleu": "2.6.0"},
        "run": run.model_dump(),
    }
    if run.model == "word_by_word":
        model = {"architecture": "word_by_word", "pairs": 10_000, "iterations": 5}
        return {"entries": 1_765, "sentences": 9_970, "seconds": 6.1, "model": model} | shared
    return {
        "parameters": sizes.get(run.model, 1_250_000),
        "target_tokens": 3_000_412,
        "sentences": 112_004,
        "epochs": 3.73 if run.max_train_words == 60 else 6.1,
        "batches_fingerprint": f"{run.max_train_words * 100 + run.seed:064x}",
        "tokens_per_second": speeds.get(run.model, 8_000.0),
        "seconds": 412.3,
        "hardware": "x86_64, 1 thread",
        "precision": "32-true",
        "model": {"architecture": run.model, "dropout": 0.1, "hidden": 128},
        "best_step": 3000,
        "valid_loss": min(point["valid_loss"] for point in curve),
        "still_falling": run.model == "rnn_encoder_decoder",
    } | shared


def corpus() -> dict[str, Any]:
    """As `prepare` and `tokenize` write it."""

    def side(mean: float, longest: int) -> dict[str, Any]:
        return {"total": 1_000_000, "mean": mean, "median": 29, "p90": 54, "p99": 60, "max": longest}

    splits = {
        "pairs": 1_000,
        "lengths": {"source": {str(words): 31 for words in range(4, 61)}},
        "constructions": {"subject relative": 0.412, "weil": 0.293},
    }
    return {
        "settings": {"normalization": "NFC", "max_words": 60},
        "languages": {"source": "en", "target": "de"},
        "train": {
            "raw": 60_000,
            "changed_by_normalization": 0,
            "steps": [
                {"reason": "empty", "dropped": 0, "left": 60_000},
                {"reason": "over_long", "dropped": 12, "left": 59_988},
                {"reason": "duplicate", "dropped": 431, "left": 59_557},
            ],
            "kept": 59_557,
        },
        "pairs": {"train": 59_557, "valid": 600, "test": 1_200},
        "words": {split: {"source": side(30.2, 60), "target": side(30.9, 60)} for split in ("train", "valid", "test")},
        "files": {"train.source": "aa" * 32},
        "corpus_fingerprint": "cd" * 32,
        "test_fingerprint": "ef" * 32,
        "raw": {
            "kind": "fragment",
            "seed": 1,
            "licence": "made here",
            "splits": dict.fromkeys(("train", "valid", "test"), splits),
            "four_gram_overlap": {"source": {"types": 0.06206, "tokens": 0.07544}},
            "files": [{"path": "x", "bytes": 1}],
        },
        "tokenizer": {"model_type": "bpe", "vocabulary_size": 1500, "fingerprint": "ab" * 32},
    }


# --- examples ---------------------------------------------------------------------------------------------------------

NOUNS = ("Katze", "Matte", "Hund", "Lehrer", "Garten", "Brief", "Zug", "Apfel", "Vogel", "Turm")


def _examples(run: config.Run, random: np.random.Generator, source: str | None) -> list[dict[str, Any]]:
    good = run.model not in ("rnn_encoder_decoder", "word_by_word")
    target = "Die Katze, die auf der Matte saß, die neben dem Hund lag, sprang."
    items = [
        _example(None, SHOWCASE, None, target if good else "Die Katze, die auf der Matte saß, sprang.", run, random)
    ]
    for index, words in enumerate((4, 9, 12, 18, 23, 29, 34, 42, 51, 58)):
        fixed = np.random.default_rng(index)
        nouns = [str(fixed.choice(NOUNS)) for _ in range(words)]
        reference = " ".join(f"der {noun}" if i % 3 == 0 else noun for i, noun in enumerate(nouns))
        text = source or " ".join(noun.lower() for noun in nouns)
        limit = run.max_train_words if good else 12
        hypothesis = reference if words <= limit else " ".join([*reference.split()[:limit], "und", "Zug", "Zug", "Zug"])
        items.append(_example(index, text, reference, hypothesis, run, random))
    return items


def _example(
    index: int | None, source: str, reference: str | None, text: str, run: config.Run, random: np.random.Generator
) -> dict[str, Any]:
    alignment = None
    if run.model not in ("rnn_encoder_decoder", "word_by_word"):
        source_pieces = [f"▁{word}" for word in source.split()] + ["</s>"]
        target_pieces = [f"▁{word}" for word in text.split()] + ["</s>"]
        rows, columns = np.arange(len(target_pieces))[:, None], np.arange(len(source_pieces))[None]
        distance = columns / len(source_pieces) - rows / len(target_pieces)
        weights = np.exp(-((distance * len(source_pieces)) ** 2)) + random.random((1, 1)) * 0.02
        weights = weights / weights.sum(1, keepdims=True)
        alignment = {
            "source_pieces": source_pieces,
            "target_pieces": target_pieces,
            "percent": (100 * weights).round().astype(int).tolist(),
        }
    equal = reference is not None and text == reference
    return {
        "index": index,
        "showcase": index is None,
        "source": source,
        "reference": reference,
        "hypothesis": text,
        "source_words": len(source.split()),
        "cut_off": False,
        "tags": [] if reference is None else ["exact"] if equal else ["loops", "3 of 20 words missing"],
        "alignment": alignment,
    }
