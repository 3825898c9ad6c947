"""What the scores show, in sentences written from the numbers.

A sentence claims a fall or a difference only if the test of `lookback.evaluation.comparison` shows it. Its number and
interval are those of the test: the same row of comparisons.csv that the tables print. If the test shows nothing, the
sentence says so. What has not been compared is not claimed. Names of systems are in backticks, which both templates
turn into their own mark-up.
"""

from dataclasses import dataclass
from typing import Literal

from lookback.data.testsets import ALONE, joined_name
from lookback.errors import LookbackError
from lookback.evaluation.systems import SPARSE, Score, System
from lookback.evaluation.tables import Row
from lookback.rendering.wording import code, decimal, interval, listed, probability, signed
from lookback.report.results import Results, negated
from lookback.stats.buckets import ALL_LENGTHS, Bucket

Verdict = Literal["falls", "rises", "too low", "not shown"]

TOO_LOW = 10.0
"""If both scores are under this BLEU, the system hardly translates, and no fall can be shown."""


# --- falls ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fall:
    """How much BLEU a system loses from one score to another."""

    system: System
    before: Score
    after: Score
    row: Row
    """The row of comparisons.csv with the fall, its interval and p."""
    verdict: Verdict

    @property
    def amount(self) -> str:
        """The fall, or the rise if there is one, with its interval."""
        return signed(negated(self.row) if self.verdict == "rises" else self.row)


@dataclass(frozen=True)
class FallWithLength(Fall):
    """From a bucket to a longer one."""

    start: Bucket
    end: Bucket


def verdict(results: Results, row: Row, before: Score, after: Score) -> Verdict:
    """The result of a fall's test; if both scores are too low, that is the verdict, whatever the test says."""
    if max(before.value, after.value) < TOO_LOW:
        return "too low"
    if not results.shown(row):
        return "not shown"
    return "falls" if row["value"] > 0 else "rises"


def capacity(results: Results, system: System) -> FallWithLength | None:
    """The fall inside the training length; None if there is no usable one."""
    return _with_length(results, "capacity", system)


def extrapolation(results: Results, system: System) -> FallWithLength | None:
    """The fall from the longest bucket that training covered to the longest of all."""
    return _with_length(results, "extrapolation", system)


def _with_length(results: Results, measure: str, system: System) -> FallWithLength | None:
    row = results.comparison(measure, system)
    if not row or row["n"] < SPARSE:
        return None
    start = next((bucket for bucket in results.buckets if bucket.low == row["bucket_low"]), None)
    end = next((bucket for bucket in results.buckets if bucket.high == row["bucket_high"]), None)
    if start is None or end is None:
        raise LookbackError(
            f"reports/{results.experiment.name}/comparisons.csv: {measure} of {system.name} is between buckets that "
            f"by_length.csv does not have; make it again with `{results.compare_command}`"
        )
    before, after = results.score(system, start), results.score(system, end)
    return FallWithLength(system, before, after, row, verdict(results, row, before, after), start, end)


def inside(results: Results, system: System) -> list[Bucket]:
    """Buckets wholly within the system's training length, with enough sentences for a statement."""
    return [
        bucket
        for bucket in results.buckets
        if results.within(system.max_train_words, bucket) and results.score(system, bucket).usable
    ]


def longest(results: Results) -> list[System]:
    """The systems trained on the longest sentences, one for each model."""
    words = max(system.max_train_words for system in results.systems)
    return [system for system in results.systems if system.max_train_words == words]


# --- the sentences ----------------------------------------------------------------------------------------------------


def not_compared(results: Results) -> str:
    """Says why no change or difference is claimed."""
    return (
        "The systems have not been compared yet, so no change with length and no difference is claimed: "
        f"`{results.compare_command}` compares them."
    )


def headline(results: Results) -> str:
    """The sentence at the top: which models lose quality within their training length."""
    if not results.comparisons:
        return not_compared(results)
    falls = [fall for system in longest(results) if (fall := capacity(results, system))]
    if not falls:
        return (
            "There are no two buckets within the lengths of training to tell a fall between with "
            f"{SPARSE} test sentences or more in each, so nothing can be said of quality and length."
        )
    words, start, end = falls[0].system.max_train_words, falls[0].start, falls[0].end
    parts = []
    for kind, verb in (("falls", "loses"), ("rises", "gains")):
        found = [fall for fall in falls if fall.verdict == kind]
        parts += [f"{code(fall.system.model)} {verb} {fall.amount} BLEU" for fall in found]
    if low := [code(fall.system.model) for fall in falls if fall.verdict == "too low"]:
        parts.append(f"under {TOO_LOW:g} BLEU at both, too low to fall: {listed(low)}")
    if calm := [f"{code(fall.system.model)} ({fall.amount})" for fall in falls if fall.verdict == "not shown"]:
        parts.append(f"no change is shown for {listed(calm)}")
    return f"Trained on sentences of up to {words} words, from {start} to {end} source words: {'; '.join(parts)}."


def statements(results: Results) -> dict[str, list[str]]:
    """All statements by heading; headings without statements are left out."""
    groups = {
        "Within the lengths of training (capacity)": [
            capacity_statement(fall) for system in longest(results) if (fall := capacity(results, system))
        ],
        "Beyond the lengths of training (extrapolation)": [
            extrapolation_statement(results, fall)
            for system in results.systems
            if (fall := extrapolation(results, system))
        ],
        "Looking back against one fixed vector": attention_statements(results),
        "What is lost": brevity_statements(results),
    }
    return {heading: texts for heading, texts in groups.items() if texts}


def _told(fall: Fall, nothing: str) -> str:
    return {
        "falls": f"it falls by {fall.amount}.",
        "rises": f"it rises by {fall.amount}.",
        "too low": f"both are under {TOO_LOW:g} BLEU, too low to fall (a difference of {fall.amount}).",
        "not shown": f"{nothing} (a fall of {fall.amount}).",
    }[fall.verdict]


def capacity_statement(fall: FallWithLength) -> str:
    """Whether one system's quality changes with length, within its training length."""
    return (
        f"{code(fall.system.name)} scores {interval(fall.before)} BLEU at {fall.start} words and "
        f"{interval(fall.after)} at {fall.end}: {_told(fall, 'no change with length is shown')}"
    )


def extrapolation_statement(results: Results, fall: FallWithLength) -> str:
    """Within against beyond the training length; and the same model there when trained on longer sentences."""
    system = fall.system
    text = (
        f"Trained on up to {system.max_train_words} words, {code(system.model)} scores {interval(fall.before)} BLEU "
        f"at {fall.start} words and {interval(fall.after)} at {fall.end}, lengths that its training did not "
        f"contain: {_told(fall, 'no change is shown')}"
    )
    for other in results.systems:
        if other.model == system.model and fall.end in inside(results, other):
            longer = interval(results.score(other, fall.end))
            nothing = "no effect of longer training sentences is shown there"
            told = _difference(results, other, system, fall.end, nothing)
            return f"{text} Trained on up to {other.max_train_words}, it scores {longer} there: {told}"
    return text


def attention_statements(results: Results) -> list[str]:
    """The models with attention against the one without, at the longest length that both were trained on."""
    if not results.comparisons:
        return []
    fixed = [s for s in longest(results) if results.architecture(s).kind == "fixed state"]
    texts = []
    for base in fixed[:1]:
        for system in longest(results):
            buckets = [bucket for bucket in inside(results, system) if bucket in inside(results, base)]
            if results.architecture(system).kind != "attention" or not buckets:
                continue
            end = buckets[-1]
            ours, theirs = (interval(results.score(one, end)) for one in (system, base))
            texts.append(
                f"At {end} words {code(system.name)} scores {ours} BLEU and {code(base.name)}, which has one vector "
                f"for the whole sentence, {theirs}: {_difference(results, system, base, end, 'no difference is shown')}"
                f"{_growth(results, system, base)}"
            )
    return texts


def _difference(results: Results, system: System, other: System, bucket: Bucket, nothing: str) -> str:
    """How much one system scores above another in a bucket, if a difference is shown."""
    row = results.comparison("difference", system, other, bucket)
    if not row or row["p_corrected"] is None:
        return f"not compared yet; `{results.compare_command}` compares them."
    corrected = f"p {probability(row['p_corrected'])}, corrected over the buckets"
    if not results.shown(row):
        return f"{nothing} (a difference of {signed(row)}; {corrected})."
    return f"{signed(row)} more ({corrected})." if row["value"] > 0 else f"{signed(negated(row))} less ({corrected})."


def _growth(results: Results, system: System, base: System) -> str:
    """Whether the gap between two systems grows with length, as Bahdanau et al. 2015, section 5.2.2, claim.

    The difference has a sign, so the sentence says which system its change favours: the gap shrinks if a system that is
    behind catches up. The growth within the training length is added if that leaves out some of the buckets.
    """
    rows = [results.comparison(measure, system, base) for measure in ("gap_growth", "gap_growth_inside")]
    if rows[0] and rows[1] and rows[0]["n"] == rows[1]["n"]:
        rows.pop()
    texts = []
    for row, where in zip(rows, ("Along all buckets", "Within the training length of both"), strict=False):
        if not row or row["p"] is None:
            continue
        told = "no change with length is shown"
        if results.shown(row):
            told = f"with length it changes in favour of {code((system if row['value'] > 0 else base).name)}"
        texts.append(
            f" {where} the difference of the two changes by {signed(row)} in ten words (p {probability(row['p'])}): "
            f"{told}."
        )
    return "".join(texts)


def joined_statements(results: Results) -> list[str]:
    """Whether a system translates joined sentences worse than the same sentences one by one.

    Only the longest lines are used, and only if there are enough of them. Both scores are against the same references.
    """
    number = max(results.joined, default=1)
    if number == 1:
        return []
    name = joined_name(number)
    falls: dict[Verdict, list[str]] = {"falls": [], "rises": [], "too low": [], "not shown": []}
    untested, fell = [], []
    for system in results.systems:
        alone = results.score(system, ALL_LENGTHS, "bleu", name, ALONE)
        together = results.score(system, ALL_LENGTHS, "bleu", name)
        if not (together.usable and alone.usable):
            continue
        text = f"{code(system.name)} ({interval(together)} against {interval(alone)}"
        if not (row := results.comparison("joined", system, test_set=name)):
            untested.append(f"{text})")
            continue
        fall = Fall(system, alone, together, row, verdict(results, row, alone, together))
        if fall.verdict == "falls":
            fell.append(system)
        amount = {"falls": "less by", "rises": "more by"}.get(fall.verdict, "a fall of")
        falls[fall.verdict].append(f"{text}, {amount} {fall.amount})")
    begin = f"Translated {number} at a time, the same {results.n(ALL_LENGTHS, joined_name(1))} sentences score"
    ends: dict[Verdict, str] = {
        "falls": "lower in BLEU than one by one with {}.",
        "rises": "higher in BLEU than one by one with {}.",
        "too low": f"under {TOO_LOW:g} BLEU, as they do one by one, too low to fall, with {{}}.",
        "not shown": "no differently from one by one, as far as is shown, with {}.",
    }
    texts = [f"{begin} {ends[kind].format(listed(found))}" for kind, found in falls.items() if found]
    if untested:
        texts.append(
            f"{begin}, at once against one by one, with {listed(untested)}; whether they differ has not been tested "
            f"yet: `{results.compare_command}` tests it."
        )
    settings = results.experiment.test_sets.joined
    words = number * settings.max_words if settings else 0
    beyond = [code(system.name) for system in results.systems if system.max_train_words < words]
    within = [code(system.name) for system in fell if system.max_train_words >= words]
    if texts and beyond:
        texts.append(
            f"A line of {number} may have up to {words} source words, and the longest sentences that {listed(beyond)} "
            "saw in training have fewer: where it falls, length beyond training may be why."
            + (f" It is not the whole reason: {listed(within)} saw lines as long and lost BLEU too." if within else "")
        )
    return texts


def brevity_statements(results: Results) -> list[str]:
    """Names the systems whose translations of the longest sentences are too short, which BLEU penalises."""
    buckets = [bucket for bucket in results.buckets if results.n(bucket) >= SPARSE]
    found = []
    for system in results.systems if buckets else ():
        penalty = results.score(system, buckets[-1], "brevity_penalty").value
        ratio = results.score(system, buckets[-1], "length_ratio").value
        if round(penalty, 2) < 0.95:
            found.append(f"{code(system.name)} {decimal(ratio, 2)} ({decimal(penalty, 2)})")
    if not found:
        return []
    return [
        f"At {buckets[-1]} words these write less than the reference, length ratio (brevity penalty): {listed(found)}. "
        "The penalty is a factor of BLEU, so part of what they lack there is missing words."
    ]
