"""`params.yaml`: settings shared by all experiments."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from lookback.settings import Count, Settings


class Hardware(Settings):
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: Count = 1
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads per process; 0 leaves the choice to torch."""


class Report(Settings):
    """How figures look; `python -m pipeline.report --help` prints the docstrings."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    formats: tuple[Literal["svg", "png", "pdf"], ...] = ("svg", "png")
    """The file formats of each figure, below figures/. report.md shows the first of svg and png that exists, or links
    to the pdf. report.html draws its own figures, whatever is set here."""
    style: str = "default"
    """A matplotlib style. An unknown name is an error that lists the known ones. `default` is matplotlib's own with a
    lighter grid; others, such as `ggplot` or `grayscale`, are used as they are. The colours of models stay."""
    dpi: Count = 300
    """Resolution of the png files in dots per inch; journals ask for 300 or more. It affects nothing else."""
    width_inches: Annotated[float, Field(gt=1)] = 7.0
    """Width of the figures. Text keeps its size, so a narrower figure has larger text in the same column; below 5 the
    legend moves beneath the plot. The charts of report.html are as wide as its window."""


class Params(Settings):
    hardware: Hardware = Hardware()
    report: Report = Report()
