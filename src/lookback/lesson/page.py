"""Writes the page: index.html, one self-contained file; README.md for a code host; and the figures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lookback import config
from lookback.lesson import layers, lesson
from lookback.lesson.drawing import Drawing
from lookback.rendering import figures
from lookback.rendering.html import inline_svg, render

TEMPLATES = Path(__file__).parent / "templates"
TITLE = "Attention, worked with small numbers"


@dataclass(frozen=True)
class Picture:
    """A drawing in the form that the templates need."""

    name: str
    caption: str
    panels: tuple[tuple[Markup, int, str], ...]
    """The element, its width in pixels, and its file relative to the page."""


def write(folder: Path, settings: config.Report) -> None:
    """Write the page into the folder that holds layers.json.

    Args:
        folder: index.html, README.md and figures/*.svg are written there.
        settings: the look of figures, which are always SVG.

    Raises:
        LookbackError: layers.json is missing or malformed; nothing is written.
    """
    with figures.styled(settings):
        sections = lesson.sections(layers.load(folder / layers.FILE_NAME))
    written: dict[str, bytes] = {}
    shown: list[dict[str, Any]] = []
    for section in sections:
        blocks = []
        for block in section.blocks:
            if isinstance(block, Drawing):
                files = [f"{block.name}-{index}.svg" for index in range(1, len(block.panels) + 1)]
                written |= {file: panel.svg for file, panel in zip(files, block.panels, strict=True)}
                block = _picture(block, files)
            blocks.append((type(block).__name__, block))
        shown.append({"name": section.name, "title": section.title, "blocks": blocks})
    context = {"title": TITLE, "headline": lesson.HEADLINE, "opening": lesson.OPENING, "sections": shown}
    html, markdown = (render(f"mechanisms.{kind}.j2", context, TEMPLATES) for kind in ("html", "md"))

    (folder / "figures").mkdir(exist_ok=True)
    for old in (folder / "figures").glob("*.svg"):
        if old.name not in written:
            old.unlink()
    for name, data in written.items():
        (folder / "figures" / name).write_bytes(data)
    (folder / "index.html").write_text(html, encoding="utf-8")
    (folder / "README.md").write_text(markdown, encoding="utf-8")


def _picture(drawing: Drawing, files: list[str]) -> Picture:
    panels = [
        (inline_svg(panel.svg, f"{file}-", panel.alternative), panel.width, f"figures/{file}")
        for file, panel in zip(files, drawing.panels, strict=True)
    ]
    return Picture(drawing.name, drawing.caption, tuple(panels))
