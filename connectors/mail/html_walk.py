"""The walk over the tree of an HTML mail that writes its lines.

Text goes into the current line, blocks and <br> end it, table cells stand side by side.
"""

from __future__ import annotations

import re

from connectors.mail import html_history as history
from connectors.mail.html_lines import Writer
from connectors.mail.html_tree import Element

_FILE_NAME = re.compile(r"(?:cid:\S{1,200}|\S{1,100}\.(?:png|jpe?g|gif|bmp|webp|svg))$", re.IGNORECASE)
# Outlook turns ":-)" into a letter of a font of pictures.
_WINGDINGS = {"J": ":-)", "K": ":-|", "L": ":-(", "à": "->", "ß": "<-", "è": "->", "ü": "✓", "û": "✗"}
_MOST_SIGNATURE_LINES = 15
# Scripts without blanks between words.
_SYLLABLES = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")
_CONTACT = re.compile(
    r"@|www\.|https?:|\w\.(?:com|org|net|[a-z]{2})\b|(?:\d[\s()/.-]{0,3}){6}|^-- ?$|\boutlook\b|\bproton\b",
    re.IGNORECASE,
)
_PARAGRAPHS = frozenset(("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "pre", "blockquote"))
_BLOCKS = frozenset(
    (
        *("html", "body", "div", "center", "section", "article", "header", "footer", "main", "nav", "aside", "form"),
        *("table", "tbody", "thead", "tfoot", "tr", "caption", "fieldset", "dl", "dt", "dd", "li", "address"),
        *("figure", "figcaption", "details", "summary", "hr"),
    )
)


def write(root: Element, forwarded: bool, is_first: bool, subject: str) -> str:
    """The text of the tree, as `html.py` promises it."""
    writer = Writer(forwarded, subject)
    _walk(root, writer, False)
    return writer.result(finds_headers=not is_first)


def _walk(element: Element, writer: Writer, is_bold: bool) -> None:
    if element.is_gone:
        return
    tag = element.tag
    if tag == "br":
        writer.line_break()
        return
    if tag == "img":
        alt = element.get("alt")[:100]
        if alt and not element.is_unseen and not _FILE_NAME.match(alt.strip()):
            writer.text(alt)
        return
    mark = history.mark_of(element) if element.attributes or tag in ("hr", "blockquote") else None
    if tag == "div" and mark is None and history.has_border(element, "left"):
        _walk_quote(element, writer, is_bold, is_cited=False)
        return
    is_bold = is_bold or tag in ("b", "strong", "th") or "font-weight:bold" in element.get("style").replace(" ", "")
    if mark is None and tag != "blockquote":
        _children(element, writer, is_bold)
    elif mark in ("rule", "rest", "forward"):
        _walk_marked(element, writer, is_bold, mark)
    elif mark in ("holder", "quote") and tag != "blockquote":
        _walk_holder(element, writer, is_bold, mark == "holder")
    elif mark == "signature":
        _walk_signature(element, writer, is_bold)
    elif mark == "attribution":
        _walk_attribution(element, writer, is_bold)
    else:
        _walk_quote(element, writer, is_bold, is_cited=mark == "quote")


def _children(element: Element, writer: Writer, is_bold: bool) -> None:
    tag = element.tag
    keeps_lines = element.keeps_lines or tag == "pre"
    if tag in _PARAGRAPHS and not element.is_tight:
        edge = writer.gap
    elif tag in _BLOCKS or tag in _PARAGRAPHS:
        edge = writer.block
    elif tag in ("td", "th"):
        edge = writer.cell
    else:
        edge = None
    if edge:
        edge()
    symbols = "wingdings" in (element.get("face") or element.get("style")).lower()
    if tag in ("ol", "ul"):
        start = element.get("start")[:6]
        writer.lists.append(0 if tag == "ul" else int(start) if start.isdecimal() else 1)
    elif tag == "li":
        writer.bullet()
    for child in element.children:
        if isinstance(child, str):
            if not element.is_unseen:
                writer.text(_symbols(child) if symbols else child, keeps_lines, is_bold)
        else:
            _walk(child, writer, is_bold)
    if tag in ("ol", "ul"):
        writer.lists.pop()
    if edge:
        edge()


def _symbols(text: str) -> str:
    bare = text.strip()
    return _WINGDINGS.get(bare, "") if len(bare) <= 2 else text


def _walk_marked(element: Element, writer: Writer, is_bold: bool, mark: str) -> None:
    if mark == "rule":
        writer.rule()
    elif mark == "rest":
        writer.rest_is_history(history.begins_with_header(history.first_lines(element)))
    else:
        writer.forward()
    _children(element, writer, is_bold)


def _walk_attribution(element: Element, writer: Writer, is_bold: bool) -> None:
    """The line above a quote. People write into its element, and programs announce a forward in it."""
    writer.block()
    _children(element, writer, is_bold)
    writer.expect_quote()
    if not history.DASHED.match(writer.last_text()):
        writer.quote_attribution()


def _walk_holder(element: Element, writer: Writer, is_bold: bool, may_hold_answers: bool) -> None:
    """An attribution and one or more quotes, with answers between and below them; or a forward."""
    lines = history.first_lines(element)
    shows_header = history.begins_with_header(lines) or history.begins_with_header(lines[1:])
    is_dashed = bool(lines) and bool(history.DASHED.match(lines[0]))
    if shows_header and (writer.is_forward or (is_dashed and may_hold_answers)):
        writer.forward()
        _children(element, writer, is_bold)
        return
    has_quote, letters = history.holds_blockquote(element)
    begins_quoted = shows_header or any(map(history.is_attribution, lines[:2]))
    if has_quote and letters <= history.LONGEST_ATTRIBUTION and not shows_header:
        writer.expect_quote()
        _children(element, writer, is_bold)
        writer.block()
    elif begins_quoted or not may_hold_answers:
        depth = writer.depth
        writer.indent(depth + 1)
        _children(element, writer, is_bold)
        writer.indent(depth)
    else:  # somebody wrote into it
        _children(element, writer, is_bold)


def _walk_quote(element: Element, writer: Writer, is_bold: bool, is_cited: bool) -> None:
    """A block: quoted by its marks, by a line at its side, or by the attribution above or in it."""
    lines = history.first_lines(element)
    if writer.is_forward and history.begins_with_header(lines):
        writer.forward()
        _children(element, writer, is_bold)
        return
    if not is_cited:
        writer.block()
        above, first = writer.last_text(), lines[0] if lines else ""
        has_line = history.has_border(element, "left")
        is_cited = (
            writer.depth > 0
            or history.is_attribution(above)
            or history.is_attribution(first)
            or (has_line and (history.might_be_attribution(above) or history.begins_with_header(lines)))
            or (has_line and bool(history.DASHED.match(first) or history.DASHED.match(above)))
        )
    if not is_cited:
        _children(element, writer, is_bold)
        return
    depth = writer.open_quote()
    _children(element, writer, is_bold)
    writer.indent(depth)


def _walk_signature(element: Element, writer: Writer, is_bold: bool) -> None:
    """Left out if it is a visiting card below the sender's words; people do write into it."""
    start, above = writer.count, writer.own_letters
    _children(element, writer, is_bold)
    lines = [line for line in writer.written(start) if line]
    if above >= 20 and above >= sum(map(len, lines)) // 4 and _is_card(lines):
        writer.drop(start)


def _is_card(lines: list[str]) -> bool:
    """Few short lines without a question: names and numbers, or names alone."""
    words = [len(line.split()) + len(_SYLLABLES.findall(line)) // 2 for line in lines]
    if len(lines) > _MOST_SIGNATURE_LINES or max(words, default=0) > 8 or any("?" in line for line in lines):
        return False
    return any(map(_CONTACT.search, lines)) or max(words, default=0) <= 4
