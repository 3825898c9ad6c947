"""Templates, pictures and text for HTML pages."""

import re
from pathlib import Path
from typing import Any

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from lookback.rendering import wording

SHARED = Path(__file__).parent / "templates"


def inline_svg(svg: bytes, prefix: str, alternative: str) -> Markup:
    """An SVG file as an element of an HTML page, with unique ids, a text alternative and the width of its container."""
    text = svg.decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*\n\s*", "\n", text)
    text = re.sub(r"; font-family: [^;\"]*", "", text)  # the style sheet sets one font for the whole page
    # Keep only ids that are referenced, and no groups without attributes: this saves a third of the page.
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r'\sid="([^"]*)"', lambda match: match[0] if match[1] in used else "", text)
    text = _without_plain_groups(text)
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'href="#|url\(#', rf"\g<0>{prefix}", text)
    # One decimal is enough for the eye; six decimals, and blanks between commands, make the page larger.
    text = re.sub(r'\s(?:d|transform)="[^"]*"', lambda match: re.sub(r"(\.\d)\d+", r"\1", match[0]), text)
    text = re.sub(r'\sd="[^"]*"', lambda match: _brief(match[0]), text)
    head, rest = text.split(">", 1)
    head = re.sub(r'\s(width|height|version|xmlns)="[^"]*"', "", head)
    return Markup(f'{head} role="img" aria-label="{escape(alternative)}">{rest}')


def _brief(path: str) -> str:
    """The same path in fewer characters: no blanks between commands, H and V for horizontal and vertical lines."""
    path = re.sub(r"\s*([MLQCz])\s*", r"\1", path)
    point = r"(-?[\d.]+) (-?[\d.]+)"
    path = re.sub(rf"M{point}L(\S+) \2L\3 (-?[\d.]+)L\1 \4z", r"M\1 \2H\3V\4H\1z", path)
    path = re.sub(rf"M{point}L\1 (-?[\d.]+)(?=[M\"])", r"M\1 \2V\3", path)
    return re.sub(rf"M{point}L(-?[\d.]+) \2(?=[M\"])", r"M\1 \2H\3", path)


def _without_plain_groups(svg: str) -> str:
    """Remove the tags of groups without attributes, which have no effect."""
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
    """Fill in a template of `folder` or of this package; in HTML all text that is not `Markup` is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, SHARED], encoding="utf-8"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"inline": inline_html, "md": wording.escape_markdown, "code": code}
    environment.filters |= {"breakable": breakable, "cell": table_cell, "solid": solid, "slug": slug}
    return environment.get_template(template).render(context)


def _markdown() -> MarkdownIt:
    """CommonMark without inline HTML: our templates write HTML only as blocks."""
    markdown = MarkdownIt("commonmark").disable("html_inline")
    markdown.add_render_rule(
        "code_inline", lambda _, tokens, index, *rest: f"<code>{breakable(tokens[index].content)}</code>"
    )
    return markdown


MARKDOWN = _markdown()


def inline_html(text: str) -> Markup:
    """Our own sentences as HTML; backticks mark names, asterisks emphasis.

    Characters that `wording.escape_markdown` has escaped stay as they are.
    """
    return Markup(MARKDOWN.renderInline(text))


def document(markdown: str) -> tuple[Markup, Markup, dict[str, Markup]]:
    """A document in Markdown as HTML: the part before its first section, the sections, and their headings by id."""
    tokens = MARKDOWN.parse(markdown)
    sections, first = {}, len(tokens)
    for index, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag in ("h2", "h3"):
            heading = tokens[index + 1].content
            token.attrSet("id", slug(heading))
            if token.tag == "h2":
                sections[slug(heading)] = inline_html(heading)
                first = min(first, index)
    opening, body = (
        Markup(MARKDOWN.renderer.render(part, MARKDOWN.options, {})) for part in (tokens[:first], tokens[first:])
    )
    return opening, body, sections


def slug(heading: str) -> str:
    """The id of a heading, as code hosts form it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def solid(html: Markup) -> Markup:
    """Remove blank lines, which would end a block of HTML in Markdown."""
    return Markup(re.sub(r"\n\s*\n", "\n", html.strip()))


def breakable(text: str) -> Markup:
    """Text that can break after an underscore, so that long names fit narrow columns."""
    return Markup(str(escape(text)).replace("_", "_<wbr>"))


def table_cell(text: str) -> Markup:
    """A cell of a table, with the interval on a line of its own."""
    return Markup(re.sub(r" (\[.*\])$", r'<span class="interval"> \1</span>', str(escape(text))))


def code(text: str) -> str:
    """Text as Markdown code, even if it contains backticks."""
    text = " ".join(str(text).split())
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"
