"""The measures on the models themselves: figures and sentences from `probe.csv` and `speed.csv`.

A section has one chart for each measure, and sentences written from the points. It is shown if a run has such points.
For a further measure, add a `Picture`, and sentences about it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lookback.probes.points import Point
from lookback.rendering.wording import code, integer, listed
from lookback.report.charts import Measure
from lookback.report.results import Results, RunResult

LITTLE = 0.01
"""A norm below this is called forgotten."""


@dataclass(frozen=True)
class Picture:
    """A chart of one measure, and its caption."""

    measure: Measure
    caption: str

    def alternative(self, results: Results) -> str:
        """The figure in words, with some points of each line."""
        lines, measure = [], self.measure
        for run in results.runs:
            for series in measure.series or dict.fromkeys(point["series"] for point in run.points):
                points = run.curve(measure.name, series, measure.x_by)
                told = [f"{number(p['value'])} at {p['x']:g}" for p in points[:: max(1, len(points) // 8)]]
                if told:
                    # Times belong to a model, not to a run, and have one line each, without a series name.
                    name = f"{run.run.name}, {series}" if series else run.run.model
                    lines.append(f"{name}: {', '.join(told)}.")
        return f"{measure.label} by {measure.x_label}. {' '.join(lines)}"


@dataclass(frozen=True)
class Section:
    title: str
    charts: dict[str, Picture]
    """By the names of their figures."""
    about: str
    """What was measured, and what it does not show."""
    texts: tuple[str, ...]
    """The results of each system."""
    file: str
    """The file with the numbers, relative to the report."""
    in_short: bool
    """The short Markdown has the texts too."""


def sections(results: Results) -> list[Section]:
    """The sections that have points."""
    measured = {(point["measure"], point["x_by"]) for run in results.runs for point in run.points}
    found = []
    looks = {"gradient": GRADIENT, "entropy": ENTROPY, "agreement": AER}
    for title, charts, about, tell in (
        ("What a state remembers", {"memory": NORM}, ABOUT_MEMORY, memory),
        ("What can be read from the encoder's vectors", {"readable": READABLE}, ABOUT_READING, reading),
        ("Where a decoder looks", looks, ABOUT_LOOKING, looking),
        ("What a step costs", {"training-step": TRAINING_STEP, "search-step": SEARCH_STEP}, "", cost),
    ):
        drawn = {
            key: chart
            for key, chart in charts.items()
            if any(chart.measure.name == measure and chart.measure.x_by in ("", x_by) for measure, x_by in measured)
        }
        if drawn:
            file = "speed.csv" if tell is cost else "runs/<run>/probe.csv"
            found.append(Section(title, drawn, about, tuple(tell(results)), file, in_short=tell is memory))
    return found


def named(results: Results) -> list[tuple[str, RunResult]]:
    """Each run with its name in texts: the name of the system if there is one seed."""
    return [(code(run.run.name if len(results.seeds) > 1 else run.system.name), run) for run in results.runs]


def number(value: float, digits: int = 2) -> str:
    """A number with so many significant digits: `0.013`, `4.6·10⁻⁷`, `∞`."""
    if not math.isfinite(value):
        return f"{value}".replace("inf", "∞")
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{printed(value, digits):g}"
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}·10{str(int(power)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def printed(value: float, digits: int = 2) -> float:
    """The number that `number` shows."""
    return float(f"{value:.{digits - 1}e}")


def interval(point: Point) -> str:
    """`0.013 [0.011, 0.016]`"""
    told = number(point["value"])
    return told if math.isnan(point["low"]) else f"{told} [{number(point['low'])}, {number(point['high'])}]"


# --- recurrent encoders -----------------------------------------------------------------------------------------------

NORM = Picture(
    Measure(
        name="jacobian_norm",
        x_label="steps back, k",
        label="norm of the Jacobian",
        beside="jacobian_bound",
    ),
    "What a state remembers: the 2-norm of the Jacobian of the encoder's last state by the state k steps "
    "before, made of exact steps along test sentences (geometric mean). Dashed: the same models before training. "
    "Dotted, of RNNs without gates: the bound of the trained model.",
)


ABOUT_MEMORY = (
    "The Jacobian says how a small change of the state k steps before the end mark changes the state at the end mark, "
    "for the given words between. Its norm is the largest factor of such a change. For an LSTM the state is (h, c). It "
    "is a derivative: what a model keeps of large changes may differ."
)


def memory(results: Results) -> list[str]:
    """The curves of the Jacobian's norm, and the usual substitutes for it."""
    texts = []
    for name, run in named(results):
        for told in (forgetting, bounding, commuting):
            if text := told(run):
                texts.append(f"{name}: {text}")
    return texts


def forgetting(run: RunResult) -> str:
    """After how many steps the norm is small, and whether training changed that."""
    trained, untrained = (run.curve("jacobian_norm", series) for series in ("trained", "untrained"))
    if not trained:
        return ""
    last = trained[-1]
    text = f"the norm {_fallen(trained)}; after {_steps(last)} it is {interval(last)} (n = {last['n']} sentences)."
    if untrained and untrained[-1]["x"] == last["x"]:
        before = untrained[-1]
        verdict = (
            "more gets through after training"
            if printed(last["low"]) > printed(before["high"])
            else "less gets through after training"
            if printed(last["high"]) < printed(before["low"])
            else "the intervals meet, so no effect of training is shown there"
        )
        text += f" Before training it {_fallen(untrained)} and is {interval(before)} after {_steps(before)}: {verdict}."
    return text


def _fallen(points: Sequence[Point]) -> str:
    below = [point for point in points if point["value"] < LITTLE]
    if not below:
        return f"stays at 1 % or more for all {_steps(points[-1])}"
    return f"falls below 1 % after {_steps(below[0])} (n = {below[0]['n']})"


def _steps(point: Point) -> str:
    return f"{integer(point['x'])} step" + ("" if point["x"] == 1 else "s")


def bounding(run: RunResult) -> str:
    """What the norm and the spectral radius of the recurrent matrix say about an RNN without gates."""
    bound, powers, radius, norms = (
        run.curve(measure, "trained")
        for measure in ("jacobian_bound", "matrix_power_norm", "spectral_radius", "jacobian_norm")
    )
    if not (bound and powers and radius and norms):
        return ""
    end = len(norms) - 1
    says = (
        "it does not make the norm fall, and so says nothing of forgetting"
        if bound[end]["value"] >= 1
        else "it alone makes the norm fall"
    )
    factor, power, matrix, norm = (number(curve[end]["value"]) for curve in (bound, radius, powers, norms))
    return (
        f"the bound on the norm changes by a factor of {number(bound[1]['value'], 3)} a step, to {factor} after "
        f"{_steps(norms[end])}: {says}. The spectral radius of the recurrent matrix, {number(radius[1]['value'], 3)}, "
        f"is no bound: after {_steps(norms[end])} its power is {power}, the norm of the matrix's power {matrix}, and "
        f"that of the Jacobian {norm}."
    )


def commuting(run: RunResult) -> str:
    """How far the form with the diagonal matrices outside the product is from the product."""
    errors, ratios = (run.curve(measure, "trained") for measure in ("commuted_error", "commuted_ratio"))
    pairs = [pair for pair in zip(errors, ratios, strict=True) if pair[0]["x"] in {2, 10, max(2, errors[-1]["x"] or 0)}]
    if not pairs:
        return ""
    told = [
        f"{interval(error)} after {_steps(error)} (norm {number(ratio['value'])} times that of the product)"
        for error, ratio in pairs
    ]
    return (
        "the form often quoted, in which the slopes stand outside of the product of matrices, is not the product: its "
        f"relative error is {listed(told)}; n = {pairs[0][0]['n']}."
    )


# --- the encoder's vectors --------------------------------------------------------------------------------------------

FIRST, LATE = "1st", "2nd to last"
READABLE = Picture(
    Measure(
        name="readable_words",
        x_label="source words",
        label="pieces read right",
        log=False,
        series=(FIRST, LATE),
        x_by="source words",
        top=1.0,
    ),
    "What can be read from the encoder's vectors: the share of test sentences whose first piece, and whose "
    "last but one (dashed), a linear classifier names from them. The RNN encoder-decoder is asked for both from its "
    "one vector, the other models from the annotation at that very place.",
)


ABOUT_READING = (
    "A linear classifier (discriminant analysis, fitted on training sentences) names a piece of the source from "
    "what the encoder hands on. Success shows that a linear map can find the piece there. It does not show that the "
    "decoder uses it; and failure does not show that it is not there in another form."
)


def reading(results: Results) -> list[str]:
    """What a linear classifier reads from short and long sentences, compared with the most frequent piece."""
    texts = []
    for name, run in named(results):
        told = []
        for place in (FIRST, LATE):
            points, usual = run.curve("readable_words", place), run.curve("readable_words", f"{place}, majority")
            if points and usual:
                short, long = points[0], points[-1]
                told.append(
                    f"the {place} piece in {interval(short)} of the shortest sentences ({short['x']:.0f} words on "
                    f"average, n = {short['n']}) and {interval(long)} of the longest ({long['x']:.0f} words, "
                    f"n = {long['n']}), where the most frequent piece would be right in {number(usual[-1]['value'])}"
                )
        if told:
            texts.append(f"{name}: {listed(told)}.")
    return texts


# --- where a decoder looks --------------------------------------------------------------------------------------------

GRADIENT = Picture(
    Measure(
        name="gradient_by_distance",
        x_label="source pieces from the end",
        label="share of the gradient",
        series=("first word", "last word"),
        x_by="pieces from the end",
    ),
    "Which source pieces a target word depends on: the norm of the gradient of its score by each source "
    "piece's embedding, as a share of the sentence's, against the piece's distance from the end of the source, for the "
    "first and (dashed) the last target word of the references. Small distances come from all sentences, large ones "
    "from long sentences alone.",
)
ENTROPY = Picture(
    Measure(
        name="alignment_entropy",
        x_label="source words",
        label="entropy (nats)",
        log=False,
        series=("nats",),
    ),
    "How widely a decoder looks: the entropy of its weights over the source pieces, on the references.",
)
AER = Picture(
    Measure(
        name="alignment_error_rate",
        x_label="source words",
        label="alignment error rate",
        log=False,
        series=("alignment", "diagonal"),
        top=1.0,
    ),
    "Whether it looks where the grammar says: the alignment error rate (Och and Ney 2003) of the source word "
    "with most weight for each target word, against the grammar's own word alignment. Dashed: the diagonal.",
)


ABOUT_LOOKING = (
    "The gradient says how much a small change of each source piece would change a target word's score; the "
    "weights say what the decoder's context vector is made of. Neither is an explanation of what the model does."
)


def looking(results: Results) -> list[str]:
    """Gradients at the aligned word, entropy and agreement of the alignments, over all lengths."""
    texts = []
    for name, run in named(results):
        told = []
        near, even = (
            run.curve("gradient_by_distance", series, "pieces from the aligned word") for series in ("gradient", "even")
        )
        if near and even:
            told.append(
                f"of a target word's gradient, {interval(near[0])} falls on the aligned source word "
                f"(n = {near[0]['n']}), where an even spread would put {number(even[0]['value'])}"
            )
        if entropy := run.total("alignment_entropy", "nats"):
            told.append(f"its weights have an entropy of {interval(entropy)} nats (n = {entropy['n']})")
        wrong, diagonal = (run.total("alignment_error_rate", series) for series in ("alignment", "diagonal"))
        if wrong and diagonal:
            told.append(
                f"its alignment error rate is {interval(wrong)}, that of a diagonal {interval(diagonal)} "
                f"(n = {wrong['n']})"
            )
        if told:
            texts.append(f"{name}: {'; '.join(told)}.")
    return texts


# --- the cost of a step -----------------------------------------------------------------------------------------------

TRAINING_STEP = Picture(
    Measure(
        name="training_step",
        x_label="source pieces",
        label="time (1: first model, shortest)",
        log=False,
    ),
    "What a training step costs: time of encoder, decoder, loss and gradients for a batch whose sources grow "
    "and whose targets do not, relative to the first model at the shortest source. Medians over interleaved rounds on "
    "one machine.",
)
SEARCH_STEP = Picture(
    Measure(
        name="search_step",
        x_label="source pieces",
        label="time (1: first model, shortest)",
        log=False,
    ),
    "What a further target piece costs in beam search, the source having been read, relative to the first "
    "model at the shortest source. Medians over interleaved rounds on one machine.",
)


def cost(results: Results) -> list[str]:
    """How the time of each model's steps grows with the source."""
    texts = []
    for run in results.runs:
        told, rounds = [], 0
        for chart, step in ((TRAINING_STEP, "a training step"), (SEARCH_STEP, "a step of the search")):
            if points := run.curve(chart.measure.name, ""):
                start, end = points[0], points[-1]
                told.append(
                    f"{step} takes {interval(start)} at {integer(start['x'])} source pieces and {interval(end)} at "
                    f"{integer(end['x'])}"
                )
                rounds = start["n"]
        if told:
            texts.append(f"{code(run.run.model)}: {'; '.join(told)} (n = {rounds} rounds).")
    return texts
