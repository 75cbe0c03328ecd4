"""An HTML mail as a small tree of our own: what lxml reads, bounded, with only the attributes that matter here.

lxml's tree takes the square of an element's attributes and refuses names such as "o:p", which every Outlook mail
holds. So lxml only tells what it reads, and elements and text are kept in plain objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lxml.etree import HTMLParser  # type: ignore[import-untyped]

LONGEST_HTML = 500_000
MOST_ELEMENTS = 15_000
# The walks over the tree recurse once a level.
DEEPEST = 200
# libxml2 looks through all open elements at every end tag that fits none: there the sender gets no more of our time.
MOST_OPEN = 1_000
_FED_AT_ONCE = 50_000
LONGEST_SHEETS = 100_000

# A picture inside the mail can be larger than all that may be read of it.
_DATA = re.compile(r"(?<=[\"'(=])\s?data:[a-z0-9.+/-]{1,80}(?:;[^,\"'<>()]{0,100})?,[a-z0-9+/=%_\s-]*", re.IGNORECASE)

DROPPED = frozenset(
    (
        *("script", "style", "head", "title", "meta", "template", "noscript"),
        *("object", "svg", "math", "select", "textarea", "xml", "iframe", "noframes", "noembed", "audio", "video"),
    )
)
_ATTRIBUTES = frozenset(
    (
        *("style", "class", "id", "name", "data-marker", "type", "cite"),
        *("color", "bgcolor", "background", "text", "face", "hidden", "alt", "start"),
    )
)


@dataclass(slots=True, eq=False)
class Element:
    """One element. The style pass says below what a reader sees of it."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)
    is_gone: bool = False
    """Neither it nor anything in it is shown."""
    is_unseen: bool = False
    """Its own text is too small to see or has the colour of its background; its children say so of themselves."""
    keeps_lines: bool = False
    """Line ends of its text are line ends (`white-space: pre-wrap`)."""
    is_tight: bool = False
    """A paragraph without space above and below."""

    def get(self, name: str) -> str:
        return self.attributes.get(name, "")

    def texts(self) -> Iterator[str]:
        """All text in it, in order, hidden or not."""
        waiting: list[Element | str] = [self]
        while waiting:
            node = waiting.pop()
            if isinstance(node, str):
                yield node
            else:
                waiting.extend(reversed(node.children))


def read_tree(html: str) -> tuple[Element, str]:
    """The tree and the text of all style sheets. Raises LxmlError, or ValueError, where lxml cannot go on."""
    target = _Target()
    parser = HTMLParser(encoding="utf-8", target=target, remove_comments=True, remove_pis=True, no_network=True)
    raw = _DATA.sub("", html)[:LONGEST_HTML].encode("utf-8", "replace")
    try:
        # lxml raises what the target raises only at the end of what it was fed.
        for start in range(0, len(raw), _FED_AT_ONCE):
            parser.feed(raw[start : start + _FED_AT_ONCE])
        parser.close()
    except _TooDeepError:
        pass
    return target.root, "".join(target.sheets)


class _TooDeepError(Exception):
    """More elements are open than any mail has; what was read so far is kept."""


class _Target:
    """What lxml calls while it reads; too deep or too many elements are left out with what is in them."""

    def __init__(self) -> None:
        self.root = Element("div", {})
        self.sheets: list[str] = []
        self._open = [self.root]
        self._elements = 0
        self._letters_of_sheets = 0
        self._dropped: list[str] = []
        """The open elements of which nothing is kept, the outermost first."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if self._dropped or tag in DROPPED or len(self._open) > DEEPEST or self._elements >= MOST_ELEMENTS:
            self._dropped.append(tag)
            if len(self._dropped) > MOST_OPEN:
                raise _TooDeepError
            return
        self._elements += 1
        element = Element(tag, {name: attributes[name] for name in attributes if name in _ATTRIBUTES})
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _tag: str) -> None:
        if self._dropped:
            self._dropped.pop()
        elif len(self._open) > 1:
            self._open.pop()

    def data(self, text: str) -> None:
        if not self._dropped:
            self._open[-1].children.append(text)
        elif self._dropped[-1] == "style" and self._letters_of_sheets < LONGEST_SHEETS:
            self.sheets.append(text)
            self._letters_of_sheets += len(text)

    def close(self) -> None:
        """Nothing is left to do: the tree is there."""
