"""`params.yaml`: what is the same for all experiments."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from lookback.settings import Count, Settings


class Hardware(Settings):
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: Count = 1
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads a process computes with; 0 leaves it to torch."""


class Report(Settings):
    """How figures look; `python -m pipeline.report --help` prints the docstrings."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    formats: tuple[Literal["svg", "png", "pdf"], ...] = ("svg", "png")
    """The files that are written of each figure, below figures/. report.md shows the first of svg and png that is
    there, or links to the pdf; report.html holds its own drawings, whatever is set here."""
    style: str = "default"
    """A style of matplotlib. A name that it does not have is an error that lists those it has. `default` is its own
    with a lighter grid; others, as `ggplot` or `grayscale`, are taken as they are. The colours of models stay."""
    dpi: Count = 300
    """Dots in an inch of the png files; journals ask for 300 or more. Nothing else changes with it."""
    width_inches: Annotated[float, Field(gt=1)] = 7.0
    """How wide figures are drawn. Text keeps its size, so a narrow figure has larger text in the same column; below 5
    the names of the lines go beneath the picture. The charts of report.html are as wide as its window."""


class Params(Settings):
    hardware: Hardware = Hardware()
    report: Report = Report()
