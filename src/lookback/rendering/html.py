"""Templates, pictures and text for HTML pages."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from lookback.rendering import wording

SHARED = Path(__file__).parent / "templates"


def inline_svg(svg: bytes, prefix: str, alternative: str) -> Markup:
    """An SVG file as an element of an HTML page: ids of its own, a text alternative, the width of its container."""
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*\n\s*", "\n", text)
    text = re.sub(r"; font-family: [^;\"]*", "", text)  # one for the whole page, in its style sheet
    # Of the ids only those that something points to, and no groups that say nothing: a third of the page.
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r'\sid="([^"]*)"', lambda match: match[0] if match[1] in used else "", text)
    text = _without_plain_groups(text)
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'href="#|url\(#', rf"\g<0>{prefix}", text)
    # A tenth of a point cannot be seen; six decimals, and blanks between commands, can, in the size of the page.
    text = re.sub(r'\s(?:d|transform)="[^"]*"', lambda match: re.sub(r"(\.\d)\d+", r"\1", match[0]), text)
    text = re.sub(r'\sd="[^"]*"', lambda match: re.sub(r"\s*([MLQCz])\s*", r"\1", match[0]), text)
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height|version|xmlns)="[^"]*"', "", head)
    return Markup(f'{head} role="img" aria-label="{escape(alternative)}">{rest}')


def _without_plain_groups(svg: str) -> str:
    """Without the tags of groups that have no attribute, and so do nothing."""
    kept: list[bool] = []

    def tag(match: re.Match[str]) -> str:
        if match[0].endswith("/>"):
            return "" if match[0] == "<g/>" else match[0]
        if match[0] == "</g>":
            return match[0] if kept.pop() else ""
        kept.append(match[0] != "<g>")
        return match[0] if kept[-1] else ""

    return re.sub(r"\n\n+", "\n", re.sub(r"<g\b[^>]*>|</g>", tag, svg))


def render(template: str, context: dict[str, Any], folder: Path) -> str:
    """A template of `folder` or of this package, filled in; in HTML whatever is not marked up here is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, SHARED], encoding="utf-8"),
        autoescape=template.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"inline": inline_html, "md": wording.escape_markdown, "code": code}
    environment.filters |= {"breakable": breakable, "cell": table_cell}
    return environment.get_template(template).render(context)


def inline_html(text: str) -> Markup:
    """Our own sentences, which mark names with backticks and weight with asterisks, as HTML.

    What `wording.escape_markdown` has escaped stays a character here too.
    """
    html = re.sub(r"\\(&\w+;|[\\`*|~$_\]])", lambda match: f"&#{ord(unescape(match[1]))};", str(escape(text)))
    html = re.sub(r"`([^`]+)`", lambda match: f"<code>{breakable(match[1])}</code>", html)
    html = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", html)
    return Markup(re.sub(r"\*([^*]+)\*", r"<em>\1</em>", html))


def breakable(text: str) -> Markup:
    """Text that may be broken after an underscore, so that long names fit narrow columns."""
    return Markup(str(escape(text)).replace("_", "_<wbr>"))


def table_cell(text: str) -> Markup:
    """A cell of a table; an interval stands on a line of its own."""
    return Markup(re.sub(r" (\[.*\])$", r'<span class="interval"> \1</span>', str(escape(text))))


def code(text: str) -> str:
    """Text as Markdown code, whatever it holds."""
    text = " ".join(str(text).split())
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
