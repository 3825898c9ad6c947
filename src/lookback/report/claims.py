"""What the scores show, in sentences written from the numbers.

A sentence says that something falls, or is better, only where the two intervals do not meet; it compares the numbers as
they are printed, so that a reader can check it on the page. Where the intervals meet it says that nothing is shown. How
a difference changes with length is told from a test (`lookback.evaluation.comparison`), whose p stands beside it.
Names of systems stand in backticks, which both templates turn into their own mark-up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lookback.data.testsets import ALONE, joined_name
from lookback.evaluation.systems import SPARSE, Score, System
from lookback.rendering.wording import code, decimal, interval, listed, probability, signed
from lookback.report.results import Results
from lookback.stats.buckets import ALL_LENGTHS, Bucket

Verdict = Literal["lower", "higher", "undecided"]


# --- comparing --------------------------------------------------------------------------------------------------------


def compare(score: Score, other: Score) -> Verdict:
    """Whether `score` is lower or higher than `other`: decided only where their intervals, as printed, do not meet."""
    if round(score.high, 1) < round(other.low, 1):
        return "lower"
    if round(score.low, 1) > round(other.high, 1):
        return "higher"
    return "undecided"


def difference(score: Score, other: Score) -> float:
    """Of the numbers as printed, so that the subtraction can be checked on the page."""
    return round(round(score.value, 1) - round(other.value, 1), 1)


@dataclass(frozen=True)
class Change:
    """How one system's BLEU changes from one bucket to a longer one."""

    system: System
    start: Bucket
    end: Bucket
    before: Score
    after: Score

    @property
    def verdict(self) -> Verdict:
        return compare(self.after, self.before)

    @property
    def amount(self) -> str:
        return decimal(abs(difference(self.after, self.before)))


def inside(results: Results, system: System) -> list[Bucket]:
    """Buckets that lie wholly within the lengths the system was trained on, with enough sentences to tell from."""
    return [
        bucket
        for bucket in results.buckets
        if results.within(system.max_train_words, bucket) and results.score(system, bucket).usable
    ]


def beyond(results: Results, system: System) -> list[Bucket]:
    """Buckets wholly beyond the lengths the system was trained on, with enough sentences to tell from."""
    return [
        bucket
        for bucket in results.buckets
        if bucket.low is not None and bucket.low > system.max_train_words and results.score(system, bucket).usable
    ]


def _ends(buckets: Sequence[Bucket]) -> tuple[Bucket, Bucket] | None:
    """The two buckets that a change with length is told from: the second (the first holds phrases more than sentences)
    and the last."""
    if len(buckets) < 2:
        return None
    return buckets[1 if len(buckets) > 2 else 0], buckets[-1]


def capacity(results: Results, system: System) -> Change | None:
    """The change with length within the lengths of training."""
    if not (ends := _ends(inside(results, system))):
        return None
    return Change(system, *ends, *(results.score(system, bucket) for bucket in ends))


def extrapolation(results: Results, system: System) -> Change | None:
    """From the longest bucket that training covered to the longest of all."""
    within, outside = inside(results, system), beyond(results, system)
    if not within or not outside:
        return None
    ends = within[-1], outside[-1]
    return Change(system, *ends, *(results.score(system, bucket) for bucket in ends))


def longest(results: Results) -> list[System]:
    """The systems trained on the longest sentences, a model each."""
    words = max(system.max_train_words for system in results.systems)
    return [system for system in results.systems if system.max_train_words == words]


# --- the sentences ----------------------------------------------------------------------------------------------------


def headline(results: Results) -> str:
    """The one sentence at the top: which of the models lose quality within the lengths they were trained on."""
    changes = [change for system in longest(results) if (change := capacity(results, system))]
    if not changes:
        return (
            f"No two buckets within the lengths of training have {SPARSE} test sentences or more, so nothing can be "
            "said of quality and length."
        )
    parts = []
    for verdict, verb in (("lower", "loses"), ("higher", "gains")):
        found = [change for change in changes if change.verdict == verdict]
        parts += [f"{code(change.system.model)} {verb} {change.amount} BLEU" for change in found]
    if calm := [code(change.system.model) for change in changes if change.verdict == "undecided"]:
        parts.append(f"no change is shown for {listed(calm)}")
    words, start, end = changes[0].system.max_train_words, changes[0].start, changes[0].end
    return f"Trained on sentences of up to {words} words, from {start} to {end} source words: {'; '.join(parts)}."


def statements(results: Results) -> dict[str, list[str]]:
    """All statements under their headings; a heading without any is left out."""
    groups = {
        "Within the lengths of training (capacity)": [
            capacity_statement(change) for system in longest(results) if (change := capacity(results, system))
        ],
        "Beyond the lengths of training (extrapolation)": [
            extrapolation_statement(results, change)
            for system in results.systems
            if (change := extrapolation(results, system))
        ],
        "Looking back against one fixed vector": attention_statements(results),
        "What is lost": brevity_statements(results),
    }
    return {heading: texts for heading, texts in groups.items() if texts}


def capacity_statement(change: Change) -> str:
    """Whether one system's quality changes with length, within the lengths it was trained on."""
    verdict = {
        "lower": f"it falls by {change.amount}.",
        "higher": f"it rises by {change.amount}.",
        "undecided": "the intervals meet, so no change with length is shown.",
    }[change.verdict]
    return (
        f"{code(change.system.name)} scores {interval(change.before)} BLEU at {change.start} words and "
        f"{interval(change.after)} at {change.end}: {verdict}"
    )


def extrapolation_statement(results: Results, change: Change) -> str:
    """Within against beyond the lengths of training, and what the same model does there when trained on longer ones."""
    system = change.system
    verdict = {
        "lower": f"it falls by {change.amount}.",
        "higher": f"it rises by {change.amount}.",
        "undecided": "the intervals meet, so no change is shown.",
    }[change.verdict]
    text = (
        f"Trained on up to {system.max_train_words} words, {code(system.model)} scores {interval(change.before)} BLEU "
        f"at {change.start} words and {interval(change.after)} at {change.end}, lengths that its training did not "
        f"contain: {verdict}"
    )
    for other in results.systems:
        if other.model == system.model and change.end in inside(results, other):
            longer = results.score(other, change.end)
            amount = decimal(abs(difference(longer, change.after)))
            verdict = {
                "higher": f"{amount} more.",
                "lower": f"{amount} less.",
                "undecided": "the intervals meet, so no effect of longer training sentences is shown there.",
            }[compare(longer, change.after)]
            return f"{text} Trained on up to {other.max_train_words}, it scores {interval(longer)} there: {verdict}"
    return text


def attention_statements(results: Results) -> list[str]:
    """The models that look back against the one that does not, at the longest length that both were trained on."""
    models = results.experiment.models
    fixed = [s for s in longest(results) if models[s.model].architecture == "rnn_encoder_decoder"]
    texts = []
    for base in fixed[:1]:
        for system in longest(results):
            buckets = [bucket for bucket in inside(results, system) if bucket in inside(results, base)]
            if models[system.model].architecture in ("rnn_encoder_decoder", "word_by_word") or not buckets:
                continue
            end = buckets[-1]
            ours, theirs = results.score(system, end), results.score(base, end)
            amount = decimal(abs(difference(ours, theirs)))
            verdict = {
                "higher": f"{amount} more.",
                "lower": f"{amount} less.",
                "undecided": "the intervals meet, so no difference is shown.",
            }[compare(ours, theirs)]
            text = (
                f"At {end} words {code(system.name)} scores {interval(ours)} BLEU and {code(base.name)}, which has one "
                f"vector for the whole sentence, {interval(theirs)}: {verdict}"
            )
            text += _growth(results, system, base)
            texts.append(text)
    return texts


def _growth(results: Results, system: System, base: System) -> str:
    """Whether the gap between two systems grows with length: what Bahdanau et al. 2015, section 5.2.2, claim.

    The difference has a sign, so this is told as whom its change favours: a system that is behind and catches up has a
    gap that shrinks.
    """
    row = results.comparison("gap_growth", system, base)
    if not row or row["p"] is None:
        return ""
    verdict = "no change with length is shown"
    if row["p"] < 1 - results.experiment.evaluate.confidence:
        verdict = f"with length it changes in favour of {code((system if row['value'] > 0 else base).name)}"
    return (
        f" Along all buckets the difference of the two changes by {signed(row)} in ten words "
        f"(p {probability(row['p'])}): {verdict}."
    )


def joined_statements(results: Results) -> list[str]:
    """Whether a system translates sentences that are joined worse than the same sentences one by one.

    Told of the longest lines, and only where there are enough of them; both scores are against the same references.
    """
    number = max(results.joined, default=1)
    if number == 1:
        return []

    def at_once(system: System, subset: str = "all") -> Score:
        return results.score(system, ALL_LENGTHS, "bleu", joined_name(number), subset)

    groups: dict[Verdict, list[str]] = {"lower": [], "higher": [], "undecided": []}
    for system in results.systems:
        together, alone = at_once(system), at_once(system, ALONE)
        if together.usable and alone.usable:
            text = f"{code(system.name)} ({interval(together)} against {interval(alone)})"
            groups[compare(together, alone)].append(text)
    begin = f"Translated {number} at a time, the same {results.n(ALL_LENGTHS, joined_name(1))} sentences score"
    ends: dict[Verdict, str] = {
        "lower": "lower in BLEU than one by one with {}.",
        "higher": "higher in BLEU than one by one with {}.",
        "undecided": "no differently as far as is shown, since the intervals meet, with {}.",
    }
    texts = [f"{begin} {ends[verdict].format(listed(found))}" for verdict, found in groups.items() if found]
    settings = results.experiment.test_sets.joined
    words = number * settings.max_words if settings else 0
    beyond = [code(system.name) for system in results.systems if system.max_train_words < words]
    if texts and beyond:
        texts.append(
            f"A line of {number} may have up to {words} source words, and the longest sentences that {listed(beyond)} "
            "saw in training have fewer: where it falls, length beyond training may be why."
        )
    return texts


def brevity_statements(results: Results) -> list[str]:
    """Names the systems whose translations of the longest sentences are too short, which BLEU punishes by itself."""
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
