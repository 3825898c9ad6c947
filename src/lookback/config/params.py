"""`params.yaml`: what is the same for all experiments."""

from typing import Annotated, Literal

from pydantic import Field

from lookback.config.settings import Count, Settings


class Hardware(Settings):
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: Count = 1
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads a process computes with; 0 leaves it to torch."""


class Report(Settings):
    formats: tuple[Literal["svg", "png", "pdf"], ...] = ("svg", "png")
    style: str = "default"
    """A matplotlib style."""
    dpi: Count = 150
    width_inches: Annotated[float, Field(gt=1)] = 7.0


class Params(Settings):
    hardware: Hardware = Hardware()
    report: Report = Report()
