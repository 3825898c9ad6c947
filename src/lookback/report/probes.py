"""What was measured on the models themselves: from `probe.csv` to figures and sentences.

A section has charts, one a measure, and sentences written from the points; it is shown where a cell has such points.
For a further measure, add a `Chart`, and sentences where it says something.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from lookback.probes import Point
from lookback.report import figures
from lookback.report.claims import code, integer, listed
from lookback.report.results import CellResult, Results

LITTLE = 0.01
"""A norm below this is told as forgotten."""


@dataclass(frozen=True)
class Chart:
    """How one measure is drawn."""

    measure: str
    x_label: str
    label: str
    caption: str
    log: bool = True
    beside: str = ""
    """A measure to draw beside it."""

    def draw(self, results: Results, width: float) -> Figure:
        return figures.probe(results, width, self.measure, self.x_label, self.label, self.log, self.beside)

    def alternative(self, results: Results) -> str:
        """The figure in words: some points of each line."""
        lines = []
        for cell in results.cells:
            for series in dict.fromkeys(point["series"] for point in cell.points):
                points = cell.curve(self.measure, series)
                told = [f"{number(p['value'])} at {p['x']:g}" for p in points[:: max(1, len(points) // 8)]]
                if told:
                    lines.append(f"{cell.cell.name}, {series}: {', '.join(told)}.")
        return f"{self.label} by {self.x_label}. {' '.join(lines)}"


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    charts: dict[str, Chart]
    """By the names of their figures."""
    texts: tuple[str, ...]


def sections(results: Results) -> list[Section]:
    """Those of which there are points."""
    charts = {"memory": NORM}
    measured = {point["measure"] for cell in results.cells for point in cell.points}
    drawn = {name: chart for name, chart in charts.items() if chart.measure in measured}
    return [Section("memory", "What a state remembers", drawn, tuple(memory(results)))] if drawn else []


def number(value: float, digits: int = 2) -> str:
    """To so many digits: `0.013`, `4.6·10⁻⁷`."""
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

NORM = Chart(
    measure="jacobian_norm",
    x_label="steps back, k",
    label="norm of the Jacobian",
    caption="What a state remembers: the 2-norm of the Jacobian of the encoder's last state by the state k steps "
    "before, made of exact steps along test sentences (geometric mean). Dashed: the same models before training. "
    "Dotted, of RNNs without gates: the bound of the trained model.",
    beside="jacobian_bound",
)


def memory(results: Results) -> list[str]:
    """What the curves of the Jacobian's norm say, and what is often said in their place."""
    texts = [
        "The Jacobian tells how a small change of the state k steps before the end mark changes the state at the end "
        "mark, with the words between as they are; its norm is the factor of the change that gets through best. Of an "
        "LSTM the state is (h, c). It is a derivative: what a model keeps of large changes may differ.",
    ]
    for cell in results.cells:
        name = code(cell.cell.name if len(results.seeds) > 1 else cell.system.name)
        for told in (forgetting, bounding, commuting):
            if text := told(cell):
                texts.append(f"{name}: {text}")
    return texts


def forgetting(cell: CellResult) -> str:
    """After how many steps little gets through, and whether training changed that."""
    trained, untrained = (cell.curve("jacobian_norm", series) for series in ("trained", "untrained"))
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


def bounding(cell: CellResult) -> str:
    """What the norm and the spectral radius of the recurrent matrix say of an RNN without gates."""
    bound, powers, radius, norms = (
        cell.curve(measure, "trained")
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


def commuting(cell: CellResult) -> str:
    """How far the form with the diagonal matrices outside of the product is from the product."""
    errors, ratios = (cell.curve(measure, "trained") for measure in ("commuted_error", "commuted_ratio"))
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
