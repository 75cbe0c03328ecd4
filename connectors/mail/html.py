"""HTML of a mail to plain text, without what a reader cannot see.

    html | parse (lxml) | drop hidden text | mark quotes | bare tree | inscriptis | text

Whatever a person does not see may be there for a filter or a model only: display:none, zero size, text in the colour
of its background. The tree that inscriptis renders has no attributes and no tables, because its CSS paddings and
column widths turn a small mail into gigabytes of blanks; a mail's tables are mostly layout anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from inscriptis.css_profiles import CSS_PROFILES  # type: ignore[import-untyped]
from inscriptis.html_engine import Inscriptis  # type: ignore[import-untyped]
from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]
from lxml.etree import HTMLParser, LxmlError, TreeBuilder, _Element  # type: ignore[import-untyped]

from connectors.mail.headers import INVISIBLE

LONGEST_HTML = 500_000
MOST_ELEMENTS = 12_000
# inscriptis recurses once a level, and rendering inline elements costs the square of their text.
DEEPEST = 200
LONGEST_TEXT = 150_000

# Quoted text is wrapped in these two while it is rendered; INVISIBLE has removed them from the mail before.
_QUOTE_OPENS, _QUOTE_ENDS = "\ue000", "\ue001"

_DROPPED = {
    *("script", "style", "head", "title", "meta", "template", "noscript"),
    *("object", "svg", "math", "select", "textarea"),
}
_BLOCKS = {
    *("html", "body"),
    *("table", "tbody", "thead", "tfoot", "tr", "caption"),
    *("center", "dl", "dt", "dd", "section", "form", "fieldset"),
}
_KEPT_TAGS = {"p", "div", "br", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "pre", "blockquote", "hr"}

_ATTRIBUTES = ("style", "class", "id", "color", "bgcolor", "background", "hidden", "type", "alt")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})(?:[0-9a-f]{2})?$")
_RGB = re.compile(r"rgba?\((\d{1,3}),(\d{1,3}),(\d{1,3})")
_NAMED = {"white": (255, 255, 255), "black": (0, 0, 0), "snow": (255, 250, 250), "ivory": (255, 255, 240)}
_NO_SIZE = re.compile(r"(?:0*(?:\.\d{1,4})?|0?1(?:\.0{1,4})?(?=px|pt))(?:px|pt|em|rem|ex|%)?$")
_SIMPLE_SELECTOR = re.compile(r"[a-z0-9]{0,20}([.#][a-z0-9_-]{1,80})$")

Color = tuple[int, int, int]
Style = dict[str, str]
_WHITE: Color = (255, 255, 255)


def html_to_text(html: str) -> str:
    """The visible text of an HTML mail, quotes marked with "> ". Bounded, never raises.

    If the library fails on it, the tags are cut out crudely.
    """
    html = INVISIBLE.sub("", html[:LONGEST_HTML].replace("\r", "\n").replace("\x0c", " "))
    if not html.strip():
        return ""
    try:
        return _render(html)
    except (LxmlError, ValueError, TypeError, AttributeError, KeyError, IndexError, AssertionError, RecursionError):
        return crude_text(html)


def crude_text(html: str) -> str:
    """Tags cut out, nothing else understood. For HTML on which the library fails."""
    text = _TAG.sub(" ", html)
    for entity, character in (("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        text = text.replace(entity, character)
    return "\n".join(line for line in (" ".join(line.split()) for line in text[:LONGEST_TEXT].split("\n")) if line)


def _render(html: str) -> str:
    tree = _BoundedTree()
    parser = HTMLParser(encoding="utf-8", target=tree, remove_comments=True, remove_pis=True, no_network=True)
    parser.feed(html.encode("utf-8", "replace"))
    root = parser.close()
    rules = _hiding_rules(root)
    _strip_hidden(root, rules)
    text = Inscriptis(root, ParserConfig(css=CSS_PROFILES["strict"])).get_text()
    return _quote_prefixes(INVISIBLE_BUT_QUOTES.sub("", text))


class _BoundedTree:
    """Builds the tree while lxml reads, without what is too deep or too much, and with only the attributes that matter.

    lxml's own builder takes the square of an element's attributes: minutes for one tag of a bad mail.
    """

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        # A root of our own: after "</html>" the parser starts another document, and the builder forgets the first.
        self._builder.start("div", {})
        self._elements = 0
        self._depth = 0
        self._too_much = 0
        """How many of the open elements are left out."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._too_much or self._depth >= DEEPEST or self._elements >= MOST_ELEMENTS:
            self._too_much += 1
            return
        self._depth += 1
        self._elements += 1
        self._builder.start(tag, {name: attributes[name] for name in _ATTRIBUTES if name in attributes})

    def end(self, tag: str) -> None:
        if self._too_much:
            self._too_much -= 1
        else:
            self._depth -= 1
            self._builder.end(tag)

    def data(self, text: str) -> None:
        if not self._too_much:
            self._builder.data(text)

    def close(self) -> _Element:
        self._builder.end("div")
        return self._builder.close()


INVISIBLE_BUT_QUOTES = re.compile(INVISIBLE.pattern.replace("\ue000-\uf8ff", "\ue002-\uf8ff"))


def _hiding_rules(root: _Element) -> dict[str, Style]:
    """Declarations of ".class" and "#id" rules that hide something; rules inside @media apply to other screens."""
    rules: dict[str, Style] = {}
    for sheet in root.iter("style"):
        for selectors, body in _top_level_rules("".join(sheet.itertext())[:100_000].lower()):
            style = _declarations(body)
            if style.keys() & {"display", "visibility", "font-size", "color", "mso-hide", "opacity", "max-height"}:
                for selector in selectors.split(",")[:50]:
                    if simple := _SIMPLE_SELECTOR.match(selector.strip()):
                        rules.setdefault(simple[1], {}).update(style)
    return rules


def _top_level_rules(sheet: str) -> Iterator[tuple[str, str]]:
    """(selectors, declarations) outside of any at-rule, by counting braces."""
    depth, start, selectors = 0, 0, ""
    for brace in re.finditer(r"[{}]", sheet):
        if brace[0] == "{":
            if depth == 0:
                selectors, start = sheet[start : brace.start()].rpartition("*/")[2].strip(), brace.end()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                if not selectors.startswith("@"):
                    yield selectors, sheet[start : brace.start()]
                start = brace.end()


def _declarations(css: str) -> Style:
    style: Style = {}
    for declaration in css[:2_000].lower().split(";"):
        name, colon, value = declaration.partition(":")
        if colon:
            style[name.strip()] = "".join(value.replace("!important", "").split())[:100]
    return style


def _strip_hidden(root: _Element, rules: dict[str, Style]) -> None:
    """Empty what nobody sees and leave a tree that is safe to render: few plain tags, no attributes."""
    left = LONGEST_TEXT
    # (element, text colour, background, too small to see); children inherit what their parent shows.
    waiting: list[tuple[_Element, Color, Color | None, bool]] = [(root, (0, 0, 0), _WHITE, False)]
    while waiting:
        element, color, background, small = waiting.pop()
        style = _style_of(element, rules)
        if element.tag in _DROPPED or _is_gone(element, style) or left <= 0:
            _empty(element)
            continue
        color = _color(style.get("color") or element.get("color") or "") or color
        background = _background(element, style, background)
        if size := style.get("font-size"):
            small = bool(_NO_SIZE.match(size))
        unseen = small or (background is not None and _alike(color, background))
        is_quote = _is_quote(element)
        if unseen:
            element.text = None
        elif element.tag == "img":
            element.text = (element.get("alt") or "")[:100]
        left -= len(element.text or "")
        for child in element:
            if unseen:
                child.tail = None
            left -= len(child.tail or "")
        waiting.extend((child, color, background, small) for child in reversed(element))
        _make_plain(element, is_quote)


def _style_of(element: _Element, rules: dict[str, Style]) -> Style:
    style: Style = {}
    if rules:
        names = [f".{name}" for name in (element.get("class") or "").lower().split()[:20]]
        for name in [*names, f"#{(element.get('id') or '').lower()}"]:
            style.update(rules.get(name, {}))
    if inline := element.get("style"):
        style.update(_declarations(inline))
    return style


def _is_gone(element: _Element, style: Style) -> bool:
    """Hidden with all that is in it, whatever that says of itself."""
    return (
        element.get("hidden") is not None
        or style.get("display") == "none"
        or style.get("visibility") in ("hidden", "collapse")
        or style.get("mso-hide") == "all"
        or style.get("opacity") in ("0", "0.0", "0%")
        or (style.get("max-height") in ("0", "0px") and style.get("overflow") == "hidden")
    )


def _color(value: str) -> Color | None:
    value = value.strip().lower()
    if match := _HEX.match(value):
        digits = match[1] if len(match[1]) == 6 else "".join(digit * 2 for digit in match[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if match := _RGB.match(value):
        return int(match[1]), int(match[2]), int(match[3])
    return _NAMED.get(value)


def _background(element: _Element, style: Style, inherited: Color | None) -> Color | None:
    """The colour behind the element's text; None if it cannot be told, as with a picture."""
    value = style.get("background-color") or style.get("background") or element.get("bgcolor")
    if "url(" in style.get("background", "") + style.get("background-image", "") or element.get("background"):
        return None
    if not value or value in ("none", "transparent", "inherit", "initial"):
        return inherited
    return _color(value)


def _alike(one: Color, other: Color) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 8


def _is_quote(element: _Element) -> bool:
    marks = f"{element.get('type') or ''} {element.get('class') or ''} {element.get('id') or ''}".lower()
    return element.tag == "blockquote" and ("cite" in marks or "quote" in marks)


def _empty(element: _Element) -> None:
    element.text = None
    del element[:]
    element.attrib.clear()
    element.tag = "span"


def _make_plain(element: _Element, is_quote: bool) -> None:
    element.attrib.clear()
    tag = element.tag
    if tag in ("td", "th"):  # cells side by side, rows below each other
        element.tag = "span"
        element.tail = " "
    elif tag in _BLOCKS:
        element.tag = "div"
    elif tag not in _KEPT_TAGS:
        element.tag = "span"
    if is_quote:
        element.tag = "div"
        opening, ending = element.makeelement("div"), element.makeelement("div")
        opening.text, ending.text = _QUOTE_OPENS, _QUOTE_ENDS
        opening.tail, element.text = element.text, None
        element.insert(0, opening)
        element.append(ending)


def _quote_prefixes(text: str) -> str:
    depth = 0
    lines: list[str] = []
    for line in text.split("\n"):
        opens, ends = line.count(_QUOTE_OPENS), line.count(_QUOTE_ENDS)
        depth += opens
        visible = line.replace(_QUOTE_OPENS, "").replace(_QUOTE_ENDS, "")
        if visible.strip() or not (opens or ends):
            lines.append("> " * min(depth, 5) + visible.strip() if depth > 0 else visible)
        depth = max(0, depth - ends)
    return "\n".join(lines)
