"""The reports in git: no sentence contradicts the comparisons.csv beside it.

The sentences are read back from report.md, so this also finds a report that was not written again.
"""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lookback.config import load_experiment
from lookback.data.testsets import ALONE, joined_name
from lookback.evaluation.systems import SPARSE, System
from lookback.evaluation.tables import Row
from lookback.rendering.wording import signed
from lookback.report import claims
from lookback.report.results import Results, read
from lookback.stats.buckets import ALL_LENGTHS, Bucket
from tests import fake_results

REPORTS = sorted(path.parent for path in Path("reports").glob("*/comparisons.csv"))

AMOUNT = r"−?\d+\.\d(?: \[−?\d+\.\d, −?\d+\.\d\])?"
VERDICTS = {
    "falls": rf"it falls by ({AMOUNT})|({AMOUNT}) less",
    "rises": rf"it rises by ({AMOUNT})|({AMOUNT}) more",
    "too low": rf"too low to fall \(a difference of ({AMOUNT})\)",
    "not shown": rf"is shown(?: there)?(?: \(a (?:fall|difference) of ({AMOUNT}))?|intervals meet",
}


class Told(NamedTuple):
    """What a sentence says of a number of comparisons.csv."""

    measure: str
    system: str
    other: str | None
    bucket: str | None
    """Of a difference."""
    amount: str | None
    """As printed; None where the sentence gives none."""
    verdict: str


def told(text: str, models: list[str]) -> Iterator[Told]:
    """Every statement on a fall, a difference or a growth in a report."""
    words = max(int(number) for model in models for number in re.findall(rf"`{model}-(\d+)`", text)) if models else 0
    for part in headline(text).partition("source words: ")[2].removesuffix(".").split("; "):
        if found := re.fullmatch(rf"`(\w+)` (loses|gains) ({AMOUNT}) BLEU", part):
            verdict = {"loses": "falls", "gains": "rises"}[found[2]]
            yield Told("capacity", f"{found[1]}-{words}", None, None, found[3], verdict)
        else:
            verdict = "too low" if "too low to fall" in part else "not shown"
            for model, amount in re.findall(rf"`(\w+)`(?: \(({AMOUNT})\))?", part):
                yield Told("capacity", f"{model}-{words}", None, None, amount or None, verdict)
    for system, rest in re.findall(r"^- `([\w-]+)` scores .* BLEU at \S+ words and .* at \S+: (.*)$", text, re.M):
        yield Told("capacity", system, None, None, *verdict_of(rest))
    beyond = r"^- Trained on up to (\d+) words, `(\w+)` scores .* at (\S+), lengths that .* not contain: (.*)$"
    for length, model, end, rest in re.findall(beyond, text, re.M):
        system, (own, longer, more) = f"{model}-{length}", rest.partition(" Trained on up to ")
        yield Told("extrapolation", system, None, None, *verdict_of(own))
        if longer:
            yield Told("difference", f"{model}-{more.split(',')[0]}", system, end, *verdict_of(more))
    looking_back = r"^- At (\S+) words `([\w-]+)` scores .* BLEU and `([\w-]+)`, which has one vector .*\]: (.*)$"
    for end, system, base, rest in re.findall(looking_back, text, re.M):
        difference, *growths = re.split(r" (?=Along all|Within the training)", rest)
        yield Told("difference", system, base, end, *verdict_of(difference))
        for growth in growths:
            measure = "gap_growth" if growth.startswith("Along") else "gap_growth_inside"
            amount = re.findall(rf"changes by ({AMOUNT}) in ten words", growth)[0]
            favoured = re.findall(r"in favour of `([\w-]+)`", growth)
            verdict = ("rises" if favoured == [system] else "falls") if favoured else "not shown"
            yield Told(measure, system, base, None, amount, verdict)
    for number, rest in re.findall(r"^- Translated (\d+) at a time, (.*)$", text, re.M):
        if "has not been tested" in rest:
            continue
        kinds = {"score lower": "falls", "score higher": "rises", "too low": "too low", "no differently": "not shown"}
        verdict = next(kind for words, kind in kinds.items() if words in rest)
        for system, amount in re.findall(rf"`([\w-]+)` \([^()]* against [^(),]*(?:, [^()]*? ({AMOUNT}))?\)", rest):
            yield Told(f"joined-{number}", system, None, None, amount or None, verdict)


def headline(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("**")).strip("*")


def verdict_of(text: str) -> tuple[str | None, str]:
    for verdict, pattern in VERDICTS.items():
        if found := re.search(pattern, text):
            return next(filter(None, found.groups()), None), verdict
    raise AssertionError(f"no verdict in: {text}")


def system_of(name: str) -> System:
    model, _, words = name.rpartition("-")
    return System(model, int(words))


def contradictions(results: Results, statements: list[Told]) -> Iterator[str]:
    level = 1 - results.experiment.evaluate.confidence
    for it in statements:
        measure, test_set = ("joined", it.measure) if it.measure.startswith("joined") else (it.measure, "test")
        bucket = next((one for one in results.buckets if str(one) == it.bucket), None)
        other = system_of(it.other) if it.other else None
        row = results.comparison(measure, system_of(it.system), other, bucket, test_set)
        if not row:
            yield f"{it}: nothing in comparisons.csv"
            continue
        value, low, high = (row[name] for name in ("value", "low", "high"))
        p = row["p"] if row["p_corrected"] is None else row["p_corrected"]
        shown = (low > 0 or high < 0) if p is None else p < level
        signs = ("falls", "rises") if measure in ("capacity", "extrapolation", "joined") else ("rises", "falls")
        expected = (signs[0] if value > 0 else signs[1]) if shown else "not shown"
        if measure in ("capacity", "extrapolation", "joined") and too_low(results, row, it):
            expected = "too low"
        if it.verdict != expected:
            yield f"{it}: by its test, {expected} ({signed(row)}, p {p})"
        if it.amount is not None:
            turned = it.verdict == ("rises" if signs[0] == "falls" else "falls") and not measure.startswith("gap")
            printed = signed(claims.negated(row) if turned else row)
            if it.amount != printed:
                yield f"{it}: in comparisons.csv {printed}"


def too_low(results: Results, row: Row, it: Told) -> bool:
    system = system_of(it.system)
    if it.measure.startswith("joined"):
        scores = [results.score(system, ALL_LENGTHS, "bleu", it.measure, subset) for subset in ("all", ALONE)]
    else:
        ends: list[Bucket] = [b for b in results.buckets if b.low == row["bucket_low"] or b.high == row["bucket_high"]]
        scores = [results.score(system, bucket) for bucket in (ends[0], ends[-1])]
    return all(score.value < 10 for score in scores)


@pytest.mark.parametrize("folder", REPORTS, ids=lambda folder: folder.name)
def test_no_sentence_contradicts_the_comparisons(folder: Path) -> None:
    results = read(load_experiment(folder.name), folder)
    text = (folder / "report.md").read_text(encoding="utf-8")
    statements = list(told(text, list(dict.fromkeys(results.experiment.grid.models))))
    assert list(contradictions(results, statements)) == []
    command = f"`dvc repro compare@{folder.name}`"
    if not results.comparisons:
        assert statements == []
        assert command in headline(text)
        return
    # Nothing was passed over: each fall is in a sentence, and those of the longest training in the headline as well.
    longest = {system.name for system in claims.longest(results)}
    for measure in ("capacity", "extrapolation"):
        rows = [r for r in results.comparisons if (r["measure"], r["metric"]) == (measure, "bleu") and r["n"] >= SPARSE]
        expected = [r["system"] for r in rows if measure == "extrapolation" or r["system"] in longest]
        found = [it.system for it in statements if it.measure == measure]
        assert sorted(found) == sorted(expected * (2 if measure == "capacity" else 1))
    of_pairs = [it for it in statements if it.measure == "difference" and it.other in longest]
    assert len(of_pairs) == len(claims.attention_statements(results))
    if results.joined:
        longest_lines = joined_name(results.joined[-1])
        rows = [
            r
            for r in results.comparisons
            if (r["measure"], r["metric"], r["test_set"]) == ("joined", "bleu", longest_lines)
        ]
        assert sum(it.measure.startswith("joined") for it in statements) == sum(row["n"] >= SPARSE for row in rows)
        assert (f"whether they differ has not been tested yet: {command} tests it." in text) is not bool(rows)


def test_what_no_report_has_yet_is_read_as_well(tmp_path: Path) -> None:
    """Joined sentences that were tested, a rise, and a gap within the training length."""
    grid = {"models": ["rnn_encoder_decoder", "bahdanau", "transformer"], "max_train_words": [60]}
    further = {("joined-1", "all"): (240, 80.0), ("joined-4", "all"): (60, 50.0), ("joined-4", "alone"): (60, 81.0)}
    base, one, other = (f"{model}-60" for model in grid["models"])
    turned: dict[str, Any] = {"value": -5.0, "low": -6.0, "high": -4.0}
    rows = [
        *(
            fake_results.comparison("joined", name, test_set="joined-4", **of)
            for name, of in ((base, turned), (one, {}))
        ),
        fake_results.comparison("joined", other, test_set="joined-4", p=0.03, p_corrected=0.06),
        fake_results.comparison("capacity", one, bucket_low=11, bucket_high=60, **turned),
        *(
            fake_results.comparison("difference", name, base, bucket_low=51, bucket_high=60, p_corrected=0.01, **of)
            for name, of in ((one, {}), (other, turned))
        ),
        fake_results.comparison("gap_growth", base, one),
        fake_results.comparison("gap_growth_inside", base, one, n=600, p=0.2),
    ]
    experiment = fake_results.experiment(grid=grid)
    results = read(experiment, fake_results.write_all(tmp_path, experiment, comparisons=rows, further=further))
    texts = [*claims.joined_statements(results), *(it for group in claims.statements(results).values() for it in group)]
    text = f"**{claims.headline(results)}**\n" + "\n".join(f"- {it}" for it in texts)
    statements = list(told(text, grid["models"]))
    assert list(contradictions(results, statements)) == []
    assert sorted((it.measure, it.system, it.verdict) for it in statements) == [
        ("capacity", one, "rises"),
        ("capacity", one, "rises"),
        ("difference", one, "rises"),
        ("difference", other, "falls"),
        ("gap_growth", one, "falls"),
        ("gap_growth_inside", one, "not shown"),
        ("joined-4", one, "falls"),
        ("joined-4", base, "rises"),
        ("joined-4", other, "not shown"),
    ]
    assert {it.amount for it in statements} == {"5.0 [4.0, 6.0]", "−5.0 [−6.0, −4.0]"}


def test_the_page_of_all_experiments_has_their_headlines() -> None:
    page = unescape(re.sub(r"<[^>]+>", "", Path("reports/index.html").read_text(encoding="utf-8")))
    assert REPORTS
    for folder in REPORTS:
        told_there = headline((folder / "report.md").read_text(encoding="utf-8")).replace("`", "")
        assert told_there in page, folder.name
