"""The look of lines in figures: each model has a colour and a marker, each training length a dash.

The colours are Okabe and Ito's, which colour-blind readers can distinguish. Orange and sky blue are darker than theirs,
so that all colours have a contrast of 3 to 1 with white. Markers are filled for the longest training length. So all
lines differ in gray as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib

from lookback.architectures import ARCHITECTURES
from lookback.evaluation.systems import System

OKABE_ITO = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#C48A00", "#3B9AD6", "#555555")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.8)), (0, (1.2, 1.4)), (0, (6, 1.5, 1.2, 1.5)), (0, (9, 2)))


@dataclass(frozen=True)
class Look:
    """How one line is drawn."""

    color: str
    marker: str
    dash: Any
    filled: bool

    @property
    def line(self) -> dict[str, Any]:
        return {"color": self.color, "linestyle": self.dash, "marker": self.marker, **self.face}

    @property
    def face(self) -> dict[str, Any]:
        background = matplotlib.rcParams["axes.facecolor"]
        return {"markerfacecolor": self.color if self.filled else background, "markeredgecolor": self.color}


def looks(systems: Sequence[System]) -> dict[System, Look]:
    """A look for each system; a model named after an architecture has its colour and marker in every experiment."""
    models = list(dict.fromkeys(system.model for system in systems))
    own = {
        model: (ARCHITECTURES[model].color, ARCHITECTURES[model].marker) for model in models if model in ARCHITECTURES
    }
    taken = [(entry.color, entry.marker) for entry in ARCHITECTURES.values()] if own else []
    free = [pair for pair in zip(OKABE_ITO, MARKERS, strict=True) if pair not in taken]
    others = [model for model in models if model not in own]
    # If there are more models than colours, models that share a colour differ in their dash.
    pairs = own | {model: free[place % len(free)] for place, model in enumerate(others)}
    turns = {model: place // len(free) for place, model in enumerate(others)}
    lengths = sorted({system.max_train_words for system in systems}, reverse=True)
    return {
        system: Look(
            *pairs[system.model],
            dash=DASHES[(lengths.index(system.max_train_words) + turns.get(system.model, 0)) % len(DASHES)],
            filled=system.max_train_words == lengths[0],
        )
        for system in systems
    }
