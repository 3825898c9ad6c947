"""The columns of `by_length.csv` that tables and charts show: their names and meanings."""

import math
from dataclasses import dataclass
from typing import Literal

from lookback.evaluation.systems import Score
from lookback.rendering.wording import decimal, interval, share
from lookback.report.results import Results


@dataclass(frozen=True)
class Column:
    title: str
    axis: str
    """The title with its unit, for an axis."""
    form: Literal["score", "number", "share"]
    digits: int = 1
    """Decimals."""
    top: float | None = None
    """The largest possible value, if any."""
    note: str = ""

    def told(self, score: Score) -> str:
        """A value as a table shows it; scores with their interval."""
        if self.form == "score":
            return interval(score)
        return share(score.value) if self.form == "share" else decimal(score.value, self.digits)


OF_SENTENCES = "Share of the sentences."


def _share(title: str, note: str = OF_SENTENCES) -> Column:
    return Column(title, f"{title[0].lower()}{title[1:]} (share)", "share", 3, 1.0, note)


COLUMNS = {
    "bleu": Column("BLEU", "BLEU", "score", top=100.0),
    "chrf": Column("chrF", "chrF", "score", top=100.0),
    "legacy_bleu": Column("BLEU as the papers score", "BLEU as the papers score", "score", top=100.0),
    "length_ratio": Column(
        "Length ratio",
        "length ratio",
        "number",
        2,
        note="Words of the translations over words of the references, as sacreBLEU counts them.",
    ),
    "brevity_penalty": Column("Brevity penalty", "brevity penalty", "number", 2, 1.0, "A factor of BLEU; 1 is none."),
    "reference_loss": Column(
        "Loss on the references",
        "loss on the references (nats/piece)",
        "number",
        3,
        note="Nats per target piece, teacher forced: how well the model predicts the reference when led along it.",
    ),
    "exact_match": _share("Equal to the reference"),
    "empty": _share("Empty translations"),
    "cut_off": _share("Cut off at the length limit of the search"),
    "looping": _share(
        "Looping translations",
        "Share of the sentences: the translation repeats itself and the reference does not.",
    ),
    "dropped": _share(
        "Source words dropped",
        "Of the source words, those that the reference translates and the translation does not, by a lexicon learned "
        "from the test set; it finds some of what is missing, not all.",
    ),
    "repeated": _share(
        "Target words repeated",
        "Of the translations' words, those beyond their number in the reference, and beyond the first.",
    ),
}


def note(results: Results, column: str) -> str:
    """The meaning of a column's numbers; for scores, their signature."""
    metrics = {"bleu": "BLEU", "chrf": "chrF"}
    if column in metrics:
        return f"sacreBLEU {results.signatures[metrics[column]]}"
    if column == "legacy_bleu":
        return (
            f"{results.legacy_signature}: not sacreBLEU's, and not to be compared with it. Moses tokens, and without "
            "smoothing, as multi-bleu; what the papers did to punctuation before is not certain, and not done here."
        )
    return COLUMNS[column].note


def known(results: Results) -> dict[str, Column]:
    """The columns that are not blank in all rows over the test set."""
    rows = [row for run in results.runs for row in run.by_bucket.values()]

    def is_known(name: str) -> bool:
        return any(row.get(name) is not None and not math.isnan(row[name]) for row in rows)

    return {name: column for name, column in COLUMNS.items() if is_known(name)}
