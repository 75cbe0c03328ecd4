"""What a reader of an HTML mail does not see: hidden elements, no size, the colour of the background.

Read are inline styles and the rules of the style sheets that name a tag, a class, an id, or a tag with one of them.
Hidden by colour is only what is certain: both colours known, and no rule that we cannot read sets a colour. Rules for
telephones, for print and for dark mode (@media, [data-ogsc]) are no rules for this reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from connectors.mail.html_tree import LONGEST_SHEETS, Element

Color = tuple[int, int, int]
Style = dict[str, str]

_READ = frozenset(
    (
        *("display", "visibility", "mso-hide", "opacity", "max-height", "height", "overflow", "font-size", "font"),
        *("color", "background", "background-color", "background-image", "white-space"),
        *("margin", "margin-top", "margin-bottom"),
    )
)
_COLORS = frozenset(("color", "background", "background-color", "background-image"))
_WHITE: Color = (255, 255, 255)
_BLACK: Color = (0, 0, 0)
_NAMED: dict[str, Color] = {
    "white": _WHITE,
    "black": _BLACK,
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "ghostwhite": (248, 248, 255),
    "whitesmoke": (245, 245, 245),
    "floralwhite": (255, 250, 240),
    "red": (255, 0, 0),
    "blue": (0, 0, 255),
    "navy": (0, 0, 128),
    "green": (0, 128, 0),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "yellow": (255, 255, 0),
}
_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})(?:[0-9a-f]{2})?$")
_RGB = re.compile(r"rgba?\((\d{1,3})[, ](\d{1,3})[, ](\d{1,3})(?:[,/]([0-9.]{1,6}%?))?\)$")
_SIZE = re.compile(r"(?:^|\s)(\d{0,5}\.?\d{1,5})\.?(px|pt|em|rem|ex|%|pc|in|cm|mm|vw|q)?(?=\s|/|$)")
_SIMPLE = re.compile(r"([a-z][a-z0-9]{0,19}|\*)?([.#][a-z0-9_-]{1,80})?$")
# Rules for what the reader points at, for generated content, and for one program's dark mode.
_PASSING = re.compile(r":(?:hover|active|focus|visited|before|after|selection|:)|\[data-ogs[cb]\]|::")
# Telephones and dark mode have rules of their own, often with the opposite colours.
_OTHER_READER = re.compile(r"prefers-color-scheme|max-(?:device-)?width|print|speech")
_CONDITIONAL = ("@media", "@supports", "@container", "@layer")

_NOTHING = {"0", "0px", "0pt"}

# Of text that only its colour or size hides. Beyond that share it is the sender's mistake, or ours.
MOST_UNSEEN = 3


@dataclass
class _Rules:
    """The declarations of the sheets: by "tag", ".class", "#id" or "tag.class"; and whether colours can be told."""

    normal: dict[str, tuple[int, Style]] = field(default_factory=dict)
    important: dict[str, tuple[int, Style]] = field(default_factory=dict)
    knows_colors: bool = True

    def of(self, element: Element, cache: dict[tuple[str, str, str], tuple[Style, Style]]) -> tuple[Style, Style]:
        """What the sheets say of it, and what they insist on (!important)."""
        if not self.normal and not self.important:
            return {}, {}
        key = (element.tag, element.get("class")[:400], element.get("id")[:100])
        if key not in cache:
            cache[key] = self._merged(self.normal, key), self._merged(self.important, key)
        return cache[key]

    def _merged(self, rules: dict[str, tuple[int, Style]], key: tuple[str, str, str]) -> Style:
        tag, classes, id_ = key[0], key[1].lower().split()[:20], key[2].lower()
        groups = [
            [tag],
            [f".{name}" for name in classes],
            [f"{tag}.{name}" for name in classes],
            [f"#{id_}", f"{tag}#{id_}"] if id_ else [],
        ]
        style: Style = dict(rules.get("*", (0, {}))[1])
        for names in groups:
            for _, declared in sorted((rules[name] for name in names if name in rules), key=lambda found: found[0]):
                style.update(declared)
        return style


def hide(root: Element, sheets: str) -> None:
    """Mark what nobody sees, in `root` and all below it. Never hides a whole mail by colour, size or style sheet."""
    rules = _read_rules(sheets[:LONGEST_SHEETS].lower())
    _Hiding(rules).look(root)


@dataclass(frozen=True, slots=True)
class _Look:
    """What an element's children inherit. A colour that cannot be told is None."""

    color: Color | None
    background: Color | None
    is_small: bool = False
    keeps_lines: bool = False


class _Hiding:
    """One walk over the tree."""

    def __init__(self, rules: _Rules) -> None:
        self._rules = rules
        self._of_class: dict[tuple[str, str, str], tuple[Style, Style]] = {}
        self._of_inline: dict[str, tuple[Style, Style]] = {}
        self._seen = self._unseen = 0
        self._unseen_elements: list[Element] = []
        self._gone_by_rule: list[Element] = []

    def look(self, root: Element) -> None:
        waiting = [(root, _Look(_BLACK, _WHITE))]
        while waiting:
            element, inherited = waiting.pop()
            look = self._look_at(element, inherited)
            if look:
                waiting += [(child, look) for child in element.children if not isinstance(child, str)]
        # More hidden by its colour or size than shown: no reader would get such a mail.
        if self._unseen > MOST_UNSEEN * self._seen:
            for element in self._unseen_elements:
                element.is_unseen = False
        elif not self._seen:
            for element in self._gone_by_rule:
                element.is_gone = False

    def _look_at(self, element: Element, inherited: _Look) -> _Look | None:
        if not element.attributes and not self._rules.normal and not self._rules.important:
            style: Style = {}
            look = inherited
        else:
            by_rule, insisted = self._rules.of(element, self._of_class)
            inline, inline_insisted = self._inline(element.get("style"))
            style = {**by_rule, **inline, **insisted, **inline_insisted} if by_rule or insisted else inline
            if inline_insisted and style is inline:
                style = {**inline, **inline_insisted}
            if _is_gone(element, style):
                element.is_gone = True
                if not _is_gone(element, {**inline, **inline_insisted}):
                    self._gone_by_rule.append(element)
                return None
            look = self._inherit(element, style, inherited)
        if element.tag == "p":
            element.is_tight = element.get("class").lower().lstrip("x_").startswith("mso") or _has_no_margin(style)
        element.keeps_lines = look.keeps_lines
        self._count(element, look)
        return look

    def _inline(self, css: str) -> tuple[Style, Style]:
        if not css:
            return {}, {}
        found = self._of_inline.get(css)
        if found is None:
            found = self._of_inline[css] = _declarations(css.lower())
        return found

    def _inherit(self, element: Element, style: Style, inherited: _Look) -> _Look:
        color, background = inherited.color, inherited.background
        if self._rules.knows_colors:
            color = _text_color(element, style, color)
            background = _background(element, style, background)
        is_small = inherited.is_small
        if (size := style.get("font-size") or style.get("font")) is not None:
            is_small = _is_no_size(size, is_small)
        keeps_lines = inherited.keeps_lines
        if (white_space := style.get("white-space")) is not None:
            keeps_lines = white_space in ("pre", "pre-wrap", "pre-line", "break-spaces")
        if (color, background, is_small, keeps_lines) == (
            inherited.color,
            inherited.background,
            inherited.is_small,
            inherited.keeps_lines,
        ):
            return inherited
        return _Look(color, background, is_small, keeps_lines)

    def _count(self, element: Element, look: _Look) -> None:
        letters = sum(len(child.strip()) for child in element.children if isinstance(child, str))
        is_alike = self._rules.knows_colors and _is_alike(look.color, look.background)
        if look.is_small or is_alike:
            element.is_unseen = True
            self._unseen += letters
            self._unseen_elements.append(element)
        else:
            self._seen += letters


def _read_rules(sheets: str) -> _Rules:
    rules = _Rules()
    sheets = _without_comments(sheets).replace("<!--", " ").replace("-->", " ")
    for order, (selectors, body) in enumerate(_top_level_rules(sheets)):
        if selectors.startswith("@"):
            # Shown by some programs, not by others: nothing is hidden by it, but colours are no longer certain.
            if selectors.startswith(_CONDITIONAL) and not _OTHER_READER.search(selectors):
                for nested, declarations in _top_level_rules(body):
                    rules.knows_colors &= not _sets_color(nested, _declarations(declarations))
            continue
        normal, important = declared = _declarations(body)
        if not normal and not important:
            continue
        for selector in selectors.split(",")[:50]:
            name = selector.strip()
            if name and (simple := _SIMPLE.match(name.removesuffix(":link"))):
                key = (simple[1] or "") + (simple[2] or "")
                key = key[1:] if key.startswith("*") and len(key) > 1 else key
                for kept, style in ((rules.normal, normal), (rules.important, important)):
                    if style:
                        kept[key] = order, {**kept.get(key, (0, {}))[1], **style}
            elif _sets_color(name, declared):
                rules.knows_colors = False
    return rules


def _without_comments(sheets: str) -> str:
    kept: list[str] = []
    start = 0
    while (opening := sheets.find("/*", start)) >= 0:
        kept.append(sheets[start:opening])
        end = sheets.find("*/", opening + 2)
        start = end + 2 if end >= 0 else len(sheets)
    return " ".join([*kept, sheets[start:]])


def _sets_color(selector: str, declared: tuple[Style, Style]) -> bool:
    """Does a rule that cannot be read set a colour? "inherit" changes only links, which have one of their own."""
    if _PASSING.search(selector):
        return False
    return any(style[name] != "inherit" for style in declared for name in _COLORS & style.keys())


def _top_level_rules(sheet: str) -> Iterator[tuple[str, str]]:
    """(selectors, declarations) by counting braces; those of an at-rule are one body."""
    depth, start, end, selectors = 0, 0, 0, ""
    for brace in re.finditer(r"[{}]", sheet):
        if brace[0] == "{":
            if depth == 0:
                # "@import ...;" and "@charset ...;" stand before a rule.
                selectors, start = sheet[end : brace.start()].rpartition(";")[2].strip(), brace.end()
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                end = brace.end()
                yield selectors, sheet[start : brace.start()]
        else:
            end = brace.end()


def _declarations(css: str) -> tuple[Style, Style]:
    """What a lower-case rule or style attribute declares, and what of it is !important."""
    normal: Style = {}
    important: Style = {}
    for declaration in css[:2_000].split(";"):
        name, colon, value = declaration.partition(":")
        name = name.strip()
        if colon and name in _READ:
            words = " ".join(value.split())[:200]
            if "!" in words:
                important[name] = words.partition("!")[0].strip()
            else:
                normal[name] = words
    return normal, important


def _is_gone(element: Element, style: Style) -> bool:
    """Hidden with all that is in it, whatever that says of itself."""
    if "hidden" in element.attributes:
        return True
    return bool(style) and (
        style.get("display") == "none"
        or style.get("visibility") in ("hidden", "collapse")
        or style.get("mso-hide") == "all"
        or style.get("opacity") in ("0", "0.0", "0%")
        or (style.get("overflow") == "hidden" and bool(_NOTHING & {style.get("max-height"), style.get("height")}))
    )


def _is_no_size(value: str, inherited: bool) -> bool:
    """Is a font size, or the size in a `font`, nothing that one can see? A share of nothing stays nothing."""
    size = _SIZE.search(value)
    if not size:
        return False
    number, unit = float(size[1]), size[2] or ""
    if unit in ("em", "%", "ex"):
        return inherited or number <= (10 if unit == "%" else 0.1)
    if unit in ("px", "pt"):
        return number <= 1
    return number == 0


def _has_no_margin(style: Style) -> bool:
    top = style.get("margin-top", style.get("margin", "1"))
    bottom = style.get("margin-bottom", style.get("margin", "1"))
    return top.startswith(("0", ".0")) and bottom.startswith(("0", ".0")) and not bottom.startswith("0.")


def _color(value: str) -> Color | None:
    """A colour that is certain; None for names we do not know, variables and half-transparent ones."""
    value = re.sub(r"\s*([(),/])\s*", r"\1", value.strip().lower())
    if match := _HEX.match(value):
        digits = match[1] if len(match[1]) == 6 else "".join(digit * 2 for digit in match[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if match := _RGB.match(value):
        is_solid = match[4] is None or match[4] in ("1", "1.0", "100%")
        return (int(match[1]), int(match[2]), int(match[3])) if is_solid else None
    return _NAMED.get(value)


def _hashed(value: str) -> str:
    """An attribute's colour; old programs leave its # out."""
    return f"#{value}" if re.fullmatch(r"[0-9a-fA-F]{6}", value) else value


def _text_color(element: Element, style: Style, inherited: Color | None) -> Color | None:
    if value := style.get("color"):
        return inherited if value == "inherit" else _color(value)
    if value := element.get("text") if element.tag == "body" else element.get("color"):
        return _color(_hashed(value))
    return None if element.tag == "a" else inherited  # a link has the reader's colour for links


def _background(element: Element, style: Style, inherited: Color | None) -> Color | None:
    """The colour behind the element's text; None if it cannot be told, as with a picture."""
    shorthand = style.get("background", "")
    if "url(" in shorthand or style.get("background-image", "none") != "none" or element.get("background"):
        return None
    value = style.get("background-color") or shorthand or _hashed(element.get("bgcolor"))
    if not value or value in ("none", "transparent", "inherit", "initial", "unset", "0", "0 0"):
        return inherited
    if found := _color(value):
        return found
    # `background: #036 repeat-x`: the colour is one word of several.
    return next((found for word in value.split()[:8] if (found := _color(word))), None)


def _is_alike(one: Color | None, other: Color | None) -> bool:
    if one is None or other is None:
        return False
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 8
